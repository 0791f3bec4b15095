//! Faults that are let out are noticed under shuttle's schedules.
//!
//! `RUSTFLAGS="--cfg shuttle --cfg block_stm_canaries" cargo test -p block-stm --test schedules
//! canaries`. The other tests had better not run at the same time.

use std::thread;

use block_stm::{Canary, let_out};

use crate::blocks::{
    a_chain_of_reads_is_followed, deltas_meet_reads_and_bounds, one_counter_is_contended,
};

#[test]
fn faults_are_noticed() {
    let faults: [(Canary, fn()); 5] = [
        (Canary::SkipValidation, one_counter_is_contended),
        (Canary::CommitOnce, one_counter_is_contended),
        (Canary::SumOnBase, deltas_meet_reads_and_bounds),
        (Canary::DropWakeUp, a_chain_of_reads_is_followed),
        (Canary::NotifyWithoutLock, a_chain_of_reads_is_followed),
    ];
    for (fault, test) in faults {
        let_out(Some(fault));
        let noticed = thread::spawn(test).join().is_err();
        let_out(None);
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}

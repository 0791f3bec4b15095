//! Every weakness that is let out is noticed by the model of its protocol.
//!
//! `RUSTFLAGS="--cfg loom --cfg block_stm_canaries" cargo test -p block-stm --lib
//! models::canaries`. The other models had better not run at the same time: what is let out is out
//! for all of them.

use super::{baton, parking, status, waiters};
use crate::primitives::canary::{Canary, let_out};
use crate::proofs::models::memory::{chain, index, table};

/// The model that must notice.
fn model(weakness: Canary) -> fn() {
    match weakness {
        Canary::TakeWithoutFence | Canary::GiveWithoutFence => {
            baton::a_head_that_becomes_ready_is_taken_on
        }
        Canary::ParkWithoutFence | Canary::NotifyWithoutLock => {
            parking::a_sleeper_is_woken_for_work
        }
        Canary::ClaimRelaxed => status::the_next_owner_sees_what_the_last_one_did,
        Canary::WaitBlindly => waiters::a_waiter_is_never_forgotten,
        Canary::LinkRelaxed => chain::a_new_version_is_seen_whole,
        Canary::InsertRelaxed => table::an_equal_location_gets_the_same_cell,
        Canary::ListRelaxed => index::a_location_is_seen_whole,
        other => unreachable!("no weakness: {other:?}"),
    }
}

#[test]
fn every_weakness_is_noticed() {
    // A thread of its own for each, as loom leaves things behind when it fails.
    let holds = |model: fn()| std::thread::spawn(model).join().is_ok();
    for weakness in Canary::WEAKNESSES {
        assert!(holds(model(weakness)), "{weakness:?}: the model fails as it is");
        let_out(Some(weakness));
        let noticed = !holds(model(weakness));
        let_out(None);
        assert!(noticed, "{weakness:?} goes unnoticed");
    }
}

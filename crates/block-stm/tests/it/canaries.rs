//! Faults that a comparison of results does not show, each with the test that notices it.
//!
//! `RUSTFLAGS="--cfg block_stm_canaries" cargo test -p block-stm --test it canaries`. The other
//! tests had better not run at the same time.

use std::thread;

use block_stm::{Canary, let_out};

use crate::{alone, caught_panics, judge, ledger, odd_vms, simulation};

#[test]
fn faults_are_noticed() {
    // A fault that is noticed is not printed.
    std::panic::set_hook(Box::new(|_| {}));
    let faults: [(Canary, fn()); 9] = [
        (Canary::ForgetPanics, caught_panics::a_panic_that_the_vm_catches_fails_the_execution),
        (Canary::RepeatAssumptions, simulation::what_was_taken_for_granted_is_not_repeated_early),
        (Canary::WeighLeftOut, ledger::what_is_left_out_weighs_nothing),
        (Canary::CountLeftOut, ledger::only_those_that_take_effect_are_counted),
        (
            Canary::SkipGlimpses,
            judge::what_was_looked_at_must_be_there_though_its_value_does_not_matter,
        ),
        (Canary::ApprovePanics, judge::a_judge_that_panics_approves_nothing),
        (Canary::LayerAnew, alone::scans_find_what_a_stretch_put_and_not_what_it_deleted),
        (Canary::KeepContextAlone, alone::a_context_is_not_used_again_after_its_end_in_a_stretch),
        (Canary::KeepLostContext, odd_vms::a_context_is_not_used_again_after_the_loss_of_its_view),
    ];
    let holds = |test: fn()| thread::spawn(test).join().is_ok();
    let verdicts = faults.map(|(fault, test)| {
        let sound = holds(test);
        let_out(Some(fault));
        let noticed = !holds(test);
        let_out(None);
        (fault, sound, noticed)
    });
    let _ = std::panic::take_hook();
    for (fault, sound, noticed) in verdicts {
        assert!(sound, "{fault:?}: the test fails as it is");
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}

//! Random blocks over few accounts with small programs, under every set of rules.

use block_stm_evm::{InvalidTxn, TxnOutcome, execute_sequential};
use proptest::{collection::vec, prelude::*};

use super::{
    decode::Case,
    lists::{assert_same_lists, assert_wrong_lists_are_refused},
    same::assert_same,
    scene::watched,
    sinks::assert_same_calls,
};

fn case() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes))
}

proptest! {
    #[test]
    fn sinks_are_told_the_same(case in case(), seed in any::<u64>()) {
        let state = case.state();
        let block = case.block(&state);
        watched(move || assert_same_calls(&block, &state, seed));
    }

    #[test]
    fn random_blocks_come_out_the_same(case in case()) {
        let state = case.state();
        let block = case.block(&state);
        watched(move || {
            // Either is fine, as long as all paths agree.
            let _same = assert_same(&block, &state);
        });
    }

    #[test]
    fn lists_with_a_fault_are_refused(case in case()) {
        let state = case.state();
        let mut block = case.block(&state);
        watched(move || {
            // Those that are invalid are left out, so that there is a list of the rest.
            let skipped = execute_sequential(&block, &state, InvalidTxn::Skip);
            let Ok(skipped) = skipped else { return };
            let mut outcomes = skipped.outcomes.iter();
            block.txns.retain(|_| matches!(outcomes.next(), Some(TxnOutcome::Executed { .. })));
            let expected = execute_sequential(&block, &state, InvalidTxn::Reject);
            let expected = expected.map_err(|error| error.to_string());
            if let Some(list) = assert_same_lists(&block, &state, InvalidTxn::Reject, &expected) {
                assert_wrong_lists_are_refused(&block, &state, &list, 60);
            }
        });
    }
}

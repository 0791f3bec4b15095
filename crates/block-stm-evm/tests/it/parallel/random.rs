//! Random blocks over few accounts with small programs, under every set of rules.

use proptest::{collection::vec, prelude::*};

use super::{decode::Case, same::assert_same, scene::watched};

fn case() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes))
}

proptest! {
    #[test]
    fn random_blocks_come_out_the_same(case in case()) {
        let state = case.state();
        let block = case.block(&state);
        watched(move || {
            // Either is fine, as long as all paths agree.
            let _same = assert_same(&block, &state);
        });
    }
}

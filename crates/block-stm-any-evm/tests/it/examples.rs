//! The examples run.

use std::error::Error;

use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::prelude::*;

#[path = "../../examples/own_chain/main.rs"]
mod own_chain;

#[test]
fn a_chain_of_ones_own_comes_to_the_same() -> Result<(), Box<dyn Error>> {
    own_chain::main()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_block_of_it_comes_to_the_same(seed in any::<u64>(), length in 1_usize..120) {
        within(PATIENCE, move || {
            let engines = own_chain::engines().expect("threads start");
            own_chain::compare(seed, length, &engines).expect("no difference");
        }).expect("no hang");
    }
}

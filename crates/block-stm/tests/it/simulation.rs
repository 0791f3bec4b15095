//! The core under the test kit's simulator: drawn blocks under drawn schedules, and tiny ones in every order.
//!
//! `SIM_SEEDS` sets how many seeds are explored.

use block_stm_testkit::shapes::adversarial;
use block_stm_testkit::sim::{Explorer, Setup, exhaust};

#[test]
fn drawn_schedules() {
    let seeds = std::env::var("SIM_SEEDS").ok();
    let seeds = seeds.map_or(10_000, |seeds| seeds.parse().expect("SIM_SEEDS is a number"));
    let mut explorer = Explorer::default();
    for seed in 0..seeds {
        explorer.check(seed).unwrap_or_else(|finding| panic!("{finding}"));
    }
}

#[test]
fn hard_blocks_in_every_order_with_one_preemption() {
    let setup = Setup::calm(2);
    for (name, block) in adversarial(3) {
        let exhausted = exhaust(&block, &setup, 1, 20_000);
        let exhausted = exhausted.unwrap_or_else(|failure| panic!("{name}: {}", failure.what));
        assert!(exhausted.all && exhausted.runs > 20, "{name}: {exhausted:?}");
    }
}

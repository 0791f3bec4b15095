//! The core under the test kit's simulator: drawn blocks under drawn schedules, and tiny ones in
//! every order.
//!
//! `SIM_SEEDS` sets how many seeds are explored.

use block_stm_testkit::language::{At, Expr, LanguageBlock, Op, Test};
use block_stm_testkit::shapes::adversarial;
use block_stm_testkit::sim::{Explorer, Order, Scene, Setup, Simulator, exhaust};

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

#[test]
pub(crate) fn what_was_taken_for_granted_is_not_repeated_early() {
    // No slot holds 3, as all take for granted; so each is executed once more, at its turn. An idle
    // worker could find out before, but an execution before its turn would take the same for
    // granted again.
    let assume = |txn| {
        vec![
            Op::Assume(At::Slot(0), Test::AtLeast(Expr::Const(3))),
            Op::Write(At::Slot(txn), Expr::Flag),
        ]
    };
    let block = LanguageBlock::new((1..9).map(assume));
    let scene = Scene::new(&block).expect("the oracle keeps its rules");
    for seed in 0..200 {
        let order = Order::Random { seed, stay: 0.5 };
        let passed = scene.run(&Simulator::default(), &Setup { order, ..Setup::calm(3) }, false);
        let passed = passed.unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.what));
        let stats = passed.stats.expect("it has a result");
        assert_eq!(stats.aborts.early_validation, 0, "seed {seed}");
    }
}

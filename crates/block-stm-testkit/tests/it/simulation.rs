//! The simulator: seeds repeat exactly, explore what they should, and find nothing.

use block_stm_testkit::language::{At, Expr, LanguageBlock, Op};
use block_stm_testkit::sim::{Explorer, Passed, Setup, exhaust};

const FIRST: At = At::Slot(0);

/// How many seeds a test explores; `SIM_SEEDS` raises it.
fn seeds() -> u64 {
    let text = std::env::var("SIM_SEEDS").ok();
    text.map_or(20_000, |text| text.parse().expect("SIM_SEEDS is a number"))
}

#[test]
fn drawn_blocks_under_drawn_schedules() {
    let mut explorer = Explorer::default();
    let (mut speculated, mut aborted, mut failed, mut cut) = (0, 0, 0, 0);
    for seed in 0..seeds() {
        let passed = explorer.check(seed).unwrap_or_else(|finding| panic!("{finding}"));
        let stats = passed.stats.unwrap_or_default();
        speculated += u64::from(stats.executions > stats.head_executions);
        aborted += u64::from(stats.aborts.total() > stats.aborts.refused);
        failed += u64::from(passed.failed);
        cut += u64::from(passed.cut);
    }
    let shares = [speculated, aborted].map(|count| 100 * count / seeds());
    assert!(shares[0] >= 50 && shares[1] >= 20, "speculated, aborted: {shares:?} %");
    assert!(failed > seeds() / 100 && cut > seeds() / 100, "{failed} failed, {cut} were cut");
}

#[test]
fn a_seed_does_the_same_each_time() {
    let run = |seed| -> Passed {
        Explorer::default().check(seed).unwrap_or_else(|finding| panic!("{finding}"))
    };
    for seed in [0, 63, 64, 1_000, 123_456_789] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(3), run(4));
    // Deadlines are virtual, too.
    let late = (0..2_000).filter(|seed| Setup::draw(*seed, 5).faults.deadline_ns.is_some());
    for seed in late {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

/// Two increments of one slot, in every order with up to two preemptions.
#[test]
fn every_order_of_two_increments() {
    let increment = [Op::Read(FIRST), Op::Write(FIRST, Expr::Plus(1))];
    let block = LanguageBlock::new([increment, increment, increment]);
    let setup = Setup::calm(2);
    let exhausted = exhaust(&block, &setup, 2, 200_000).unwrap_or_else(|f| panic!("{}", f.what));
    assert!(exhausted.all && exhausted.runs > 500, "{exhausted:?}");
}

//! What the tests of this binary share.

use std::sync::Arc;

use block_stm::{Engine, Stats};
use block_stm_testkit::compare::same;
use block_stm_testkit::language::{At, Expr, LanguageBlock, LanguageVm, Op, Slot, Small, Stage};
use block_stm_testkit::record::{Record, record_parallel, record_sequential};
use block_stm_testkit::sim::{Circumstances, RoundRobin, Setup, Simulator};
use block_stm_testkit::watchdog::{PATIENCE, within};
use block_stm_testkit::{Arm, Checker, Trial};

pub(crate) type Language = LanguageVm<Slot, Small>;

/// Proves the block on all set-ups.
pub(crate) fn prove(block: &LanguageBlock) {
    prove_with(Checker::all(), block);
}

/// Proves the block on few set-ups, for tests with hundreds of blocks.
pub(crate) fn prove_quickly(block: &LanguageBlock) {
    prove_with(Checker::few(), block);
}

pub(crate) fn prove_with(checker: &Arc<Checker>, block: &LanguageBlock) {
    if let Err(mismatch) = block.check(checker) {
        panic!("{mismatch}");
    }
}

/// Proves many blocks on two threads in one go.
pub(crate) fn prove_all(blocks: impl Iterator<Item = LanguageBlock> + Send + 'static) {
    timely(move || {
        let arms = [Arm::of(2, None)];
        let checker = Checker::new(arms).expect("threads can be started");
        for block in blocks {
            let stage = block.stage();
            if let Err(mismatch) = checker.check(&stage.block(), &stage) {
                panic!("{}", mismatch.with_source(block));
            }
        }
    });
}

/// Runs a whole test with a time limit.
pub(crate) fn timely(test: impl FnOnce() + Send + 'static) {
    if let Err(hang) = within(PATIENCE, test) {
        panic!("{hang}");
    }
}

pub(crate) fn engine(threads: usize) -> Engine {
    let arm = Arm::of(threads, None);
    arm.engine().expect("threads can be started")
}

/// The oracle's record of a block.
pub(crate) fn oracle(stage: &Stage<Slot, Small>) -> Record<Language> {
    record_sequential(&stage.block(), stage.sink(None))
}

/// The engine's record of a block.
pub(crate) fn parallel(engine: &Engine, stage: &Stage<Slot, Small>) -> Record<Language> {
    let arm = Arm::of(engine.threads(), None);
    record_parallel(engine, &stage.block(), stage.sink(Some(arm)))
}

/// What a block costs on so many virtual workers, which act in turn: the same each time. Its result
/// is that of the oracle.
pub(crate) fn simulated(workers: usize, block: &LanguageBlock) -> Stats {
    let (stage, setup) = (block.stage(), Setup::calm(workers));
    let (expected, engine) = (oracle(&stage), setup.engine());
    let circumstances = Circumstances { max_steps: u64::MAX, ..Circumstances::default() };
    let run = Simulator::default().run(Box::new(RoundRobin::new(1)), circumstances, || {
        let arm = Arm::of(workers, None);
        record_parallel(&engine, &stage.block(), stage.sink(Some(arm)))
    });
    let found = run.result.unwrap_or_else(|stopped| panic!("{workers} workers: {stopped}"));
    if let Err(difference) = same(&expected, &found) {
        panic!("{workers} workers: {difference}");
    }
    found.stats.expect("the block has a result")
}

/// A slot.
pub(crate) const fn slot(slot: u16) -> At {
    At::Slot(slot)
}

/// A constant.
pub(crate) const fn value(value: u8) -> Expr {
    Expr::Const(value)
}

/// Reads `from` and writes one more to `to`.
pub(crate) fn successor(from: u16, to: u16) -> Vec<Op> {
    vec![Op::Read(slot(from)), Op::Write(slot(to), Expr::Plus(1))]
}

/// Adds 1 to a slot by reading and writing it.
pub(crate) fn increment(at: u16) -> Vec<Op> {
    successor(at, at)
}

/// A block in which about everything depends on everything.
pub(crate) fn tangle(txns: u16) -> LanguageBlock {
    let program = |n: u16| {
        vec![
            Op::Read(slot(n % 3)),
            Op::Gain(slot(3 + n % 2), value(1)),
            Op::Write(At::Beyond(n % 5), Expr::Plus(1)),
            Op::Check(slot(4), block_stm_testkit::language::Test::Even),
            Op::Read(At::Beyond(2)),
            Op::Weigh(value(1)),
        ]
    };
    LanguageBlock::new((0..txns).map(program)).state([3, 1, 4, 1, 5])
}

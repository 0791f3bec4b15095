//! Blocks that go to their end: conflicts, deltas, estimates, hints.

use std::sync::{Arc, Mutex};

use block_stm::Stats;
use block_stm_testkit::language::{At, Expr, LanguageBlock, LanguageHints, Op, RuledSink, Test};
use block_stm_testkit::record::record_parallel;

use crate::support::{compare, first_schedules, schedules};

/// Reads a slot, and writes one more than that to another.
fn step(from: u16, to: u16) -> Vec<Op> {
    vec![Op::Read(At::Slot(from)), Op::Write(At::Slot(to), Expr::Plus(1))]
}

#[test]
pub(crate) fn a_chain_of_reads_is_followed() {
    // Each transaction reads what the one before wrote: estimates, waiters and early validation all
    // day. Caught: the judge not comparing versions and values; `wake_all` taken away from the end;
    // the last look before sleeping taken away; makers of work who do not pass through the
    // sleepers' lock.
    let block = LanguageBlock::new((0..4).map(|n| step(n, n + 1)));
    schedules(1_000, move |engine| compare(&block, engine));
}

#[test]
pub(crate) fn one_counter_is_contended() {
    // Caught: `Cell::commit` that keeps the first commit; a blind judge.
    let block = LanguageBlock::new((0..4).map(|_| step(0, 0)));
    schedules(1_000, move |engine| compare(&block, engine));
}

#[test]
fn two_txns_in_every_order() {
    let block = LanguageBlock::new([step(0, 0), step(0, 0)]);
    first_schedules(3_000, move |engine| compare(&block, engine));
}

#[test]
pub(crate) fn deltas_meet_reads_and_bounds() {
    // Caught: the judge believing that deltas apply.
    let gain = |n| vec![Op::Gain(At::Slot(0), Expr::Const(n))];
    let block = LanguageBlock::new([
        gain(3),
        gain(4),
        vec![Op::Read(At::Slot(0)), Op::Write(At::Slot(1), Expr::Acc)],
        vec![Op::Lose(At::Slot(0), Expr::Const(6)), Op::Write(At::Slot(2), Expr::Flag)],
        // Applies on top of the base value, but not on top of what the others leave.
        gain(7),
    ]);
    schedules(800, move |engine| compare(&block, engine));
}

#[test]
fn checks_and_assumptions_are_judged() {
    let test = |test| vec![test, Op::Write(At::Slot(1), Expr::Flag)];
    let block = LanguageBlock::new([
        vec![Op::Gain(At::Slot(0), Expr::Const(5))],
        test(Op::Check(At::Slot(0), Test::AtLeast(Expr::Const(5)))),
        test(Op::Assume(At::Slot(0), Test::AtMost(Expr::Const(4)))),
        vec![Op::Read(At::Slot(1)), Op::Write(At::Slot(2), Expr::Plus(1))],
    ]);
    schedules(800, move |engine| compare(&block, engine));
}

#[test]
fn writes_move_with_what_was_read() {
    // A stale read leads to another location, so aborted incarnations leave entries behind that
    // must go.
    let wander = || vec![Op::Read(At::Slot(0)), Op::Write(At::Beyond(0), Expr::Plus(1))];
    let block = LanguageBlock::new((0..4).map(|_| wander())).state([1, 0, 2, 0]);
    schedules(800, move |engine| compare(&block, engine));
}

#[test]
fn hints_are_waited_for_right_or_wrong() {
    let mut block = LanguageBlock::new([step(0, 1), step(5, 6), step(1, 2), step(2, 0)]);
    block.hints = Some(LanguageHints(vec![vec![1], vec![0, 1, 2], vec![2], vec![]]));
    schedules(800, move |engine| compare(&block, engine));
}

#[test]
fn independent_txns_need_no_order() {
    // Nothing wakes anybody but the window's moving on and the end.
    // Caught: `wake_all` taken away from the end.
    let block = LanguageBlock::new((0..5).map(|n| step(2 * n, 2 * n + 1)));
    schedules(800, move |engine| compare(&block, engine));
}

#[test]
fn the_schedules_are_worth_something() {
    // The canary of this binary: over all schedules, everything that makes an execution parallel
    // has happened.
    let total = Arc::new(Mutex::new(Stats::default()));
    let sum = Arc::clone(&total);
    let block = LanguageBlock::new((0..4).map(|n| step(n / 2, n / 2)));
    let hinted = block.clone().with_true_hints();
    schedules(500, move |engine| {
        for block in [&block, &hinted] {
            let stage = block.stage();
            let sink = RuledSink::new(block.rules.clone(), None);
            let stats = record_parallel(engine, &stage.block(), sink).stats.expect("ends well");
            *sum.lock().expect("no panics") += stats;
        }
    });
    let total = *total.lock().expect("no panics");
    let head = total.head_executions;
    assert!(head > 0 && head < total.executions, "all or none at the head: {total:?}");
    assert!(total.parks > 0, "nobody slept: {total:?}");
    assert!(total.waits > 0, "nobody waited for a writer: {total:?}");
    let aborts = total.aborts;
    assert!(aborts.commit_validation > 0, "the judge never threw anything away: {total:?}");
    assert!(aborts.early_validation > 0, "nothing was validated early: {total:?}");
    assert!(aborts.estimate > 0, "nobody met an estimate: {total:?}");
}

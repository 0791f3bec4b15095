//! Blocks that end otherwise: cut, cancelled, failed, by a panic.

use std::sync::Arc;

use block_stm::{CancelToken, Engine};
use block_stm_testkit::compare::begins;
use block_stm_testkit::language::{At, Expr, LanguageBlock, Op, RuledSink, Test};
use block_stm_testkit::record::{record_parallel, record_sequential};
use shuttle::thread;

use crate::support::{compare, first_schedules, schedules};

fn step(from: u16, to: u16) -> Vec<Op> {
    vec![Op::Read(At::Slot(from)), Op::Write(At::Slot(to), Expr::Plus(1))]
}

/// Goes on only if slot 0 holds this, else does `otherwise`.
fn unless(value: u8, otherwise: Op) -> Vec<Op> {
    let test = Test::Is(Expr::Const(value));
    vec![Op::Read(At::Slot(0)), Op::SkipUnless(Expr::Acc, test, 1), Op::Stop, otherwise]
}

#[test]
fn failures_of_doomed_executions_are_dropped() {
    // Fails only on the state from before the block, which no sequential execution of it sees.
    let block = LanguageBlock::new([step(0, 0), step(0, 1), unless(0, Op::Fail), step(1, 2)]);
    schedules(600, move |engine| compare(&block, engine));
}

#[test]
fn real_failures_are_the_sequential_ones() {
    let block = LanguageBlock::new([step(0, 0), unless(1, Op::Fail), unless(0, Op::Fail)]);
    schedules(600, move |engine| compare(&block, engine));
}

#[test]
fn an_unreadable_slot_fails_where_it_is_read() {
    let mut block = LanguageBlock::new([step(0, 1), step(1, 2), step(3, 4), step(2, 3)]);
    block.unreadable.insert(3);
    schedules(600, move |engine| compare(&block, engine));
}

#[test]
fn invalid_txns_leave_no_trace() {
    let block = LanguageBlock::new([
        step(0, 0),
        vec![Op::Write(At::Slot(0), Expr::Const(7)), Op::Invalid],
        step(0, 1),
        step(1, 0),
    ]);
    let block = block.skip_invalid();
    schedules(600, move |engine| compare(&block, engine));
}

#[test]
fn a_cut_ends_the_block_for_everybody() {
    let mut block = LanguageBlock::new((0..4).map(|_| step(0, 0)));
    block.max_txns = Some(2);
    schedules(600, move |engine| compare(&block, engine));
}

#[test]
fn two_txns_with_a_cut_in_every_order() {
    let mut block = LanguageBlock::new([step(0, 0), step(0, 1)]);
    block.rules.cut_after = Some(0);
    first_schedules(2_000, move |engine| compare(&block, engine));
}

/// Executes a block that another thread cancels sometime.
fn cancelled(block: &LanguageBlock, engine: &Engine) {
    let stage = Arc::new(block.stage());
    let whole = record_sequential(&stage.block(), RuledSink::new(block.rules.clone(), None));
    let token = CancelToken::new();
    let canceller = thread::spawn({
        let token = token.clone();
        move || token.cancel()
    });
    let mut limits = stage.limits();
    limits.cancel = Some(token);
    let sink = RuledSink::new(block.rules.clone(), None);
    let found = record_parallel(engine, &stage.block().limits(limits), sink);
    begins(&whole, &found).unwrap_or_else(|difference| panic!("{difference}"));
    canceller.join().expect("cancels");
}

#[test]
fn a_cancelled_block_stops_on_a_prefix() {
    let block = LanguageBlock::new((0..4).map(|n| step(n / 2, n)));
    schedules(600, move |engine| cancelled(&block, engine));
}

#[test]
fn a_panic_of_the_sink_surfaces_once_all_have_left() {
    // Caught: `EndOnPanic` taken away: the others wait for ever.
    let mut block = LanguageBlock::new((0..4).map(|_| step(0, 0)));
    block.rules.panic_at = Some(1);
    schedules(300, move |engine| compare(&block, engine));
}

#[test]
fn panics_of_the_vm_are_errors() {
    let block = LanguageBlock::new([step(0, 0), unless(0, Op::Panic), unless(1, Op::Panic)]);
    schedules(300, move |engine| compare(&block, engine));
}

#[test]
fn two_blocks_at_once_share_an_engine() {
    // Not a scope's thread: its end would wake the caller wherever it sleeps, which shuttle does
    // not expect.
    let block = Arc::new(LanguageBlock::new((0..3).map(|_| step(0, 0))));
    schedules(300, move |engine| {
        let other = thread::spawn({
            let (block, engine) = (Arc::clone(&block), Arc::clone(engine));
            move || compare(&block, &engine)
        });
        compare(&block, engine);
        other.join().expect("ends");
    });
}

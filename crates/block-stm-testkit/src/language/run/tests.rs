use block_stm::Outcome;

use super::*;
use crate::check::Trial;
use crate::language::value::ABSENT;
use crate::language::{LanguageBlock, LanguageVm};
use crate::record::{Ending, Event, Record, record_sequential};

const HERE: At = At::Slot(0);

fn run(programs: Vec<Vec<Op>>, state: &[u8]) -> Record<LanguageVm> {
    let stage = LanguageBlock::new(programs).state(state).skip_invalid().stage();
    let record = record_sequential(&stage.block(), stage.sink(None));
    assert_eq!(stage.vm.broken_promises(), [""; 0]);
    record
}

/// What a single program observed.
fn seen(ops: Vec<Op>, state: &[u8]) -> Vec<Seen> {
    match run(vec![ops], state).events.pop() {
        Some(Event::Commit { outcome: Outcome::Done(trace), .. }) => trace.seen,
        other => panic!("not committed but {other:?}"),
    }
}

#[test]
fn reads_writes_and_deltas_are_traced() {
    let ops = vec![
        Op::Read(HERE),
        Op::Write(At::Beyond(1), Expr::Plus(1)),
        Op::Read(At::Slot(6)),
        Op::Gain(HERE, Expr::Const(2)),
        Op::Gain(HERE, Expr::Const(1)),
        Op::Lose(HERE, Expr::Const(7)),
        Op::Read(HERE),
    ];
    let expected = [
        Seen::Value(0, 5),
        Seen::Value(6, 6),
        Seen::Applied(0, true),
        Seen::Applied(0, false),
        Seen::Applied(0, true),
        Seen::Value(0, 0),
    ];
    assert_eq!(seen(ops, &[5]), expected);
    assert_eq!(MAX, 7);
}

#[test]
fn scans_pass_over_what_is_absent() {
    let ops = vec![
        Op::Write(At::Slot(5), Expr::Const(3)),
        Op::Write(At::Slot(1), Expr::Const(ABSENT)),
        Op::Scan(At::Slot(0), At::Slot(9), 0),
        Op::Scan(At::Slot(1), At::Slot(9), 1),
        Op::Scan(At::Beyond(2), At::Slot(3), 0),
        Op::Scan(At::Slot(9), At::Slot(0), 0),
    ];
    let expected = [
        Seen::Value(2, 4),
        Seen::Value(5, 3),
        Seen::Scanned(2),
        Seen::Value(2, 4),
        Seen::Scanned(1),
        Seen::Scanned(0),
        Seen::Scanned(0),
    ];
    assert_eq!(seen(ops, &[0, 7, 4, 0]), expected);
}

#[test]
fn conditions_and_loops_are_bounded() {
    let ops = vec![
        Op::Gain(HERE, Expr::Const(1)),
        Op::Again(1, 2),
        Op::Check(HERE, Test::AtLeast(Expr::Const(3))),
        Op::SkipUnless(Expr::Flag, Test::Is(Expr::Const(0)), 1),
        Op::Panic,
        Op::Again(u8::MAX, u8::MAX),
    ];
    let seen = seen(ops, &[0]);
    assert_eq!(seen[3], Seen::Held(0, true));
    assert!(seen.len() < FUEL as usize);
}

#[test]
fn misbehaviour_surfaces_as_it_should() {
    let ending = |ops: Vec<Op>| match run(vec![vec![], ops], &[]).ending {
        Ending::Failed { message, .. } => message,
        other => panic!("not failed but {other:?}"),
    };
    assert_eq!(
        ending(vec![Op::Set(Expr::Const(3)), Op::Panic]),
        "txn 1: the VM panicked: acc was 3"
    );
    assert_eq!(ending(vec![Op::Fail]), "txn 1: the VM failed: acc is 0");
    assert_eq!(ending(vec![Op::Swallow, Op::Fail]), ending(vec![Op::Fail]));
    assert_eq!(
        ending(vec![Op::LoseView]),
        "txn 1: the VM failed: the VM did not put the view back"
    );
}

#[test]
fn attempts_are_kept_back_until_they_stand_or_are_reverted() {
    let attempt = |end: Op| {
        vec![
            Op::Attempt,
            Op::Write(HERE, Expr::Const(3)),
            Op::Gain(HERE, Expr::Const(2)),
            Op::Lose(At::Slot(1), Expr::Const(1)),
            Op::Check(HERE, Test::Is(Expr::Const(5))),
            end,
            Op::Read(HERE),
        ]
    };
    let inside = [Seen::Applied(0, true), Seen::Applied(1, false), Seen::Held(0, true)];
    let after = |value| [inside.as_slice(), &[Seen::Value(0, value)]].concat();
    assert_eq!(seen(attempt(Op::Revert), &[4]), after(4));
    assert_eq!(seen(attempt(Op::Keep), &[4]), after(5));
    let writes = |end| match run(vec![attempt(end)], &[4]).events.pop() {
        Some(Event::Commit { writes, .. }) => writes.len(),
        other => panic!("not committed but {other:?}"),
    };
    assert_eq!((writes(Op::Revert), writes(Op::Keep), writes(Op::Stop)), (0, 1, 1));
    let scan = Op::Scan(HERE, At::Slot(2), 0);
    assert_eq!(seen(attempt(scan), &[4])[3..5], [Seen::Value(0, 5), Seen::Scanned(1)]);
}

//! Invalid transactions: real ones, and those that only stale executions believe in.

use block_stm::InvalidPolicy;
use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{Expr, LanguageBlock, Op, Test};

use crate::support::{increment, prove, prove_quickly, slot, tangle, value};

/// Writes all over the place, then turns out to be invalid.
fn spoiler() -> Vec<Op> {
    vec![
        Op::Write(slot(0), value(7)),
        Op::Gain(slot(1), value(1)),
        Op::Write(slot(2), value(6)),
        Op::Invalid,
    ]
}

fn prove_under_both_policies(block: &LanguageBlock) {
    for policy in [InvalidPolicy::Skip, InvalidPolicy::Reject] {
        prove_quickly(&LanguageBlock { policy, ..block.clone() });
    }
}

#[test]
fn an_invalid_txn_anywhere_leaves_nothing_behind() {
    for at in 0..9 {
        let program = |n: u16| if n == at { spoiler() } else { increment(n % 3) };
        let block = LanguageBlock::new((0..9).map(program)).state([1, 2, 3]);
        prove_under_both_policies(&block);
        prove_under_both_policies(&block.clone().probe(Hold::new(0, 8)));
        prove_under_both_policies(&block.probe(Hold::new(at.into(), 4)));
    }
}

#[test]
fn many_invalid_txns_leave_the_others_alone() {
    for every in 1..5 {
        let program = |n: u16| if n.is_multiple_of(every) { spoiler() } else { increment(n % 3) };
        let block = LanguageBlock::new((0..40).map(program)).skip_invalid();
        prove(&block.probe(Jitter { seed: every.into(), often: 16 }));
    }
}

#[test]
fn a_txn_that_looks_invalid_ahead_of_its_turn_is_valid() {
    // Each one wants to see the number that the one before it wrote, like a nonce.
    let program = |n: u8| {
        vec![
            Op::Read(slot(0)),
            Op::SkipUnless(Expr::Acc, Test::Is(value(n % 8)), 2),
            Op::Write(slot(0), Expr::Plus(1)),
            Op::Stop,
            Op::Invalid,
        ]
    };
    let block = LanguageBlock::new((0..40).map(program));
    prove(&block);
    prove(&block.clone().probe(Hold::new(0, 39)));
    prove(&block.probe(Jitter { seed: 3, often: 16 }));
}

#[test]
fn a_txn_that_looks_valid_ahead_of_its_turn_is_invalid() {
    let mut programs = vec![vec![Op::Write(slot(0), value(1))]];
    let wary = |n: u16| {
        vec![
            Op::Write(slot(n), value(5)),
            Op::Check(slot(0), Test::Is(value(0))),
            Op::SkipUnless(Expr::Flag, Test::Is(value(0)), 1),
            Op::Invalid,
            Op::Read(slot(n - 1)),
        ]
    };
    programs.extend((2..20).map(wary));
    prove_under_both_policies(&LanguageBlock::new(programs).probe(Hold::new(0, 18)));
}

#[test]
fn invalid_because_a_delta_was_said_to_apply() {
    // A stale execution is told that the delta applies, and calls itself invalid for that reason.
    let full = vec![Op::Write(slot(0), value(7))];
    let picky = |wanted: u8| {
        vec![
            Op::Gain(slot(0), value(1)),
            Op::SkipUnless(Expr::Flag, Test::Is(value(wanted)), 1),
            Op::Invalid,
            Op::Write(slot(1), Expr::Flag),
        ]
    };
    for wanted in [0, 1] {
        let block = LanguageBlock::new([full.clone(), picky(wanted), increment(0), picky(wanted)]);
        prove_under_both_policies(&block);
        prove_under_both_policies(&block.probe(Hold::new(0, 3)));
    }
}

#[test]
fn invalid_because_an_assumption_was_said_to_hold() {
    let bump = vec![Op::Gain(slot(0), value(1))];
    let picky = |wanted: u8| {
        vec![
            Op::Assume(slot(0), Test::Is(value(1))),
            Op::SkipUnless(Expr::Flag, Test::Is(value(wanted)), 1),
            Op::Invalid,
            Op::Gain(slot(0), value(1)),
        ]
    };
    for wanted in [0, 1] {
        let programs = [bump.clone(), picky(wanted), picky(wanted), picky(wanted)];
        let block = LanguageBlock::new(programs);
        prove_under_both_policies(&block);
        prove_under_both_policies(&block.probe(Hold::new(0, 3)));
    }
}

#[test]
fn an_invalid_txn_is_not_in_the_conflict_graph() {
    let reader_then_invalid = vec![Op::Read(slot(0)), Op::Read(slot(1)), Op::Invalid];
    let programs = [increment(0), spoiler(), reader_then_invalid, increment(0), increment(1)];
    prove(&LanguageBlock::new(programs).skip_invalid().probe(Hold::new(0, 4)));
    let mut block = tangle(12).skip_invalid();
    for n in [2, 5, 6] {
        block.programs[n].ops.push(Op::Invalid);
    }
    prove(&block);
}

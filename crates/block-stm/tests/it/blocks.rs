//! Blocks of extreme sizes and shapes.

use block_stm_testkit::Checker;
use block_stm_testkit::faults::Jitter;
use block_stm_testkit::language::{At, Expr, LanguageBlock, Op};

use crate::support::{increment, prove, prove_quickly, slot, successor, value};

#[test]
fn no_txns() {
    prove(&LanguageBlock::default());
}

#[test]
fn one_txn() {
    prove(&LanguageBlock::new([increment(0)]));
    prove(&LanguageBlock::new([Vec::new()]));
    prove(&LanguageBlock::new([vec![Op::Invalid]]));
    prove(&LanguageBlock::new([vec![Op::Panic]]));
}

#[test]
fn few_txns() {
    for txns in 2..8 {
        prove(&LanguageBlock::new((0..txns).map(|n| successor(n % 2, (n + 1) % 2))));
    }
}

#[test]
fn txns_that_do_nothing() {
    prove(&LanguageBlock::new((0..100).map(|_| Vec::new())));
}

#[test]
fn ten_thousand_txns_in_one_chain() {
    prove_quickly(&LanguageBlock::new((0..10_000).map(|_| increment(0))));
}

#[test]
fn ten_thousand_independent_txns() {
    prove_quickly(&LanguageBlock::new((0..10_000).map(increment)));
}

#[test]
fn everybody_writes_one_slot() {
    let write = |n: u16| vec![Op::Write(slot(0), value((n % 8) as u8))];
    prove_quickly(&LanguageBlock::new((0..3_000).map(write)));
}

#[test]
fn everybody_reads_one_slot() {
    let read = |n: u16| vec![Op::Read(slot(0)), Op::Write(slot(1 + n), Expr::Plus(1))];
    prove_quickly(&LanguageBlock::new((0..3_000).map(read)).state([6]));
}

#[test]
fn everybody_reads_what_one_in_the_middle_writes() {
    let program = |n: u16| if n == 500 { increment(0) } else { successor(0, 1 + n) };
    prove_quickly(&LanguageBlock::new((0..1_000).map(program)));
}

#[test]
fn many_chains_side_by_side() {
    for chains in [2, 7, 50] {
        prove_quickly(&LanguageBlock::new((0..1_500).map(|n| increment(n % chains))));
    }
}

#[test]
fn dependencies_that_reach_far_back() {
    for distance in [1, 2, 16, 63, 64, 65, 200] {
        let program = |n: u16| successor(n.saturating_sub(distance) + 1, n + 1);
        prove_quickly(&LanguageBlock::new((1..600).map(program)));
    }
}

#[test]
fn programs_with_many_accesses() {
    let program = |n: u16| {
        let touch = |k: u16| {
            [Op::Read(slot((n + k) % 90)), Op::Write(slot((n * 7 + k) % 90), Expr::Plus(1))]
        };
        (0..90).flat_map(touch).collect::<Vec<_>>()
    };
    prove_quickly(&LanguageBlock::new((0..40).map(program)));
}

#[test]
fn equal_values_are_written_again_and_again() {
    // Everybody rewrites what is there already; re-executions wake nobody, yet nobody is missed.
    let program = |n: u16| {
        let mut ops = vec![Op::Read(slot(n % 3)), Op::Write(At::Beyond(n % 2), Expr::Acc)];
        if n.is_multiple_of(40) {
            ops.push(Op::Write(slot(0), value(1)));
        }
        ops
    };
    let block = LanguageBlock::new((0..400).map(program));
    prove_quickly(&block);
    prove_quickly(&block.probe(Jitter { seed: 11, often: 8 }));
}

#[test]
fn a_value_that_comes_back_is_the_same_value() {
    // 0 becomes 5 and 0 again: whoever saw the first 0 may stand, whoever saw 5 may not.
    let programs = |n: u16| match n % 4 {
        0 => vec![Op::Write(slot(0), value(5)), Op::Spin(30)],
        1 => vec![Op::Write(slot(0), value(0))],
        _ => vec![Op::Read(slot(0)), Op::Write(At::Beyond(1), value(7))],
    };
    let block = LanguageBlock::new((0..80).map(programs));
    for seed in 0..4 {
        prove(&block.clone().probe(Jitter { seed, often: 24 }));
    }
    assert!(Checker::all().engines().count() > 8);
}

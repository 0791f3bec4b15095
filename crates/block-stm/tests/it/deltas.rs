//! Deltas and predicates: exact at every bound, and without conflicts where there need be none.

use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{Expr, LanguageBlock, MAX, Op, Test};
use block_stm_testkit::record::Ending;

use crate::support::{oracle, prove, prove_all, prove_quickly, simulated, slot, value};

const ALPHABET: [Op; 11] = [
    Op::Read(slot(0)),
    Op::Write(slot(0), Expr::Plus(1)),
    Op::Write(slot(0), Expr::Flag),
    Op::Gain(slot(0), Expr::Const(1)),
    Op::Gain(slot(0), Expr::Const(7)),
    Op::Lose(slot(0), Expr::Const(1)),
    Op::Lose(slot(0), Expr::Const(0)),
    Op::Check(slot(0), Test::AtLeast(Expr::Const(1))),
    Op::Assume(slot(0), Test::AtLeast(Expr::Const(1))),
    Op::Assume(slot(0), Test::Is(Expr::Acc)),
    Op::Peek(slot(0)),
];

/// Every pair of operations.
fn duos() -> impl Iterator<Item = Vec<Op>> {
    ALPHABET.into_iter().flat_map(|one| ALPHABET.into_iter().map(move |two| vec![one, two]))
}

#[test]
fn every_pair_of_operations_above_every_held_operation() {
    // Txn 1 is executed before txn 0 has written, then judged, at three starting values.
    let blocks = ALPHABET.into_iter().flat_map(|first| {
        duos().flat_map(move |second| {
            [0, 1, MAX].map(|start| {
                let programs = [vec![first], second.clone(), vec![Op::Read(slot(0))]];
                LanguageBlock::new(programs).state([start]).probe(Hold::new(0, 2))
            })
        })
    });
    prove_all(blocks);
}

#[test]
fn every_triple_of_operations_in_one_txn() {
    let bump = vec![Op::Gain(slot(0), value(2))];
    let blocks = ALPHABET.into_iter().flat_map(move |first| {
        let bump = bump.clone();
        duos().map(move |mut ops| {
            ops.insert(0, first);
            let programs = [bump.clone(), ops, vec![Op::Read(slot(0))]];
            LanguageBlock::new(programs).state([MAX - 2]).probe(Hold::new(0, 2))
        })
    });
    prove_all(blocks);
}

#[test]
fn deltas_apply_up_to_the_bound_and_not_beyond() {
    for start in [0, 3, MAX] {
        let up = vec![Op::Gain(slot(0), value(1))];
        let down = vec![Op::Lose(slot(0), value(1))];
        for ops in [up, down] {
            let block = LanguageBlock::new((0..20).map(|_| ops.clone())).state([start]);
            prove(&block);
            prove_quickly(&block.probe(Hold::new(0, 19)));
        }
    }
}

#[test]
fn a_delta_that_leaves_the_domain_on_the_way_does_not_apply() {
    // In sum all fit, one after the other they do not.
    let ops = vec![
        Op::Gain(slot(0), value(5)),
        Op::Gain(slot(0), value(5)),
        Op::Lose(slot(0), value(7)),
        Op::Gain(slot(0), value(1)),
    ];
    for start in 0..=MAX {
        let block = LanguageBlock::new([ops.clone(), ops.clone(), ops.clone()]).state([start]);
        prove_quickly(&block);
        prove_quickly(&block.probe(Hold::new(0, 2)));
    }
}

#[test]
fn opposite_deltas_swing_at_the_bounds() {
    let program = |n: u16| match n % 4 {
        0 | 3 => vec![Op::Gain(slot(0), value(7)), Op::Weigh(Expr::Flag)],
        _ => vec![Op::Lose(slot(0), value(7)), Op::Weigh(Expr::Flag)],
    };
    let block = LanguageBlock::new((0..60).map(program));
    prove(&block);
    prove(&block.probe(Jitter { seed: 2, often: 20 }));
}

#[test]
fn a_check_after_deltas_sees_them() {
    let program = |n: u8| {
        vec![
            Op::Gain(slot(0), value(1)),
            Op::Check(slot(0), Test::AtLeast(value(4))),
            Op::SkipUnless(Expr::Flag, Test::Is(value(1)), 1),
            Op::Lose(slot(0), value(3)),
            Op::Assume(slot(0), Test::AtMost(value(n % 8))),
            Op::Write(slot(1), Expr::Flag),
        ]
    };
    let block = LanguageBlock::new((0..40).map(program));
    prove(&block);
    prove(&block.probe(Jitter { seed: 4, often: 20 }));
}

#[test]
fn adders_of_one_slot_do_not_conflict() {
    // 0 fits everywhere, so no order of execution can matter.
    let ops = vec![Op::Gain(slot(0), value(0)), Op::Spin(1)];
    let block = LanguageBlock::new((0..300).map(|_| ops.clone())).state([3]);
    let Ending::Finished { edges, .. } = oracle(&block.stage()).ending else { panic!("no result") };
    assert_eq!(edges, Some(vec![]), "deltas make no order");
    // Nor do those whose deltas are dropped, and judged all the same.
    let invalid = [ops, vec![Op::Invalid]].concat();
    let invalid = LanguageBlock::new((0..100).map(|_| invalid.clone())).state([3]).skip_invalid();
    for block in [block, invalid] {
        for workers in [2, 4, 8] {
            let aborts = simulated(workers, &block).aborts;
            assert_eq!(aborts.total(), 0, "with {workers} workers: {aborts:?}");
        }
    }
}

#[test]
fn assumptions_do_not_look() {
    // A chain of nonces: each assumes what the one before makes true.
    let program = |n: u8| {
        vec![Op::Assume(slot(0), Test::Is(value(n % 8))), Op::Write(slot(0), value((n + 1) % 8))]
    };
    let block = LanguageBlock::new((0..200).map(program));
    for workers in [2, 4] {
        let aborts = simulated(workers, &block).aborts;
        assert_eq!(aborts.total(), 0, "with {workers} workers: {aborts:?}");
    }
    prove(&block);
}

#[test]
fn deltas_are_shown_everywhere_once_readers_have_missed_many() {
    // A transaction that adds to a slot and one that reads it, 40 executions while nothing can be
    // committed; twice, with time between to learn from it. Each slot is read only once, so that
    // what is learnt about a slot does not help.
    let pair = |at: u16| [vec![Op::Gain(slot(at), value(1))], vec![Op::Read(slot(at))]];
    let part = |first: u16| {
        let held = vec![Op::Write(slot(first), value(1))];
        std::iter::once(held).chain((first + 1..first + 21).flat_map(pair))
    };
    let between = (100..400).map(|at| vec![Op::Write(slot(at), value(1))]);
    let programs = part(0).chain(between).chain(part(50));
    let second = 41 + 300;
    let block = LanguageBlock::new(programs).probe((Hold::new(0, 40), Hold::new(second, 40)));
    let aborts = simulated(2, &block).aborts;
    // Without learning it would be 40.
    let missed = aborts.commit_validation + aborts.early_validation;
    assert!((1..=20 + 8).contains(&missed), "{aborts:?}");
}

//! Storage errors, panics and failures of the VM: those of the sequential execution, and no others.

use std::sync::Arc;

use block_stm::Block;
use block_stm_testkit::compare::{begins, same};
use block_stm_testkit::faults::{Fault, FaultyStorage, Hold, Jitter, PanicAhead, PanicAt};
use block_stm_testkit::language::{At, Expr, LanguageBlock, Op, Slot, Test};
use block_stm_testkit::record::{Ending, record_parallel, record_sequential};
use block_stm_testkit::{Checker, Trial};

use crate::support::{
    engine, increment, oracle, parallel, prove, prove_quickly, simulated, slot, tangle, timely,
    value,
};

#[test]
fn a_slot_that_cannot_be_read_fails_the_first_txn_that_needs_it() {
    for unreadable in 0..12 {
        let mut block = tangle(16);
        block.unreadable.insert(unreadable);
        prove_quickly(&block);
        prove_quickly(&block.probe(Hold::new(0, 8)));
    }
}

#[test]
fn an_error_that_only_a_stale_execution_meets_never_surfaces() {
    // The first txn leads all others away from the unreadable slot.
    let mut programs = vec![vec![Op::Write(slot(0), value(1))]];
    programs.extend((0..20).map(|_| vec![Op::Read(slot(0)), Op::Read(At::Beyond(5))]));
    let mut block = LanguageBlock::new(programs);
    block.unreadable.insert(5);
    prove(&block.clone().probe(Hold::new(0, 10)));
    prove(&block);
}

#[test]
fn deltas_and_checks_on_an_unreadable_slot_fail_as_reads_do() {
    let touch = [
        vec![Op::Gain(slot(1), value(1))],
        vec![Op::Check(slot(1), Test::Even)],
        vec![Op::Assume(slot(1), Test::Even)],
        vec![Op::Peek(slot(1))],
        vec![Op::Gain(slot(1), value(1)), Op::Write(slot(1), value(3))],
        vec![Op::Gain(slot(1), value(1)), Op::Invalid],
        vec![Op::Assume(slot(1), Test::Even), Op::Panic],
        // A blind write needs nobody's value.
        vec![Op::Write(slot(1), value(3)), Op::Gain(slot(1), value(1))],
    ];
    for ops in touch {
        for before in [increment(0), vec![Op::Write(slot(1), value(2))]] {
            let programs = [before, ops.clone(), increment(0), increment(1)];
            let mut block = LanguageBlock::new(programs).skip_invalid();
            block.unreadable.insert(1);
            prove_quickly(&block);
            prove_quickly(&block.probe(Hold::new(0, 3)));
        }
    }
}

#[test]
fn a_read_that_fails_once_is_forgotten_or_surfaces_whole() {
    timely(|| {
        let stage = tangle(12).stage();
        let whole = oracle(&stage);
        for (fails, (arm, engine)) in
            (0..12).flat_map(|n| Checker::all().engines().map(move |engine| (n, engine)))
        {
            let storage = FaultyStorage::new(&stage.storage, Fault::Once(fails));
            let block = Block::new(&stage.vm, &stage.spec.programs, &storage).conflict_graph();
            let found = record_parallel(engine, &block, stage.sink(Some(arm)));
            let verdict = match &found.ending {
                Ending::Failed { kind: "storage", .. } => begins(&whole, &found),
                _ => same(&whole, &found),
            };
            if let Err(difference) = verdict {
                panic!("read {fails} fails, with {arm}: {difference}");
            }
        }
    });
}

#[test]
fn a_storage_that_goes_down_fails_the_block_after_a_prefix() {
    timely(|| {
        let stage = tangle(12).stage();
        let whole = oracle(&stage);
        for (fails, (arm, engine)) in
            (0..12).flat_map(|n| Checker::all().engines().map(move |engine| (n, engine)))
        {
            let storage = FaultyStorage::new(&stage.storage, Fault::From(fails));
            let block = Block::new(&stage.vm, &stage.spec.programs, &storage).conflict_graph();
            let found = record_parallel(engine, &block, stage.sink(Some(arm)));
            let verdict = match &found.ending {
                Ending::Failed { kind: "storage", .. } => begins(&whole, &found),
                _ => same(&whole, &found),
            };
            if let Err(difference) = verdict {
                panic!("all from read {fails} fail, with {arm}: {difference}");
            }
        }
    });
}

#[test]
fn each_location_that_the_oracle_asks_for_may_be_broken() {
    timely(|| {
        let stage = tangle(12).stage();
        let healthy = FaultyStorage::new(&stage.storage, Fault::Once(u64::MAX));
        let block = Block::new(&stage.vm, &stage.spec.programs, &healthy);
        record_sequential(&block, stage.sink(None));
        let asked: Vec<Slot> = healthy.asked();
        assert!(asked.len() > 4);
        for broken in asked {
            let storage = FaultyStorage::new(&stage.storage, Fault::At(broken));
            let block = Block::new(&stage.vm, &stage.spec.programs, &storage).conflict_graph();
            let expected = record_sequential(&block, stage.sink(None));
            assert!(matches!(expected.ending, Ending::Failed { kind: "storage", .. }));
            for (arm, engine) in Checker::all().engines() {
                let found = record_parallel(engine, &block, stage.sink(Some(arm)));
                if let Err(difference) = same(&expected, &found) {
                    panic!("{broken:?} is broken, with {arm}: {difference}");
                }
            }
        }
    });
}

#[test]
fn a_panic_at_any_operation_of_any_txn_surfaces_there() {
    for txn in 0..7 {
        for op in 0..7 {
            prove_quickly(&tangle(7).probe(PanicAt { txn, op }));
        }
    }
    let block = tangle(7).probe((PanicAt { txn: 3, op: 2 }, Hold::new(0, 6)));
    prove(&block);
}

#[test]
fn panics_ahead_of_the_turn_never_surface() {
    let mut panics = 0;
    for op in 0..6 {
        let ahead = Arc::new(PanicAhead::new(op));
        // The first transaction is held, so that others do run ahead.
        prove(&tangle(40).probe((Arc::clone(&ahead), Hold::new(0, 6))));
        // Threads of a busy machine may have come to nothing ahead of its turn.
        let before = ahead.panics();
        simulated(3, &tangle(40).probe(Arc::clone(&ahead)));
        panics += ahead.panics() - before;
    }
    assert!(panics > 0, "nothing was executed ahead of its turn");
}

/// Writers keep two slots equal; readers that see a torn pair go wrong.
fn pairs(outrage: Op) -> LanguageBlock {
    let program = |n: u8| {
        if n.is_multiple_of(3) {
            return vec![Op::Write(slot(0), value(n)), Op::Spin(20), Op::Write(slot(1), value(n))];
        }
        vec![
            Op::Read(slot(n as u16 % 2)),
            Op::Keep,
            Op::Read(slot(1 - n as u16 % 2)),
            Op::SkipUnless(Expr::Acc, Test::Is(Expr::Kept), 2),
            Op::Write(slot(2), Expr::Acc),
            Op::Stop,
            outrage,
        ]
    };
    LanguageBlock::new((0..60).map(program))
}

#[test]
fn torn_reads_never_surface() {
    for outrage in [Op::Panic, Op::Fail, Op::LoseView, Op::Invalid] {
        prove(&pairs(outrage).probe(Jitter { seed: 5, often: 24 }));
        prove(&pairs(outrage).probe(Hold::new(3, 40)));
    }
}

#[test]
fn misbehaviour_anywhere_is_that_of_the_oracle() {
    for outrage in [Op::Panic, Op::Fail, Op::LoseView] {
        for txn in 0..6 {
            for place in 0..=6 {
                let mut block = tangle(6);
                block.programs[txn].ops.insert(place, outrage);
                prove_quickly(&block);
            }
        }
    }
}

#[test]
fn swallowed_interrupts_do_not_matter() {
    let tails = [
        vec![],
        vec![Op::Panic],
        vec![Op::Invalid],
        vec![Op::Fail],
        vec![Op::LoseView],
        vec![Op::Read(slot(1)), Op::Write(slot(2), Expr::Plus(1))],
        vec![Op::Gain(slot(1), value(1)), Op::Check(slot(1), Test::Even), Op::Peek(slot(1))],
        // Panics only if the read after the swallowed interrupt answers truly.
        vec![Op::Read(slot(1)), Op::SkipUnless(Expr::Acc, Test::Is(value(4)), 1), Op::Panic],
        // Panics only if the delta after the swallowed interrupt is answered.
        vec![
            Op::Gain(slot(1), value(1)),
            Op::SkipUnless(Expr::Flag, Test::Is(value(1)), 1),
            Op::Panic,
        ],
    ];
    for tail in tails {
        for trouble in [Op::Read(slot(9)), Op::Gain(slot(9), value(1)), Op::Fail] {
            let mut program = vec![Op::Swallow, trouble];
            program.extend(tail.clone());
            let programs = [increment(0), program, increment(1)];
            let mut block = LanguageBlock::new(programs).state([0, 4]).skip_invalid();
            block.unreadable.insert(9);
            prove_quickly(&block);
            prove_quickly(&block.probe(Hold::new(0, 2)));
        }
    }
}

#[test]
fn stale_executions_that_swallow_interrupts_are_thrown_away() {
    let program = |n: u16| {
        let mut ops = vec![Op::Swallow];
        ops.extend(increment(n % 2));
        ops.extend([Op::Checkpoint, Op::Read(At::Beyond(1)), Op::Write(slot(4), Expr::Acc)]);
        ops
    };
    let block = LanguageBlock::new((0..40).map(program));
    prove(&block.clone().probe(Hold::new(0, 20)));
    prove(&block.probe(Jitter { seed: 8, often: 20 }));
}

#[test]
fn the_engine_is_ready_for_the_next_block_after_each_failure() {
    timely(|| {
        let engine = engine(4);
        let good = tangle(30).stage();
        let expected = oracle(&good);
        for round in 0..60 {
            let mut bad = tangle(30);
            let outrage = [Op::Panic, Op::Fail, Op::LoseView, Op::Invalid][round % 4];
            bad.programs[round % 30].ops.insert(2, outrage);
            let bad = bad.stage();
            let (failed, expected_failure) = (parallel(&engine, &bad), oracle(&bad));
            assert_eq!(failed.ending, expected_failure.ending, "round {round}");
            if let Err(difference) = same(&expected, &parallel(&engine, &good)) {
                panic!("round {round}: {difference}");
            }
        }
    });
}

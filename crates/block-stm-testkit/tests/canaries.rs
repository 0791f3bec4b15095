//! Every deliberate fault of the engine is caught by the checkers that `docs/canaries.md` names,
//! and without one they are silent.
//!
//! Needs a build of its own: `RUSTFLAGS="--cfg block_stm_canaries" cargo test -p block-stm-testkit
//! --test canaries`.
#![cfg(block_stm_canaries)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use block_stm::{Canary, let_out};
use block_stm_testkit::Checker;
use block_stm_testkit::language::{ABSENT, At, Colliding, Expr, LanguageBlock, Op, Small};
use block_stm_testkit::shapes::adversarial;
use block_stm_testkit::sim::{Explorer, Setup, exhaust};
use block_stm_testkit::strategies::{Mix, Shape, block};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Drawn blocks under drawn schedules.
    Simulation,
    /// Tiny blocks in every order with up to two preemptions.
    EveryOrder,
    /// Drawn blocks on real threads.
    Threads,
    /// Drawn blocks on real threads, over locations whose hashes are all equal.
    Collisions,
}

impl By {
    const ALL: [Self; 4] = [Self::Simulation, Self::EveryOrder, Self::Threads, Self::Collisions];

    /// In how many executions or blocks a fault must be found.
    const fn most(self) -> u64 {
        match self {
            Self::Simulation => 500_000,
            Self::EveryOrder => 20,
            Self::Threads | Self::Collisions => 2_000,
        }
    }

    /// In how many none may be found when there is none.
    const fn silent(self) -> u64 {
        match self {
            Self::Simulation => 20_000,
            Self::EveryOrder => 4,
            Self::Threads | Self::Collisions => 100,
        }
    }

    /// Looks for a difference in so many executions or blocks. How many it took, or `None` if there
    /// was none.
    fn look(self, most: u64) -> Option<u64> {
        let mut steps = 1..=most;
        match self {
            Self::Simulation => {
                let mut explorer = Explorer::default();
                steps.find(|seed| explorer.run(*seed).is_err())
            }
            Self::EveryOrder => {
                let mut blocks = tiny_blocks().into_iter();
                steps
                    .map_while(|_| blocks.next())
                    .position(|block| every_order(&block))
                    .map(|n| n as u64 + 1)
            }
            Self::Threads => {
                let mut draw = drawn_blocks(Shape {
                    slots: 3,
                    unreadable: true,
                    ..Shape::new(Mix::FAILURES).jitter()
                });
                steps.find(|_| draw().check(few()).is_err())
            }
            Self::Collisions => {
                let mut draw = drawn_blocks(Shape::new(Mix::READS_AND_WRITES));
                steps.find(|_| draw().check_as::<Colliding, Small>(few(), ()).is_err())
            }
        }
    }
}

fn few() -> &'static Arc<Checker> {
    Checker::few()
}

fn drawn_blocks(shape: Shape) -> impl FnMut() -> LanguageBlock {
    let (mut runner, strategy) = (TestRunner::deterministic(), block(&shape));
    move || strategy.new_tree(&mut runner).expect("a block can be drawn").current()
}

fn tiny_blocks() -> Vec<LanguageBlock> {
    let (x, y) = (At::Slot(0), At::Slot(1));
    let increment = vec![Op::Read(x), Op::Write(x, Expr::Plus(1))];
    let gain = vec![Op::Gain(x, Expr::Const(1))];
    let follow = vec![Op::Read(x), Op::Write(At::Beyond(1), Expr::Acc)];
    let copy = vec![Op::Read(At::Slot(2)), Op::Write(y, Expr::Plus(1))];
    let mut blocks = vec![
        LanguageBlock::new([increment.clone(), increment.clone(), increment.clone()]),
        LanguageBlock::new([increment.clone(), follow.clone(), copy.clone()]),
        LanguageBlock::new([gain.clone(), gain, increment]),
        LanguageBlock::new([follow, copy.clone(), copy]),
        // Deleted and put back, then looked for.
        LanguageBlock::new([
            vec![Op::Write(x, Expr::Const(1))],
            vec![Op::Write(x, Expr::Const(ABSENT))],
            vec![Op::Write(x, Expr::Const(2))],
            vec![Op::Read(y)],
            vec![Op::Scan(x, At::Slot(2), 0), Op::Write(y, Expr::Acc)],
        ]),
    ];
    blocks.extend(adversarial(3).into_iter().map(|(_, block)| block));
    blocks
}

fn every_order(block: &LanguageBlock) -> bool {
    let setup = Setup::calm(2);
    exhaust(block, &setup, 2, 20_000).is_err()
}

/// What must catch it. A hang of real threads would outlive the test, so those faults are left to
/// the simulator.
fn catchers(canary: Canary) -> &'static [By] {
    use By::{Collisions, EveryOrder, Simulation, Threads};
    match canary {
        Canary::CompareByHash => &[Collisions],
        Canary::StayListed => &[EveryOrder],
        Canary::SkipValidation | Canary::CommitOnce | Canary::LoseTouched | Canary::SkipTxn => {
            &[Simulation, EveryOrder, Threads]
        }
        Canary::SumOnBase => &[Simulation, EveryOrder, Threads],
        Canary::SkipAssertions
        | Canary::SkipDeltas
        | Canary::BelieveFailures
        | Canary::BelieveSwallowed
        | Canary::KeepContext
        | Canary::KeepLostContext => &[Simulation, Threads],
        Canary::SkipPhantoms
        | Canary::ForgetIncarnation
        | Canary::KeepOldWrite
        | Canary::KeepLeftOut
        | Canary::LookAgain
        | Canary::ReadUnderLock
        | Canary::NeverGiveUp
        | Canary::DropWakeUp
        | Canary::LeaveHead
        | Canary::LoseLayer
        | Canary::LayerOnBase => &[Simulation],
        other => unreachable!("no fault of what the engine does: {other:?}"),
    }
}

#[test]
fn every_canary_is_caught() {
    // A fault that panics is caught as one, not printed.
    std::panic::set_hook(Box::new(|_| {}));
    let mut table = String::new();
    let mut missed = Vec::new();
    for canary in Canary::FAULTS {
        let_out(Some(canary));
        for by in catchers(canary) {
            let start = Instant::now();
            let found = by.look(by.most());
            let time = start.elapsed();
            let _ = match found {
                Some(n) => writeln!(table, "{canary:?} | {by:?} | {n} | {} ms", time.as_millis()),
                None => writeln!(table, "{canary:?} | {by:?} | MISSED | {} s", time.as_secs()),
            };
            if found.is_none() {
                missed.push((canary, by));
            }
        }
        let_out(None);
    }
    let silent = By::ALL.map(|by| (by, by.look(by.silent())));
    let _ = std::panic::take_hook();
    println!("{table}");
    assert!(missed.is_empty(), "missed: {missed:?}");
    assert!(silent.iter().all(|(_, found)| found.is_none()), "found without a fault: {silent:?}");
}

//! Glimpses: a VM that may be shown any value comes to what it would in sequential execution.

use std::convert::Infallible;

use block_stm::{Block, BoxError, Execution, Interrupt, Outcome, Value, View, Vm};
use block_stm_testkit::Arm;
use block_stm_testkit::check::AcceptAll;
use block_stm_testkit::compare::same;
use block_stm_testkit::faults::Hold;
use block_stm_testkit::language::{Expr, Guess, LanguageBlock, MAX, Op, Seen, Test};
use block_stm_testkit::record::{Ending, Event, EventOf, record_parallel, record_sequential};
use block_stm_testkit::sim::{Circumstances, Random, Setup, Simulator, exhaust};

use crate::support::{Language, oracle, prove, prove_all, slot, value};

const GUESSES: [Guess; 3] = [Guess::Forgotten, Guess::Checked, Guess::Assumed];

#[test]
fn every_guess_above_every_held_operation() {
    let first = [
        Op::Write(slot(0), value(5)),
        Op::Write(slot(0), Expr::Plus(1)),
        Op::Gain(slot(0), value(1)),
        Op::Gain(slot(0), value(7)),
        Op::Lose(slot(0), value(1)),
    ];
    let around = [
        Op::Read(slot(0)),
        Op::Write(slot(0), Expr::Plus(1)),
        Op::Gain(slot(0), value(1)),
        Op::Check(slot(0), Test::AtLeast(value(3))),
        Op::Assume(slot(0), Test::Even),
        Op::Peek(slot(0)),
        Op::Attempt,
    ];
    let around = move |guess| {
        let look = Op::Glimpse(slot(0), guess);
        let keep = Op::Write(slot(1), Expr::Acc);
        around.into_iter().flat_map(move |op| [vec![op, look, keep], vec![look, keep, op]])
    };
    let blocks = first.into_iter().flat_map(move |first| {
        GUESSES.into_iter().flat_map(around).flat_map(move |second| {
            [0, 1, MAX].map(|start| {
                let programs = [vec![first], second.clone(), vec![Op::Read(slot(0))]];
                LanguageBlock::new(programs).state([start]).probe(Hold::new(0, 2))
            })
        })
    });
    prove_all(blocks);
}

#[test]
fn guesses_in_every_order() {
    let look = |guess| vec![Op::Glimpse(slot(0), guess), Op::Write(slot(1), Expr::Acc)];
    for guess in GUESSES {
        let programs = [
            vec![Op::Read(slot(0)), Op::Write(slot(0), Expr::Plus(3))],
            vec![Op::Gain(slot(0), value(1))],
            look(guess),
        ];
        let block = LanguageBlock::new(programs).state([2]);
        for deltas in [true, false] {
            let setup = Setup { deltas, ..Setup::calm(2) };
            let exhausted = exhaust(&block, &setup, 1, 20_000);
            let exhausted =
                exhausted.unwrap_or_else(|failure| panic!("{guess:?}: {}", failure.what));
            assert!(exhausted.all && exhausted.runs > 20, "{guess:?}: {exhausted:?}");
        }
    }
}

#[test]
fn a_guess_comes_to_the_slots_value_and_reads_nothing() {
    for guess in [Guess::Checked, Guess::Assumed] {
        let programs = [
            vec![Op::Write(slot(0), value(4))],
            vec![Op::Gain(slot(0), value(2))],
            vec![Op::Glimpse(slot(0), guess), Op::Gain(slot(0), Expr::Const(1))],
            vec![Op::Gain(slot(0), value(1)), Op::Glimpse(slot(0), guess)],
            vec![Op::Attempt, Op::Write(slot(0), value(3)), Op::Glimpse(slot(0), guess)],
            vec![Op::Glimpse(slot(0), Guess::Forgotten)],
        ];
        let block = LanguageBlock::new(programs).state([1]);
        prove(&block);
        prove(&block.clone().probe(Hold::new(0, 5)));
        let record = oracle(&block.stage());
        let seen = |event: &EventOf<Language>| match event {
            Event::Commit { outcome: Outcome::Done(trace), .. } => Some(trace.seen.clone()),
            _ => None,
        };
        let seen: Vec<_> = record.events.iter().filter_map(seen).collect();
        let applied = Seen::Applied(0, true);
        let expected = [
            vec![],
            vec![applied],
            vec![Seen::Value(0, 6), applied],
            // 7 is the largest value.
            vec![Seen::Applied(0, false), Seen::Value(0, 7)],
            vec![Seen::Value(0, 3)],
            vec![],
        ];
        assert_eq!(seen, expected, "{guess:?}");
        let Ending::Finished { edges, .. } = record.ending else { panic!("no result") };
        assert_eq!(edges, Some(vec![]), "{guess:?}");
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain(u64);

impl Value for Plain {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// Writes the transaction's number, and breaks the contract: it returns what it glimpsed.
struct Careless;

impl Vm for Careless {
    type Txn = u64;
    type Location = u8;
    type Value = Plain;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &u64,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        let Plain(glimpsed) = view.glimpse(&0)?;
        view.write(&0, Plain(*txn))?;
        Ok(Execution::Done(glimpsed))
    }
}

#[test]
fn a_vm_that_returns_what_it_glimpsed_is_found_out() {
    // Nothing judges a glimpse, so this is where guesses that are wrong come from in the tests
    // above.
    let storage = |_: &u8| Ok::<_, BoxError>(Plain(0));
    let block = Block::new(&Careless, &[1, 2, 3, 4], &storage);
    let expected = record_sequential(&block, AcceptAll);
    let engine = Arm::of(3, None).engine().expect("threads can be started");
    let differs = |seed: &u64| {
        let schedule = Box::new(Random::new(*seed, 0.5));
        let run = Simulator::default().run(schedule, Circumstances::default(), || {
            record_parallel(&engine, &block, AcceptAll)
        });
        same(&expected, &run.result.expect("it ends")).is_err()
    };
    let differing = (0..200).filter(differs).count();
    assert!(differing > 20, "{differing} of 200");
}

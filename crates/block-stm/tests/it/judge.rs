//! What the judge may not let pass, in every schedule that leads to it.

use std::panic::resume_unwind;

use block_stm::conductor::Step;
use block_stm::{Block, BoxError, Execution, Interrupt, InvalidPolicy, TxnIndex, Value, View, Vm};
use block_stm_testkit::Arm;
use block_stm_testkit::check::AcceptAll;
use block_stm_testkit::language::{At, Expr, Guess, LanguageBlock, Op, Test};
use block_stm_testkit::record::{
    Ending, Event, EventOf, Record, record_parallel, record_sequential,
};
use block_stm_testkit::sim::{Circumstances, Order, Random, Scene, Setup, Simulator};

/// A number whose methods panic: if another one is compared with 113, if 23 is asked, if the sum is
/// 13.
#[derive(Clone, Debug)]
struct Fragile(u64);

fn panic_if(fragile: bool) {
    if fragile {
        // Not `panic!`: the hook would write every execution's panic to the terminal.
        resume_unwind(Box::new("fragile"));
    }
}

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        panic_if((self.0 == 113) != (other.0 == 113));
        self.0 == other.0
    }
}

impl Eq for Fragile {}

impl Value for Fragile {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        panic_if(self.0 + delta == 13);
        Some(Self(self.0 + delta))
    }

    fn satisfies(&self, least: &u64) -> bool {
        panic_if(self.0 == 23);
        self.0 >= *least
    }
}

#[derive(Clone, Copy)]
enum Txn {
    Write(u64),
    Read,
    Check,
    Assume,
    Add,
    /// Adds, and finds itself invalid.
    AddInvalid,
}

/// Executes transactions on the one location that there is.
struct Lone;

impl Vm for Lone {
    type Txn = Txn;
    type Location = u8;
    type Value = Fragile;
    type Output = u64;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, &'static str>, Interrupt> {
        Ok(Execution::Done(match txn {
            Txn::Write(value) => {
                view.write(&0, Fragile(*value))?;
                0
            }
            Txn::Read => view.read(&0)?.0,
            Txn::Check => view.check(&0, 5)?.into(),
            Txn::Assume => view.assume(&0, 5)?.into(),
            Txn::Add => view.add(&0, 1)?.into(),
            Txn::AddInvalid => {
                view.add(&0, 1)?;
                return Ok(Execution::Invalid("on purpose"));
            }
        }))
    }
}

/// Records of two transactions, and a last one that writes 1, under many schedules, after that of
/// the sequential execution; and in how many of them the second one was judged.
fn records(first: Txn, second: Txn) -> (Vec<Record<Lone>>, usize) {
    let (txns, storage) = ([first, second, Txn::Write(1)], |_: &u8| Ok::<_, BoxError>(Fragile(0)));
    let block = Block::new(&Lone, &txns, &storage).policy(InvalidPolicy::Skip);
    let mut records = vec![record_sequential(&block, AcceptAll)];
    let engine = Arm::of(2, None).engine().expect("threads can be started");
    let simulator = Simulator::default();
    let mut ahead = 0;
    for seed in 0..200 {
        let schedule = Box::new(Random::new(seed, 0.5));
        let circumstances = Circumstances { log: true, ..Circumstances::default() };
        let run =
            simulator.run(schedule, circumstances, || record_parallel(&engine, &block, AcceptAll));
        let judged = run.log.iter().any(|(_, step)| *step == Step::Judge(TxnIndex::new(1)));
        ahead += usize::from(judged);
        records.push(run.result.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped}")));
    }
    (records, ahead)
}

#[test]
pub(crate) fn a_judge_that_panics_approves_nothing() {
    // The second one was shown a 0 if it was executed ahead of its turn, and the judge's question
    // panics.
    for second in [Txn::Check, Txn::Assume, Txn::Add, Txn::AddInvalid] {
        let first = if matches!(second, Txn::Check | Txn::Assume) { 23 } else { 12 };
        let (records, ahead) = records(Txn::Write(first), second);
        assert!(ahead > 20, "judged {ahead} times");
        for record in records {
            let Ending::Failed { kind: "panicked", message } = &record.ending else {
                panic!("ended with {:?}", record.ending);
            };
            assert_eq!(
                (message.as_str(), record.committed()),
                ("txn 1: the VM panicked: fragile", 1)
            );
        }
    }
    // A sequential execution does not compare, so it does not panic.
    let (records, ahead) = records(Txn::Write(113), Txn::Read);
    assert!(ahead > 20, "judged {ahead} times");
    for record in records {
        assert_eq!(outputs(&record), [0, 113, 0]);
    }
}

fn outputs(record: &Record<Lone>) -> Vec<u64> {
    let output = |event: &EventOf<Lone>| match event {
        Event::Settle { output, .. } => Some(*output),
        Event::Admit { .. } | Event::Commit { .. } => None,
    };
    record.events.iter().filter_map(output).collect()
}

/// The slot cannot be read. A write of txn 1 hides that from txn 2, but txn 1 makes none once it
/// sees what txn 0 wrote.
fn hidden(look: Op) -> LanguageBlock {
    let write = vec![Op::Write(At::Slot(1), Expr::Const(1))];
    let hide = vec![
        Op::Read(At::Slot(1)),
        Op::SkipUnless(Expr::Acc, Test::Is(Expr::Const(0)), 1),
        Op::Write(At::Slot(0), Expr::Const(3)),
    ];
    let mut block = LanguageBlock::new([write, hide, vec![look]]);
    block.unreadable.insert(0);
    block
}

#[test]
pub(crate) fn what_was_looked_at_must_be_there_though_its_value_does_not_matter() {
    let slot = At::Slot(0);
    let looks =
        [Guess::Forgotten, Guess::Checked, Guess::Assumed].map(|guess| Op::Glimpse(slot, guess));
    for look in [Op::Peek(slot)].into_iter().chain(looks) {
        let scene = Scene::new(&hidden(look)).expect("the oracle keeps its rules");
        for seed in 0..1_000 {
            let order = Order::Random { seed, stay: 0.5 };
            let setup = Setup { order, ..Setup::calm(3) };
            // By hand: the block fails at txn 2.
            let passed = scene.run(&Simulator::default(), &setup, false);
            let passed = passed.unwrap_or_else(|f| panic!("{look:?}, seed {seed}: {}", f.what));
            assert!(passed.failed, "{look:?}, seed {seed}");
        }
    }
}

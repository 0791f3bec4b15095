//! VMs that do what few do: catch panics that come out of the view, write over what they assumed.

use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use block_stm::{
    Block, BoxError, Collect, Config, Execution, Interrupt, OrderedStorage, Storage, Value, View,
    Vm,
};
use block_stm_testkit::language::{At, Expr, LanguageBlock, Op, Test};
use block_stm_testkit::sim::{Circumstances, Order, Random, RoundRobin, Scene, Setup, Simulator};
use block_stm_testkit::{Arm, Checker, check};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u64);

impl Value for Number {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(Self)
    }

    fn satisfies(&self, is: &u64) -> bool {
        self.0 == *is
    }

    fn is_absent(&self) -> bool {
        self.0 == 0
    }
}

enum Txn {
    Write(u32, u64),
    /// Begins a scan that panics at once, catches that, and scans again.
    ScanTwice,
    /// Takes a nonce for granted and raises it.
    RaiseNonce(u32),
}

struct Odd;

impl Vm for Odd {
    type Txn = Txn;
    type Location = u32;
    type Value = Number;
    type Output = Vec<u32>;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Vec<u32>, &'static str>, Interrupt> {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let mut seen = Vec::new();
        match txn {
            Txn::Write(location, value) => view.write(location, Number(*value))?,
            Txn::ScanTwice => {
                let first = catch_unwind(AssertUnwindSafe(|| {
                    view.scan(all.0, all.1, |_, _| resume_unwind(Box::new("not now")))
                }));
                if let Ok(answer) = first {
                    answer?;
                }
                view.scan(all.0, all.1, |location, _| {
                    seen.push(*location);
                    ControlFlow::Continue(())
                })?;
            }
            Txn::RaiseNonce(location) => {
                if !view.assume(location, 5)? {
                    return Ok(Execution::Invalid("the nonce is another"));
                }
                view.write(location, Number(6))?;
            }
        }
        Ok(Execution::Done(seen))
    }
}

/// The same number everywhere, and nothing that is listed.
struct Everywhere(u64);

impl Storage<u32, Number> for Everywhere {
    fn read(&self, _: &u32) -> Result<Number, BoxError> {
        Ok(Number(self.0))
    }
}

impl OrderedStorage<u32, Number> for Everywhere {
    fn next(&self, _: (Bound<&u32>, Bound<&u32>)) -> Result<Option<u32>, BoxError> {
        Ok(None)
    }
}

#[test]
fn a_scan_may_be_ended_by_a_panic_that_the_vm_catches() {
    let txns = [
        Txn::Write(1, 1),
        Txn::Write(2, 2),
        Txn::Write(3, 3),
        Txn::ScanTwice,
        Txn::Write(3, 3),
        Txn::ScanTwice,
    ];
    let state = Everywhere(0);
    let block = Block::ordered(&Odd, &txns, &state);
    check(&block).expect("parallel is sequential");
    for seed in 0..300 {
        let engine = Arm::of(3, None).engine().expect("threads can be started");
        let run = Simulator::default().run(
            Box::new(Random::new(seed, 0.7)),
            Circumstances::default(),
            || engine.execute(&block, &mut Collect::default()).map(|executed| executed.committed),
        );
        assert_eq!(run.result.expect("it ends").expect("it succeeds"), 6);
    }
}

#[test]
fn what_was_assumed_and_then_written_is_fetched_for_the_judge() {
    let txns: Vec<_> = (0..40).map(Txn::RaiseNonce).collect();
    let state = Everywhere(5);
    let block = Block::new(&Odd, &txns, &state);
    check(&block).expect("parallel is sequential");
    let engine =
        Config::default().threads(4.try_into().expect("not zero")).build().expect("it starts");
    let schedule = Box::new(RoundRobin::new(1));
    let run = Simulator::default().run(schedule, Circumstances::default(), || {
        engine.execute(&block, &mut Collect::default()).map(|executed| executed.stats)
    });
    let stats = run.result.expect("it ends").expect("it succeeds");
    assert_eq!((stats.executions, stats.aborts.total()), (40, 0), "{stats:?}");
}

#[test]
fn what_was_peeked_at_must_be_there() {
    // Txn 1 hides the unreadable slot from txn 2 only as long as it has not seen txn 0's write.
    let hide = vec![
        Op::Read(At::Slot(1)),
        Op::SkipUnless(Expr::Acc, Test::Is(Expr::Const(0)), 1),
        Op::Write(At::Slot(0), Expr::Const(3)),
    ];
    let write = vec![Op::Write(At::Slot(1), Expr::Const(1))];
    let mut block = LanguageBlock::new([write, hide, vec![Op::Peek(At::Slot(0))]]);
    block.unreadable.insert(0);
    let scene = Scene::new(&block).expect("the oracle keeps its rules");
    for seed in 0..2_000 {
        let order = Order::Random { seed, stay: 0.5 };
        let setup = Setup { order, ..Setup::calm(3) };
        let run = scene.run(&Simulator::default(), &setup, false);
        run.unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.what));
    }
    block.check(Checker::few()).unwrap_or_else(|mismatch| panic!("{mismatch}"));
}

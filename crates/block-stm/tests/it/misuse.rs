//! VMs, values and hosts that break the rules: the block fails or not, but nothing hangs and
//! nothing crashes.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use block_stm::{
    Block, BoxError, Engine, Error, Execution, Interrupt, Value, View, Vm, execute_sequential,
};
use block_stm_testkit::check::AcceptAll;
use block_stm_testkit::compare::{Comparable, same};
use block_stm_testkit::record::{Ending, Record, record_parallel, record_sequential};

use crate::support::{engine, oracle, parallel, tangle, timely};

/// A number whose methods panic at 13.
#[derive(Clone, Debug)]
struct Unlucky(u64);

impl PartialEq for Unlucky {
    fn eq(&self, other: &Self) -> bool {
        if self.0 == 113 || other.0 == 113 {
            resume_unwind(Box::new("unlucky to compare"));
        }
        self.0 == other.0
    }
}

impl Eq for Unlucky {}

impl Value for Unlucky {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        if self.0 + delta == 13 {
            resume_unwind(Box::new("unlucky to apply"));
        }
        Some(Self(self.0 + delta))
    }

    fn satisfies(&self, predicate: &u64) -> bool {
        if self.0 == 23 {
            resume_unwind(Box::new("unlucky to ask"));
        }
        self.0 >= *predicate
    }
}

fn unlucky_base(_: &u8) -> Result<Unlucky, BoxError> {
    Ok(Unlucky(0))
}

/// What is done with the view of an odd VM.
type Script = fn(&Odd, &u32, &mut View<'_, Odd>) -> Result<Execution<u64, NoReason>, Interrupt>;

/// A VM by a function, with a drawer for what it should not keep.
struct Odd {
    script: Script,
    drawer: Mutex<Vec<Interrupt>>,
    calls: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoReason;

impl fmt::Display for NoReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no reason")
    }
}

impl Odd {
    fn new(script: Script) -> Self {
        Self { script, drawer: Mutex::default(), calls: AtomicU64::new(0) }
    }
}

impl Vm for Odd {
    type Txn = u32;
    type Location = u8;
    type Value = Unlucky;
    type Output = u64;
    type Invalid = NoReason;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &u32,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, NoReason>, Interrupt> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.script)(self, txn, view)
    }
}

/// Executes a block of `txns` of an odd VM many times.
fn odd_records(script: Script, txns: u32, times: usize) -> (Record<Odd>, Vec<Record<Odd>>) {
    let (vm, txns) = (Odd::new(script), (0..txns).collect::<Vec<_>>());
    let block = Block::new(&vm, &txns, &unlucky_base);
    let expected = record_sequential(&block, AcceptAll);
    let engines = [2, 4].map(engine);
    let found = (0..times)
        .flat_map(|_| &engines)
        .map(|engine| record_parallel(engine, &block, AcceptAll))
        .collect();
    engines.iter().for_each(assert_ready);
    (expected, found)
}

/// The engine executes an ordinary block as if nothing had happened.
fn assert_ready(engine: &Engine) {
    let stage = tangle(20).stage();
    assert_same(&oracle(&stage), &parallel(engine, &stage));
}

fn assert_same<V: Comparable>(expected: &Record<V>, found: &Record<V>) {
    if let Err(difference) = same(expected, found) {
        panic!("{difference}");
    }
}

#[test]
fn a_value_that_panics_when_a_delta_is_applied() {
    timely(|| {
        let script: Script = |_, _, view| Ok(Execution::Done(view.add(&0, 1)?.into()));
        let (expected, found) = odd_records(script, 30, 20);
        let Ending::Failed { kind: "panicked", message } = expected.ending else {
            panic!("the oracle applies deltas inside executions");
        };
        assert!(message.contains("unlucky to apply"));
        for record in found {
            match &record.ending {
                Ending::Panicked { message } => assert_eq!(message, "unlucky to apply"),
                Ending::Failed { kind, .. } => assert_eq!(*kind, "panicked"),
                other => panic!("ended with {other:?}"),
            }
            assert!(record.committed() <= 12);
        }
    });
}

#[test]
fn a_value_that_panics_when_it_is_asked() {
    timely(|| {
        let script: Script = |_, txn, view| {
            view.write(&0, Unlucky(u64::from(*txn) % 24))?;
            view.assume(&1, 5)?;
            view.write(&1, Unlucky(u64::from(*txn)))?;
            Ok(Execution::Done(view.check(&2, 5)?.into()))
        };
        for record in odd_records(script, 40, 20).1 {
            match record.ending {
                Ending::Panicked { message } => assert_eq!(message, "unlucky to ask"),
                Ending::Failed { kind, .. } => assert_eq!(kind, "panicked"),
                Ending::Finished { .. } => panic!("nobody asked"),
            }
        }
    });
}

#[test]
fn a_value_that_panics_when_it_is_compared() {
    timely(|| {
        let script: Script = |_, txn, view| {
            let Unlucky(before) = view.read(&0)?;
            view.write(&0, Unlucky(if *txn == 20 { 113 } else { u64::from(*txn) }))?;
            Ok(Execution::Done(before))
        };
        // The oracle never compares; the engine may.
        for record in odd_records(script, 40, 20).1 {
            match record.ending {
                Ending::Panicked { message } => assert_eq!(message, "unlucky to compare"),
                Ending::Failed { kind, .. } => assert_eq!(kind, "panicked"),
                Ending::Finished { committed, .. } => assert_eq!(committed, 40),
            }
        }
    });
}

#[test]
fn an_interrupt_from_nowhere() {
    timely(|| {
        // Txn 9 hands on an interrupt that its own view never gave.
        let script: Script = |vm, txn, view| {
            let mut drawer = vm.drawer.lock().unwrap_or_else(PoisonError::into_inner);
            if *txn == 9
                && let Some(kept) = drawer.pop()
            {
                return Err(kept);
            }
            drop(drawer);
            view.write(&(*txn as u8), Unlucky(1))?;
            Ok(Execution::Done(0))
        };
        let vm = Odd::new(script);
        fill_drawer(&vm, 400);
        let txns: Vec<u32> = (0..20).collect();
        let block = Block::new(&vm, &txns, &unlucky_base);
        let expected = record_sequential(&block, AcceptAll);
        let Ending::Failed { kind: "vm", message } = &expected.ending else {
            panic!("ended with {:?}", expected.ending);
        };
        assert!(message.starts_with("txn 9"), "{message}");
        let engine = engine(4);
        for _ in 0..20 {
            assert_same(&expected, &record_parallel(&engine, &block, AcceptAll));
        }
        assert_ready(&engine);
    });
}

/// Collects interrupts from executions that fail on purpose.
fn fill_drawer(vm: &Odd, count: usize) {
    struct Collector<'a>(&'a Mutex<Vec<Interrupt>>);
    impl Vm for Collector<'_> {
        type Txn = ();
        type Location = u8;
        type Value = Unlucky;
        type Output = ();
        type Invalid = NoReason;
        type Context<'b>
            = ()
        where
            Self: 'b;

        fn context(&self) {}

        fn execute<'b>(
            &'b self,
            (): &mut (),
            (): &(),
            view: &mut View<'b, Self>,
        ) -> Result<Execution<(), NoReason>, Interrupt> {
            let interrupt = view.fail("on purpose");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(interrupt);
            Ok(Execution::Done(()))
        }
    }
    let collector = Collector(&vm.drawer);
    for _ in 0..count {
        let failed =
            execute_sequential(&Block::new(&collector, &[()], &unlucky_base), &mut AcceptAll);
        assert!(matches!(failed, Err(Error::Vm { .. })));
    }
}

/// Keeps the views of some executions and puts them back into others.
struct Swapper;

impl Vm for Swapper {
    type Txn = u32;
    type Location = u8;
    type Value = Unlucky;
    type Output = u64;
    type Invalid = NoReason;
    type Context<'b> = View<'b, Self>;

    fn context(&self) -> View<'_, Self> {
        View::default()
    }

    fn execute<'b>(
        &'b self,
        kept: &mut View<'b, Self>,
        txn: &u32,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, NoReason>, Interrupt> {
        let Unlucky(before) = view.read(&0)?;
        view.write(&0, Unlucky(before + 1))?;
        if txn % 5 == 4 {
            std::mem::swap(kept, view);
        }
        Ok(Execution::Done(before))
    }
}

#[test]
fn views_that_are_swapped_for_old_ones() {
    timely(|| {
        let txns: Vec<u32> = (0..40).collect();
        let block = Block::new(&Swapper, &txns, &unlucky_base);
        let expected = record_sequential(&block, AcceptAll);
        let Ending::Failed { kind: "vm", .. } = &expected.ending else {
            panic!("ended with {:?}", expected.ending);
        };
        let engine = engine(4);
        for _ in 0..50 {
            assert_same(&expected, &record_parallel(&engine, &block, AcceptAll));
        }
        assert_ready(&engine);
    });
}

#[test]
fn a_storage_that_panics() {
    timely(|| {
        let script: Script = |_, txn, view| {
            let location = if *txn == 12 { 99 } else { (*txn % 5) as u8 };
            Ok(Execution::Done(view.read(&location)?.0))
        };
        let storage = |location: &u8| -> Result<Unlucky, BoxError> {
            if *location == 99 {
                resume_unwind(Box::new("the storage panics"));
            }
            Ok(Unlucky(0))
        };
        let (vm, txns) = (Odd::new(script), (0..30).collect::<Vec<u32>>());
        let block = Block::new(&vm, &txns, &storage);
        let expected = record_sequential(&block, AcceptAll);
        assert!(matches!(expected.ending, Ending::Failed { kind: "panicked", .. }));
        let engine = engine(4);
        for _ in 0..30 {
            assert_same(&expected, &record_parallel(&engine, &block, AcceptAll));
        }
        assert_ready(&engine);
    });
}

/// A VM whose context cannot be built.
struct Broken;

impl Vm for Broken {
    type Txn = ();
    type Location = u8;
    type Value = Unlucky;
    type Output = ();
    type Invalid = NoReason;
    type Context<'b> = ();

    fn context(&self) {
        resume_unwind(Box::new("no context"));
    }

    fn execute<'b>(
        &'b self,
        (): &mut (),
        (): &(),
        _: &mut View<'b, Self>,
    ) -> Result<Execution<(), NoReason>, Interrupt> {
        Ok(Execution::Done(()))
    }
}

#[test]
fn a_context_that_panics() {
    timely(|| {
        let block = Block::new(&Broken, &[(), (), (), ()], &unlucky_base);
        let expected = record_sequential(&block, AcceptAll);
        assert!(matches!(expected.ending, Ending::Failed { kind: "panicked", .. }));
        let engine = engine(3);
        for _ in 0..20 {
            assert_same(&expected, &record_parallel(&engine, &block, AcceptAll));
        }
        assert_ready(&engine);
    });
}

/// Transactions without a size, so that a block may have more of them than can be numbered.
#[test]
fn a_block_that_is_too_long() {
    timely(|| {
        for txns in [vec![(); u32::MAX as usize], vec![(); 1 << 33]] {
            let block = Block::new(&Broken, &txns, &unlucky_base);
            let of_the_oracle = execute_sequential(&block, &mut AcceptAll);
            assert!(matches!(of_the_oracle, Err(Error::TooLong { .. })));
            let of_the_engine = engine(2).execute(&block, &mut AcceptAll);
            assert!(matches!(of_the_engine, Err(Error::TooLong { .. })));
        }
    });
}

//! How often values are copied for a VM that reads.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use block_stm::{
    Block, BoxError, Collect, Execution, Interrupt, Outcome, Storage, Value, View, Vm,
    execute_sequential,
};

use crate::support::{engine, timely};

/// A value whose copies are counted.
#[derive(Debug)]
struct Large(u64, &'static AtomicU64);

impl Clone for Large {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed: a count, read when the block is over.
        self.1.fetch_add(1, Relaxed);
        Self(self.0, self.1)
    }
}

impl PartialEq for Large {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Large {}

impl Value for Large {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, delta: &Infallible) -> Option<Self> {
        match *delta {}
    }

    fn satisfies(&self, predicate: &Infallible) -> bool {
        match *predicate {}
    }
}

const READS: u64 = 20;
const TXNS: u64 = 60;

/// Each transaction reads one location again and again; every tenth then writes its number there.
struct Reader {
    /// Whether it has each value copied.
    copies: bool,
    copied: &'static AtomicU64,
}

impl Vm for Reader {
    type Txn = u64;
    type Location = ();
    type Value = Large;
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
        let mut sum = 0;
        for _ in 0..READS {
            sum += match self.copies {
                true => view.read(&())?.0,
                false => view.read_with(&(), |value| value.0)?,
            };
        }
        if txn.is_multiple_of(10) {
            view.write(&(), Large(*txn, self.copied))?;
            sum += view.read_with(&(), |value| value.0)?;
        }
        Ok(Execution::Done(sum))
    }
}

struct Seven(&'static AtomicU64);

impl Storage<(), Large> for Seven {
    fn read(&self, (): &()) -> Result<Large, BoxError> {
        Ok(Large(7, self.0))
    }
}

/// What each transaction must come to.
fn right() -> Vec<u64> {
    let mut value = 7;
    let txns = (0..TXNS).map(|txn| {
        let sum = value * READS;
        if !txn.is_multiple_of(10) {
            return sum;
        }
        value = txn;
        sum + txn
    });
    txns.collect()
}

#[test]
fn a_value_that_is_only_shown_is_copied_once_for_each_execution() {
    timely(|| {
        let txns: Vec<_> = (0..TXNS).collect();
        for copies in [false, true] {
            let copied: &'static AtomicU64 = Box::leak(Box::default());
            let (vm, state) = (Reader { copies, copied }, Seven(copied));
            let block = Block::new(&vm, &txns, &state);
            let check = |threads: usize| {
                // ORDERING: Relaxed: no thread runs a transaction now.
                copied.store(0, Relaxed);
                let mut sink = Collect::default();
                let executed = match threads {
                    0 => execute_sequential(&block, &mut sink),
                    _ => engine(threads).execute(&block, &mut sink),
                };
                let executions = executed.expect("it is valid").stats.executions;
                let right: Vec<_> = right().into_iter().map(Outcome::Done).collect();
                assert_eq!(sink.outcomes, right, "{threads} threads");
                let count = copied.load(Relaxed);
                let bound = match (copies, threads) {
                    (true, _) => TXNS * READS..=u64::MAX,
                    // The oracle keeps no record of what it saw.
                    (false, 0) => 0..=0,
                    // And one where what is committed goes into another form.
                    (false, _) => 0..=executions + TXNS / 10 + 1,
                };
                assert!(bound.contains(&count), "{threads} threads, {count} copies: {bound:?}");
            };
            [0, 1, 2, 4].into_iter().for_each(check);
        }
    });
}

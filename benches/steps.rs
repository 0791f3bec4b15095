//! The smallest VM there is: transactions that are lists of reads and writes, on numbers.

use std::convert::Infallible;
use std::ops::Range;

use block_stm::{
    BoxError, CommitSink, Execution, Flow, Interrupt, Outcome, TxnIndex, Value, View, Vm, Writes,
};

/// A number, to which numbers can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub u64);

impl Value for Number {
    type Delta = u64;
    type Predicate = Infallible;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(Self)
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// The state before the block: each location holds its own number.
///
/// # Errors
/// Never.
pub const fn opening(location: &u64) -> Result<Number, BoxError> {
    Ok(Number(*location))
}

/// What a transaction does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reads each of these locations once.
    Read(Range<u64>),
    /// Reads one location, over and over.
    Reread {
        /// Which.
        location: u64,
        /// How often.
        times: u64,
    },
    /// Writes each of these locations once.
    Write(Range<u64>),
    /// Adds 1 to each of these locations, without reading it.
    Add(Range<u64>),
    /// Has what was read so far validated, over and over.
    Checkpoint {
        /// How often.
        times: u64,
    },
}

/// Executes lists of [`Step`]s. The output is the sum of what was read.
#[derive(Clone, Copy, Debug)]
pub struct Steps;

impl Vm for Steps {
    type Txn = Vec<Step>;
    type Location = u64;
    type Value = Number;
    type Output = u64;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        steps: &Vec<Step>,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, Infallible>, Interrupt> {
        let mut sum = 0_u64;
        for step in steps {
            match step.clone() {
                Step::Read(mut locations) => locations.try_for_each(|location| {
                    sum = sum.wrapping_add(view.read(&location)?.0);
                    Ok(())
                })?,
                Step::Reread { location, times } => (0..times).try_for_each(|_| {
                    sum = sum.wrapping_add(view.read(&location)?.0);
                    Ok(())
                })?,
                Step::Write(mut locations) => {
                    locations.try_for_each(|location| view.write(&location, Number(location)))?;
                }
                Step::Add(mut locations) => {
                    locations.try_for_each(|location| view.add(&location, 1).map(drop))?;
                }
                Step::Checkpoint { times } => (0..times).try_for_each(|_| view.checkpoint())?,
            }
        }
        Ok(Execution::Done(sum))
    }
}

/// A sink that keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Discard;

impl<V: Vm> CommitSink<V> for Discard {
    fn commit(&mut self, _: TxnIndex, _: Outcome<V::Output, V::Invalid>, _: Writes<'_, V>) -> Flow {
        Flow::Continue
    }
}

#[cfg(test)]
mod tests {
    use block_stm::{Block, Collect, execute_sequential};

    use super::*;

    #[test]
    fn steps_do_what_they_say() {
        let txns = [
            vec![Step::Read(3..6), Step::Reread { location: 10, times: 2 }],
            vec![Step::Write(3..4), Step::Add(3..5), Step::Checkpoint { times: 3 }],
            vec![Step::Read(3..6)],
        ];
        let mut outcomes = Collect::default();
        let block = Block::new(&Steps, &txns, &opening);
        execute_sequential(&block, &mut outcomes).expect("no errors");
        let sums = [3 + 4 + 5 + 20, 0, 4 + 5 + 5].map(Outcome::Done);
        assert_eq!(outcomes.outcomes, sums);
    }
}

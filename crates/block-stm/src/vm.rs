//! The seam: what a virtual machine and a state give to the engine.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::discard;
use crate::speculating::Speculating;
use crate::view::{Interrupt, View};

/// A failure of the host's state or of the VM itself, kept as the source of the engine's error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What a location holds, with the commutative updates and the assertions that it understands.
///
/// Equal values must be the same to everybody: to [`apply`](Value::apply), [`satisfies`](Value::satisfies), [`is_absent`](Value::is_absent)
/// and the VM. An execution that read one of them stands if the other one is committed.
///
/// A VM without deltas or predicates names [`std::convert::Infallible`] for both.
pub trait Value: Clone + Eq + Send + Sync + 'static {
    /// A commutative update, such as "add 5".
    type Delta: Clone + Send + Sync + 'static;
    /// An assertion, such as "at least 7".
    type Predicate: Clone + Send + Sync + 'static;

    /// The value after `delta`, or `None` where it does not apply (overflow, underflow).
    ///
    /// Must be a pure function. It decides; nothing ever wraps behind its back.
    fn apply(&self, delta: &Self::Delta) -> Option<Self>;

    /// Whether `predicate` holds for this value. Must be a pure function.
    fn satisfies(&self, predicate: &Self::Predicate) -> bool;

    /// Whether the location holds nothing: it was deleted, or never written. Must be a pure function.
    ///
    /// A [`scan`](View::scan) passes over such locations. Nothing else asks.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Whether scans have to look at a location with this value: one that panics when it is asked does
/// so to them.
pub(crate) fn is_present<V: Value>(value: &V) -> bool {
    let _speculating = Speculating::start();
    let is_absent = catch_unwind(AssertUnwindSafe(|| value.is_absent()));
    !is_absent.unwrap_or_else(|payload| {
        discard(payload);
        false
    })
}

/// How one execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution<O, I> {
    /// The transaction took effect; its writes count. A revert inside the VM is one of these too.
    Done(O),
    /// The transaction may not stand in the block; its writes are dropped.
    /// What this means for the block is the [`InvalidPolicy`](crate::InvalidPolicy)'s to say.
    Invalid(I),
}

/// A virtual machine that executes one transaction at a time against a [`View`].
///
/// The engine calls [`execute`](Vm::execute) from several threads, for several transactions at
/// once, and any number of times for the same one. An execution must be a pure function of the
/// transaction and of what the view answers; whatever else it touches would break determinism.
pub trait Vm: Sync + Sized {
    /// One entry of the block.
    type Txn: Sync;
    /// What is read and written: an address, a storage slot, a key.
    type Location: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// What a location holds.
    type Value: Value;
    /// What a transaction leaves behind beside its writes: a receipt, gas used, logs.
    type Output: Send;
    /// Why a transaction may not stand in the block.
    type Invalid: Debug + Display + Send;
    /// What a worker builds once and uses for many executions: an interpreter, buffers.
    ///
    /// Never shared between threads. It is thrown away after a panic.
    type Context<'b>
    where
        Self: 'b;

    /// Builds a worker's context.
    fn context(&self) -> Self::Context<'_>;

    /// Executes `txn` once.
    ///
    /// # Errors
    /// An [`Interrupt`] from the view is handed on as it came, at once: the run is doomed or cannot
    /// go on. An execution that swallows one is thrown away all the same.
    fn execute<'b>(
        &'b self,
        context: &mut Self::Context<'b>,
        txn: &Self::Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Self::Output, Self::Invalid>, Interrupt>;

    /// What a committed transaction counts towards [`Limits::max_weight`](crate::Limits::max_weight).
    fn weight(&self, txn: &Self::Txn, output: &Self::Output) -> u64 {
        let _ = (txn, output);
        0
    }
}

/// The state before the block.
pub trait Storage<L, V>: Sync {
    /// The value of `location`. A state in which a location may be absent says so in its value type.
    ///
    /// Called from several threads, and never under a lock of the engine. In parallel execution, a value is kept for the rest
    /// of the block: a location is read once, except after an error, and by workers that ask at the same
    /// time and do not want to wait for each other; what the first of them was told counts for all.
    ///
    /// # Errors
    /// Whatever keeps the host from answering. It surfaces as [`Error::Storage`](crate::Error::Storage)
    /// if the transaction that asked is really reached, and is forgotten if only a doomed execution asked.
    fn read(&self, location: &L) -> Result<V, BoxError>;
}

impl<L, V, F> Storage<L, V> for F
where
    F: Fn(&L) -> Result<V, BoxError> + Sync,
{
    fn read(&self, location: &L) -> Result<V, BoxError> {
        self(location)
    }
}

/// A state before the block whose locations have an order, for [`Block::ordered`](crate::Block::ordered).
pub trait OrderedStorage<L, V>: Storage<L, V> {
    /// The lowest location within the range that holds something, that is, whose value is not
    /// [absent](Value::is_absent).
    ///
    /// It must agree with [`read`](Storage::read). Called from several threads. An answer is kept
    /// for the rest of the block: that nothing lies between the range's beginning and the location.
    /// The range is never empty or inverted, as `BTreeMap::range` requires.
    ///
    /// # Errors
    /// As for [`read`](Storage::read); [`Error::Storage`](crate::Error::Storage) names the range.
    /// Whether it fails may depend on what lies between the range's beginning and the answer, not
    /// on where it was asked to begin.
    fn next(&self, range: (Bound<&L>, Bound<&L>)) -> Result<Option<L>, BoxError>;
}

//! What a transaction sees of the state while it is executed.

use std::convert::Infallible;
use std::fmt;
use std::ops::{Bound, ControlFlow};

use crate::contract::execution::Interrupt;
use crate::contract::storage::BoxError;
use crate::contract::types::Types;
use crate::contract::value::Value;
use crate::execution::backend::Backend;
use crate::primitives::canary::{Canary, sings};

/// One transaction's view of the state: everything that lower transactions wrote, and its own
/// writes.
///
/// A thin handle that lives as long as the block: a VM that owns its database can
/// [`take`](View::take) it into its context for the time of an execution, and put it back. `V` is
/// the VM.
///
/// # Errors
/// Every method that answers may return an [`Interrupt`] instead, which ends the execution.
///
/// # Panics
/// Every method panics on a handle whose inside was taken.
///
/// A panic that comes out of a method (of the storage, of a value or a location, of what a value is
/// shown to) fails the execution, also where the VM catches it: the methods answer with an
/// [`Interrupt`] from then on.
pub struct View<'b, V: Types> {
    /// The inside; `None` while it is taken.
    backend: Option<Box<Backend<'b, V>>>,
    /// Set while a method is under way, and so for good once a panic came out of one. Goes where
    /// the inside goes.
    asking: bool,
}

impl<V: Types> Default for View<'_, V> {
    /// A handle with nothing inside, as [`View::take`] leaves behind.
    fn default() -> Self {
        Self { backend: None, asking: false }
    }
}

impl<V: Types> fmt::Debug for View<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.backend {
            None => f.write_str("View(taken)"),
            Some(backend) => write!(f, "View({})", backend.kind()),
        }
    }
}

impl<'b, V: Types> View<'b, V> {
    pub(crate) fn new(backend: Backend<'b, V>) -> Self {
        Self { backend: Some(Box::new(backend)), asking: false }
    }

    pub(crate) fn backend(&mut self) -> Option<&mut Backend<'b, V>> {
        self.backend.as_deref_mut()
    }

    /// Whether a panic came out of one of its methods.
    pub(crate) fn is_broken(&self) -> bool {
        self.asking && !sings(Canary::ForgetPanics)
    }

    /// Calls a method of the inside.
    fn ask<T>(
        &mut self,
        method: impl FnOnce(&mut Backend<'b, V>) -> Result<T, Interrupt>,
    ) -> Result<T, Interrupt> {
        let backend = self.backend.as_deref_mut();
        let backend = backend.expect("the view's inside was taken and not put back");
        if self.asking && !sings(Canary::ForgetPanics) {
            return Err(Interrupt::new());
        }
        self.asking = true;
        let answer = method(backend);
        self.asking = false;
        answer
    }

    /// Moves the inside out, leaving an empty handle. Put it back before the execution returns.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Whether the inside was taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.backend.is_none()
    }

    /// The value of `location`.
    ///
    /// The answer is the same however often it is asked, until the transaction itself writes there.
    ///
    /// # Cost
    /// One hash and a lookup without locks, and a copy of the value; the first read in the block
    /// also asks the storage.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn read(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        self.read_with(location, V::Value::clone)
    }

    /// What `show` makes of the value of `location`: a [`read`](View::read) that copies nothing for
    /// the VM, for values that are large or dear to copy.
    ///
    /// ```
    /// # use block_stm::{Interrupt, View, Vm};
    /// /// Whether the text at `location` has this word.
    /// fn has_word<V: Vm<Value: AsRef<str>>>(
    ///     view: &mut View<'_, V>,
    ///     location: &V::Location,
    ///     word: &str,
    /// ) -> Result<bool, Interrupt> {
    ///     view.read_with(location, |text| text.as_ref().split(' ').any(|other| other == word))
    /// }
    /// ```
    ///
    /// # Cost
    /// As that of [`read`](View::read) but for the copy. The engine keeps one itself of what an
    /// execution saw, the first time that it looks at a location.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on. `show` is not called then.
    pub fn read_with<T>(
        &mut self,
        location: &V::Location,
        show: impl FnOnce(&V::Value) -> T,
    ) -> Result<T, Interrupt> {
        self.ask(|backend| backend.read_with(location, show))
    }

    /// Visits what lies between the bounds, in ascending order, each location with the value that
    /// [`read`](View::read) would give.
    ///
    /// Locations whose value is [absent](crate::Value::is_absent) are passed over. `visit` ends the
    /// scan with [`ControlFlow::Break`]; then only the range up to the location that it saw last
    /// was observed, and writes beyond do not conflict. A scan that is not ended observes its whole
    /// range: it conflicts with whatever appears, changes or disappears there. Bounds that cross
    /// hold nothing.
    ///
    /// Two scans of one execution agree, and a scan agrees with the reads before it. But a read may
    /// find something where a scan before it found nothing, in an execution that is thrown away.
    ///
    /// # Cost
    /// For each location visited, a read and a step in a sorted set, now and at commit; if it was
    /// there before the block, a question to the storage
    /// ([`OrderedStorage::next`](crate::OrderedStorage::next)), once in the block. What committed
    /// transactions deleted costs nothing, unless the block asked for its conflict graph: then it
    /// is read, too.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on. A block that was not made by
    /// [`Block::ordered`](crate::Block::ordered) answers as after [`fail`](View::fail).
    pub fn scan(
        &mut self,
        from: Bound<&V::Location>,
        to: Bound<&V::Location>,
        mut visit: impl FnMut(&V::Location, &V::Value) -> ControlFlow<()>,
    ) -> Result<(), Interrupt> {
        self.ask(|backend| backend.scan(from, to, &mut visit))
    }

    /// Sets `location` to `value`, without observing what was there.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on. Only possible after [`add`](View::add) on the same location.
    pub fn write(&mut self, location: &V::Location, value: V::Value) -> Result<(), Interrupt> {
        self.ask(|backend| backend.write(location, value))
    }

    /// Applies `delta` to `location` without observing what was there, and says whether it applies.
    ///
    /// Where it does not apply, nothing changes and the VM decides what that means. Transactions
    /// that only add to a location do not conflict: the sum is made when they are committed. An
    /// optimistic execution takes for granted that the delta applies; should that turn out wrong,
    /// the transaction is executed again with the exact answer.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn add(
        &mut self,
        location: &V::Location,
        delta: <V::Value as Value>::Delta,
    ) -> Result<bool, Interrupt> {
        self.ask(|backend| backend.add(location, delta))
    }

    /// Whether `predicate` holds at `location`, observing nothing else of what is there.
    ///
    /// The execution stands as long as the answer does, whatever the value.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn check(
        &mut self,
        location: &V::Location,
        predicate: <V::Value as Value>::Predicate,
    ) -> Result<bool, Interrupt> {
        self.ask(|backend| backend.check(location, predicate))
    }

    /// Takes for granted that `predicate` holds at `location`, or says that it does not.
    ///
    /// Unlike [`check`](View::check), an optimistic execution does not look: what lower
    /// transactions have not written yet cannot mislead it. The judge looks at commit; should the
    /// predicate not hold there, the transaction is executed again with the exact answer. For rules
    /// that nearly always hold, such as "the nonce is the next one".
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn assume(
        &mut self,
        location: &V::Location,
        predicate: <V::Value as Value>::Predicate,
    ) -> Result<bool, Interrupt> {
        self.ask(|backend| backend.assume(location, predicate))
    }

    /// The value of `location` as it looks now, without observing it: the execution may rely on it
    /// only through [`check`](View::check)s of its own, and must come to the same whatever the
    /// value is, as after a [`glimpse`](View::glimpse).
    ///
    /// For VMs that must hold a value which does not matter, such as an account's balance when only
    /// an amount is taken from it. Two peeks agree.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn peek(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        self.ask(|backend| backend.peek(location))
    }

    /// Some value that `location` has about here, without observing it: in a parallel execution,
    /// not even what is in flight from others need be in it. Two glimpses need not agree.
    ///
    /// For a VM that guesses, and asks whether it guessed right with [`check`](View::check) or
    /// [`assume`](View::assume). Nothing judges the value itself, so an execution must come to the
    /// same whatever value it is shown: to the same output or refusal, with the same writes and
    /// deltas, having read and scanned the same and touched the same locations. What it asks at
    /// these locations may follow the value, and the answers may be relied on as always. An
    /// execution may also fail for a value that cannot be right: only failures of exact executions
    /// count, in which the value is that of [`peek`](View::peek).
    ///
    /// ```
    /// # use block_stm::{Interrupt, Value, View, Vm};
    /// /// Whether the location holds something else than `banned`.
    /// fn differs<V>(
    ///     view: &mut View<'_, V>,
    ///     location: &V::Location,
    ///     banned: u64,
    /// ) -> Result<bool, Interrupt>
    /// where
    ///     V: Vm<Value: Value<Predicate = u64> + Into<u64>>,
    /// {
    ///     let guess: u64 = view.glimpse(location)?.into();
    ///     // A guess that is right is the answer; otherwise the question is asked as it is.
    ///     Ok(guess != banned && view.check(location, guess)? || !view.check(location, banned)?)
    /// }
    /// ```
    ///
    /// # Cost
    /// As [`peek`](View::peek), but it does not sum up others' deltas.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn glimpse(&mut self, location: &V::Location) -> Result<V::Value, Interrupt> {
        self.ask(|backend| backend.glimpse(location))
    }

    /// Ends the execution with a failure of the VM's own: a broken invariant, a missing setting.
    ///
    /// If the transaction is really reached, the block fails with [`Error::Vm`](crate::Error::Vm).
    #[must_use = "return the interrupt"]
    pub fn fail(&mut self, source: impl Into<BoxError>) -> Interrupt {
        let failed: Result<Infallible, Interrupt> = self.ask(|inside| {
            let source = source.into();
            Err(inside.fail(source))
        });
        match failed {
            Err(interrupt) => interrupt,
        }
    }

    /// Ends the execution if what was read so far no longer holds, so that going on is a waste.
    ///
    /// For VMs with long computations between reads; never needed for correctness.
    ///
    /// # Cost
    /// A few loads for each read so far. Nothing in sequential execution.
    ///
    /// # Errors
    /// [`Interrupt`]; hand it on.
    pub fn checkpoint(&mut self) -> Result<(), Interrupt> {
        self.ask(Backend::checkpoint)
    }
}

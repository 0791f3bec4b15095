//! The interpreter, which also watches that the engine keeps its promises to a running VM.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use block_stm::{Execution, Interrupt, View, Vm};

use super::location::{Place, Slot};
use super::program::{Program, Trace};
use super::rules::Refusal;
use super::run::Run;
use super::value::{Number, Small};
use crate::check::Arm;

/// A moment of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The transaction.
    pub txn: u32,
    /// Which of the block's executions it is, counted from 0 in the order of their starts.
    pub execution: u64,
    /// How many operations on the view came before; 0 is also the start of the execution.
    pub op: u32,
}

/// Anything that can be held.
pub trait Locked {}

impl<T> Locked for T {}

/// Is told about moments of a block's execution, and may disturb them: delay, panic, cancel.
pub trait Probe: fmt::Debug + Send + Sync {
    /// A new run of the block begins: on an engine, or on the oracle.
    fn reset(&self, arm: Option<Arm>) {
        let _ = arm;
    }

    /// An operation on a view is about to happen; also called once at the start of each execution.
    fn operation(&self, site: Site) {
        let _ = site;
    }

    /// A value is about to be read; what is returned is dropped afterwards: a lock of the host's,
    /// say.
    fn hold(&self) -> Option<Box<dyn Locked + '_>> {
        None
    }

    /// An execution has returned, with whatever result; not called if it panicked.
    fn executed(&self, txn: u32) {
        let _ = txn;
    }

    /// The storage is about to be read.
    ///
    /// # Errors
    /// A message with which the read fails.
    fn storage(&self, slot: u16) -> Result<(), String> {
        let _ = slot;
        Ok(())
    }

    /// The sink was given a transaction.
    fn commit(&self, txn: u32) {
        let _ = txn;
    }
}

/// Executes [`Program`]s.
///
/// Every other transaction takes its view apart as VMs do that own their database, and all of them
/// record what breaks the engine's promises, also in executions that are thrown away: reads that
/// contradict each other or the program's own writes, scans that contradict these or each other,
/// and contexts that are used twice at once, or after a panic or the loss of a view.
pub struct LanguageVm<P: Place = Slot, N: Number = Small> {
    mint: N::Mint,
    probe: Option<Arc<dyn Probe>>,
    executions: AtomicU64,
    broken: Mutex<Vec<String>>,
    places: PhantomData<fn() -> P>,
}

impl<P: Place, N: Number> fmt::Debug for LanguageVm<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageVm").field("probe", &self.probe).finish_non_exhaustive()
    }
}

impl<P: Place, N: Number> LanguageVm<P, N> {
    /// A machine that makes its values from `mint` and tells `probe` what it does.
    #[must_use]
    pub fn new(mint: N::Mint, probe: Option<Arc<dyn Probe>>) -> Self {
        Self {
            mint,
            probe,
            executions: AtomicU64::new(0),
            broken: Mutex::default(),
            places: PhantomData,
        }
    }

    /// Starts to count and to record anew.
    pub fn reset(&self) {
        // ORDERING: SeqCst throughout: a count, and speed is no matter.
        self.executions.store(0, Ordering::SeqCst);
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many executions began since the last [`reset`](LanguageVm::reset).
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions.load(Ordering::SeqCst)
    }

    /// The promises that were broken since the last [`reset`](LanguageVm::reset).
    #[must_use]
    pub fn broken_promises(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn mint(&self) -> &N::Mint {
        &self.mint
    }

    pub(super) fn probe(&self) -> Option<&Arc<dyn Probe>> {
        self.probe.as_ref()
    }

    fn enter(&self, context: &Interpreter<'_>, txn: u32) {
        if context.busy.replace(true) {
            self.complain(format!(
                "txn {txn}: the context is in use, or survived a panic or the loss of its view"
            ));
        }
    }

    pub(super) fn complain(&self, what: String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// A worker's context: it only knows whether it is in use. Deliberately tied to its thread.
#[derive(Debug)]
pub struct Interpreter<'b> {
    busy: Cell<bool>,
    tied: PhantomData<(*mut (), &'b ())>,
}

impl<P: Place, N: Number> Vm for LanguageVm<P, N> {
    type Txn = Program;
    type Location = P;
    type Value = N;
    type Output = Trace;
    type Invalid = Refusal;
    type Context<'b>
        = Interpreter<'b>
    where
        Self: 'b;

    fn context(&self) -> Interpreter<'_> {
        Interpreter { busy: Cell::new(false), tied: PhantomData }
    }

    fn execute<'b>(
        &'b self,
        context: &mut Interpreter<'b>,
        txn: &Program,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Trace, Refusal>, Interrupt> {
        self.enter(context, txn.id);
        let execution = self.executions.fetch_add(1, Ordering::SeqCst);
        let mut run = Run::new(self, txn, execution);
        let result = if txn.id % 2 == 1 {
            let mut taken = view.take();
            let result = run.program(&mut taken);
            *view = taken;
            result
        } else {
            run.program(view)
        };
        // One whose view is lost stays in use.
        context.busy.set(view.is_taken());
        if let Some(probe) = &self.probe {
            probe.executed(txn.id);
        }
        result
    }

    fn weight(&self, _txn: &Program, output: &Trace) -> u64 {
        output.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_in_use_is_noticed() {
        let vm = LanguageVm::<Slot, Small>::new((), None);
        let context = vm.context();
        vm.enter(&context, 3);
        assert_eq!(vm.broken_promises(), [""; 0]);
        vm.enter(&context, 4);
        assert_eq!(
            vm.broken_promises(),
            ["txn 4: the context is in use, or survived a panic or the loss of its view"]
        );
    }
}

//! What a language block's host decides: admission, settlement, where the block ends, hints.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use block_stm::{Admission, CommitSink, Flow, Hints, Outcome, TxnIndex, Writes};

use super::location::Place;
use super::program::{Program, Trace};
use super::value::Number;
use super::vm::{LanguageVm, Probe};

/// Why a transaction of the language may not stand in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The program says so itself.
    Program {
        /// Its accumulator.
        acc: u8,
    },
    /// The sink refused it before its execution.
    Admission {
        /// What the committed transactions had spent.
        spent: u64,
    },
    /// The sink refused it after its execution.
    Settlement {
        /// The weight that it would have had.
        weight: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { acc } => write!(f, "the program refuses itself at {acc}"),
            Self::Admission { spent } => write!(f, "not admitted after {spent} were spent"),
            Self::Settlement { weight } => write!(f, "a weight of {weight} cannot be settled"),
        }
    }
}

/// What the sink of a language block decides. The default admits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Transactions that are never admitted.
    pub refuse: BTreeSet<u32>,
    /// Not admitted: a program with more operations than this budget has left. A committed one
    /// costs its weight and 1.
    pub budget: Option<u64>,
    /// Not settled: a transaction whose weight is a multiple of this, 0 apart.
    pub unsettled: Option<u64>,
    /// The block is cut when this transaction asks for admission.
    pub cut_before: Option<u32>,
    /// The block is cut when this transaction asks for settlement.
    pub cut_at: Option<u32>,
    /// The block is cut after this transaction.
    pub cut_after: Option<u32>,
    /// The sink panics when it is given this transaction.
    pub panic_at: Option<u32>,
}

/// A sink that follows [`Rules`]; what it decides depends on what was committed before.
#[derive(Debug)]
pub struct RuledSink {
    rules: Rules,
    spent: u64,
    probe: Option<Arc<dyn Probe>>,
}

impl RuledSink {
    /// A sink for one execution of a block.
    #[must_use]
    pub fn new(rules: Rules, probe: Option<Arc<dyn Probe>>) -> Self {
        Self { rules, spent: 0, probe }
    }
}

impl<P: Place, N: Number> CommitSink<LanguageVm<P, N>> for RuledSink {
    fn admit(&mut self, index: TxnIndex, txn: &Program) -> Admission<Refusal> {
        let index = index.get();
        let needed = self.spent + txn.ops.len() as u64;
        if self.rules.cut_before == Some(index) {
            Admission::Cut
        } else if self.rules.refuse.contains(&index)
            || self.rules.budget.is_some_and(|budget| needed > budget)
        {
            Admission::Refuse(Refusal::Admission { spent: self.spent })
        } else {
            Admission::Admit
        }
    }

    fn settle(&mut self, index: TxnIndex, _txn: &Program, output: &Trace) -> Admission<Refusal> {
        let weight = output.weight;
        let odd = |step| weight > 0 && weight.is_multiple_of(step);
        if self.rules.cut_at == Some(index.get()) {
            Admission::Cut
        } else if self.rules.unsettled.is_some_and(odd) {
            Admission::Refuse(Refusal::Settlement { weight })
        } else {
            Admission::Admit
        }
    }

    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<Trace, Refusal>,
        _writes: Writes<'_, LanguageVm<P, N>>,
    ) -> Flow {
        if let Some(probe) = &self.probe {
            probe.commit(index.get());
        }
        if self.rules.panic_at == Some(index.get()) {
            resume_unwind(Box::new(format!("the sink panics at {index}")));
        }
        if let Outcome::Done(trace) = outcome {
            self.spent += trace.weight + 1;
        }
        if self.rules.cut_after == Some(index.get()) { Flow::Cut } else { Flow::Continue }
    }
}

/// Declared writes: for each transaction, the slots that it is said to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguageHints(pub Vec<Vec<u16>>);

impl<P: Place, N: Number> Hints<LanguageVm<P, N>> for LanguageHints {
    fn declare(&self, index: TxnIndex, _txn: &Program, declare: &mut dyn FnMut(P)) {
        let slots = self.0.get(index.as_usize());
        slots.into_iter().flatten().for_each(|slot| declare(P::at(*slot)));
    }
}

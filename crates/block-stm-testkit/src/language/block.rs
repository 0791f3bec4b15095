//! A whole block of the language as a value: programs, state, rules, hints, disturbances.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use block_stm::{Block, BoxError, InvalidPolicy, Limits, OrderedStorage, Stats, Storage};

use super::location::{Place, Slot};
use super::program::{Op, Program};
use super::rules::{LanguageHints, RuledSink, Rules};
use super::value::{ABSENT, MAX, Number, Small};
use super::vm::{LanguageVm, Probe};
use crate::check::{Arm, Checker, Mismatch, Trial};
use crate::record::Event;
use crate::record::record_sequential;
use crate::watchdog::{PATIENCE, within};

/// A block of the language with everything that belongs to it.
///
/// `Display` writes the Rust code that rebuilds it, probe apart.
#[derive(Clone, Debug, Default)]
pub struct LanguageBlock {
    /// The transactions; each one's id is its place.
    pub programs: Vec<Program>,
    /// The state before the block, by slot; what lies beyond is 0.
    pub state: Vec<u8>,
    /// Slots that the storage cannot read.
    pub unreadable: BTreeSet<u16>,
    /// Slots that the storage cannot get past when it looks for the next one that holds something.
    pub impassable: BTreeSet<u16>,
    /// What an invalid transaction means.
    pub policy: InvalidPolicy,
    /// [`Limits::max_weight`].
    pub max_weight: Option<u64>,
    /// [`Limits::max_txns`].
    pub max_txns: Option<usize>,
    /// What the sink decides.
    pub rules: Rules,
    /// Declared writes, right or wrong.
    pub hints: Option<LanguageHints>,
    /// What disturbs the executions.
    pub probe: Option<Arc<dyn Probe>>,
}

impl LanguageBlock {
    /// A block of these programs over a state of zeros.
    pub fn new<Ops: Into<Vec<Op>>>(programs: impl IntoIterator<Item = Ops>) -> Self {
        let programs = programs.into_iter().enumerate();
        let program = |(id, ops): (usize, Ops)| Program { id: id as u32, ops: ops.into() };
        Self { programs: programs.map(program).collect(), ..Self::default() }
    }

    /// Sets the state before the block.
    #[must_use]
    pub fn state(mut self, values: impl Into<Vec<u8>>) -> Self {
        self.state = values.into();
        self
    }

    /// Leaves invalid transactions out instead of failing.
    #[must_use]
    pub fn skip_invalid(mut self) -> Self {
        self.policy = InvalidPolicy::Skip;
        self
    }

    /// Sets what disturbs the executions.
    #[must_use]
    pub fn probe(mut self, probe: impl Probe + 'static) -> Self {
        self.probe = Some(Arc::new(probe));
        self
    }

    /// Gives each transaction the hints that are exactly right: what it writes in sequential
    /// execution.
    #[must_use]
    pub fn with_true_hints(mut self) -> Self {
        let stage = self.stage();
        let mut slots = vec![Vec::new(); self.programs.len()];
        for event in record_sequential(&stage.block(), stage.sink(None)).events {
            if let Event::Commit { txn, writes, .. } = event {
                slots[txn.as_usize()] = writes.iter().map(|(slot, _)| slot.slot()).collect();
            }
        }
        self.hints = Some(LanguageHints(slots));
        self
    }

    /// Whether some program scans.
    #[must_use]
    pub fn scans(&self) -> bool {
        let is_scan = |op: &Op| matches!(op, Op::Scan(..));
        self.programs.iter().any(|program| program.ops.iter().any(is_scan))
    }

    /// Sets the block up for execution, in the plain representation.
    #[must_use]
    pub fn stage(&self) -> Stage<Slot, Small> {
        self.stage_as(())
    }

    /// Sets the block up for execution with other representations of locations and values.
    #[must_use]
    pub fn stage_as<P: Place, N: Number>(&self, mint: N::Mint) -> Stage<P, N> {
        Stage {
            storage: LanguageStorage::new(self, mint.clone()),
            vm: LanguageVm::new(mint, self.probe.clone()),
            spec: self.clone(),
        }
    }

    /// Proves that parallel execution is sequential execution, in a time.
    ///
    /// # Errors
    /// The first [`Mismatch`], with the block's source; [`Mismatch::Hang`] if it takes too long.
    pub fn check(&self, checker: &Arc<Checker>) -> Result<(), Mismatch> {
        self.check_as::<Slot, Small>(checker, ())
    }

    /// As [`check`](LanguageBlock::check), also under [other circumstances](crate::check()).
    ///
    /// # Errors
    /// As [`check`](LanguageBlock::check).
    pub fn vary(&self, checker: &Arc<Checker>) -> Result<(), Mismatch> {
        let (checker, stage) = (Arc::clone(checker), self.stage());
        within(PATIENCE, move || checker.vary(&stage.block(), &stage))
            .unwrap_or_else(|hang| Err(Mismatch::Hang(hang)))
            .map_err(|mismatch| mismatch.with_source(self))
    }

    /// [`check`](LanguageBlock::check) with other representations of locations and values.
    ///
    /// # Errors
    /// As [`check`](LanguageBlock::check).
    pub fn check_as<P: Place, N: Number>(
        &self,
        checker: &Arc<Checker>,
        mint: N::Mint,
    ) -> Result<(), Mismatch> {
        let (checker, stage) = (Arc::clone(checker), self.stage_as::<P, N>(mint));
        within(PATIENCE, move || checker.check(&stage.block(), &stage))
            .unwrap_or_else(|hang| Err(Mismatch::Hang(hang)))
            .map_err(|mismatch| mismatch.with_source(self))
    }
}

impl fmt::Display for LanguageBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "LanguageBlock {{")?;
        for program in &self.programs {
            writeln!(f, "    // {}\n    vec!{program},", program.id)?;
        }
        let Self {
            state,
            unreadable,
            impassable,
            policy,
            max_weight,
            max_txns,
            rules,
            hints,
            probe,
            ..
        } = self;
        writeln!(
            f,
            "    state: {state:?}, unreadable: {unreadable:?}, impassable: {impassable:?},"
        )?;
        writeln!(f, "    policy: {policy:?},")?;
        writeln!(f, "    max_weight: {max_weight:?}, max_txns: {max_txns:?},")?;
        writeln!(f, "    rules: {rules:?},\n    hints: {hints:?},\n    probe: {probe:?},\n}}")
    }
}

/// The state before a language block. Counts how often each slot is read.
#[derive(Debug)]
pub struct LanguageStorage<N: Number> {
    state: Vec<u8>,
    unreadable: BTreeSet<u16>,
    impassable: BTreeSet<u16>,
    mint: N::Mint,
    probe: Option<Arc<dyn Probe>>,
    reads: Mutex<HashMap<u16, u64>>,
}

impl<N: Number> LanguageStorage<N> {
    fn new(spec: &LanguageBlock, mint: N::Mint) -> Self {
        Self {
            state: spec.state.clone(),
            unreadable: spec.unreadable.clone(),
            impassable: spec.impassable.clone(),
            mint,
            probe: spec.probe.clone(),
            reads: Mutex::default(),
        }
    }

    fn value(&self, slot: u16) -> u8 {
        self.state.get(usize::from(slot)).map_or(ABSENT, |value| (*value).min(MAX))
    }

    /// How often each slot was read since the last [`reset`](LanguageStorage::reset).
    #[must_use]
    pub fn reads(&self) -> HashMap<u16, u64> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts to count anew.
    pub fn reset(&self) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl<P: Place, N: Number> Storage<P, N> for LanguageStorage<N> {
    fn read(&self, location: &P) -> Result<N, BoxError> {
        let slot = location.slot();
        if let Some(probe) = &self.probe {
            probe.storage(slot)?;
        }
        *self.reads.lock().unwrap_or_else(PoisonError::into_inner).entry(slot).or_default() += 1;
        if self.unreadable.contains(&slot) {
            return Err(format!("slot {slot} is unreadable").into());
        }
        Ok(N::mint(&self.mint, self.value(slot)))
    }
}

impl<P: Place, N: Number> OrderedStorage<P, N> for LanguageStorage<N> {
    fn next(&self, (from, to): (Bound<&P>, Bound<&P>)) -> Result<Option<P>, BoxError> {
        let first = match from {
            Bound::Unbounded => 0,
            Bound::Included(first) => u32::from(first.slot()),
            Bound::Excluded(below) => u32::from(below.slot()) + 1,
        };
        let end = match to {
            Bound::Unbounded => u32::MAX,
            Bound::Included(last) => u32::from(last.slot()) + 1,
            Bound::Excluded(end) => u32::from(end.slot()),
        };
        if let Some(probe) = &self.probe {
            probe.storage(first.min(u32::from(u16::MAX)) as u16)?;
        }
        for slot in (first..end).map_while(|slot| u16::try_from(slot).ok()) {
            if self.impassable.contains(&slot) {
                return Err(format!("slot {slot} is impassable").into());
            }
            if self.value(slot) != ABSENT {
                return Ok(Some(P::at(slot)));
            }
        }
        Ok(None)
    }
}

/// No checker uses more workers.
const MOST_WORKERS: usize = 8;

/// A language block that is set up for execution, any number of times.
#[derive(Debug)]
pub struct Stage<P: Place, N: Number> {
    /// Executes the programs.
    pub vm: LanguageVm<P, N>,
    /// The state before the block.
    pub storage: LanguageStorage<N>,
    /// What is set up.
    pub spec: LanguageBlock,
}

impl<P: Place, N: Number> Stage<P, N> {
    /// The block as the engine takes it. One without scans does not use the order of slots. The
    /// conflict graph is asked for, but not where there are scans and an odd number of
    /// transactions: scans read what was deleted for the graph alone.
    #[must_use]
    pub fn block(&self) -> Block<'_, LanguageVm<P, N>> {
        let block = if self.spec.scans() {
            Block::ordered(&self.vm, &self.spec.programs, &self.storage)
        } else {
            Block::new(&self.vm, &self.spec.programs, &self.storage)
        };
        let block = block.policy(self.spec.policy).limits(self.limits());
        let without_graph = self.spec.scans() && self.spec.programs.len() % 2 == 1;
        let block = if without_graph { block } else { block.conflict_graph() };
        match &self.spec.hints {
            Some(hints) => block.hints(hints),
            None => block,
        }
    }

    /// The block's limits, for a caller that adds some.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let LanguageBlock { max_weight, max_txns, .. } = self.spec;
        Limits { max_weight, max_txns, ..Limits::default() }
    }

    fn watch(&self, stats: Option<&Stats>) -> Result<(), String> {
        if let Some(broken) = self.vm.broken_promises().first() {
            return Err(format!("promise to the VM broken: {broken}"));
        }
        let Some(stats) = stats else { return Ok(()) };
        let began = self.vm.executions();
        if began != stats.executions {
            return Err(format!("{began} executions began, statistics say {}", stats.executions));
        }
        let reads = self.storage.reads();
        let readable = |slot: &u16| !self.spec.unreadable.contains(slot);
        // Workers that ask for a slot at the same time are all answered; a later worker is not
        // asked for again.
        let most = MOST_WORKERS as u64;
        if let Some((slot, times)) = reads.iter().find(|(slot, n)| readable(slot) && **n > most) {
            return Err(format!("slot {slot} was read {times} times from the storage"));
        }
        let total: u64 = reads.values().sum();
        if self.spec.unreadable.is_empty() && total != stats.base_reads {
            return Err(format!("storage read {total} times, statistics say {}", stats.base_reads));
        }
        Ok(())
    }
}

impl<P: Place, N: Number> Trial<LanguageVm<P, N>> for Stage<P, N> {
    type Sink = RuledSink;

    fn sink(&self, arm: Option<Arm>) -> RuledSink {
        self.vm.reset();
        self.storage.reset();
        if let Some(probe) = &self.spec.probe {
            probe.reset(arm);
        }
        RuledSink::new(self.spec.rules.clone(), self.spec.probe.clone())
    }

    fn inspect(&self, stats: Option<&Stats>) -> Result<(), String> {
        self.watch(stats)
    }
}

//! Where each transaction needs the one before, the holder of the baton executes them itself, one
//! after another, as the sequential execution does.
//!
//! Versions, records and validation serve executions ahead. Once the window is shut there are none:
//! only the head is worth executing. Then what is committed goes into a *layer* of plain maps
//! over the memory, which costs what the sequential execution costs. The stretch ends in one of
//! three ways.
//!
//! - *The block ends.* The layer stays what it is, a part of the final state.
//! - *The window opens*, as transactions have become independent. What the layer has goes into the
//!   memory: the last write at each location, as a committed version of the transaction that wrote
//!   it. Versions between are never missed, as all readers to come are above the stretch.
//! - *A worker has the head*, which it claimed before the window was shut. The layer goes into the
//!   memory as when the window opens.
//!
//! A stretch is right by construction, as every execution of a head is: it sees the committed
//! values, and nothing else. It begins where no higher transaction was started, so that nothing
//! waits to be judged meanwhile. One that is started all the same reads what the memory had
//! before, and is judged against what it has then.

use std::collections::HashSet;
use std::ops::Range;
use std::ptr;

use foldhash::fast::RandomState;

use super::commit::{Judge, WatchOf};
use super::ledger::EndOf;
use super::prologue::Prologue;
use super::step;
use crate::contract::block::Block;
use crate::execution::executor::Executor;
use crate::execution::machine::Executable;
use crate::execution::names::{CellOf, HandleOf};
use crate::execution::overlay::Overlay;
use crate::execution::shared::Shared;
use crate::mvmemory::Payload;
use crate::mvmemory::final_state::Layer;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::scheduler::Claim;
use crate::scheduler::status::State;

/// How many transactions pass between two stretches at least: beginning and ending one takes as
/// long as a few transactions.
const BETWEEN: u32 = 64;

impl<'b, V: Executable> Judge<'b, V> {
    /// Whether the head, which was never executed, and those above it are to be executed one after
    /// another.
    pub(super) fn goes_alone(&self, executor: &Executor<'_, 'b, V>, head: TxnIndex) -> bool {
        let is_worth_it = head.get() >= self.together_until
            && executor.shared.scheduler.next() <= head.get()
            && self.window.is_shut();
        executor.shared.scheduler.goes_alone(is_worth_it)
    }

    /// Takes over a block that has begun without a memory.
    pub(crate) fn take_over(
        &mut self,
        block: &Block<'b, V>,
        shared: Shared<'b, V>,
        prologue: Prologue<V>,
    ) {
        let Prologue { next, layer, edges, .. } = prologue;
        self.edges = edges;
        let Some(last) = next.get().checked_sub(1) else { return };
        let Self { ledger, touched, watch, .. } = self;
        (0..next.get())
            .for_each(|txn| watch.iter_mut().for_each(|watch| watch.pass(TxnIndex::new(txn))));
        let handle = shared.memory.handle();
        let rejoined = ledger.contain(TxnIndex::new(last), || {
            rejoin(block, shared, &handle, 0..next.get(), layer, touched, watch);
        });
        if let Err(end) = rejoined {
            self.end = Some(end.cut().map(Some));
            shared.scheduler.end();
        }
    }

    /// Executes the claimed head and those above it, as far as that is worth it. Whether some are
    /// left.
    pub(super) fn go_alone(
        &mut self,
        executor: &mut Executor<'_, 'b, V>,
        claim: Claim,
    ) -> Result<bool, EndOf<V>> {
        let first = claim.txn;
        self.gain.restart();
        executor.see_overlay(Overlay::over_memory(executor.block, executor.shared));
        let reached = self.execute_alone(executor, claim);
        let layer = executor.leave_overlay().map(|mut overlay| {
            if let (Some(edges), Some(new)) = (&mut self.edges, overlay.edges.take()) {
                edges.extend(new);
            }
            overlay.take_layer()
        });
        let layer = layer.unwrap_or_default();
        self.together_until = executor.shared.scheduler.head().get().saturating_add(BETWEEN);
        match reached {
            Ok(next) if next.as_usize() < executor.block.txns.len() => {
                let last = TxnIndex::new(next.get() - 1);
                let Self { ledger, touched, watch, .. } = self;
                let stretch = first.get()..next.get();
                let (block, shared, handle) = (executor.block, executor.shared, executor.handle());
                ledger.contain(last, || {
                    rejoin(block, shared, handle, stretch, layer, touched, watch);
                })?;
                self.gain.restart();
                Ok(true)
            }
            reached => {
                self.layer = layer;
                reached.map(|_| false)
            }
        }
    }

    /// The first transaction that is left for others.
    fn execute_alone(
        &mut self,
        executor: &mut Executor<'_, 'b, V>,
        mut claim: Claim,
    ) -> Result<TxnIndex, EndOf<V>> {
        let (scheduler, block) = (executor.shared.scheduler, executor.block);
        loop {
            let txn = claim.txn;
            executor.step(Step::Execute(txn, Position::Head));
            let Executor { machine, stats, .. } = executor;
            let distance = step::step(block, &mut self.ledger, machine, stats, txn)?;
            self.gain.note_alone();
            if self.gain.is_long() {
                self.window.end_pause();
            }
            self.pass(executor, claim);
            if let Some(distance) = distance.filter(|_| txn.get() > 0) {
                self.window.report(None, distance, scheduler.room.workers(), &scheduler.window);
            }
            let next = txn.next();
            if next.as_usize() == block.txns.len()
                || scheduler.is_over()
                || !scheduler.goes_alone(self.window.is_shut())
            {
                return Ok(next);
            }
            let Some(incarnation) = scheduler.status(next).claim(State::Ready) else {
                return Ok(next);
            };
            claim = Claim { txn: next, incarnation };
        }
    }
}

/// Puts what a stretch of transactions left into the memory, as committed.
fn rejoin<'b, V: Executable>(
    block: &Block<'b, V>,
    shared: Shared<'b, V>,
    handle: &HandleOf<'b, V>,
    stretch: Range<u32>,
    layer: Layer<V::Location, V::Value>,
    touched: &mut Vec<&'b CellOf<V>>,
    watch: &mut Option<WatchOf<V>>,
) {
    if sings(Canary::LoseLayer) {
        return;
    }
    let (memory, scheduler) = (shared.memory, shared.scheduler);
    let incarnation = |txn| scheduler.status(txn).read().1;
    // What was declared, or written by an earlier execution.
    let has_hints = block.hints.is_some();
    let stretch = stretch.map(TxnIndex::new).filter(|txn| has_hints || incarnation(*txn) > 0);
    stretch.for_each(|txn| shared.withdraw(txn, handle));
    // All that calls methods of locations comes before the first change, or after the last one.
    let cells: Vec<&'b CellOf<V>> =
        layer.known.keys().map(|location| memory.cell(&location.0, handle)).collect();
    // Where hashes change, a cell may come up twice, or be another one than was found before.
    let (mut fresh, mut met) = (Vec::new(), HashSet::with_hasher(RandomState::default()));
    let others = (0..cells.len()).filter(|place| layer.known[*place].is_written());
    for place in layer.written.iter().copied().chain(others) {
        let cell = cells[place];
        if !cell.is_committed() && met.insert(ptr::from_ref(cell).addr()) {
            fresh.push(cell);
            if layer.known[place].before_for_writer().is_some() {
                cell.note_asked();
            }
        }
    }
    let mut writes = Vec::new();
    for (cell, values) in cells.into_iter().zip(layer.known.into_values()) {
        if let Some(before) = values.before.filter(|_| !cell.is_committed()) {
            cell.set_base(before);
        }
        let after = values.after.filter(|_| !values.is_beneath);
        writes.extend(after.map(|(writer, value)| (writer, cell, value)));
    }
    let at = |(writer, cell, _): &(TxnIndex, &CellOf<V>, _)| (*writer, ptr::from_ref(*cell).addr());
    writes.sort_by_key(at);
    writes.dedup_by(|a, b| at(a) == at(b));
    let mut writes = writes.into_iter().peekable();
    let (mut writers, mut committed) = (Vec::new(), Vec::new());
    while let Some(&(txn, ..)) = writes.peek() {
        let own = std::iter::from_fn(|| writes.next_if(|(writer, ..)| *writer == txn));
        let own: Vec<_> = own.map(|(_, cell, value)| (cell, Payload::Value(value))).collect();
        let incarnation = if sings(Canary::LayerAnew) { 0 } else { incarnation(txn) };
        memory.publish(txn, incarnation, own.into_iter(), handle);
        memory.commit(txn, |_| false, &mut committed, &mut Vec::new());
        writers.push(txn);
    }
    touched.append(&mut fresh);
    if let Some(watch) = watch {
        watch.after_commit(&committed);
    }
    writers.into_iter().for_each(|txn| memory.update_index(txn, handle));
    scheduler.note_rewrite();
}

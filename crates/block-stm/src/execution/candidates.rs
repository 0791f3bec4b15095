//! How an optimistic execution, or that of the head, goes along the candidates of a scan.

use std::ops::{Bound, ControlFlow};

use super::interruption::Interruption;
use super::names::{CellOf, IndexOf};
use super::scan::{Cursor, CursorOf, UNORDERED, Visit};
use super::speculation::Speculation;
use crate::contract::execution::Interrupt;
use crate::contract::types::Types;
use crate::contract::value::{Value, is_present};
use crate::mvmemory::ListKind;
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::order::Boundary;
use crate::scheduler::waiters::Awaited;

/// How many candidates are looked for at once, at most. Short scans look for few.
const MOST_AHEAD: usize = 64;

/// How many locations a scan may pass over for nothing, beside as many as it finds something at.
/// One that would pass over more meets what others in flight delete or put in its way again and
/// again, and is left to the head, for which nothing is in the way.
const IN_VAIN: usize = 16;

/// The next candidates of a scan, as far as they have been looked for, and what came of it so far.
struct Candidates<'b, V: Types> {
    /// From each list of the index.
    listed: [Listed<'b, V>; 2],
    /// The place of the next one that the run knows by itself, once it has been looked for.
    own: Option<Option<usize>>,
    /// How many locations the scan found something at, and how many it passed over for nothing.
    found: usize,
    in_vain: usize,
    /// The transaction to wait for rather than to go on for nothing: the one below, if there is one
    /// and it is not final.
    below: Option<TxnIndex>,
}

/// The next candidates from a list of the index.
struct Listed<'b, V: Types> {
    kind: ListKind,
    /// The next one last.
    cells: Vec<&'b CellOf<V>>,
    /// How many to look for at once.
    ahead: usize,
    /// Whether there are no others.
    is_all: bool,
}

impl<'b, V: Types> Candidates<'b, V> {
    fn new(position: Position, below: Option<TxnIndex>) -> Self {
        Self { listed: Self::none_listed(position), own: None, found: 0, in_vain: 0, below }
    }

    fn none_listed(position: Position) -> [Listed<'b, V>; 2] {
        let listed = |kind, is_all| Listed { kind, cells: Vec::new(), ahead: 1, is_all };
        // The head is above everything that is pending.
        let pending = listed(ListKind::Pending, position == Position::Head);
        [listed(ListKind::Present, false), pending]
    }

    /// Forgets what was looked for ahead: the index has got more.
    fn look_again(&mut self, position: Position) {
        (self.listed, self.own) = (Self::none_listed(position), None);
    }

    /// The transaction to wait for, if too much was passed over for nothing.
    fn awaited(&self) -> Option<TxnIndex> {
        self.below.filter(|_| self.in_vain > IN_VAIN + self.found)
    }
}

impl<'b, V: Types> Speculation<'b, V> {
    pub(crate) fn scan(
        &mut self,
        from: Bound<&V::Location>,
        to: Bound<&V::Location>,
        visit: &mut Visit<'_, V>,
    ) -> Result<(), Interrupt> {
        self.enter()?;
        let memory = self.shared.memory;
        let (Some(ordered), Some(index)) = (self.shared.ordered, memory.index()) else {
            return Err(self.fail(UNORDERED.into()));
        };
        let Some(mut cursor) = Cursor::new(ordered, from, to) else { return Ok(()) };
        self.run.begin_scan(ordered.order);
        // Before the index is looked at: what is named is listed before it is known.
        index.named_onward(&cursor.start()).into_iter().for_each(|span| cursor.learn(span));
        // With a conflict graph, what was deleted is in the way of the head, too.
        let may_wait = self.position == Position::Ahead && !index.keeps_deleted();
        let below = self.txn.previous().filter(|_| may_wait);
        let mut candidates = Candidates::new(self.position, below);
        let mut passed = 0;
        loop {
            let next = self.next_candidate(index, &cursor, &mut candidates);
            if let Some(below) = candidates.awaited() {
                return Err(self.interrupt(Interruption::Awaits(Awaited::to_the_end(below))));
            }
            let location = next.map(|(cell, _, _)| cell.location());
            if !cursor.may_pass(location) {
                self.ask(&mut cursor)?;
                candidates.look_again(self.position);
                continue;
            }
            let Some((cell, is_listed, own)) = next else { break };
            self.enter()?;
            passed += 1;
            // More than there are pass only where an order contradicts itself, in ways that a
            // comparison of the locations may not show.
            let is_too_many = passed > index.known() + self.run.cells().len();
            if !cursor.pass(cell.location().clone()) || is_too_many {
                break;
            }
            let place = own.unwrap_or_else(|| self.run.place(cell));
            let is_absent = self.read_at(place)?.is_absent();
            // At the head nothing is stale: what contradicts itself is the host's order.
            let contradicts = !self.run.cover(place, is_listed, ordered.order);
            if contradicts && self.position == Position::Ahead {
                return Err(self.interrupt(Interruption::Stale));
            }
            if is_absent {
                self.run.pass_over(place, ordered.order);
                // What the run itself deleted is in its way at the head, too.
                candidates.in_vain += usize::from(self.run.access(place).own.is_none());
                continue;
            }
            candidates.found += 1;
            self.run.note_asked(place);
            if visit(cell.location(), self.run.access(place).current()).is_break() {
                self.run.end_scan(cursor.start(), cursor.reached());
                return Ok(());
            }
        }
        self.run.end_scan(cursor.start(), cursor.end());
        Ok(())
    }

    /// Asks the storage for the next location that it names.
    fn ask(&mut self, cursor: &mut CursorOf<'b, V>) -> Result<(), Interrupt> {
        self.shared.scheduler.step(Step::Storage(self.txn));
        let (question, answer) =
            cursor.ask().map_err(|failure| self.interrupt(Interruption::Failure(failure)))?;
        let memory = self.shared.memory;
        let known = memory.note_named(question, answer.as_ref(), &self.local.handle);
        known.into_iter().for_each(|span| cursor.learn(span));
        Ok(())
    }

    /// The lowest of what the lists of the index and the run itself have next: its cell, whether it
    /// is listed, and the place of its access if the run knows the location by itself.
    fn next_candidate(
        &self,
        index: &'b IndexOf<V>,
        cursor: &CursorOf<'b, V>,
        candidates: &mut Candidates<'b, V>,
    ) -> Option<(&'b CellOf<V>, bool, Option<usize>)> {
        let order = self.shared.ordered?.order;
        let Candidates { listed, own, found, in_vain, below } = candidates;
        let is_too_much = |in_vain| below.is_some() && in_vain > IN_VAIN + *found;
        for list in listed.iter_mut().filter(|list| list.cells.is_empty() && !list.is_all) {
            self.look_ahead(index, cursor, list, in_vain, is_too_much);
        }
        let next_own = || self.run.next_own(cursor.rest(), cursor.to());
        let next_own = *own.get_or_insert_with(next_own);
        let own_cell = next_own.map(|place| self.run.access(place).cell);
        let cells = listed.iter().map(|list| list.cells.last().copied());
        let lowest = |a: &'b CellOf<V>, b: &'b CellOf<V>| {
            if order.is_less(b.location(), a.location()) { b } else { a }
        };
        let cell = cells.chain([own_cell]).flatten().reduce(lowest)?;
        let mut is_listed = false;
        for list in listed {
            is_listed |= list.cells.pop_if(|next| std::ptr::eq(*next, cell)).is_some();
        }
        let own_place = next_own.filter(|_| own_cell.is_some_and(|own| std::ptr::eq(own, cell)));
        if own_place.is_some() {
            *own = None;
        }
        Some((cell, is_listed, own_place))
    }

    /// Looks for the next candidates in a list of the index, where the run has not scanned yet:
    /// elsewhere it knows them by itself.
    fn look_ahead(
        &self,
        index: &'b IndexOf<V>,
        cursor: &CursorOf<'b, V>,
        list: &mut Listed<'b, V>,
        in_vain: &mut usize,
        is_too_much: impl Fn(usize) -> bool,
    ) {
        let Listed { kind, cells, ahead, is_all } = list;
        let (mut at, end) = (cursor.reached(), cursor.end());
        // Between the ranges that were scanned; not more often, whatever the order says.
        for _ in 0..=self.run.scanned() {
            if let Some(end) = self.run.scanned_onward(&at) {
                at = end.clone();
            }
            if at >= end {
                break;
            }
            let next_scanned = self.run.next_scanned(&at).filter(|start| **start < end);
            let up_to: &Boundary<_> = next_scanned.unwrap_or(&end);
            index.walk(*kind, at.as_lower(), up_to.as_upper(), |cell| {
                if self.is_candidate(index, *kind, cell) {
                    cells.push(cell);
                } else {
                    *in_vain += 1;
                }
                match cells.len() < *ahead && !is_too_much(*in_vain) {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
            if cells.len() == *ahead || is_too_much(*in_vain) {
                cells.reverse();
                *ahead = (*ahead * 2).min(MOST_AHEAD);
                return;
            }
            let Some(start) = next_scanned else { break };
            at = start.clone();
        }
        *is_all = true;
        cells.reverse();
    }

    /// Whether a listed location is to be looked at: something may lie there, from before the block
    /// or from a lower transaction.
    fn is_candidate(&self, index: &IndexOf<V>, kind: ListKind, cell: &CellOf<V>) -> bool {
        let guard = self.guard.as_ref().expect("pinned while an execution is under way");
        let scheduler = self.shared.scheduler;
        let written = match self.position {
            Position::Head => cell.committed_write().map(is_present),
            Position::Ahead => cell.may_hold_below(self.txn, scheduler.trusts_hints(), guard),
        };
        // What is present and was not written is what the storage named.
        let is_candidate =
            written.map_or(kind == ListKind::Present, |may_hold| may_hold || index.keeps_deleted());
        match kind {
            _ if is_candidate => {}
            ListKind::Present if self.position == Position::Head => index.put_right(cell),
            ListKind::Present => {}
            ListKind::Pending => index.tidy(cell, scheduler.head(), guard),
        }
        is_candidate
    }

    /// Lets optimistic scans find what the run writes.
    pub(crate) fn list_writes(&self) {
        let memory = self.shared.memory;
        let Some(index) = memory.index() else { return };
        for (cell, value) in self.run.written() {
            if index.keeps_deleted() || value.is_none_or(is_present) {
                memory.list_pending(cell, &self.local.handle);
            }
        }
    }
}

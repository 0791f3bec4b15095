//! How an optimistic execution, or that of the head, goes along the candidates of a scan.

use std::ops::{Bound, ControlFlow};

use super::interruption::Interruption;
use super::names::{CellOf, IndexOf};
use super::scan::{Course, CourseOf, UNORDERED, Visit};
use super::speculation::Speculation;
use crate::contract::execution::Interrupt;
use crate::contract::types::Types;
use crate::contract::value::{Value, is_present};
use crate::mvmemory::Which;
use crate::primitives::conductor::{Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::order::Boundary;

/// How many candidates are looked for at once, at most. Short scans look for few.
const MOST_AHEAD: usize = 64;

/// How many locations a scan may pass over for nothing, beside as many as it finds something at.
/// One that would pass over more meets what others in flight delete or put in its way again and
/// again, and is left to the head, for whom nothing is in the way.
const IN_VAIN: usize = 16;

/// What a scan looked at.
struct Effort {
    found: usize,
    in_vain: usize,
    /// Whom to wait for rather than to go on for nothing: the transaction below, if there is one
    /// and it is not final.
    below: Option<TxnIndex>,
}

impl Effort {
    /// Whom to wait for if it was too much.
    fn exceeds(&self) -> Option<TxnIndex> {
        self.below.filter(|_| self.in_vain > IN_VAIN + self.found)
    }
}

/// The next candidates, as far as one has looked for them.
struct Upcoming<'b, V: Types> {
    /// From each list of the index.
    listed: [Listed<'b, V>; 2],
    /// The place of the next one that the run knows by itself, if one has looked.
    own: Option<Option<usize>>,
}

/// The next candidates from a list of the index.
struct Listed<'b, V: Types> {
    which: Which,
    /// The next one last.
    cells: Vec<&'b CellOf<V>>,
    /// How many to look for at once.
    ahead: usize,
    /// Whether there are no others.
    is_all: bool,
}

impl<V: Types> Upcoming<'_, V> {
    fn new(position: Position) -> Self {
        let listed = |which, is_all| Listed { which, cells: Vec::new(), ahead: 1, is_all };
        // The head is above everything that is pending.
        let pending = listed(Which::Pending, position == Position::Head);
        Self { listed: [listed(Which::Held, false), pending], own: None }
    }
}

/// What a scan looks at next.
struct Candidate<'b, V: Types> {
    cell: &'b CellOf<V>,
    is_listed: bool,
    /// The place of the access, if the run knows the location by itself.
    own: Option<usize>,
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
        let Some(mut course) = Course::new(ordered, from, to) else { return Ok(()) };
        self.run.begin_scan(ordered.order);
        // Before the index is looked at: what is named is listed before it is known.
        index.named_onward(&course.start()).into_iter().for_each(|ahead| course.learn(ahead));
        let mut upcoming = Upcoming::new(self.position);
        // With a conflict graph, what was deleted is in the way of the head, too.
        let may_wait = self.position == Position::Ahead && !index.keeps_deleted();
        let below = self.txn.previous().filter(|_| may_wait);
        let mut effort = Effort { found: 0, in_vain: 0, below };
        loop {
            let next = self.next_candidate(index, &course, &mut upcoming, &mut effort);
            if let Some(below) = effort.exceeds() {
                return Err(self.interrupt(Interruption::Uncommitted(below)));
            }
            let location = next.as_ref().map(|next| next.cell.location());
            if !course.may_pass(location) {
                self.ask(&mut course)?;
                upcoming = Upcoming::new(self.position);
                continue;
            }
            let Some(Candidate { cell, is_listed, own }) = next else { break };
            self.enter()?;
            if !course.pass(cell.location().clone()) {
                break;
            }
            let place = own.unwrap_or_else(|| self.run.place(cell));
            let value = self.read_at(place)?;
            // At the head nothing is stale: what contradicts itself is the host's order.
            let contradicts = !self.run.cover(place, is_listed, ordered.order);
            if contradicts && self.position == Position::Ahead {
                return Err(self.interrupt(Interruption::Stale));
            }
            if value.is_absent() {
                self.run.pass_over(place, ordered.order);
                // What the run itself deleted is in its way at the head, too.
                effort.in_vain += usize::from(self.run.access(place).own.is_none());
                continue;
            }
            effort.found += 1;
            self.run.note_asked(place);
            if visit(cell.location(), &value).is_break() {
                self.run.end_scan(course.start(), course.reached());
                return Ok(());
            }
        }
        self.run.end_scan(course.start(), course.end());
        Ok(())
    }

    /// Asks the storage for the next location that it names.
    fn ask(&mut self, course: &mut CourseOf<'b, V>) -> Result<(), Interrupt> {
        self.shared.scheduler.step(Step::Storage(self.txn));
        let (question, answer) =
            course.ask().map_err(|failure| self.interrupt(Interruption::Failure(failure)))?;
        let memory = self.shared.memory;
        let ahead = memory.note_named(question, answer.as_ref(), &self.tools.handle);
        ahead.into_iter().for_each(|ahead| course.learn(ahead));
        Ok(())
    }

    /// The lowest of what the lists of the index and the run itself have next.
    fn next_candidate(
        &self,
        index: &'b IndexOf<V>,
        course: &CourseOf<'b, V>,
        upcoming: &mut Upcoming<'b, V>,
        effort: &mut Effort,
    ) -> Option<Candidate<'b, V>> {
        let order = self.shared.ordered?.order;
        let Upcoming { listed, own } = upcoming;
        for list in listed.iter_mut().filter(|list| list.cells.is_empty() && !list.is_all) {
            self.look_ahead(index, course, list, effort);
        }
        let next_own = || self.run.next_own(course.rest(), course.to());
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
        Some(Candidate { cell, is_listed, own: own_place })
    }

    /// Looks for the next candidates in a list of the index, where the run has not scanned yet:
    /// elsewhere it knows them by itself.
    fn look_ahead(
        &self,
        index: &'b IndexOf<V>,
        course: &CourseOf<'b, V>,
        list: &mut Listed<'b, V>,
        effort: &mut Effort,
    ) {
        let Listed { which, cells, ahead, is_all } = list;
        let (mut at, end) = (course.reached(), course.end());
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
            index.walk(*which, at.as_lower(), up_to.as_upper(), |cell| {
                if self.is_candidate(index, *which, cell) {
                    cells.push(cell);
                } else {
                    effort.in_vain += 1;
                }
                match cells.len() < *ahead && effort.exceeds().is_none() {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
            if cells.len() == *ahead || effort.exceeds().is_some() {
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
    fn is_candidate(&self, index: &IndexOf<V>, which: Which, cell: &CellOf<V>) -> bool {
        let guard = self.guard.as_ref().expect("pinned while an execution is under way");
        let scheduler = self.shared.scheduler;
        let written = match self.position {
            Position::Head => cell.committed_write().map(is_present),
            Position::Ahead => cell.may_hold_below(self.txn, scheduler.trusts_hints(), guard),
        };
        // What is held and was not written is what the storage named.
        let is_candidate =
            written.map_or(which == Which::Held, |may_hold| may_hold || index.keeps_deleted());
        match which {
            _ if is_candidate => {}
            Which::Held if self.position == Position::Head => index.put_right(cell),
            Which::Held => {}
            Which::Pending => index.tidy(cell, scheduler.head(), guard),
        }
        is_candidate
    }

    /// Lets optimistic scans find what the run writes.
    pub(crate) fn list_writes(&self) {
        let memory = self.shared.memory;
        let Some(index) = memory.index() else { return };
        for (cell, value) in self.run.written() {
            if index.keeps_deleted() || value.is_none_or(is_present) {
                memory.list_pending(cell, &self.tools.handle);
            }
        }
    }
}

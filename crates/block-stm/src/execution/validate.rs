//! Whether what a run saw is what it would see now: the questions that a record answers.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crossbeam_epoch::Guard;

use super::access::{Access, Assertion};
use super::deletions::Deletions;
use super::disbelieved::Disbelieved;
use super::names::{CellOf, IndexOf, MemoryOf};
use super::run::{FEW, Run};
use crate::contract::storage::Ordered;
use crate::contract::types::Types;
use crate::contract::value::{Value, is_present};
use crate::mvmemory::{Count, Deltas, Found, ListKind, Payload};
use crate::primitives::canary::{Canary, sings};
use crate::primitives::conductor::Position;
use crate::primitives::ids::{TxnIndex, Version};

impl<'b, V: Types> Run<'b, V> {
    /// Cells whose value the judge will need, though the run did not look.
    pub(crate) fn unseen_cells(&self) -> impl Iterator<Item = &'b CellOf<V>> {
        let judged = |access: &&Access<'b, V>| match access.own {
            _ if access.seen.is_some() => false,
            // Hidden by the run's own write, unless something was taken for granted before that.
            Some(Payload::Value(_)) => access.assumed || access.glimpsed,
            Some(Payload::Deltas(_)) | None => true,
        };
        self.accesses.iter().filter(judged).map(|access| access.cell)
    }

    /// Whether the run would see and answer the same on top of what `now` tells of each cell: the
    /// value and its version, if there is one. The only judge of reads, at commit; before that a
    /// guess.
    pub(crate) fn validate<'v>(
        &self,
        at: Position,
        mut now: impl FnMut(&'b CellOf<V>) -> Option<(Option<Version>, Cow<'v, V::Value>)>,
    ) -> Result<(), Disbelieved>
    where
        V::Value: 'v,
    {
        if sings(Canary::SkipValidation) {
            return Ok(());
        }
        for access in &self.accesses {
            let Some(seen) = &access.seen else {
                // As below for a value that was only peeked at.
                let judged = access.glimpsed && at == Position::Head;
                if judged && now(access.cell).is_none() {
                    return Err(Disbelieved::Stale);
                }
                continue;
            };
            if !access.relied_on && at == Position::Ahead {
                continue;
            }
            // A value that was only peeked at may have changed, but must be there: a sequential
            // execution would have asked the storage for it.
            let (version, value) = now(access.cell).ok_or(Disbelieved::Stale)?;
            let same_version = seen.version.is_some() && seen.version == version;
            if access.relied_on && !same_version && seen.value != *value {
                return Err(Disbelieved::Stale);
            }
        }
        // What was taken for granted is taken for granted again: repeating the run before its turn
        // changes nothing.
        let early = |assertion: &&Assertion<V>| assertion.looked || at == Position::Head;
        if sings(Canary::SkipAssertions) {
            return Ok(());
        }
        self.assertions.iter().filter(early).try_for_each(|assertion| {
            match now(self.accesses[assertion.place].cell) {
                Some((version, value)) => self.hold_against(assertion, version, &value),
                None => Err(Disbelieved::Stale),
            }
        })
    }

    fn hold_against(
        &self,
        assertion: &Assertion<V>,
        version: Option<Version>,
        value: &V::Value,
    ) -> Result<(), Disbelieved> {
        let seen = self.accesses[assertion.place].seen.as_ref().filter(|_| assertion.looked);
        let same_version =
            seen.is_some_and(|seen| seen.version.is_some() && seen.version == version);
        if same_version || value.satisfies(&assertion.predicate) == assertion.answer {
            return Ok(());
        }
        Err(if assertion.looked { Disbelieved::Stale } else { Disbelieved::Assumption })
    }

    /// Lets all that the run looked at show its deltas. Whether some was committed that was not
    /// shown: that may be why the run does not stand.
    pub(crate) fn show_deltas(&self) -> bool {
        let looked_at = self.accesses.iter().filter(|access| access.seen.is_some());
        looked_at.fold(false, |any, access| {
            access.cell.show_deltas();
            any | access.cell.hid_a_delta()
        })
    }

    /// Whether the deltas of a run whose writes are dropped would have applied on top of `now`, as
    /// it was told.
    pub(crate) fn deltas_apply<'v>(
        &self,
        mut now: impl FnMut(&'b CellOf<V>) -> Option<&'v V::Value>,
    ) -> bool
    where
        V::Value: 'v,
    {
        self.accesses.iter().all(|access| match &access.own {
            Some(Payload::Deltas(deltas)) => {
                now(access.cell).is_some_and(|value| Deltas::apply_to(deltas, value).is_some())
            }
            Some(Payload::Value(_)) | None => true,
        })
    }

    /// Whether a scan missed something that was written: it is in a range that was scanned, and was
    /// no candidate there. The judge of scans, beside [`validate`](Run::validate) for what they
    /// visited; see `scan.rs`.
    ///
    /// A location may still be listed though nothing was left there; those that are met go into
    /// `stray`.
    pub(crate) fn misses(&self, memory: &'b MemoryOf<V>, stray: &mut Vec<&'b CellOf<V>>) -> bool {
        let Some(index) = memory.index().filter(|_| !sings(Canary::SkipPhantoms)) else {
            return false;
        };
        let is_missed = |cell: &'b CellOf<V>| match cell.committed_write() {
            Some(value) if index.keeps_deleted() || is_present(value) => !self.covers(cell),
            Some(_) => {
                stray.push(cell);
                false
            }
            // As the storage says: the scan had it.
            None => false,
        };
        self.any_scanned(index, ListKind::Present, usize::MAX, is_missed)
    }

    /// The same as a guess, before everything below `txn` is final.
    pub(crate) fn misses_now(
        &self,
        memory: &'b MemoryOf<V>,
        txn: TxnIndex,
        pinned: &Guard,
    ) -> bool {
        let Some(index) = memory.index() else { return false };
        let trust_hints = false;
        let is_missed = |cell: &'b CellOf<V>| {
            !self.covers(cell)
                && match cell.latest_below(txn, trust_hints, &Count::new(0), pinned) {
                    Found::Value(_, value) => index.keeps_deleted() || is_present(&*value),
                    Found::Base => false,
                    Found::Unknown(_) => true,
                }
        };
        // No more is looked at than the scans themselves did.
        let at_most = FEW + self.accesses.len();
        self.any_scanned(index, ListKind::Present, at_most, is_missed)
            || self.any_scanned(index, ListKind::Pending, at_most, is_missed)
    }

    /// Whether there is such a location in what was scanned, among the first ones of a list.
    fn any_scanned(
        &self,
        index: &'b IndexOf<V>,
        which: ListKind,
        mut at_most: usize,
        mut is_such: impl FnMut(&'b CellOf<V>) -> bool,
    ) -> bool {
        let mut any = false;
        for (start, end) in self.scans.ranges.iter() {
            index.walk(which, start.as_lower(), end.as_upper(), |cell| {
                any = is_such(cell);
                at_most -= 1;
                if any || at_most == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if any || at_most == 0 {
                break;
            }
        }
        any
    }

    fn covers(&self, cell: &CellOf<V>) -> bool {
        self.find(cell).is_some_and(|place| self.accesses[place].is_covered)
    }

    /// The highest transaction whose write the VM read, or whose deletion it did not find, as far
    /// as is known.
    pub(crate) fn nearest_writer(
        &self,
        ordered: Option<Ordered<'b, V::Location, V::Value>>,
        deletions: &Deletions<&'b V::Location>,
    ) -> Option<TxnIndex> {
        let observed = self.accesses.iter().filter(|access| access.observed > 0);
        let writer = observed.filter_map(|access| access.seen.as_ref()?.version?.txn()).max();
        let Some(Ordered { order, .. }) = ordered.filter(|_| self.scanned() > 0) else {
            return writer;
        };
        let scanned =
            |location: &&V::Location| self.scans.ranges.holds(order.rank((*location).clone()));
        writer.max(deletions.nearest(scanned))
    }

    /// Who wrote what the VM read, in the order in which it was first read.
    pub(crate) fn observations(
        &self,
        mut writer: impl FnMut(&'b CellOf<V>) -> Option<TxnIndex>,
    ) -> Vec<(&'b V::Location, TxnIndex)> {
        let mut observed: Vec<_> =
            self.accesses.iter().filter(|access| access.observed > 0).collect();
        observed.sort_unstable_by_key(|access| access.observed);
        let edge = |access: &Access<'b, V>| Some((access.cell.location(), writer(access.cell)?));
        observed.into_iter().filter_map(edge).collect()
    }
}

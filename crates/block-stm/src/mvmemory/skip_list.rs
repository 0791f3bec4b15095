//! A sorted list of locations, which walks go along without a lock.
//!
//! ```text
//! level 1   first ----------------> [c] ----------------> [h] -> null
//! level 0   first -> [a] -> [b] ->  [c] -> [e] -> [f] ->  [h] -> null
//! ```
//!
//! A skip list. A search follows links and compares locations, without a lock. A change begins with
//! a search; then it takes the lock, sees whether the neighbours are still the ones that were
//! found, and sets the links; if they are not, it searches again. So what the lock is held for is a
//! few stores: locations are compared without it. A comparison that panics leaves everything as it
//! was, and one that waits, even for another task of the pool, keeps no other worker waiting.
//!
//! A location has one node in each list, made when it is first listed and kept until the block is
//! over, in the list or out of it. A walk that stands on a node while that is taken out goes on
//! over the links that it had, which lead forward. A walk finds each node that was in the list when
//! it began and stays there: some link led to the node from when it was put in, and every change
//! since has kept one there.
//!
//! With an order that contradicts itself, nodes lie in any order. Each level is still a list that
//! ends, as a node is linked between two neighbours, whatever they are, and taken out by its own
//! links.

use std::ops::{Bound, ControlFlow};
use std::ptr;

use super::cell::Cell;
use super::listing::{ListKind, Listing};
use crate::contract::value::Value;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::order::Order;
use crate::primitives::sync::Mutex;
use crate::primitives::sync::atomic::{AtomicPtr, Ordering};

/// How many levels there are. A node is in each with a quarter of those in the one below.
pub(super) const LEVELS: usize = if cfg!(loom) { 2 } else { 12 };

/// A listing and the one behind it, on one level.
type Gap<L, V> = (*mut Listing<Cell<L, V>>, *mut Listing<Cell<L, V>>);

pub(super) struct SkipList<L, V: Value> {
    /// Which of a listing's nodes are this list's.
    kind: ListKind,
    order: Order<L>,
    first: [AtomicPtr<Listing<Cell<L, V>>>; LEVELS],
    /// Held by the thread that sets links.
    linking: Mutex<()>,
}

impl<L, V: Value> SkipList<L, V> {
    /// An empty list. What is put into it lives as long as the list.
    pub(super) fn new(kind: ListKind, order: Order<L>) -> Self {
        Self {
            kind,
            order,
            first: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            linking: Mutex::new(()),
        }
    }

    /// The link that leads on from a listing, or into the list.
    fn next(
        &self,
        listing: *mut Listing<Cell<L, V>>,
        level: usize,
    ) -> &AtomicPtr<Listing<Cell<L, V>>> {
        // SAFETY: listings live as long as the list.
        unsafe { listing.as_ref() }
            .map_or(&self.first[level], |listing| &listing.node(self.kind).link(level).next)
    }

    /// Looks for the gap between the locations that are `before` and the others, from the highest
    /// level down. What is behind it.
    fn seek(
        &self,
        before: impl Fn(&L) -> bool,
        mut found: impl FnMut(usize, Gap<L, V>),
    ) -> *mut Listing<Cell<L, V>> {
        let (mut at, mut next) = (ptr::null_mut(), ptr::null_mut());
        for level in (0..LEVELS).rev() {
            loop {
                // ORDERING: Acquire pairs with the Release in `link`: the listing is seen whole.
                next = self.next(at, level).load(Ordering::Acquire);
                // SAFETY: listings live as long as the list.
                match unsafe { next.as_ref() } {
                    Some(listing) if before(listing.cell().location()) => at = next,
                    _ => break,
                }
            }
            found(level, (at, next));
        }
        next
    }

    /// Visits the locations between the bounds.
    pub(super) fn walk<'m>(
        &'m self,
        from: Bound<&L>,
        to: Bound<&L>,
        mut visit: impl FnMut(&'m Cell<L, V>) -> ControlFlow<()>,
    ) {
        let before = |location: &L| self.order.is_below(location, from);
        let mut next = self.seek(before, |_, _| {});
        // SAFETY: listings live as long as the list.
        while let Some(listing) = unsafe { next.as_ref() }
            && !self.order.is_above(listing.cell().location(), to)
            && visit(listing.cell()).is_continue()
        {
            // ORDERING: Acquire, as in `seek`.
            next = listing.node(self.kind).lowest.next.load(Ordering::Acquire);
        }
    }

    /// Puts a listing into the list, unless it is there.
    ///
    /// # Safety
    /// The listing and its cell live as long as the list.
    pub(super) unsafe fn insert(&self, listing: &Listing<Cell<L, V>>) {
        // ORDERING: Acquire pairs with the Release in `link`: what is seen in the list was put in
        // before.
        while !listing.node(self.kind).is_listed.load(Ordering::Acquire) {
            let mut gaps = [(ptr::null_mut(), ptr::null_mut()); LEVELS];
            let before = |other: &L| self.order.is_less(other, listing.cell().location());
            self.seek(before, |level, gap| gaps[level] = gap);
            self.link(listing, &gaps);
        }
    }

    /// Links a listing into these gaps, if they are still there and it is not linked.
    fn link(&self, listing: &Listing<Cell<L, V>>, gaps: &[Gap<L, V>; LEVELS]) {
        let (node, this) = (listing.node(self.kind), ptr::from_ref(listing).cast_mut());
        let gaps = &gaps[..node.levels()];
        let _linking = self.linking.lock();
        // ORDERING: Relaxed for all loads, and for `previous`: under the lock.
        let stands = |(level, (before, next)): (usize, &Gap<L, V>)| {
            // SAFETY: listings live as long as the list.
            let is_listed = unsafe { before.as_ref() }
                .is_none_or(|before| before.node(self.kind).is_listed.load(Ordering::Relaxed));
            is_listed && self.next(*before, level).load(Ordering::Relaxed) == *next
        };
        if node.is_listed.load(Ordering::Relaxed) || !gaps.iter().enumerate().all(stands) {
            return;
        }
        for (level, (before, next)) in gaps.iter().enumerate() {
            let link = node.link(level);
            link.previous.store(*before, Ordering::Relaxed);
            // ORDERING: Release: who still stands on the listing goes on to one that was published
            // to us.
            link.next.store(*next, Ordering::Release);
            // ORDERING: Release publishes the listing to the Acquire loads of those who look for
            // it.
            let release =
                if sings(Canary::ListRelaxed) { Ordering::Relaxed } else { Ordering::Release };
            self.next(*before, level).store(this, release);
            // SAFETY: listings live as long as the list.
            if let Some(next) = unsafe { next.as_ref() } {
                next.node(self.kind).link(level).previous.store(this, Ordering::Relaxed);
            }
        }
        // ORDERING: Release: a worker that sees the mark finds the listing.
        node.is_listed.store(true, Ordering::Release);
    }

    /// Takes a listing out of the list, if it is in it.
    pub(super) fn remove(&self, listing: &Listing<Cell<L, V>>) {
        let node = listing.node(self.kind);
        // ORDERING: Relaxed: the one who may take it out sees what it did itself, or the one before
        // it.
        if !node.is_listed.load(Ordering::Relaxed) {
            return;
        }
        let _linking = self.linking.lock();
        // ORDERING: Relaxed for all loads, and for `previous`: under the lock.
        if !node.is_listed.load(Ordering::Relaxed) {
            return;
        }
        if !sings(Canary::StayListed) {
            node.is_listed.store(false, Ordering::Relaxed);
        }
        for level in (0..node.levels()).rev() {
            let link = node.link(level);
            let before = link.previous.load(Ordering::Relaxed);
            let next = link.next.load(Ordering::Relaxed);
            // ORDERING: Release: what `next` points to was published to us, and is handed on.
            self.next(before, level).store(next, Ordering::Release);
            // SAFETY: listings live as long as the list.
            if let Some(next) = unsafe { next.as_ref() } {
                next.node(self.kind).link(level).previous.store(before, Ordering::Relaxed);
            }
        }
    }
}

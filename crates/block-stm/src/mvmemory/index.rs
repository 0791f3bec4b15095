//! The locations that may hold something, in their order: what a scan goes along.
//!
//! Only blocks made by [`Block::ordered`](crate::Block::ordered) have an index. `scan.rs` says what
//! must be in it and when.
//!
//! # Two lists
//!
//! *Present* has what is present at the commit point: the locations where the last committed write
//! left something, and those that the storage named and where nothing is committed. Only the holder
//! of the baton takes anything out. The judge and the head look here alone, and what is deleted is
//! out of their way.
//!
//! *Pending* has what is about to be written, for optimistic scans. It is a hint.
//!
//! Both are [skip lists](super::skip_list). A location has one node in each, made when it is first
//! listed and kept until the block is over, in the list or out of it.
//!
//! # What the storage has named
//!
//! The answers of the storage are kept under a lock which is only ever tried, for a moment:
//! locations are compared while it is held. A worker that does not get it does without: it asks the
//! storage again.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use crossbeam_epoch::Guard;

use super::arena::{Arena, LocalArena};
use super::cell::Cell;
use super::chunks::ChunkPool;
pub(crate) use super::listing::ListKind;
use super::listing::{Link, Listing, Node};
use super::named::{self, Named, NamedSpan};
use super::skip_list::{LEVELS, SkipList};
use crate::contract::value::{Value, is_present};
use crate::primitives::ids::TxnIndex;
use crate::primitives::order::{Boundary, Order};
use crate::primitives::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::primitives::sync::{self, Mutex, MutexGuard, WAIT_SPINS};

pub(crate) struct Index<L, V: Value> {
    order: Order<L>,
    /// Whether what was deleted stays, as the conflict graph names the transaction that deleted it.
    keeps_deleted: bool,
    lists: [SkipList<L, V>; 2],
    /// Only ever tried, for a moment.
    named: Mutex<Named<L>>,
    listings: Arena<Listing<Cell<L, V>>>,
    upper: Arena<Link<Cell<L, V>>>,
    /// How many locations were ever listed.
    known: AtomicUsize,
}

/// Where one worker makes listings.
pub(crate) struct LocalIndex<'m, L, V: Value> {
    listings: LocalArena<'m, Listing<Cell<L, V>>>,
    upper: LocalArena<'m, Link<Cell<L, V>>>,
    /// How many it has made.
    made: std::cell::Cell<u64>,
}

// SAFETY: listings and cells are `Sync` as the memory is that they belong to; what they point to
// lives as long as that memory.
unsafe impl<L: Send + Sync, V: Value> Sync for Index<L, V> {}
// SAFETY: as above.
unsafe impl<L: Send + Sync, V: Value> Send for Index<L, V> {}

impl<L, V: Value> Index<L, V> {
    /// An empty index.
    pub(crate) fn new(order: Order<L>, keeps_deleted: bool, pool: &Arc<ChunkPool>) -> Self
    where
        L: Clone,
    {
        Self {
            order,
            keeps_deleted,
            lists: [ListKind::Present, ListKind::Pending].map(|kind| SkipList::new(kind, order)),
            named: Mutex::new(Named::new(order)),
            listings: Arena::new(Arc::clone(pool)),
            upper: Arena::new(Arc::clone(pool)),
            known: AtomicUsize::new(0),
        }
    }

    /// How many locations were ever listed, at least as far as the caller has met them.
    pub(crate) fn known(&self) -> usize {
        // ORDERING: Relaxed: a listing is handed to its readers by a Release behind the count.
        self.known.load(Ordering::Relaxed)
    }

    /// Where the calling thread makes listings.
    pub(crate) fn local_index(&self) -> LocalIndex<'_, L, V> {
        let (listings, upper) = (self.listings.local_arena(), self.upper.local_arena());
        LocalIndex { listings, upper, made: std::cell::Cell::new(0) }
    }

    /// Whether what was deleted is a candidate of scans, too.
    pub(crate) const fn keeps_deleted(&self) -> bool {
        self.keeps_deleted
    }

    fn of_kind(&self, kind: ListKind) -> &SkipList<L, V> {
        &self.lists[kind as usize]
    }

    /// Visits the locations of a list between the bounds.
    pub(crate) fn walk<'m>(
        &'m self,
        kind: ListKind,
        from: Bound<&L>,
        to: Bound<&L>,
        visit: impl FnMut(&'m Cell<L, V>) -> ControlFlow<()>,
    ) {
        self.of_kind(kind).walk(from, to, visit);
    }

    /// Puts the location of `cell` into a list, unless it is there.
    pub(crate) fn list<'m>(
        &'m self,
        kind: ListKind,
        cell: &Cell<L, V>,
        local_index: &LocalIndex<'m, L, V>,
    ) {
        let listing = self.listing(cell, local_index);
        // SAFETY: listings live as long as the index, and cells as long as the memory.
        unsafe { self.of_kind(kind).insert(listing) };
    }

    /// Notes that something is about to be written at the location of `cell`.
    pub(crate) fn list_pending<'m>(
        &'m self,
        cell: &Cell<L, V>,
        local_index: &LocalIndex<'m, L, V>,
    ) {
        self.list(ListKind::Pending, cell, local_index);
    }

    /// Notes that the storage named the location of `cell`.
    pub(crate) fn list_stored<'m>(&'m self, cell: &Cell<L, V>, local_index: &LocalIndex<'m, L, V>) {
        // What is written there is the committer's to list.
        if self.keeps_deleted || !cell.is_committed() {
            self.list(ListKind::Present, cell, local_index);
        }
    }

    /// The listings of `cell`, made on first use.
    fn listing<'m>(
        &'m self,
        cell: &Cell<L, V>,
        local_index: &LocalIndex<'m, L, V>,
    ) -> &'m Listing<Cell<L, V>> {
        // ORDERING: Acquire pairs with the Release below: the listing is seen whole.
        let mut listing = cell.listing.load(Ordering::Acquire);
        if listing.is_null() {
            let new = local_index.make(cell);
            // ORDERING: Relaxed: a bound, which may be too high.
            self.known.fetch_add(1, Ordering::Relaxed);
            // ORDERING: Release publishes the listing; Acquire on failure, to use the other's.
            let (made, found) = (Ordering::Release, Ordering::Acquire);
            listing = match cell.listing.compare_exchange(listing, new, made, found) {
                Ok(_) => new,
                Err(other) => {
                    local_index.listings.take_back(new);
                    other
                }
            };
        }
        // SAFETY: listings live as long as the index.
        unsafe { &*listing }
    }

    /// Takes the location of `cell` out of a list, if it is in it: out of those that are present,
    /// only called by the holder of the baton.
    pub(crate) fn delist(&self, kind: ListKind, cell: &Cell<L, V>) {
        // ORDERING: Acquire, as in `listing`. SAFETY: listings live as long as the index.
        if let Some(listing) = unsafe { cell.listing.load(Ordering::Acquire).as_ref() } {
            self.of_kind(kind).remove(listing);
        }
    }

    /// Lists the location of a cell whose committed value has changed, or takes it out. Only called
    /// by the holder of the baton, with the lowest transaction that is not committed.
    pub(crate) fn update<'m>(
        &'m self,
        cell: &Cell<L, V>,
        head: TxnIndex,
        local_index: &LocalIndex<'m, L, V>,
        pinned: &Guard,
    ) {
        if self.keeps_deleted || cell.committed_write().is_some_and(is_present) {
            self.list(ListKind::Present, cell, local_index);
        } else {
            self.delist(ListKind::Present, cell);
        }
        self.tidy(cell, head, pinned);
    }

    /// Takes a location where nothing was left out of those that are present: a worker listed it
    /// that learnt of the write too late. Only called by the holder of the baton.
    pub(crate) fn put_right(&self, cell: &Cell<L, V>) {
        self.delist(ListKind::Present, cell);
    }

    /// Takes a location out of those where something is pending, if neither `head` nor any higher
    /// transaction writes there.
    pub(crate) fn tidy(&self, cell: &Cell<L, V>, head: TxnIndex, pinned: &Guard) {
        if cell.is_quiet_from(head, pinned) {
            self.delist(ListKind::Pending, cell);
        }
    }

    /// The lock, unless another worker compares locations under it for long.
    fn lock_named(&self) -> Option<MutexGuard<'_, Named<L>>> {
        (0..WAIT_SPINS).find_map(|round| {
            let guard = self.named.try_lock();
            if guard.is_none() {
                sync::spin(round);
            }
            guard
        })
    }

    /// What is known of the storage's locations from `at` on.
    pub(crate) fn named_onward(&self, at: &Boundary<L>) -> Option<NamedSpan<L>>
    where
        L: Clone,
    {
        self.lock_named()?.onward(at)
    }

    /// The storage was asked for its first location between the boundaries. What is known from
    /// there on.
    pub(crate) fn note(
        &self,
        from: Boundary<L>,
        to: Boundary<L>,
        answer: Option<&L>,
    ) -> NamedSpan<L>
    where
        L: Clone,
    {
        match self.lock_named() {
            Some(mut named) => named.note(from, to, answer),
            None => named::told(self.order, to, answer),
        }
    }
}

impl<L, V: Value> LocalIndex<'_, L, V> {
    fn make(&self, cell: &Cell<L, V>) -> *mut Listing<Cell<L, V>> {
        let node = || Node {
            is_listed: AtomicBool::new(false),
            lowest: Link::new(),
            upper: match self.height(cell.hash()) - 1 {
                0 => &[],
                upper => self.upper.extend((0..upper).map(|_| Link::new())),
            },
        };
        self.listings.push(Listing { cell, nodes: [node(), node()] })
    }

    /// On how many levels the next node is. The hash is keyed, so that no host can choose it.
    fn height(&self, hash: u64) -> usize {
        let made = self.made.get() + 1;
        self.made.set(made);
        // SplitMix64.
        let mut bits = hash ^ made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (1 + bits.trailing_zeros() as usize / 2).min(LEVELS)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::collections::BTreeSet;

    use Bound::{Excluded, Included, Unbounded};

    use super::*;
    use crate::mvmemory::cell::tests::Number;

    const LISTS: [ListKind; 2] = [ListKind::Present, ListKind::Pending];

    fn index<L: Ord + Clone>() -> Index<L, Number> {
        Index::new(Order::natural(), false, &Arc::new(ChunkPool::new(0)))
    }

    fn cells(n: u16) -> Vec<Cell<u16, Number>> {
        (0..n).map(|location| Cell::new(location, u64::from(location))).collect()
    }

    fn listed(
        index: &Index<u16, Number>,
        which: ListKind,
        from: Bound<&u16>,
        to: Bound<&u16>,
    ) -> Vec<u16> {
        let mut found = Vec::new();
        index.walk(which, from, to, |cell| {
            found.push(*cell.location());
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn lists_are_sorted_sets() {
        let (index, cells) = (index(), cells(200));
        let local_index = index.local_index();
        let mut models = [BTreeSet::new(), BTreeSet::new()];
        let mut state = 88_172_645_463_325_252_u64;
        for step in 0..if cfg!(miri) { 300 } else { 6_000 } {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let (which, at) = (state as usize % 2, (state >> 8) as u16 % 200);
            let (list, cell) = (LISTS[which], &cells[usize::from(at)]);
            if state & 128 == 0 {
                index.list(list, cell, &local_index);
                models[which].insert(at);
            } else {
                index.delist(list, cell);
                models[which].remove(&at);
            }
            let to = at.saturating_add((state >> 32) as u16 % 50);
            for (from, to) in [(Included(&at), Included(&to)), (Excluded(&at), Unbounded)] {
                let expected: Vec<_> = models[which].range((from, to)).copied().collect();
                assert_eq!(listed(&index, list, from, to), expected, "step {step}");
            }
        }
    }

    #[test]
    fn racing_threads_list_each_location_once() {
        let (index, cells) = (index(), cells(if cfg!(miri) { 40 } else { 2_000 }));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let local_index = index.local_index();
                    cells.iter().for_each(|cell| index.list(ListKind::Pending, cell, &local_index));
                });
            }
        });
        let all: Vec<_> = (0..cells.len() as u16).collect();
        assert_eq!(listed(&index, ListKind::Pending, Unbounded, Unbounded), all);
        assert!(listed(&index, ListKind::Present, Unbounded, Unbounded).is_empty());
    }

    /// Says now one thing, now the other.
    #[derive(Clone)]
    struct Fickle(std::rc::Rc<std::cell::Cell<u64>>);

    impl Fickle {
        fn compare(&self, _: &Self) -> std::cmp::Ordering {
            let state = self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.0.set(state);
            match state >> 62 {
                0 => std::cmp::Ordering::Greater,
                1 => std::cmp::Ordering::Equal,
                _ => std::cmp::Ordering::Less,
            }
        }
    }

    #[test]
    fn a_contradictory_order_loses_nothing_that_is_taken_out_and_listed_again() {
        let state = Fickle(std::rc::Rc::new(std::cell::Cell::new(7)));
        let order = Order::by(Fickle::compare);
        let index = Index::<_, Number>::new(order, false, &Arc::new(ChunkPool::new(0)));
        let cells: Vec<_> = (0..100).map(|hash| Cell::new(state.clone(), hash)).collect();
        let local_index = index.local_index();
        for round in 0..3 {
            cells.iter().for_each(|cell| index.list(ListKind::Present, cell, &local_index));
            let mut found = 0;
            index.walk(ListKind::Present, Unbounded, Unbounded, |_| {
                found += 1;
                ControlFlow::Continue(())
            });
            assert_eq!(found, cells.len(), "round {round}");
            cells.iter().for_each(|cell| index.delist(ListKind::Present, cell));
            index.walk(ListKind::Present, Unbounded, Unbounded, |_| panic!("taken out"));
        }
    }

    #[test]
    fn what_the_storage_named_is_not_known_to_whoever_comes_while_it_is_looked_up() {
        let index = index::<u16>();
        index.note(Boundary::Start, Boundary::End, Some(&7));
        let known = || index.named_onward(&Boundary::Start).and_then(|span| span.known);
        assert_eq!(known(), Some(7));
        let busy = index.named.lock();
        assert_eq!(known(), None);
        let span = index.note(Boundary::Start, Boundary::End, Some(&5));
        assert_eq!(span.known, Some(5), "what it was told itself");
        drop(busy);
        assert_eq!(known(), Some(7));
    }
}

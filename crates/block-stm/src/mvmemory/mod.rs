//! The multi-version memory: every location of the block, with every value that matters to
//! somebody.
//!
//! # The problem
//!
//! Transactions of one block run at the same time and out of order, and each must see the state as
//! if all lower ones had run before it and no higher one. So a write never overwrites:
//! it adds a *version*, and a reader at transaction `i` takes the highest version below `i`.
//!
//! # The idea
//!
//! ```text
//!   table                cells                        write sets (in one piece each)
//!   location --hash-->  [base | versions ->...]  <--  txn 4, incarnation 0: [entry, entry, entry]
//!                       [base | versions ->...]  <--  txn 7, incarnation 2: [entry]
//! ```
//!
//! * [`table`] finds the cell of a location, without locks.
//! * [`cell`] holds the value from before the block, fetched once, the chain of versions that
//!   readers may want, and the committed one.
//! * [`shortcuts`] lead into the middle of long chains.
//! * [`index`] has the locations that may hold something in their order, in blocks that may be
//!   scanned.
//! * [`entry`] is one version. All entries of an incarnation lie in one row, its write set, which
//!   this module owns and links into the cells, but for deltas that nobody wants to see before they
//!   are final.
//! * [`arena`] is where cells, first write sets and sums of deltas lie until the block is over, in
//!   [`chunks`] that the engine keeps for the next one. Write sets of later incarnations come from
//!   the heap.
//!
//! # The life of a write set
//!
//! 1. *Published* by the owner of its transaction; it replaces the older incarnation's set, entry
//!    by entry. Locations that the new incarnation does not write any more are unlinked.
//! 2. Marked as *estimates* when the incarnation is aborted: readers had better wait.
//! 3. *Replaced* by the next incarnation, or *withdrawn* when the transaction turns out to have no
//!    effect. The old set, if it is on the heap, is then freed by epoch: readers may still be
//!    walking over it.
//! 4. Or *committed*: its deltas are summed up, the cells point to it as their final value, and it
//!    lives until the block is over.
//!
//! Publication is not atomic over several locations: a reader may see half of it. That is allowed,
//! as is everything else that a reader may see here: what was read is judged at commit, against
//! committed values alone.
//!
//! # Why nobody reads freed memory
//!
//! Cells and sums are freed with the memory; what becomes of an entry is nothing to its sum.
//! Entries are reached through a chain by whoever holds an epoch guard, and through
//! `Cell::committed` by anybody. The second kind is never retired ([`MvMemory::commit`] locks the
//! set in; an entry that was never linked is reached in this way alone). For the first kind: a
//! retired set was unlinked from every chain before, under the cells' locks. Somebody who still
//! reaches an entry of it has pinned before the unlinking (either the entry was in the chain then,
//! or it was the `next` of an entry unlinked even earlier, whose own unlinking that reader
//! preceded), so its guard keeps the set alive.
//!
//! Each memory has an epoch collector of its own, so that everything is freed with the block at the
//! latest.

pub(crate) mod arena;
pub(crate) mod cell;
pub(crate) mod chain;
pub(crate) mod chunks;
pub(crate) mod entry;
pub(crate) mod final_state;
pub(crate) mod index;
pub(crate) mod listing;
pub(crate) mod memory;
pub(crate) mod named;
pub(crate) mod shortcuts;
pub(crate) mod skip_list;
pub(crate) mod table;
pub(crate) mod write_set;

pub(crate) use cell::{Cell, Count};
pub(crate) use chain::Found;
pub(crate) use chunks::ChunkPool;
pub(crate) use entry::{Deltas, Payload};
pub(crate) use index::{Index, ListKind};
pub(crate) use memory::{LocalHandle, MvMemory, Published, Write};

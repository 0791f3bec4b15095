//! The multi-version memory: every location of the block, with every value that some
//! transaction may read.
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
//! * [`cell`] holds the value from before the block, fetched once, and what was committed last.
//! * [`chain`] has the versions that readers may want; [`shortcuts`] lead into the middle of a long
//!   one.
//! * [`index`] has the locations that may hold something in their order, in blocks that may be
//!   scanned: two [skip lists](skip_list), of places that [`listing`] describes, and what the
//!   storage has [`named`].
//! * [`entry`] is one version. All entries of an incarnation lie in one row, its
//!   [write set](write_set), which [`memory`] owns and links into the cells, but for deltas that no
//!   reader wants to see before they are final.
//! * [`arena`] is where cells, first write sets and sums of deltas lie until the block is over, in
//!   [`chunks`] that the engine keeps for the next one. Write sets of later incarnations come from
//!   the heap.
//!
//! # An example
//!
//! Before the block, `x` holds 2. The block has three transactions, and in the end `x` holds 6 and
//! `y` holds 5:
//!
//! ```text
//! txn 0:  x := 5
//! txn 1:  y := x
//! txn 2:  if x >= 1, x += 1
//! ```
//!
//! One worker executes txn 0, as it is the lowest. Another one is faster, and executes txn 1 and
//! txn 2 before txn 0 has published. `[1.0: 2]` is the version of txn 1 in incarnation 0, which
//! wrote the value 2; `*` marks the committed version.
//!
//! ```text
//!                               chain of x                  chain of y
//! 1  txn 1 is executed          -                           [1.0: 2]
//! 2  txn 2 is executed          [2.0: +1]                   [1.0: 2]
//! 3  txn 0 is executed          [2.0: +1] -> [0.0: 5]       [1.0: 2]
//! 4  txn 0 is committed         [2.0: +1] -> [0.0: 5]*      [1.0: 2]
//! 5  txn 1 is executed again    [2.0: +1] -> [0.0: 5]*      [1.1: 5]
//! 6  txn 1 is committed         [2.0: +1] -> [0.0: 5]*      [1.1: 5]*
//! 7  txn 2 is committed         [2.0: +1 = 6]* -> [0.0: 5]  [1.1: 5]*
//! ```
//!
//! 1. Txn 1 reads `x`. Its cell is made; the chain is empty, so the base value is asked for: 2. The
//!    run remembers that it saw the base. It wants the value itself, so `x` shows its deltas from
//!    now on.
//! 2. Txn 2 checks `x` and sees the base, too. Its delta takes no read, and is linked as it is.
//! 3. The write of txn 0 goes below the delta: the chain is sorted by transactions, not by time. A
//!    reader above txn 2 would sum up now, 5 + 1, and remember no version, as the sum is not final.
//! 4. The cell's committed pointer leads to `[0.0: 5]`. No walk goes below it any more.
//! 5. The judge finds that txn 1 saw the base where version 0.0 is committed. It executes txn 1
//!    again, and the new version takes the place of the old one. Had a worker found that out before
//!    the judge, it would have marked `[1.0: 2]` as an estimate, and a reader of `y` would have
//!    waited for txn 1.
//! 6. The committed pointer of `y` leads to `[1.1: 5]`. `[1.0: 2]` is in no chain; it lies in the
//!    arena until the block is over.
//! 7. Txn 2 only asked whether `x` is at least 1, which it is. So its run stands, though the value
//!    has changed. The judge sums up: 5 + 1 = 6.
//!
//! A test goes through these steps (`memory/tests.rs`). The [scheduler](crate::scheduler) and the
//! [judge](crate::judge) have the same example.
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
//! # Why no freed memory is read
//!
//! Cells and sums are freed with the memory; what becomes of an entry is nothing to its sum.
//! Entries are reached through a chain by threads that hold an epoch guard, and through
//! `Cell::committed` by any thread. The second kind is never retired ([`MvMemory::commit`] locks
//! the set in; an entry that was never linked is reached in this way alone). For the first kind: a
//! retired set was unlinked from every chain before, under the cells' locks. A reader that still
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

//! The hash of a mapping's key, remembered.
//!
//! A contract finds `balances[owner]` at the Keccak-256 of 64 bytes, the key and the mapping's own
//! slot. It does so again for each access, and the next transaction does so for the same pool or
//! token: in blocks of DeFi an eighth of all time is spent there. So each worker remembers the last
//! hashes of 64 bytes in a small table. What is looked up is compared in full; an entry can only be
//! missing, never wrong. Nothing is remembered from block to block but the table's memory.

use std::{
    cell::RefCell,
    hash::{BuildHasher, Hasher},
    marker::PhantomData,
};

use alloy_primitives::{B256, U256, keccak256};
use foldhash::fast::RandomState;
use revm::interpreter::{
    Host, InstructionContext, InstructionExecResult, instructions::system,
    interpreter::EthInterpreter, interpreter_types::MemoryTr,
};

/// Who remembers hashes.
pub(crate) trait HasKeccaks {
    fn keccaks(&mut self) -> &mut Keccaks;
}

const KEY: usize = 64;

/// How many hashes a worker remembers, in some 100 bytes each: so that they fit into a core's own
/// cache.
const ENTRIES: usize = 2048;

/// How many lookups in vain it takes to give up.
const MOST_CREDIT: i32 = 128;

/// Looking in vain costs a tenth of a hash.
const HIT: i32 = 10;

/// After giving up, one hash in so many is still looked up: other code may be run by now.
const PROBE: u32 = 16;

#[derive(Clone)]
struct Entry {
    key: [u8; KEY],
    hash: B256,
    /// The thread that remembered it; 0 for none.
    owner: u64,
}

/// The table of a thread, which is there as long as the thread, with the number of those who have
/// used it.
struct Table {
    entries: Vec<Entry>,
    owners: u64,
}

thread_local! {
    static TABLE: RefCell<Table> = const { RefCell::new(Table { entries: Vec::new(), owners: 0 }) };
}

/// Hashes of 64 bytes, remembered by one worker for one block. Stays on its thread.
pub(crate) struct Keccaks {
    /// Its number on the thread.
    number: u64,
    /// Each hash that is remembered adds to it, each that is not takes from it. At 0 or below,
    /// remembering does not pay.
    credit: i32,
    /// How many hashes were wanted while it did not pay.
    passed: u32,
    /// Keyed at random: keys that an attacker chose to meet are no worse than others.
    hasher: RandomState,
    _on_its_thread: PhantomData<*const ()>,
}

impl Default for Keccaks {
    fn default() -> Self {
        let number = TABLE.with_borrow_mut(|table| {
            table.owners += 1;
            table.owners
        });
        let hasher = RandomState::default();
        Self { number, credit: MOST_CREDIT, passed: 0, hasher, _on_its_thread: PhantomData }
    }
}

impl Keccaks {
    fn hash(&mut self, key: &[u8; KEY]) -> B256 {
        if self.credit <= 0 {
            self.passed = self.passed.wrapping_add(1);
            if !self.passed.is_multiple_of(PROBE) {
                return keccak256(key);
            }
        }
        self.look_up(key)
    }

    /// Where a key is remembered.
    fn place(&self, key: &[u8; KEY]) -> usize {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish() as usize % ENTRIES
    }

    fn look_up(&mut self, key: &[u8; KEY]) -> B256 {
        let place = self.place(key);
        TABLE.with_borrow_mut(|table| {
            if table.entries.is_empty() {
                let nothing = Entry { key: [0; KEY], hash: B256::ZERO, owner: 0 };
                table.entries = vec![nothing; ENTRIES];
            }
            let entry = &mut table.entries[place];
            if entry.owner != self.number || entry.key != *key {
                *entry = Entry { key: *key, hash: keccak256(key), owner: self.number };
                self.credit = (self.credit - 1).max(0);
            } else {
                self.credit = (self.credit + HIT).min(MOST_CREDIT);
            }
            entry.hash
        })
    }
}

/// KECCAK256: revm's, but for 64 bytes that lie in memory already.
pub(crate) fn keccak_of_memory<H: Host + HasKeccaks>(
    args: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = args;
    if let &[.., length, offset] = interpreter.stack.data().as_slice()
        && length == U256::from(KEY)
        && let Ok(offset) = usize::try_from(offset)
        && offset.checked_add(KEY).is_some_and(|end| end <= interpreter.memory.size())
        && let Ok(key) = <&[u8; KEY]>::try_from(&*interpreter.memory.slice_len(offset, KEY))
        && interpreter.gas.record_regular_cost(host.gas_params().keccak256_cost(KEY))
        && let Some(([_], top)) = interpreter.stack.popn_top()
    {
        *top = host.keccaks().hash(key).into();
        return Ok(());
    }
    system::keccak256(InstructionContext { interpreter, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_right_whether_it_was_remembered_or_not() {
        let mut keccaks = Keccaks::default();
        let key = |n: u32| {
            let mut key = [0; KEY];
            key[n as usize % KEY] = n as u8;
            key[7..11].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in (0..3 * ENTRIES as u32).chain(0..3 * ENTRIES as u32) {
            for _ in 0..2 {
                assert_eq!(keccaks.hash(&key(n)), keccak256(key(n)));
            }
        }
        assert_eq!(keccaks.hash(&[0; KEY]), keccak256([0; KEY]));
    }

    #[test]
    fn where_hashes_do_not_come_back_they_are_not_looked_up_until_they_do() {
        let key = |n: u32| {
            let mut key = [0; KEY];
            key[28..32].copy_from_slice(&n.to_be_bytes());
            key
        };
        let mut keccaks = Keccaks::default();
        for n in 0..1000 {
            keccaks.hash(&key(n));
        }
        assert_eq!(keccaks.credit, 0);
        for n in 0..1000 {
            assert_eq!(keccaks.hash(&key(n % 5)), keccak256(key(n % 5)));
        }
        assert_eq!(keccaks.credit, MOST_CREDIT);
    }

    #[test]
    fn keys_that_differ_little_are_spread() {
        let keccaks = Keccaks::default();
        let place = |slot: u64| {
            let mut key = [0; KEY];
            key[24..32].copy_from_slice(&slot.to_be_bytes());
            keccaks.place(&key)
        };
        let places: std::collections::HashSet<_> = (0..1000).map(place).collect();
        assert!(places.len() > 700, "{}", places.len());
    }
}

//! The state root, kept up to date from block to block.
//!
//! # The problem
//!
//! A header names the root of the state after the block. To hash the whole state for each block
//! costs as much as the state is large; to hash what changed costs as much as the block is large.
//!
//! # The idea
//!
//! The tries are held in memory, one for the accounts and one for each account's storage, with
//! every hash that is still valid. [`StateTrie::apply`] takes a block's [`StateChanges`]: storage
//! tries are updated and hashed in parallel, one account each, then the accounts' trie, whose upper
//! subtrees are hashed in parallel.
//!
//! # Ahead of the block's end
//!
//! Most of that work needs no finished block. [`StateTrie::follow`] runs a block and, on a thread
//! of its own, puts each committed slot into its storage trie while later transactions still
//! execute:
//!
//! ```text
//! workers        txn 0  txn 1  txn 2 ...  txn n | post-block |
//! follower               slots of 0, of 1, ...  | hashes     | reconcile, accounts, root
//! ```
//!
//! What the follower does is a guess that nothing relies on: it remembers the value that each slot
//! had before, and `apply` puts back every slot that the block's changes do not name. So the root
//! is that of the changes, whatever was fed: slots of an account that is later destroyed, values
//! that are overwritten, or nonsense.

mod follow;
mod node;
mod roots;
mod trie;

use std::collections::HashMap;

use alloy_primitives::{Address, B256, U256, keccak256};
#[cfg(feature = "import")]
use alloy_trie::Nibbles;
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use block_stm_evm::{AccountChange, PreState, StateChanges};
use foldhash::fast::RandomState;
use rayon::prelude::*;
use revm::state::AccountInfo;

pub use roots::{state_root, state_roots_within, storage_root};

use self::trie::Trie;

/// The tries of a whole state in memory, with the root after each block at the price of what the
/// block changed.
///
/// # Examples
///
/// ```
/// use block_stm_chain::block_stm_evm::{PreState, StateChanges};
/// use block_stm_chain::{StateTrie, state_root};
///
/// let state = PreState::new();
/// let mut trie = StateTrie::from(&state);
/// assert_eq!(trie.root(), state_root(&state));
/// assert_eq!(trie.apply(&StateChanges::default()), trie.root());
/// ```
#[derive(Clone, Debug, Default)]
pub struct StateTrie {
    accounts: Trie,
    /// Storage that is not empty.
    storages: HashMap<Address, Trie, RandomState>,
    /// What slots held before they were changed ahead of the block's end.
    ahead: HashMap<Address, Originals, RandomState>,
}

/// So many changed slots make it worth while to wake other threads.
const PARALLEL_FROM: usize = 64;

/// A slot's encoded value before it was changed ahead; `None` for zero.
type Originals = HashMap<U256, Option<Box<[u8]>>, RandomState>;

/// The storage of one account on the way to its state after the block.
struct Update<'a> {
    address: Address,
    trie: Trie,
    ahead: Originals,
    /// What the block did to the account, if anything.
    change: Option<&'a AccountChange>,
    /// Whether the storage starts anew in this block.
    starts_empty: bool,
}

impl From<&PreState> for StateTrie {
    /// # Cost
    ///
    /// Hashes every account and slot, on the threads of rayon's current pool.
    fn from(state: &PreState) -> Self {
        let accounts: Vec<_> = state.accounts().collect();
        let hashed = accounts.into_par_iter().map(|(address, account)| {
            let mut storage = Trie::default();
            for (slot, value) in &account.storage {
                storage.insert(&slot_key(slot), &alloy_rlp::encode_fixed_size(value));
            }
            let leaf = leaf(&account.info, storage.root());
            (*address, keccak256(address), leaf, storage)
        });
        let mut trie = Self::default();
        for (address, key, leaf, storage) in hashed.collect::<Vec<_>>() {
            trie.accounts.insert(&key, &leaf);
            trie.put_storage(address, storage);
        }
        trie
    }
}

impl StateTrie {
    /// The root of the state.
    ///
    /// # Cost
    ///
    /// Nothing, once it is known for this state.
    pub fn root(&mut self) -> B256 {
        self.accounts.root()
    }

    /// Makes this the trie of the state after a block that changed `changes`, and returns its root.
    ///
    /// # Cost
    ///
    /// About 2 us for each changed slot and account, shared by the threads of rayon's current pool.
    pub fn apply(&mut self, changes: &StateChanges) -> B256 {
        let mut updates = self.updates(changes);
        let slots = changes.iter().map(|change| change.storage.len()).sum::<usize>();
        if slots < PARALLEL_FROM {
            updates.iter_mut().for_each(Update::run);
        } else {
            updates.par_iter_mut().for_each(Update::run);
        }
        for update in updates {
            self.put_storage(update.address, update.trie);
        }
        let leaves: Vec<_> = changes.iter().map(|change| self.leaf_of(change)).collect();
        for (key, leaf) in leaves {
            self.accounts.set(&key, leaf.as_deref());
        }
        self.root()
    }

    /// Whether the account at `address` has a slot that is not zero. What was fed since the last
    /// [`apply`](Self::apply) counts.
    pub fn has_storage(&self, address: &Address) -> bool {
        self.storages.get(address).is_some_and(|storage| !storage.is_empty())
    }

    /// The encoding of the node at `place` of the accounts' trie, or of the trie of an account's
    /// storage. The root must have been asked for since the last change.
    #[cfg(feature = "import")]
    pub(crate) fn encoding_at(&self, of: Option<&Address>, place: &Nibbles) -> Option<Vec<u8>> {
        match of {
            None => self.accounts.encoding_at(place),
            Some(address) => self.storages.get(address)?.encoding_at(place),
        }
    }

    /// The storages that `changes` or what was done ahead of them touch, taken out of their place.
    fn updates<'a>(&mut self, changes: &'a StateChanges) -> Vec<Update<'a>> {
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut updates = Vec::new();
        for change in changes.iter() {
            let address = change.address;
            let fed = ahead.remove(&address);
            if fed.is_none() && change.storage.is_empty() && !change.storage_wiped {
                continue;
            }
            let is_new = self.accounts.get(&keccak256(address)).is_none();
            updates.push(Update {
                address,
                trie: self.storages.remove(&address).unwrap_or_default(),
                ahead: fed.unwrap_or_default(),
                change: Some(change),
                starts_empty: change.storage_wiped || change.info.is_none() || is_new,
            });
        }
        updates.extend(ahead.into_iter().map(|(address, ahead)| Update {
            address,
            trie: self.storages.remove(&address).unwrap_or_default(),
            ahead,
            change: None,
            starts_empty: false,
        }));
        updates
    }

    fn put_storage(&mut self, address: Address, storage: Trie) {
        if !storage.is_empty() {
            self.storages.insert(address, storage);
        }
    }

    /// Key and leaf of an account after the block; no leaf if it does not exist then.
    fn leaf_of(&mut self, change: &AccountChange) -> (B256, Option<Vec<u8>>) {
        let storage = self.storages.get_mut(&change.address);
        let storage_root = storage.map_or(EMPTY_ROOT_HASH, Trie::root);
        let leaf = change.info.as_ref().map(|info| leaf(info, storage_root));
        (keccak256(change.address), leaf)
    }

    /// Changes a slot ahead of the changes that will tell what really became of it.
    fn anticipate(&mut self, address: Address, slot: U256, value: U256) {
        let trie = self.storages.entry(address).or_default();
        let key = slot_key(&slot);
        let originals = self.ahead.entry(address).or_default();
        originals.entry(slot).or_insert_with(|| trie.get(&key).map(Into::into));
        set_slot(trie, &key, value);
    }

    /// Hashes the storage that was changed ahead.
    fn hash_ahead(&mut self) {
        for address in self.ahead.keys() {
            if let Some(trie) = self.storages.get_mut(address) {
                trie.root();
            }
        }
    }
}

impl Update<'_> {
    fn run(&mut self) {
        if self.starts_empty {
            self.trie = Trie::default();
            self.ahead.clear();
        }
        let slots = self.change.map_or(&[][..], |change| &change.storage);
        for change in slots {
            self.ahead.remove(&change.slot);
            set_slot(&mut self.trie, &slot_key(&change.slot), change.after);
        }
        for (slot, original) in self.ahead.drain() {
            self.trie.set(&slot_key(&slot), original.as_deref());
        }
        self.trie.root();
    }
}

fn slot_key(slot: &U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

fn set_slot(trie: &mut Trie, key: &B256, value: U256) {
    if value.is_zero() {
        trie.remove(key);
    } else {
        trie.insert(key, &alloy_rlp::encode_fixed_size(&value));
    }
}

fn leaf(info: &AccountInfo, storage_root: B256) -> Vec<u8> {
    alloy_rlp::encode(TrieAccount {
        nonce: info.nonce,
        balance: info.balance,
        storage_root,
        code_hash: info.code_hash,
    })
}

#[cfg(test)]
mod tests;

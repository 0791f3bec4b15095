//! What a block changed in the state: its difference to the state before it.

use alloy_primitives::{Address, B256, U256};
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    database::{BundleState, State, WrapDatabaseRef, states::bundle_state::BundleRetention},
    database_interface::bal::EvmDatabaseError,
    state::{Account, AccountInfo, AccountStatus, Bytecode, EvmStorageSlot, TransactionId},
};

use crate::PreState;

/// The accounts and slots whose value after a block differs from the one before it.
///
/// Two values are equal if they describe the same difference, whatever the order in which changes
/// were found. Only real changes are here: what was written and ends up as it was is left out. The
/// order of [`iter`](Self::iter) is arbitrary, so that sorting is paid for where it is needed
/// alone; [`sorted`](Self::sorted) is the canonical order.
#[derive(Clone, Debug, Default)]
pub struct StateChanges {
    /// In parts, as they were found.
    parts: Vec<Vec<AccountChange>>,
    len: usize,
}

/// What a block changed in one account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountChange {
    /// Which account.
    pub address: Address,
    /// The account after the block, or `None` if it does not exist then. The code is given at least
    /// where the code hash changed.
    pub info: Option<AccountInfo>,
    /// All slots are zero but those in `storage`: the account existed before the block and, at some
    /// point within it, ceased to exist or was created anew.
    pub storage_wiped: bool,
    /// Changed slots, each once, in no particular order. Where the storage was wiped: all non-zero
    /// ones.
    pub storage: Vec<SlotChange>,
}

/// What a block changed in one storage slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange {
    /// The slot's key.
    pub slot: U256,
    /// Its value before the block, zero where the storage was wiped.
    pub before: U256,
    /// Its value after the block.
    pub after: U256,
}

impl AccountChange {
    /// A change of the fields of `address` only.
    pub fn new(address: Address, info: Option<AccountInfo>) -> Self {
        Self { address, storage_wiped: info.is_none(), info, storage: Vec::new() }
    }

    fn sorted_storage(&self) -> Vec<SlotChange> {
        let mut storage = self.storage.clone();
        storage.sort_unstable_by_key(|change| change.slot);
        storage
    }

    fn account(&self) -> Account {
        let info = self.info.clone().unwrap_or_default();
        let mut account = Account::default().with_info(info).with_touched_mark();
        account.storage.extend(self.storage.iter().map(|change| {
            let (before, after) = (change.before, change.after);
            let slot = EvmStorageSlot::new_changed(before, after, TransactionId::ZERO);
            (change.slot, slot)
        }));
        match &self.info {
            None => account.status |= AccountStatus::SelfDestructed,
            // An account that is empty and yet exists (before EIP-161) must not look like one to
            // clear.
            Some(info) if self.storage_wiped || info.is_empty() => {
                account.status |= AccountStatus::Created;
            }
            Some(_) => {}
        }
        account
    }
}

impl PartialEq for AccountChange {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
            && self.info == other.info
            && self.storage_wiped == other.storage_wiped
            && self.storage.len() == other.storage.len()
            && self.sorted_storage() == other.sorted_storage()
    }
}

impl PartialEq for StateChanges {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.sorted() == other.sorted()
    }
}

impl FromIterator<AccountChange> for StateChanges {
    /// Collects changes, of which every address has at most one.
    fn from_iter<T: IntoIterator<Item = AccountChange>>(changes: T) -> Self {
        Self::of(vec![changes.into_iter().collect()])
    }
}

impl StateChanges {
    /// The changes in `parts`, of which every address has at most one.
    pub(crate) fn of(parts: Vec<Vec<AccountChange>>) -> Self {
        let len = parts.iter().map(Vec::len).sum();
        Self { parts, len }
    }

    /// The number of changed accounts.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The changes in arbitrary order.
    pub fn iter(&self) -> impl Iterator<Item = &AccountChange> {
        self.parts.iter().flatten()
    }

    /// The changes by ascending address.
    ///
    /// # Cost
    ///
    /// Sorts references: O(n log n).
    pub fn sorted(&self) -> Vec<&AccountChange> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_unstable_by_key(|change| change.address);
        sorted
    }

    /// The change of the account `address`, if there is one.
    ///
    /// # Cost
    ///
    /// Looks through all changes.
    pub fn account(&self, address: Address) -> Option<&AccountChange> {
        self.iter().find(|change| change.address == address)
    }

    /// Code that changed accounts have now, by its hash, where it is at hand; may repeat.
    pub fn code(&self) -> impl Iterator<Item = (B256, &Bytecode)> {
        let infos = self.iter().filter_map(|change| change.info.as_ref());
        infos.filter_map(|info| Some((info.code_hash, info.code.as_ref()?)))
    }

    /// Blake3 of the changes in canonical order; equal changes have equal digests.
    ///
    /// Every account counts with its address and, if it exists after the block, balance, nonce,
    /// code hash, wiped flag and slots with the values after the block, all big-endian and of fixed
    /// width.
    #[cfg(feature = "digest")]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for change in self.sorted() {
            hasher.update(change.address.as_slice());
            let Some(info) = &change.info else {
                hasher.update(&[0]);
                continue;
            };
            hasher.update(&[1]);
            hasher.update(&info.balance.to_be_bytes::<32>());
            hasher.update(&info.nonce.to_be_bytes());
            hasher.update(info.code_hash.as_slice());
            hasher.update(&[u8::from(change.storage_wiped)]);
            hasher.update(&(change.storage.len() as u64).to_be_bytes());
            for slot in change.sorted_storage() {
                hasher.update(&slot.slot.to_be_bytes::<32>());
                hasher.update(&slot.after.to_be_bytes::<32>());
            }
        }
        hasher.finalize().into()
    }

    /// Writes the changes to a revm database that holds the state before the block.
    ///
    /// Every changed account is read first, as revm's `State` wants it. An account whose storage
    /// was wiped is committed twice, as destroyed and as created: revm has no word for both at
    /// once.
    ///
    /// # Errors
    ///
    /// What reading an account returns; nothing has been written then.
    pub fn commit_to<DB: Database + DatabaseCommit>(&self, db: &mut DB) -> Result<(), DB::Error> {
        for change in self.iter() {
            db.basic(change.address)?;
        }
        let wiped = self.iter().filter(|change| change.storage_wiped);
        db.commit_iter(&mut wiped.map(|change| {
            let destroyed = AccountChange::new(change.address, None);
            (change.address, destroyed.account())
        }));
        let kept = self.iter().filter(|change| change.info.is_some());
        db.commit_iter(&mut kept.map(|change| (change.address, change.account())));
        Ok(())
    }

    /// The changes as revm's bundle, with what is needed to revert them, over the state before the
    /// block.
    ///
    /// # Errors
    ///
    /// What reading an account of `db` returns.
    pub fn to_bundle<DB: DatabaseRef>(
        &self,
        db: DB,
    ) -> Result<BundleState, EvmDatabaseError<DB::Error>> {
        let mut state =
            State::builder().with_database(WrapDatabaseRef(db)).with_bundle_update().build();
        self.commit_to(&mut state)?;
        state.merge_transitions(BundleRetention::Reverts);
        Ok(state.take_bundle())
    }
}

impl PreState {
    /// What takes `changes` back, where this is the state before them.
    ///
    /// # Cost
    ///
    /// Copies what `changes` change, and the whole storage of accounts that lose theirs.
    pub fn inverse(&self, changes: &StateChanges) -> StateChanges {
        changes.iter().map(|change| self.inverse_of(change)).collect()
    }

    fn inverse_of(&self, change: &AccountChange) -> AccountChange {
        let Some(account) = self.account(&change.address) else {
            return AccountChange::new(change.address, None);
        };
        let mut inverse = AccountChange::new(change.address, Some(account.info.clone()));
        inverse.storage_wiped = change.storage_wiped;
        inverse.storage = if change.storage_wiped {
            let slots = account.storage.iter();
            slots.map(|(&slot, &after)| SlotChange { slot, before: U256::ZERO, after }).collect()
        } else {
            let slots = change.storage.iter();
            slots
                .map(|&SlotChange { slot, before, after }| SlotChange {
                    slot,
                    before: after,
                    after: before,
                })
                .collect()
        };
        inverse
    }

    /// Makes this state the one after a block that changed `changes`.
    pub fn apply(&mut self, changes: &StateChanges) {
        for change in changes.iter() {
            let address = change.address;
            let Some(info) = &change.info else {
                self.remove_account(&address);
                continue;
            };
            self.insert_account(address, info.clone());
            if change.storage_wiped {
                self.wipe_storage(&address);
            }
            for slot in &change.storage {
                self.insert_storage(address, slot.slot, slot.after);
            }
        }
    }
}

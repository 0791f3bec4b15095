//! The state, at the index at hand and before it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256, map::AddressMap};
use block_stm_evm::StateRef;
use block_stm_evm::revm::{
    Database, DatabaseCommit,
    primitives::hardfork::SpecId,
    state::{Account, AccountInfo, Bytecode},
};

use super::Accesses;

/// The state, which remembers what it is asked for.
pub(super) struct World<'a, DB> {
    db: &'a DB,
    spec: SpecId,
    /// What lower indexes have left.
    lower: Layer,
    /// What the index at hand has left so far.
    now: Layer,
    pub(super) asked: Accesses,
}

/// Changes of a state.
#[derive(Default)]
struct Layer {
    accounts: BTreeMap<Address, Option<AccountInfo>>,
    codes: BTreeMap<B256, Bytecode>,
    /// Accounts whose slots are zero, but for those below.
    wiped: BTreeSet<Address>,
    slots: BTreeMap<(Address, U256), U256>,
}

/// Something before the index at hand, and after it.
pub(super) type Both<T> = [T; 2];

impl<'a, DB: StateRef> World<'a, DB> {
    pub(super) fn new(db: &'a DB, spec: SpecId) -> Self {
        let (lower, now) = Default::default();
        Self { db, spec, lower, now, asked: Accesses::new() }
    }

    /// What was left so far is what the next index finds.
    pub(super) fn next_index(&mut self) {
        let Layer { accounts, codes, wiped, slots } = std::mem::take(&mut self.now);
        for address in &wiped {
            self.lower.slots.retain(|(owner, _), _| owner != address);
        }
        self.lower.accounts.extend(accounts);
        self.lower.codes.extend(codes);
        self.lower.wiped.extend(wiped);
        self.lower.slots.extend(slots);
    }

    /// The accounts that something was done to at the index at hand.
    pub(super) fn touched(&self) -> impl Iterator<Item = Address> {
        self.now.accounts.keys().copied()
    }

    /// The account's fields; those of nothing where it is not there.
    pub(super) fn fields(&self, address: Address) -> Both<AccountInfo> {
        let before = self.account_in(&[&self.lower], address);
        let after = self.account_in(&[&self.now, &self.lower], address);
        [before, after].map(|info| info.expect("was read before").unwrap_or_default())
    }

    pub(super) fn slot(&self, address: Address, key: U256) -> Both<U256> {
        let before = self.slot_in(&[&self.lower], address, key);
        let after = self.slot_in(&[&self.now, &self.lower], address, key);
        [before, after].map(|value| value.expect("was read before"))
    }

    pub(super) fn code(&self, hash: B256) -> Bytecode {
        let known = [&self.now, &self.lower].into_iter().find_map(|layer| layer.codes.get(&hash));
        known.cloned().unwrap_or_else(|| self.db.code_by_hash_ref(hash).expect("is known"))
    }

    fn account_in(
        &self,
        layers: &[&Layer],
        address: Address,
    ) -> Result<Option<AccountInfo>, DB::Error> {
        match layers.iter().find_map(|layer| layer.accounts.get(&address)) {
            Some(account) => Ok(account.clone()),
            None => self.db.basic_ref(address),
        }
    }

    fn slot_in(&self, layers: &[&Layer], address: Address, key: U256) -> Result<U256, DB::Error> {
        for layer in layers {
            if let Some(value) = layer.slots.get(&(address, key)) {
                return Ok(*value);
            }
            if layer.wiped.contains(&address) {
                return Ok(U256::ZERO);
            }
        }
        self.db.storage_ref(address, key)
    }

    /// Applies what happened to an account that was touched.
    fn leave(&mut self, address: Address, account: Account) {
        let Layer { accounts, codes, wiped, slots } = &mut self.now;
        // Since EIP-161 an empty account that is touched ceases to exist; revm says of those that
        // come into being that they are created.
        let clears = self.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let is_cleared = clears && account.is_empty() && !account.is_created();
        let is_gone = account.is_selfdestructed() || is_cleared;
        if is_gone || account.is_created() {
            slots.retain(|(owner, _), _| *owner != address);
            wiped.insert(address);
        }
        if is_gone {
            accounts.insert(address, None);
            return;
        }
        for (key, slot) in account.storage {
            slots.insert((address, key), slot.present_value);
        }
        if let Some(code) = &account.info.code {
            codes.insert(account.info.code_hash, code.clone());
        }
        accounts.insert(address, Some(account.info));
    }
}

impl<DB: StateRef> Database for World<'_, DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        self.asked.entry(address).or_default();
        self.account_in(&[&self.now, &self.lower], address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, DB::Error> {
        let known = [&self.now, &self.lower].into_iter().find_map(|layer| layer.codes.get(&hash));
        known.cloned().map_or_else(|| self.db.code_by_hash_ref(hash), Ok)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, DB::Error> {
        self.asked.entry(address).or_default().insert(key);
        self.slot_in(&[&self.now, &self.lower], address, key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DB::Error> {
        self.db.block_hash_ref(number)
    }
}

/// Knows whether an account has storage.
pub(super) trait HasStorage {
    /// Whether it has now, given that it could not change its own.
    fn has_storage(&self, address: Address) -> bool;
}

impl<DB: StateRef> HasStorage for World<'_, DB> {
    fn has_storage(&self, address: Address) -> bool {
        let Self { now, lower, .. } = self;
        for layer in [now, lower] {
            let mut slots = layer.slots.iter().filter(|((owner, _), _)| *owner == address);
            if slots.any(|(_, value)| !value.is_zero()) {
                return true;
            }
            if layer.wiped.contains(&address) {
                return false;
            }
        }
        self.db.has_storage_ref(address).is_ok_and(|answer| answer == Some(true))
    }
}

impl<DB: StateRef> DatabaseCommit for World<'_, DB> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        let touched = changes.into_iter().filter(|(_, account)| account.is_touched());
        touched.for_each(|(address, account)| self.leave(address, account));
    }
}

//! redb panics at some pages that it can't make sense of. That is damage as well: an error.

use std::panic::{self, AssertUnwindSafe};

use alloy_primitives::{Address, B256, Bytes, U256};

use super::{FlatView, StoredBlock, Tables, view::View};
use crate::{Account, StoreError, place::Place};

/// Does something with redb, whose panics become errors.
pub(super) fn guarded<R>(
    place: &Place,
    what: impl FnOnce() -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    let result = panic::catch_unwind(AssertUnwindSafe(what));
    result.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        let message = message.unwrap_or("no reason is given");
        Err(place.damaged(0, format!("redb can't use the file: {message}")))
    })
}

/// A view of the tables.
#[derive(Debug)]
pub(super) struct Guarded {
    view: View,
    place: Place,
}

impl Guarded {
    pub(super) fn new(tables: &Tables) -> Result<Self, StoreError> {
        let place = tables.place.clone();
        let view = guarded(&place, || View::new(tables))?;
        Ok(Self { view, place })
    }

    fn read<R>(&self, read: impl FnOnce(&View) -> Result<R, StoreError>) -> Result<R, StoreError> {
        guarded(&self.place, || read(&self.view))
    }
}

impl FlatView for Guarded {
    fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        self.read(|view| view.account(address))
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        self.read(|view| view.slot(address, slot))
    }

    fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        self.read(|view| view.code(hash))
    }

    fn accounts(
        &self,
        after: Option<Address>,
        most: usize,
    ) -> Result<Vec<(Address, Account)>, StoreError> {
        self.read(|view| view.accounts(after, most))
    }

    fn slots(
        &self,
        address: &Address,
        after: Option<U256>,
        most: usize,
    ) -> Result<Vec<(U256, U256)>, StoreError> {
        self.read(|view| view.slots(address, after, most))
    }

    fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError> {
        self.read(|view| view.block(number))
    }

    fn receipts(&self, number: u64) -> Result<Option<Bytes>, StoreError> {
        self.read(|view| view.receipts(number))
    }

    fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        self.read(|view| view.number_of(hash))
    }

    fn txn(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        self.read(|view| view.txn(hash))
    }
}

//! From what a block leaves to what it changes.

use std::collections::BTreeMap;

use super::Snapshot;
use crate::{AccountChange, AccountUpdate, SlotChange, StoreError};

impl Snapshot {
    /// What a block changes that follows on this snapshot and leaves `updates`: with the values
    /// before, and with all slots of accounts that it destroys. Slots that keep their value are
    /// left out.
    ///
    /// Hosts that know the values before, from executing the block, can make the changes
    /// themselves.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    ///
    /// # Cost
    ///
    /// A read for each account and slot, and the whole storage of accounts that are destroyed.
    pub fn changes(
        &self,
        updates: impl IntoIterator<Item = AccountUpdate>,
    ) -> Result<Vec<AccountChange>, StoreError> {
        updates.into_iter().map(|update| self.change(update)).collect()
    }

    fn change(&self, update: AccountUpdate) -> Result<AccountChange, StoreError> {
        let AccountUpdate { address, after, storage_wiped, slots } = update;
        let before = self.account(&address)?;
        let mut changed = BTreeMap::new();
        if storage_wiped || after.is_none() {
            for slot in self.slots(address)? {
                let (slot, before) = slot?;
                changed.insert(slot, SlotChange { slot, before, after: Default::default() });
            }
        }
        for (slot, after) in slots {
            let before = self.slot(&address, &slot)?;
            changed.insert(slot, SlotChange { slot, before, after });
        }
        let slots = changed.into_values().filter(|slot| slot.before != slot.after).collect();
        Ok(AccountChange { address, before, after, slots })
    }
}

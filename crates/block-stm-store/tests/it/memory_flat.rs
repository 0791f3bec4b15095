//! A flat state in plain maps, for tests that open stores by the thousand. Clones are the same one.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy_primitives::{Address, B256, Bytes, U256};
use block_stm_store::{
    Account, StoreError, StoredBlock,
    flat::{Applied, Batch, FlatState, FlatView, Old, TableStats},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFlat(Arc<Mutex<(u64, Maps)>>, Arc<AtomicBool>);

#[derive(Clone, Debug, Default)]
struct Maps {
    applied: Option<Applied>,
    accounts: BTreeMap<Address, Account>,
    slots: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
    blocks: BTreeMap<u64, StoredBlock>,
    receipts: BTreeMap<u64, Bytes>,
}

impl MemoryFlat {
    /// Lets the next batch fail, after it was written.
    pub(crate) fn fail_next(&self) {
        // ORDERING: SeqCst: no bottleneck.
        self.1.store(true, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Maps)> {
        self.0.lock().expect("no test panics here")
    }
}

impl FlatState for MemoryFlat {
    fn applied(&self) -> Result<Option<Applied>, StoreError> {
        Ok(self.lock().1.applied)
    }

    fn log_start(&self) -> Result<u64, StoreError> {
        Ok(self.lock().0.max(1))
    }

    fn set_log_start(&self, segment: u64) -> Result<(), StoreError> {
        self.lock().0 = segment;
        Ok(())
    }

    fn view(&self) -> Result<Arc<dyn FlatView>, StoreError> {
        Ok(Arc::new(self.lock().1.clone()))
    }

    fn apply(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        let maps = &mut self.lock().1;
        maps.applied = Some(batch.applied);
        for number in &batch.removed {
            maps.blocks.remove(number);
            maps.receipts.remove(number);
        }
        for block in &batch.added {
            let stored = StoredBlock {
                number: block.number,
                hash: block.hash,
                parent: block.parent,
                header: block.header.clone(),
                body: block.body.clone(),
                txns: block.txns.clone(),
            };
            maps.blocks.insert(block.number, stored);
            maps.receipts.insert(block.number, block.receipts.clone());
        }
        for (address, account) in &batch.accounts {
            match account {
                Some(account) => maps.accounts.insert(*address, *account),
                None => maps.accounts.remove(address),
            };
        }
        for (slot, value) in &batch.slots {
            match value.is_zero() {
                true => maps.slots.remove(slot),
                false => maps.slots.insert(*slot, *value),
            };
        }
        maps.codes.extend(batch.codes.clone());
        // ORDERING: SeqCst: no bottleneck.
        if self.1.swap(false, Ordering::SeqCst) { Err(StoreError::Failed) } else { Ok(()) }
    }

    fn forget(&self, old: Old, number: u64, most: usize) -> Result<usize, StoreError> {
        let maps = &mut self.lock().1;
        let numbers: Vec<_> = match old {
            Old::Blocks => maps.blocks.range(..number).map(|(it, _)| *it).take(most).collect(),
            _ => maps.receipts.range(..number).map(|(it, _)| *it).take(most).collect(),
        };
        for number in &numbers {
            match old {
                Old::Blocks => drop(maps.blocks.remove(number)),
                _ => drop(maps.receipts.remove(number)),
            }
        }
        Ok(numbers.len())
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn stats(&self) -> Result<Vec<TableStats>, StoreError> {
        Ok(vec![])
    }
}

impl FlatView for Maps {
    fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts.get(address).copied())
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StoreError> {
        Ok(self.slots.get(&(*address, *slot)).copied().unwrap_or_default())
    }

    fn code(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        Ok(self.codes.get(hash).cloned())
    }

    fn accounts(
        &self,
        after: Option<Address>,
        most: usize,
    ) -> Result<Vec<(Address, Account)>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.accounts.range((start, Bound::Unbounded)).take(most);
        Ok(range.map(|(address, account)| (*address, *account)).collect())
    }

    fn slots(
        &self,
        address: &Address,
        after: Option<U256>,
        most: usize,
    ) -> Result<Vec<(U256, U256)>, StoreError> {
        let first = (*address, after.unwrap_or_default());
        let start = if after.is_some() { Bound::Excluded(first) } else { Bound::Included(first) };
        let range = self.slots.range((start, Bound::Included((*address, U256::MAX))));
        Ok(range.take(most).map(|((_, slot), value)| (*slot, *value)).collect())
    }

    fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError> {
        Ok(self.blocks.get(&number).cloned())
    }

    fn receipts(&self, number: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.receipts.get(&number).cloned())
    }

    fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        Ok(self.blocks.values().find(|block| block.hash == *hash).map(|block| block.number))
    }

    fn txn(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        let place = |block: &StoredBlock| {
            let place = block.txns.iter().position(|it| it == hash)?;
            Some((block.number, place as u32))
        };
        Ok(self.blocks.values().find_map(place))
    }
}

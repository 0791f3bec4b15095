//! Reading what a list names before it is needed.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use block_stm::Engine;
use revm::DatabaseRef;

use super::listed::ListedState;

impl<DB: DatabaseRef + Sync> ListedState<'_, DB> {
    /// Reads what is listed, on all threads: accounts and slots in parts of equal size, so that one
    /// contract may have most of the slots.
    pub(crate) fn fetch_all(&self, engine: &Engine) {
        /// How many reads are made in one go.
        const PART: usize = 64;
        let ends = self.accounts.iter().scan(0, |end, account| {
            *end += 1 + account.slot_count();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        let reads = ends.last().copied().unwrap_or(0);
        engine.share(reads.div_ceil(PART), |part| {
            // A failure counts where a transaction meets it.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                self.fetch(&ends, part * PART..reads.min((part + 1) * PART))
            }));
        });
    }

    /// Makes the reads of `range`, so that what they return is at hand later. They are numbered
    /// over all accounts: of each the account itself, then its slots. `ends` has the end of each.
    ///
    /// # Errors
    ///
    /// What reading returns. Who really needs what could not be read will be told again.
    fn fetch(&self, ends: &[usize], range: Range<usize>) -> Result<(), DB::Error> {
        let mut next = range.start;
        let first = ends.partition_point(|end| *end <= next);
        for (place, end) in (first..).zip(&ends[first..]) {
            if next >= range.end {
                break;
            }
            let account = &self.accounts[place];
            let first_slot = end - account.slot_count();
            let slots =
                next.max(first_slot) - first_slot..range.end.min(*end).max(first_slot) - first_slot;
            if self.before(place)?.is_some() {
                for slot in slots {
                    self.slot_before(place, slot, account.slot_key(slot))?;
                }
            }
            next = *end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex};

    use alloy_eip7928::{AccountChanges, SlotChanges};
    use alloy_primitives::{Address, B256, U256};
    use revm::{
        context::{BlockEnv, TxEnv},
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    };

    use super::*;
    use crate::Block;

    /// Remembers what was asked.
    #[derive(Default)]
    struct Asked(Mutex<Vec<(Address, Option<U256>)>>);

    impl DatabaseRef for Asked {
        type Error = Infallible;

        fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
            self.0.lock().expect("no panic").push((address, None));
            let is_there = address != Address::repeat_byte(3);
            Ok(is_there.then(|| AccountInfo { nonce: 1, ..AccountInfo::default() }))
        }

        fn code_by_hash_ref(&self, _: B256) -> Result<Bytecode, Infallible> {
            Ok(Bytecode::default())
        }

        fn storage_ref(&self, address: Address, key: U256) -> Result<U256, Infallible> {
            self.0.lock().expect("no panic").push((address, Some(key)));
            Ok(key)
        }

        fn block_hash_ref(&self, _: u64) -> Result<B256, Infallible> {
            Ok(B256::ZERO)
        }
    }

    #[test]
    fn parts_of_any_size_read_all_that_is_listed_once() -> Result<(), Infallible> {
        // The third account is not there, so that its slots need no look.
        let slots = [0, 90, 4, 1, 0];
        let list = (1..).zip(slots).map(|(byte, slots)| {
            let mut account = AccountChanges::new(Address::repeat_byte(byte));
            let (changed, read) = (0..slots / 3, slots / 3..slots);
            let change = |key| SlotChanges::new(U256::from(key), Vec::new());
            account.storage_changes = changed.map(change).collect();
            account.storage_reads = read.map(U256::from).collect();
            account
        });
        let list: Vec<AccountChanges> = list.collect();
        let block = Block::new(SpecId::CANCUN, BlockEnv::default(), vec![TxEnv::default()]);
        let ends = [1, 92, 97, 99, 100];
        for size in 1..=101 {
            let db = Asked::default();
            let state = ListedState::new(&block, &db, &list);
            for start in (0..100).step_by(size) {
                state.fetch(&ends, start..100.min(start + size))?;
            }
            let mut asked = db.0.lock().expect("no panic").clone();
            asked.sort_unstable();
            let expected = list.iter().flat_map(|account| {
                let is_there = account.address != Address::repeat_byte(3);
                let slots = account.storage_slots().filter(move |_| is_there);
                [(account.address, None)]
                    .into_iter()
                    .chain(slots.map(|key| (account.address, Some(key))))
            });
            let mut expected: Vec<_> = expected.collect();
            expected.sort_unstable();
            assert_eq!(asked, expected, "parts of {size}");
        }
        Ok(())
    }
}

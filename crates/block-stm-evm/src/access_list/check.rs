//! Whether what happens at an index is what is listed for it.

use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::U256;
use revm::state::EvmState;

use super::{
    around::StepLog,
    builder::ListBuilder,
    difference::{ListDifference, ListPart, first_difference, only_at},
    listed::ListedState,
    touch::{Touch, slots_of},
};
use crate::block_state::Fields;

/// Compares what happens at one index with the list, and leaves marks of what was looked at there.
///
/// Each change that happens is looked up, and they are counted: if all are right and there are as
/// many as are listed, none is listed that does not happen.
pub(crate) struct IndexCheck<'a, DB> {
    state: &'a ListedState<'a, DB>,
    index: BlockAccessIndex,
    right: usize,
    wrong: bool,
}

impl<'a, DB> IndexCheck<'a, DB> {
    pub(crate) fn new(state: &'a ListedState<'a, DB>, index: BlockAccessIndex) -> Self {
        Self { state, index, right: 0, wrong: false }
    }

    /// Checks what a transaction leaves in revm's journal.
    pub(crate) fn run(mut self, state: &EvmState) -> Result<(), Box<ListDifference>> {
        for (address, account) in state {
            let touch = Touch::of(account);
            let place = self.state.place(address);
            self.fields(place, &touch.before, &touch.after);
            for slot in slots_of(account) {
                self.slot(place, slot.key, slot.change());
            }
            if let Some(place) = place {
                let listed = &self.state.accounts[place];
                if touch.is_wiped() {
                    listed.mark_wiped(self.index);
                }
                if touch.is_removed() {
                    listed.mark_removed();
                }
            }
        }
        self.verdict(|actual| actual.run(state))
    }

    /// Checks what the steps before or after the transactions did.
    pub(crate) fn steps(mut self, log: &StepLog) -> Result<(), Box<ListDifference>> {
        for (address, account) in log.iter() {
            let place = self.state.place(address);
            self.fields(place, &account.before, &account.after);
            for (&key, (before, after)) in &account.slots {
                self.slot(place, key, (before != after).then_some(*after));
            }
            if let Some(place) = place {
                let listed = &self.state.accounts[place];
                if account.wiped {
                    listed.mark_wiped(self.index);
                }
                if account.removed {
                    listed.mark_removed();
                }
            }
        }
        self.verdict(|actual| log.tell(actual))
    }

    /// The account at `place` was looked at, and changed where its fields are not the same.
    pub(crate) fn fields(&mut self, place: Option<usize>, before: &Fields, after: &Fields) {
        let Some(listed) = place.map(|place| &self.state.accounts[place]) else {
            self.wrong = true;
            return;
        };
        listed.mark_accessed();
        let index = self.index;
        if before.balance != after.balance {
            self.change(listed.balance_at(index) == Some(after.balance));
        }
        if before.nonce != after.nonce {
            self.change(listed.nonce_at(index) == Some(after.nonce));
        }
        if before.code_hash != after.code_hash {
            self.change(listed.code_at(index) == Some(after.code_hash));
        }
    }

    fn slot(&mut self, place: Option<usize>, key: U256, change: Option<U256>) {
        let Some(listed) = place.map(|place| &self.state.accounts[place]) else { return };
        self.wrong |= !listed.mark_slot_accessed(key);
        if change.is_some() {
            self.change(listed.slot_at(key, self.index) == change);
        }
    }

    fn change(&mut self, is_right: bool) {
        self.right += usize::from(is_right);
        self.wrong |= !is_right;
    }

    /// The outcome; `tell` says once more what happened, for the first place to be found.
    pub(crate) fn verdict(
        self,
        tell: impl FnOnce(&mut ListBuilder),
    ) -> Result<(), Box<ListDifference>> {
        if !self.wrong && self.right == self.state.changes_at(self.index) {
            return Ok(());
        }
        let mut actual = ListBuilder::at(self.index);
        tell(&mut actual);
        let actual = actual.finish();
        // What is accessed and not listed, before all that has a value.
        for account in &actual {
            let unlisted = |part| ListDifference::unlisted(account.address, part, self.index);
            let Some(place) = self.state.place(&account.address) else {
                return Err(Box::new(unlisted(ListPart::Account)));
            };
            let listed = &self.state.accounts[place];
            let mut slots = account.storage_slots();
            if let Some(slot) = slots.find(|slot| !listed.mark_slot_accessed(*slot)) {
                return Err(Box::new(unlisted(ListPart::Slot(slot))));
            }
        }
        let listed = self.state.accounts.iter().map(|account| account.list);
        let listed: Vec<_> = listed.filter_map(|list| only_at(list, self.index)).collect();
        let actual: Vec<_> = actual.iter().filter_map(|list| only_at(list, self.index)).collect();
        let difference = first_difference(&listed, &actual);
        Err(Box::new(difference.expect("a change that is not right, or one too many")))
    }
}

//! A block's list as a by-product of its execution in parallel.
//!
//! What a run looked at stands in its journal; a run that is committed was on the state that the
//! sequential execution sees, so that its slots can be taken from there, too. Balances can't: fees
//! and payments are added up when they are committed, without a look at what they are added to.
//! They come from the committed writes.

use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_primitives::{Address, U256, map::AddressMap};
use revm::state::EvmState;

use super::{
    around::StepLog,
    builder::{ListBuilder, SHARDS, Shard, shard_of},
    touch::{nothing, slots_of},
};
use crate::{
    block_state::Fields,
    parallel::{AccountState, Codes, Delta},
    share::{self, Share},
};

/// What a run looked at, and what it did to slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunAccesses {
    /// Accounts, each with the end of its slots, which begin where those of the one before end.
    accounts: Vec<(Address, usize)>,
    /// Slots, with the new values of those that were changed.
    slots: Vec<(U256, Option<U256>)>,
    /// What it did to accounts, in order, where what it left there is not told: within a bundle.
    pub(crate) deltas: Option<Vec<(Address, Delta)>>,
}

impl RunAccesses {
    /// Of the run that left `state` in its journal.
    pub(crate) fn of(state: &EvmState) -> Self {
        let slots = state.values().map(|account| account.storage.len()).sum();
        let mut accesses = Self {
            // One more for the beneficiary.
            accounts: Vec::with_capacity(state.len() + 1),
            slots: Vec::with_capacity(slots),
            deltas: None,
        };
        for (&address, account) in state {
            accesses.slots.extend(slots_of(account).map(|slot| (slot.key, slot.change())));
            accesses.add(address);
        }
        accesses
    }

    /// The account was looked at, too.
    pub(crate) fn add(&mut self, address: Address) {
        self.accounts.push((address, self.slots.len()));
    }

    /// The account at `place`, and the slots of it.
    fn account(&self, place: usize) -> (Address, &[(U256, Option<U256>)]) {
        let start = place.checked_sub(1).map_or(0, |last| self.accounts[last].1);
        let (address, end) = self.accounts[place];
        (address, &self.slots[start..end])
    }
}

/// A transaction that is final.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) accesses: Box<RunAccesses>,
    /// The accounts that it changed, or left as they were, and how it left them; none where it says
    /// what it did to them.
    pub(crate) accounts: Vec<(Address, AccountState)>,
}

/// The list of a block of which `list` has what came before the transactions. `steps` came after
/// them. `before` knows accounts before the first one, `codes` the code that they deployed.
///
/// # Errors
///
/// What `before` returns, for the first transaction for which it returns an error.
pub(crate) fn complete<E: Send>(
    list: ListBuilder,
    txns: &[Committed],
    steps: &StepLog,
    before: impl Fn(&Address) -> Result<AccountState, E> + Sync,
    codes: &Codes,
    share: &Share<'_>,
) -> Result<BlockAccessList, E> {
    let (index, shards) = list.into_shards();
    let parts = shards.into_iter().zip(Part::all(txns)).enumerate();
    let finished = share::map(share, parts, |(number, (mut shard, part))| {
        let before = &before;
        Teller { number, shard: &mut shard, txns, index, before, codes }.tell(part)?;
        steps.tell_shard(number, &mut shard, index_after(index, txns.len()));
        Ok(shard.finish())
    });
    let mut whole = Vec::new();
    let mut failed: Option<(usize, E)> = None;
    for part in finished {
        match part {
            Ok(part) => whole.extend(part),
            Err((txn, error)) if failed.as_ref().is_none_or(|(first, _)| txn < *first) => {
                failed = Some((txn, error));
            }
            Err(_) => {}
        }
    }
    failed.map_or(Ok(whole), |(_, error)| Err(error))
}

/// The index so many transactions after `first`.
fn index_after(first: BlockAccessIndex, txns: usize) -> BlockAccessIndex {
    BlockAccessIndex::new(first.get() + txns as u64)
}

/// Where the transactions have something of one shard, in their order.
#[derive(Clone, Debug, Default)]
struct Part {
    /// Transactions with the places of accounts that they looked at.
    visits: Vec<(usize, usize)>,
    /// Transactions that changed accounts.
    changes: Vec<usize>,
}

impl Part {
    /// The parts of all shards.
    fn all(txns: &[Committed]) -> [Self; SHARDS] {
        let mut parts = <[Self; SHARDS]>::default();
        for (txn, Committed { accesses, accounts }) in txns.iter().enumerate() {
            for (place, (address, _)) in accesses.accounts.iter().enumerate() {
                parts[shard_of(address)].visits.push((txn, place));
            }
            let changed = accounts.iter().map(|(address, _)| address);
            let deltas = accesses.deltas.iter().flatten().map(|(address, _)| address);
            for address in changed.chain(deltas) {
                let changes = &mut parts[shard_of(address)].changes;
                if changes.last() != Some(&txn) {
                    changes.push(txn);
                }
            }
        }
        parts
    }
}

/// Tells one shard what the transactions did.
struct Teller<'a, B> {
    number: usize,
    shard: &'a mut Shard,
    txns: &'a [Committed],
    /// That of the first transaction.
    index: BlockAccessIndex,
    before: B,
    codes: &'a Codes,
}

impl<E, B: Fn(&Address) -> Result<AccountState, E>> Teller<'_, B> {
    /// # Errors
    ///
    /// The first transaction for which an account can't be read, and why it can't.
    fn tell(mut self, part: Part) -> Result<(), (usize, E)> {
        for (txn, place) in part.visits {
            let (address, slots) = self.txns[txn].accesses.account(place);
            let index = index_after(self.index, txn);
            self.shard.account(address).slots(index, slots.iter().copied());
        }
        let mut known = AddressMap::<AccountState>::default();
        let mut changed = Vec::new();
        for txn in part.changes {
            self.change(txn, &mut known, &mut changed).map_err(|error| (txn, error))?;
        }
        Ok(())
    }

    /// Tells what `txn` changed. `known` are the accounts that earlier transactions changed,
    /// `changed` is scratch space.
    fn change(
        &mut self,
        txn: usize,
        known: &mut AddressMap<AccountState>,
        changed: &mut Vec<(Address, AccountState)>,
    ) -> Result<(), E> {
        let Committed { accesses, accounts } = &self.txns[txn];
        let number = self.number;
        let is_here = |address: &Address| shard_of(address) == number;
        changed.clear();
        changed.extend(accounts.iter().filter(|(address, _)| is_here(address)));
        let deltas = accesses.deltas.iter().flatten().filter(|(address, _)| is_here(address));
        for (address, delta) in deltas {
            // One run does one thing to an account, but for the fee.
            match changed.iter_mut().find(|(other, _)| other == address) {
                Some((_, account)) => *account = applied(account, delta),
                None => changed.push((*address, applied(&self.now(known, address)?, delta))),
            }
        }
        for (address, after) in changed.drain(..) {
            let before = self.fields(&self.now(known, &address)?);
            known.insert(address, after);
            let (index, after) = (index_after(self.index, txn), self.fields(&after));
            let new_code = || self.codes.bytes(&after);
            self.shard.account(address).fields(index, &before, &after, new_code);
        }
        Ok(())
    }

    fn now(&self, known: &AddressMap<AccountState>, address: &Address) -> Result<AccountState, E> {
        known.get(address).map_or_else(|| (self.before)(address), |account| Ok(*account))
    }

    fn fields(&self, account: &AccountState) -> Fields {
        let AccountState { balance, nonce, code, .. } = *account;
        let is_code = code.is_code();
        let code_hash = if is_code { self.codes.hashes.hash(code) } else { nothing().code_hash };
        Fields { balance, nonce, code_hash }
    }
}

fn applied(account: &AccountState, delta: &Delta) -> AccountState {
    account.after(delta).expect("it did apply")
}

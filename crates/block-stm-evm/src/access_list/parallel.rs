//! A block's list as a by-product of its execution in parallel.
//!
//! What a run looked at stands in its journal; a run that is committed was on the state that the
//! sequential execution sees, so that its slots can be taken from there, too. Balances can't: fees
//! and payments are added up when they are committed, without a look at what they are added to.
//! They come from the committed writes.

use alloy_primitives::{Address, U256, map::AddressMap};
use revm::state::EvmState;

use super::{
    builder::ListBuilder,
    touch::{Touch, nothing},
};
use crate::{
    block_state::Fields,
    parallel::{AccountState, Codes, Delta},
};

/// What a run looked at, and what it did to slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunAccesses {
    accounts: Vec<Address>,
    /// Slots, with the new values of those that were changed.
    slots: Vec<(Address, U256, Option<U256>)>,
    /// What it did to accounts, in order, where what it left there is not told: within a bundle.
    pub(crate) deltas: Option<Vec<(Address, Delta)>>,
}

impl RunAccesses {
    /// Of the run that left `state` in its journal.
    pub(crate) fn of(state: &EvmState) -> Self {
        let mut accesses = Self::default();
        for (&address, account) in state {
            accesses.accounts.push(address);
            let slots = Touch::of(account).slots();
            accesses.slots.extend(slots.map(|slot| (address, slot.key, slot.change())));
        }
        accesses
    }

    /// The account was looked at, too.
    pub(crate) fn add(&mut self, address: Address) {
        self.accounts.push(address);
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

/// Tells `list` of the transactions, in order. `before` knows accounts before the first one,
/// `codes` the code that the transactions deployed.
///
/// # Errors
///
/// What `before` returns.
pub(crate) fn tell<E>(
    list: &mut ListBuilder,
    txns: Vec<Committed>,
    before: impl Fn(&Address) -> Result<AccountState, E>,
    codes: &Codes,
) -> Result<(), E> {
    let mut known = AddressMap::<AccountState>::default();
    for Committed { accesses, mut accounts } in txns {
        for address in accesses.accounts {
            list.account(address);
        }
        for (address, key, change) in accesses.slots {
            list.slot(address, key, change);
        }
        let now = |known: &AddressMap<_>, address: &Address| match known.get(address) {
            Some(account) => Ok(*account),
            None => before(address),
        };
        for (address, delta) in accesses.deltas.into_iter().flatten() {
            // One run does one thing to an account, but for the fee.
            let place = accounts.iter().position(|(other, _)| *other == address);
            let account = match place {
                Some(place) => accounts.swap_remove(place).1,
                None => now(&known, &address)?,
            };
            let after = account.after(&delta).expect("it did apply");
            accounts.push((address, after));
        }
        for (address, after) in accounts {
            let before = fields(&now(&known, &address)?, codes);
            let after_fields = fields(&after, codes);
            list.fields(address, &before, &after_fields, || codes.bytes(&after_fields));
            known.insert(address, after);
        }
        list.next_index();
    }
    Ok(())
}

fn fields(account: &AccountState, codes: &Codes) -> Fields {
    let AccountState { balance, nonce, code, .. } = *account;
    let code_hash = if code.is_code() { codes.hashes.hash(code) } else { nothing().code_hash };
    Fields { balance, nonce, code_hash }
}

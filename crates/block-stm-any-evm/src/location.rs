//! What transactions read and write, and what is there.

use alloy_evm::revm::{
    primitives::{Address, B256, U256},
    state::{AccountInfo, Bytecode},
};
use block_stm::Value;

/// A part of the state that transactions read and write as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    /// An account's balance, nonce and code hash, and whether it exists.
    Account(Address),
    /// A storage slot. `wipes` is how often the account's storage had been wiped in the block, by
    /// creation or destruction of the account.
    Slot { address: Address, wipes: u32, key: U256 },
    /// The code that has a hash.
    Code(B256),
}

/// An account, and how often its storage was wiped in the block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountState {
    /// `None` if there is no account.
    pub(crate) info: Option<AccountInfo>,
    pub(crate) wipes: u32,
}

/// What a location holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateValue {
    Account(AccountState),
    Slot(U256),
    Code(Bytecode),
}

/// What is added to the balance of a vault; not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credit(pub(crate) U256);

/// What a transaction that credits a vault relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predicate {
    /// The account exists, and is not empty in the sense of EIP-161.
    IsFull,
    /// The amount can be added to the balance.
    HasRoom(U256),
}

impl Value for StateValue {
    type Delta = Credit;
    type Predicate = Predicate;

    fn apply(&self, credit: &Credit) -> Option<Self> {
        let Self::Account(AccountState { info, wipes }) = self else { return None };
        let mut info = info.clone().unwrap_or_default();
        info.balance = info.balance.checked_add(credit.0)?;
        Some(Self::Account(AccountState { info: Some(info), wipes: *wipes }))
    }

    fn satisfies(&self, predicate: &Predicate) -> bool {
        let Self::Account(AccountState { info, .. }) = self else { return false };
        match *predicate {
            Predicate::IsFull => info.as_ref().is_some_and(|info| !info.is_empty()),
            Predicate::HasRoom(amount) => {
                let balance = info.as_ref().map_or(U256::ZERO, |info| info.balance);
                balance.checked_add(amount).is_some()
            }
        }
    }
}

//! What a run did to one account that it loaded, seen in revm's journal at its end.

use alloy_primitives::{Bytes, KECCAK256_EMPTY, U256};
use revm::state::{Account, AccountInfo, Bytecode};

use crate::block_state::Fields;

/// One account at the end of a transaction or of a call that the protocol makes.
#[derive(Debug)]
pub(crate) struct Touch<'a> {
    pub(crate) before: Fields,
    pub(crate) after: Fields,
    account: &'a Account,
}

/// A slot that a run looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotTouch {
    pub(crate) key: U256,
    pub(crate) before: U256,
    pub(crate) after: U256,
}

impl<'a> Touch<'a> {
    pub(crate) fn of(account: &'a Account) -> Self {
        let before = fields(&account.original_info());
        let after = match () {
            // What revm leaves here of a payment that overflows is not committed.
            () if !account.is_touched() => before.clone(),
            () if account.is_selfdestructed() => nothing(),
            () => fields(&account.info),
        };
        Self { before, after, account }
    }

    /// The code that the account has now, where that is not what it had.
    pub(crate) fn new_code(&self) -> Bytes {
        code_bytes(&self.after, self.account.info.code.as_ref())
    }

    /// Whether the account is not in the state any more, which touching an empty one brings about,
    /// too (EIP-161).
    pub(crate) fn is_removed(&self) -> bool {
        let account = self.account;
        account.is_touched()
            && (account.is_selfdestructed() || (account.is_empty() && !account.is_created()))
    }

    /// Whether all that the storage held before is gone.
    pub(crate) fn is_wiped(&self) -> bool {
        self.is_removed() || (self.account.is_touched() && self.account.is_created())
    }
}

/// The slots of `account` that were looked at, in no order. A destroyed account has lost what they
/// held.
pub(crate) fn slots_of(account: &Account) -> impl Iterator<Item = SlotTouch> {
    account.storage.iter().map(move |(&key, slot)| SlotTouch {
        key,
        before: slot.original_value,
        after: match () {
            () if !account.is_touched() => slot.original_value,
            () if account.is_selfdestructed() => U256::ZERO,
            () => slot.present_value,
        },
    })
}

impl SlotTouch {
    /// The new value, if it is one.
    pub(crate) fn change(&self) -> Option<U256> {
        (self.before != self.after).then_some(self.after)
    }
}

/// The fields of an account that is not there.
pub(crate) fn nothing() -> Fields {
    Fields { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY }
}

/// The fields of `info`, with one hash for no code: revm has two.
pub(crate) fn fields(info: &AccountInfo) -> Fields {
    let mut fields = Fields::of(info);
    if fields.code_hash.is_zero() {
        fields.code_hash = KECCAK256_EMPTY;
    }
    fields
}

/// The bytes of the code that an account with `fields` was given.
pub(crate) fn code_bytes(fields: &Fields, code: Option<&Bytecode>) -> Bytes {
    if fields.code_hash == KECCAK256_EMPTY {
        return Bytes::new();
    }
    code.expect("revm keeps code that was just set").original_bytes()
}

//! What locations hold, how it is updated without being read, and what can be asked about it.
//!
//! [`AccountState`] is changed by [`Delta`]s only, never overwritten. A delta says what a
//! transaction did (took 5 wei, raised the nonce, touched the account); what the account *is*
//! afterwards follows from the state in which it is applied. So two payments to one account do not
//! conflict, and neither do a payment and a call of its code, and yet every rule about accounts
//! holds exactly, in particular the one that clears empty accounts (EIP-161), as it is applied to
//! final values.

use alloy_primitives::U256;
use block_stm::Value;

use super::code_hashes::CodeId;

/// The value of a [`Location`](super::Location).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateValue {
    /// An account's fields.
    Account(AccountState),
    /// A slot's value.
    Slot(U256),
}

/// An account at some point of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountState {
    /// Wei.
    pub(crate) balance: U256,
    /// Transactions sent, or contracts created.
    pub(crate) nonce: u64,
    /// How often the storage was wiped: by destruction or creation of the account.
    ///
    /// Slots are addressed with this number, so that a slot written before a wipe is never found
    /// after it, and no slot need be touched when an account is destroyed.
    pub(crate) wipes: u32,
    /// The code.
    pub(crate) code: CodeId,
    /// Whether the account is in the state. An account that is not has no balance, nonce or code.
    pub(crate) exists: bool,
    /// Whether it was created in this block and left with storage, but with neither nonce nor code,
    /// as was possible before EIP-161. No contract is created there (EIP-7610).
    pub(crate) stored: bool,
}

/// What a transaction did to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) balance: Shift,
    /// How much the nonce was raised.
    pub(crate) nonce: u64,
    /// The new code, if it was changed.
    pub(crate) code: Option<CodeId>,
    pub(crate) fate: Fate,
    /// Whether what was created has storage, but neither nonce nor code.
    pub(crate) stored: bool,
    /// Whether a touched account that is empty ceases to exist (EIP-161).
    pub(crate) clears_empty: bool,
}

/// A change of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    Credit(U256),
    Debit(U256),
    /// A fee: left out if the balance would overflow, as revm does.
    CreditIfItFits(U256),
}

/// What became of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was touched.
    Touched,
    /// A contract was created there: its storage starts empty.
    Created,
    /// It was destroyed.
    Destroyed,
}

/// What a transaction relied on about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predicate {
    /// Code and generation of the storage are these, and whether there is storage alone; every load
    /// of an account observes them.
    pub(crate) code: CodeId,
    pub(crate) wipes: u32,
    pub(crate) stored: bool,
    /// The account is in the state or it is not, where that was observed.
    pub(crate) exists: Option<bool>,
    pub(crate) nonce: NonceTest,
    /// The least and the greatest balance with which the transaction does the same.
    pub(crate) balance: (U256, U256),
}

/// What was observed of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceTest {
    Any,
    NotZero,
    Is(u64),
}

impl AccountState {
    /// Whether the account is empty in the sense of EIP-161.
    fn is_empty(&self) -> bool {
        self.balance.is_zero() && self.nonce == 0 && !self.code.is_code()
    }

    /// The account after `delta`, if that applies.
    pub(crate) fn after(&self, delta: &Delta) -> Option<Self> {
        let mut after = *self;
        match delta.fate {
            Fate::Touched => {}
            Fate::Created => {
                after.wipes += 1;
                after.stored = delta.stored;
            }
            Fate::Destroyed => return Some(self.removed()),
        }
        after.balance = delta.balance.apply(self.balance)?;
        after.nonce = self.nonce.wrapping_add(delta.nonce);
        after.code = delta.code.unwrap_or(self.code);
        after.exists = true;
        let empty = delta.fate == Fate::Touched && after.is_empty();
        match (empty, self.exists) {
            (false, _) => Some(after),
            (true, true) if delta.clears_empty => Some(self.removed()),
            // Nothing to clear, or, before EIP-161, nothing that revm hands on.
            (true, true) => Some(*self),
            (true, false) if delta.clears_empty => Some(*self),
            (true, false) => Some(after),
        }
    }

    fn removed(&self) -> Self {
        Self {
            balance: U256::ZERO,
            nonce: 0,
            wipes: self.wipes + 1,
            code: CodeId::NONE,
            exists: false,
            stored: false,
        }
    }

    fn satisfies(&self, predicate: &Predicate) -> bool {
        let (least, greatest) = predicate.balance;
        self.code == predicate.code
            && self.wipes == predicate.wipes
            && self.stored == predicate.stored
            && predicate.exists.is_none_or(|exists| exists == self.exists)
            && match predicate.nonce {
                NonceTest::Any => true,
                NonceTest::NotZero => self.nonce != 0,
                NonceTest::Is(nonce) => self.nonce == nonce,
            }
            && least <= self.balance
            && self.balance <= greatest
    }
}

impl Shift {
    /// The change from `before` to `after`.
    pub(crate) fn between(before: U256, after: U256) -> Self {
        if after >= before { Self::Credit(after - before) } else { Self::Debit(before - after) }
    }

    fn apply(self, balance: U256) -> Option<U256> {
        match self {
            Self::Credit(wei) => balance.checked_add(wei),
            Self::Debit(wei) => balance.checked_sub(wei),
            Self::CreditIfItFits(wei) => Some(balance.checked_add(wei).unwrap_or(balance)),
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        let (Self::Credit(wei) | Self::Debit(wei) | Self::CreditIfItFits(wei)) = self;
        wei.is_zero()
    }
}

impl Value for StateValue {
    type Delta = Delta;
    type Predicate = Predicate;

    fn apply(&self, delta: &Delta) -> Option<Self> {
        match self {
            Self::Account(account) => account.after(delta).map(Self::Account),
            Self::Slot(_) => None,
        }
    }

    fn satisfies(&self, predicate: &Predicate) -> bool {
        match self {
            Self::Account(account) => account.satisfies(predicate),
            Self::Slot(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: AccountState = AccountState {
        balance: U256::ZERO,
        nonce: 0,
        wipes: 1,
        code: CodeId::NONE,
        exists: false,
        stored: false,
    };
    const HUSK: AccountState = AccountState { exists: true, wipes: 0, ..ABSENT };

    fn touch(balance: Shift, clears_empty: bool) -> Delta {
        Delta { balance, nonce: 0, code: None, fate: Fate::Touched, stored: false, clears_empty }
    }

    fn credit(wei: u64) -> Shift {
        Shift::Credit(U256::from(wei))
    }

    #[test]
    fn a_payment_brings_an_account_into_being_under_any_rules() {
        for clears_empty in [false, true] {
            let after = ABSENT.after(&touch(credit(5), clears_empty));
            let expected = AccountState { balance: U256::from(5), exists: true, ..ABSENT };
            assert_eq!(after, Some(expected));
        }
    }

    #[test]
    fn touching_an_empty_account_creates_it_before_eip_161_and_clears_it_since() {
        let nothing = credit(0);
        let created = ABSENT.after(&touch(nothing, false));
        assert_eq!(created, Some(AccountState { exists: true, ..ABSENT }));
        assert_eq!(HUSK.after(&touch(nothing, false)), Some(HUSK));
        assert_eq!(ABSENT.after(&touch(nothing, true)), Some(ABSENT));
        assert_eq!(HUSK.after(&touch(nothing, true)), Some(ABSENT));
    }

    #[test]
    fn a_created_account_may_be_empty_and_a_destroyed_one_is_gone() {
        let created = Delta { fate: Fate::Created, ..touch(credit(0), true) };
        let after = HUSK.after(&created).expect("applies");
        assert!(after.exists && after.wipes == 1);
        let destroyed = Delta { fate: Fate::Destroyed, ..touch(Shift::Debit(U256::ONE), true) };
        assert_eq!(after.after(&destroyed), Some(AccountState { wipes: 2, ..ABSENT }));
    }

    #[test]
    fn storage_that_is_left_alone_is_part_of_what_is_relied_on_until_it_goes() {
        let created = Delta { fate: Fate::Created, stored: true, ..touch(credit(0), false) };
        let after = ABSENT.after(&created).expect("applies");
        assert!(after.stored);
        let paid = after.after(&touch(credit(5), false)).expect("applies");
        assert!(paid.stored);
        let predicate = |stored| Predicate {
            code: paid.code,
            wipes: paid.wipes,
            stored,
            exists: None,
            nonce: NonceTest::Any,
            balance: (U256::ZERO, U256::MAX),
        };
        assert!(paid.satisfies(&predicate(true)) && !paid.satisfies(&predicate(false)));
        let destroyed =
            Delta { fate: Fate::Destroyed, ..touch(Shift::Debit(U256::from(5)), false) };
        assert_eq!(paid.after(&destroyed).map(|account| account.stored), Some(false));
        let again = Delta { fate: Fate::Created, ..touch(credit(0), false) };
        assert_eq!(paid.after(&again).map(|account| account.stored), Some(false));
    }

    #[test]
    fn what_does_not_fit_does_not_apply_but_for_fees() {
        let full = AccountState { balance: U256::MAX, ..HUSK };
        assert_eq!(full.after(&touch(credit(1), true)), None);
        let fee = Shift::CreditIfItFits(U256::ONE);
        assert_eq!(full.after(&touch(fee, true)), Some(full));
        assert_eq!(HUSK.after(&touch(Shift::Debit(U256::ONE), true)), None);
    }
}

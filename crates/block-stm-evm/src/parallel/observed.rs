//! What a transaction relied on about an account, worked out while it runs.
//!
//! revm holds an account's balance as a number, but a run seldom depends on the number. A debit
//! asks whether there is enough: had the balance before the transaction been less by up to what is
//! left over, or more by any amount, the run would have been the same. So each check narrows a
//! range of balances:
//!
//! ```text
//! check                      outcome     the balance before the transaction was at least / at most
//! current c >= value v       holds       original - (c - v)      -
//!                            fails       -                       original + (v - c) - 1
//! current c + v fits         holds       -                       original + (MAX - (c + v))
//! BALANCE and the like                   original                original
//! ```
//!
//! The current balance is the original one plus what the run itself moved, so a bound on the one is
//! a bound on the other. A run with any balance in the range takes the same decisions, by induction
//! over its checks.

use alloy_primitives::{Address, U256};

use super::value::{AccountState, NonceTest, Predicate};

/// An account that a transaction loaded, and what it relied on.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) address: Address,
    /// The account as the transaction found it, or took it to be.
    pub(crate) original: AccountState,
    /// `original` is not what the view showed but what the run takes for granted.
    pub(crate) guessed: bool,
    /// What the run took for granted before it looked at anything else.
    pub(crate) assumed: Option<Predicate>,
    least: U256,
    greatest: U256,
    nonce: NonceTest,
    exists: bool,
}

/// The fields of an account in the middle of a run, as far as emptiness needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) has_code: bool,
}

impl Observed {
    pub(crate) const fn new(address: Address, original: AccountState) -> Self {
        Self {
            address,
            original,
            guessed: false,
            assumed: None,
            least: U256::ZERO,
            greatest: U256::MAX,
            nonce: NonceTest::Any,
            exists: false,
        }
    }

    /// The sum of all that was observed.
    pub(crate) fn predicate(&self) -> Predicate {
        Predicate {
            code: self.original.code,
            wipes: self.original.wipes,
            stored: self.original.stored,
            exists: self.exists.then_some(self.original.exists),
            nonce: self.nonce,
            balance: (self.least, self.greatest),
        }
    }

    /// Everything was observed.
    pub(crate) fn everything(&mut self) {
        self.balance();
        self.nonce();
        self.existence();
    }

    /// The balance was observed.
    pub(crate) fn balance(&mut self) {
        self.least = self.original.balance;
        self.greatest = self.original.balance;
    }

    /// The nonce was observed.
    pub(crate) fn nonce(&mut self) {
        self.nonce = NonceTest::Is(self.original.nonce);
    }

    /// It was observed whether the account is in the state.
    pub(crate) fn existence(&mut self) {
        self.exists = true;
    }

    /// It was observed whether the balance is at least `value`; the answer.
    pub(crate) fn covers(&mut self, current: U256, value: U256) -> bool {
        match current.checked_sub(value) {
            Some(left) => {
                let least = self.original.balance.saturating_sub(left);
                self.least = self.least.max(least);
                true
            }
            None => {
                let short = value - current - U256::ONE;
                let greatest = self.original.balance.saturating_add(short);
                self.greatest = self.greatest.min(greatest);
                false
            }
        }
    }

    /// It was observed whether `value` can be added to the balance.
    pub(crate) fn takes(&mut self, current: U256, value: U256) {
        match current.checked_add(value) {
            Some(sum) => {
                let room = U256::MAX - sum;
                let greatest = self.original.balance.saturating_add(room);
                self.greatest = self.greatest.min(greatest);
            }
            None => self.balance(),
        }
    }

    /// It was observed whether the account is empty in the sense of EIP-161.
    pub(crate) fn emptiness(&mut self, current: Current) {
        if current.has_code {
            // The code is observed in any case.
            return;
        }
        if current.nonce != 0 {
            // A nonce that the run itself raised is not zero whatever it was before.
            if self.original.nonce != 0 && self.nonce == NonceTest::Any {
                self.nonce = NonceTest::NotZero;
            }
            return;
        }
        self.nonce();
        if current.balance.is_zero() || current.balance != self.original.balance {
            self.balance();
        } else {
            self.least = self.least.max(U256::ONE);
        }
    }
}

impl From<&AccountState> for Current {
    fn from(account: &AccountState) -> Self {
        Self { balance: account.balance, nonce: account.nonce, has_code: account.code.is_code() }
    }
}

#[cfg(test)]
mod tests {
    use block_stm::Value;
    use proptest::prelude::*;

    use super::*;
    use crate::parallel::{code_hashes::CodeId, value::StateValue};

    fn account(balance: u64, nonce: u64) -> AccountState {
        AccountState {
            balance: U256::from(balance),
            nonce,
            wipes: 0,
            code: CodeId::NONE,
            exists: true,
            stored: false,
        }
    }

    fn holds(observed: &Observed, balance: u64, nonce: u64) -> bool {
        StateValue::Account(account(balance, nonce)).satisfies(&observed.predicate())
    }

    /// Takes or gives one amount after the other; which debits were covered, and what is left.
    fn run(mut observed: Option<&mut Observed>, balance: u64, moves: &[(bool, u64)]) -> Vec<bool> {
        let mut current = U256::from(balance);
        let mut decisions = Vec::new();
        for &(debit, wei) in moves {
            let wei = U256::from(wei);
            let covered = current >= wei;
            if let Some(observed) = &mut observed {
                if debit {
                    assert_eq!(observed.covers(current, wei), covered);
                } else {
                    observed.takes(current, wei);
                }
            }
            match debit {
                true if covered => current -= wei,
                true => {}
                false => current += wei,
            }
            decisions.push(!debit || covered);
        }
        decisions
    }

    proptest! {
        #[test]
        fn the_range_is_exactly_the_balances_with_the_same_decisions(
            balance in 0..12_u64,
            moves in proptest::collection::vec((any::<bool>(), 0..8_u64), 0..6),
        ) {
            let mut observed = Observed::new(Address::ZERO, account(balance, 0));
            let decisions = run(Some(&mut observed), balance, &moves);
            for other in 0..64 {
                prop_assert_eq!(holds(&observed, other, 0), run(None, other, &moves) == decisions);
            }
        }
    }

    #[test]
    fn emptiness_rests_on_as_little_as_possible() {
        let seen = |balance, nonce| {
            let account = account(balance, nonce);
            let mut observed = Observed::new(Address::ZERO, account);
            observed.emptiness(Current::from(&account));
            observed
        };
        let rich = seen(7, 0);
        assert!(holds(&rich, 1, 0) && !holds(&rich, 0, 0));
        let used = seen(7, 3);
        assert!(holds(&used, 0, 9) && !holds(&used, 7, 0));
        let empty = seen(0, 0);
        assert!(holds(&empty, 0, 0) && !holds(&empty, 1, 0) && !holds(&empty, 0, 1));
    }

    #[test]
    fn a_balance_that_overflows_is_observed() {
        let mut observed = Observed::new(Address::ZERO, account(5, 0));
        observed.takes(U256::from(5), U256::MAX);
        assert!(holds(&observed, 5, 0) && !holds(&observed, 4, 0));
    }
}

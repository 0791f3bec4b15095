//! What accounts hold at the commit point, and what a run's journal would hold had it seen that.

use alloy_primitives::{Address, U256, map::AddressMap};
use block_stm::BoxError;
use revm::{
    primitives::hardfork::SpecId,
    state::{Account, AccountInfo, AccountStatus, Bytecode, EvmState, TransactionId},
};

use super::{
    base::AccountsBefore,
    codes::Codes,
    told::{RunState, Shown},
    value::AccountState,
};

/// The accounts as the committed transactions left them.
pub(crate) struct Truth<'a> {
    base: &'a dyn AccountsBefore,
    codes: &'a Codes,
    spec: SpecId,
    changed: AddressMap<AccountState>,
}

impl<'a> Truth<'a> {
    pub(crate) fn new(base: &'a dyn AccountsBefore, codes: &'a Codes, spec: SpecId) -> Self {
        Self { base, codes, spec, changed: AddressMap::default() }
    }

    /// The account before the transaction at hand.
    ///
    /// # Errors
    ///
    /// What the state says if nobody has read the account and it can't be read.
    pub(crate) fn account(&self, address: &Address) -> Result<AccountState, BoxError> {
        match self.changed.get(address) {
            Some(account) => Ok(*account),
            None => self.base.account_before_txns(address),
        }
    }

    /// Takes note of what a transaction left.
    pub(crate) fn advance(&mut self, accounts: impl Iterator<Item = (Address, AccountState)>) {
        self.changed.extend(accounts);
    }

    /// What revm leaves of a transaction that is executed on the committed state, where `run` is
    /// what it left of one that relied on nothing that differs.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    pub(crate) fn complete(
        &self,
        run: RunState,
        beneficiary: Address,
    ) -> Result<EvmState, BoxError> {
        let RunState { mut accounts, shown, fee } = run;
        for shown in shown {
            let truth = self.account(&shown.address)?;
            if let Some(account) = accounts.get_mut(&shown.address) {
                put_right(account, &shown, &truth, self.codes);
            }
        }
        if let Some(fee) = fee {
            let truth = self.account(&beneficiary)?;
            accounts.insert(beneficiary, self.paid(&truth, fee));
        }
        accounts.values_mut().for_each(|account| give_code(account, self.codes));
        if !self.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            accounts.values_mut().for_each(keep_empty);
        }
        Ok(accounts)
    }

    /// An account that is loaded to be paid a fee.
    fn paid(&self, truth: &AccountState, fee: U256) -> Account {
        let mut account = Account::new_not_existing(TransactionId::ZERO);
        if truth.exists {
            let code_hash = self.codes.hashes.hash(truth.code);
            let (balance, nonce, code) = (truth.balance, truth.nonce, None);
            let info = AccountInfo { balance, nonce, code_hash, code, ..AccountInfo::default() };
            account = Account::from(info);
        }
        account.mark_touch();
        let balance = truth.balance.checked_add(fee);
        account.info.balance = balance.unwrap_or(truth.balance);
        account
    }
}

/// Moves an account from what the run was shown to what is there.
fn put_right(account: &mut Account, shown: &Shown, truth: &AccountState, codes: &Codes) {
    let moved = account.info.balance.wrapping_sub(shown.balance);
    let raised = account.info.nonce.wrapping_sub(shown.nonce);
    account.info.balance = truth.balance.wrapping_add(moved);
    account.info.nonce = truth.nonce.wrapping_add(raised);
    // A number of the run's own.
    account.info.account_id = None;
    let original = account.original_info_mut();
    if truth.exists {
        original.balance = truth.balance;
        original.nonce = truth.nonce;
        original.code_hash = codes.hashes.hash(truth.code);
        original.account_id = None;
        account.status -= AccountStatus::LoadedAsNotExisting;
    } else {
        *original = AccountInfo::default();
        account.status |= AccountStatus::LoadedAsNotExisting;
    }
}

/// Gives a changed account its code where this block knows it. Of one that has new code, databases
/// take the code from whatever is committed last.
fn give_code(account: &mut Account, codes: &Codes) {
    let info = &mut account.info;
    if !account.status.contains(AccountStatus::Touched) || info.code.is_some() {
        return;
    }
    info.code = match info.is_empty_code_hash() {
        true => Some(Bytecode::default()),
        false => codes.get(&info.code_hash),
    };
}

/// What revm's journal does in the end before EIP-161, so that databases, which clear touched
/// accounts that are empty, leave this one alone.
fn keep_empty(account: &mut Account) {
    let would_go = account.is_touched()
        && account.is_empty()
        && !account.is_selfdestructed()
        && !account.is_created();
    match account.is_loaded_as_not_existing() {
        _ if !would_go => {}
        true => account.mark_created(),
        false => account.unmark_touch(),
    }
}

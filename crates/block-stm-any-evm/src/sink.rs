//! Where transactions go as soon as they are final.

use std::fmt;

use alloy_evm::{
    EvmFactory, InvalidTxError,
    revm::{
        context_interface::result::ResultAndState,
        primitives::{Address, AddressMap},
        state::{Account, AccountInfo, AccountStatus},
    },
};
use block_stm::{Admission, BoxError, CommitSink, Flow, Outcome, TxnIndex, Writes};

use crate::{
    Inspectors,
    base::Base,
    location::{Location, StateValue},
    vm::{Credited, EvmVm, Placed, Refusal, TxnOutput},
};

/// A transaction that is final.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinalTxn<H, I> {
    /// Its place in the block.
    pub index: usize,
    /// What the EVM returned, with the accounts and slots as they are at this place.
    pub result: ResultAndState<H>,
    /// The inspector that saw the execution.
    pub inspector: I,
}

/// Receives a block's transactions in order, each as soon as it is final, while the rest of the
/// block still runs.
///
/// A function of [`FinalTxn`] is one, and takes them all. The calls come from whichever thread
/// commits, never from two at once.
pub trait TxnSink<F: EvmFactory, I>: Send {
    /// Whether the transaction may stand at its place, before it is executed.
    ///
    /// A transaction that is refused is as good as invalid.
    fn admit(&mut self, index: usize, txn: &F::Tx) -> Admission<BoxError> {
        let _ = (index, txn);
        Admission::Admit
    }

    /// Takes a transaction that is final. Its state is what the host commits to its database.
    fn commit(&mut self, txn: FinalTxn<F::HaltReason, I>) -> Flow;

    /// Is told that an invalid transaction was left out, as
    /// [`InvalidPolicy::Skip`](block_stm::InvalidPolicy::Skip) has it.
    fn skip(&mut self, index: usize, reason: InvalidTxn) {
        let _ = (index, reason);
    }
}

impl<F, I, Take> TxnSink<F, I> for Take
where
    F: EvmFactory,
    Take: FnMut(FinalTxn<F::HaltReason, I>) -> Flow + Send,
{
    fn commit(&mut self, txn: FinalTxn<F::HaltReason, I>) -> Flow {
        self(txn)
    }
}

/// Why a transaction is invalid.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvalidTxn {
    /// The EVM says so.
    Evm(Box<dyn InvalidTxError>),
    /// [`TxnSink::admit`] says so.
    Refused(BoxError),
}

impl fmt::Display for InvalidTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(reason) => reason.fmt(f),
            Self::Refused(reason) => reason.fmt(f),
        }
    }
}

impl std::error::Error for InvalidTxn {}

impl From<Refusal> for InvalidTxn {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Evm(reason) => Self::Evm(reason),
            Refusal::Host(reason) => Self::Refused(reason),
        }
    }
}

/// Puts the vaults right, and hands each transaction to the host's sink.
pub(crate) struct Committing<'s, S: ?Sized> {
    sink: &'s mut S,
    vaults: &'s [Address],
    base: &'s dyn Base,
    /// The vaults as far as they are known, after the last transaction.
    known: AddressMap<Option<AccountInfo>>,
    /// Why the block ends, if a vault could not be read.
    pub(crate) failed: Option<(usize, BoxError)>,
}

impl<'s, S: ?Sized> Committing<'s, S> {
    pub(crate) fn new(sink: &'s mut S, vaults: &'s [Address], base: &'s dyn Base) -> Self {
        Self { sink, vaults, base, known: AddressMap::default(), failed: None }
    }

    /// The vault before the transaction at hand.
    fn vault(&mut self, address: Address) -> Result<&mut Option<AccountInfo>, BoxError> {
        if !self.known.contains_key(&address) {
            let info = match self.base.read(&Location::Account(address))? {
                StateValue::Account(account) => account.info,
                _ => None,
            };
            self.known.insert(address, info);
        }
        Ok(self.known.get_mut(&address).expect("it was inserted"))
    }

    /// The vault's account as the EVM would have returned it, had it been shown the vault.
    fn unveiled(&mut self, credited: Credited) -> Result<Account, BoxError> {
        let Credited { vault, amount, account: shown } = credited;
        let before = self.vault(vault)?;
        let mut account = Account::from(before.clone().unwrap_or_default());
        account.info.balance += amount;
        account.transaction_id = shown.transaction_id;
        account.status = shown.status;
        if before.is_none() {
            account.status |= AccountStatus::LoadedAsNotExisting;
        }
        Ok(account)
    }
}

impl<'s, S, F, I> CommitSink<EvmVm<'s, F, I>> for Committing<'_, S>
where
    F: EvmFactory<Tx: Clone + Sync> + Sync,
    I: Inspectors<F>,
    S: TxnSink<F, I::Inspector> + ?Sized,
{
    fn admit(&mut self, index: TxnIndex, txn: &Placed<'s, F::Tx>) -> Admission<Refusal> {
        match self.sink.admit(index.as_usize(), txn.txn) {
            Admission::Admit => Admission::Admit,
            Admission::Refuse(reason) => Admission::Refuse(Refusal::Host(reason)),
            Admission::Cut => Admission::Cut,
        }
    }

    fn commit(
        &mut self,
        index: TxnIndex,
        outcome: Outcome<TxnOutput<F::HaltReason, I::Inspector>, Refusal>,
        writes: Writes<'_, EvmVm<'s, F, I>>,
    ) -> Flow {
        let index = index.as_usize();
        let TxnOutput { mut result, credited, inspector } = match outcome {
            Outcome::Done(output) => output,
            Outcome::Invalid(refusal) => {
                self.sink.skip(index, refusal.into());
                return Flow::Continue;
            }
        };
        for credited in credited {
            let vault = credited.vault;
            match self.unveiled(credited) {
                Ok(account) => {
                    result.state.insert(vault, account);
                }
                Err(source) => {
                    self.failed = Some((index, source));
                    return Flow::Cut;
                }
            }
        }
        for (location, value) in writes.iter() {
            if let (Location::Account(address), StateValue::Account(account)) = (location, value)
                && self.vaults.contains(address)
            {
                self.known.insert(*address, account.info.clone());
            }
        }
        self.sink.commit(FinalTxn { index, result, inspector })
    }
}

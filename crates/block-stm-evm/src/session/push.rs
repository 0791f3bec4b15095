//! What is pushed, and what becomes of it.

use std::sync::Arc;

use alloy_primitives::I256;
use revm::context::TxEnv;

use super::queue::Number;
use crate::{
    Attempt, BlockRecord, Bundle, InvalidTxnReason, TxnOutcome,
    parallel::{Item, Rules},
};

/// What a block is to have next.
#[derive(Clone, Debug, PartialEq)]
pub enum Push {
    /// A transaction, left out where it is invalid.
    Txn(Box<TxEnv>),
    /// The transaction of an attempt, which counts as its execution where all that it relied on
    /// holds.
    Attempt(Attempt),
    /// Transactions that stand or fall together.
    Bundle(Bundle),
}

impl From<TxEnv> for Push {
    fn from(txn: TxEnv) -> Self {
        Self::Txn(Box::new(txn))
    }
}

impl From<Attempt> for Push {
    fn from(attempt: Attempt) -> Self {
        Self::Attempt(attempt)
    }
}

impl From<Bundle> for Push {
    fn from(bundle: Bundle) -> Self {
        Self::Bundle(bundle)
    }
}

impl Push {
    /// What it is, whether it was executed before or not.
    pub(super) fn item(&self) -> Item<'_> {
        match self {
            Self::Txn(txn) => Item::Txn(txn),
            Self::Attempt(attempt) => Item::Txn(attempt.txn()),
            Self::Bundle(bundle) => Item::Bundle(bundle),
        }
    }

    /// The transaction, unless it is a bundle or has an attempt.
    pub(super) fn txn(&self) -> Option<&TxEnv> {
        match self {
            Self::Txn(txn) => Some(txn),
            Self::Attempt(_) | Self::Bundle(_) => None,
        }
    }

    /// What it is, with the attempt if that was made under these rules.
    pub(super) fn attempted(&self, rules: &Arc<Rules>) -> Item<'_> {
        match self {
            Self::Attempt(attempt) => self.item().attempted(Some(attempt), rules),
            Self::Txn(_) | Self::Bundle(_) => self.item(),
        }
    }

    /// How many transactions it is.
    pub(super) fn len(&self) -> usize {
        self.item().txns().len()
    }

    pub(super) fn append_to(self, txns: &mut Vec<TxEnv>) {
        match self {
            Self::Txn(txn) => txns.push(*txn),
            Self::Attempt(attempt) => txns.push(attempt.txn().clone()),
            Self::Bundle(bundle) => txns.extend(bundle.into_txns()),
        }
    }
}

/// Which push something is about. Means nothing to another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) Number);

/// A place between two pushes, to come back to. Means nothing to another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub(super) Number);

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is in the block.
    Taken {
        /// The place in the block of its first transaction, which is that of its receipt, too.
        first: usize,
        /// How many transactions it is.
        txns: usize,
        /// Gas that they paid for, after refunds.
        gas_used: u64,
        /// What the beneficiary's balance gained by it, in wei: fees, and whatever else is paid
        /// there or taken from there. Exact below 2^255.
        gain: I256,
    },
    /// It is not, for this reason, and had no effect.
    LeftOut(InvalidTxnReason),
}

impl Settled {
    /// What became of the last transaction of `record`, by which the beneficiary gained `gain`.
    pub(super) fn of_last(record: &BlockRecord, gain: I256) -> Self {
        match record.last().0 {
            TxnOutcome::Executed { gas_used, .. } => {
                let first = record.receipts().len() - 1;
                Self::Taken { first, txns: 1, gas_used: *gas_used, gain }
            }
            TxnOutcome::Skipped(reason) => Self::LeftOut(reason.clone()),
        }
    }
}

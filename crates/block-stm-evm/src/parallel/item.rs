//! What the engine executes as one transaction of its own.

use std::sync::Arc;

use block_stm::{Execution, Interrupt, View};
use revm::context::TxEnv;

use super::{
    attempt::{Attempt, Rules},
    vm::{BlockVm, TxnOutput, Worker},
};
use crate::{Bundle, InvalidTxnReason};

/// A transaction, or several that stand or fall together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'s> {
    Txn(&'s TxEnv),
    /// A transaction that was executed ahead of the block, under its rules.
    Attempted(&'s Attempt),
    Bundle(&'s Bundle),
}

impl<'s> Item<'s> {
    /// The transactions, of which there is at least one.
    pub(crate) fn txns(self) -> &'s [TxEnv] {
        match self {
            Self::Txn(txn) => std::slice::from_ref(txn),
            Self::Attempted(attempt) => std::slice::from_ref(attempt.txn()),
            Self::Bundle(bundle) => bundle.txns(),
        }
    }

    /// The same transaction with an attempt at it, if that fits.
    pub(crate) fn attempted(self, attempt: Option<&'s Attempt>, rules: &Arc<Rules>) -> Self {
        match (self, attempt) {
            (Self::Txn(txn), Some(attempt)) if attempt.txn() == txn && attempt.is_under(rules) => {
                Self::Attempted(attempt)
            }
            _ => self,
        }
    }

    /// The reason why the item is left out in which the transaction `member` has this one.
    pub(crate) fn reason(self, member: usize, reason: InvalidTxnReason) -> InvalidTxnReason {
        match self {
            Self::Txn(_) | Self::Attempted(_) => reason,
            Self::Bundle(_) => reason.in_bundle(member),
        }
    }

    /// The first transaction.
    pub(crate) fn first(self) -> &'s TxEnv {
        &self.txns()[0]
    }
}

impl<'s> BlockVm<'s> {
    /// Executes the transactions of a bundle on one view, in which each sees what those before it
    /// left. The engine drops all of it where one of them takes the bundle back.
    pub(super) fn execute_bundle<'b>(
        &'b self,
        worker: &mut Worker<'b, 's>,
        bundle: &'s Bundle,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<TxnOutput, InvalidTxnReason>, Interrupt> {
        let mut whole: Option<TxnOutput> = None;
        for (member, txn) in bundle.txns().iter().enumerate() {
            let output = match self.execute_txn(worker, txn, view, self.tells.accesses)? {
                Execution::Done(output) => output,
                Execution::Invalid(reason) => {
                    return Ok(Execution::Invalid(reason.in_bundle(member)));
                }
            };
            if !output.result.is_success() && !bundle.may_revert(member) {
                let reason = InvalidTxnReason::Failed.in_bundle(member);
                return Ok(Execution::Invalid(reason));
            }
            match &mut whole {
                None => whole = Some(output),
                Some(first) => first.more.push(output),
            }
        }
        Ok(Execution::Done(whole.expect("a bundle has a txn")))
    }
}

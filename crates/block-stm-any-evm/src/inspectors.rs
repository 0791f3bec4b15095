//! An inspector for each transaction.

use alloy_evm::{
    EvmFactory,
    revm::{Inspector, inspector::NoOpInspector},
};

use crate::TxnDatabase;

/// Makes an inspector for each execution of a transaction.
///
/// A function of the transaction's place and of the transaction is one, if what it returns inspects
/// contexts of any database, as inspectors do as a rule.
///
/// Each execution has an inspector of its own, since it may be thrown away. The one of the
/// execution that counts comes with the transaction's result: see
/// [`FinalTxn::inspector`](crate::FinalTxn::inspector).
pub trait Inspectors<F: EvmFactory>: Sync {
    /// The inspector.
    type Inspector: for<'v> Inspector<F::Context<TxnDatabase<'v>>> + Send;

    /// Whether EVMs are built with the inspector at all.
    const INSPECTS: bool = true;

    /// An inspector for an execution of the transaction at a place.
    fn inspector(&self, index: usize, txn: &F::Tx) -> Self::Inspector;
}

/// No inspectors.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoInspectors;

impl<F: EvmFactory> Inspectors<F> for NoInspectors {
    type Inspector = NoOpInspector;

    const INSPECTS: bool = false;

    fn inspector(&self, _index: usize, _txn: &F::Tx) -> NoOpInspector {
        NoOpInspector
    }
}

impl<F, I, Make> Inspectors<F> for Make
where
    F: EvmFactory,
    I: for<'v> Inspector<F::Context<TxnDatabase<'v>>> + Send,
    Make: Fn(usize, &F::Tx) -> I + Sync,
{
    type Inspector = I;

    fn inspector(&self, index: usize, txn: &F::Tx) -> I {
        self(index, txn)
    }
}

//! Where executors for any EVM come from.

use std::{fmt, sync::Arc};

use alloy_consensus::{Transaction, TransactionEnvelope, TxReceipt};
use alloy_eips::Encodable2718;
use alloy_evm::{
    EvmFactory, FromRecoveredTx, FromTxWithEncoded,
    block::{BlockExecutorFactory, StateDB},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor, EthTxResult, receipt_builder::ReceiptBuilder,
        spec::EthExecutorSpec,
    },
    revm::{Inspector, primitives::hardfork::SpecId},
};
use alloy_primitives::{Address, Log};
use block_stm_any_evm::{Inspectors, NoInspectors};
use block_stm_evm::block_stm::Engine;

use super::AnyExecutor;
use crate::{States, TrackedEvm, TrackedEvmFactory};

/// What alloy-evm's `EthBlockExecutorFactory` is, for any `EvmFactory`, with executors that
/// [`execute_block`](alloy_evm::block::BlockExecutor::execute_block) in parallel. See the
/// [module's page](super).
pub struct AnyExecutorFactory<F: EvmFactory, R, Spec, J: Inspectors<F> = NoInspectors> {
    pub(crate) engine: Arc<Engine>,
    receipt_builder: R,
    spec: Spec,
    evm_factory: TrackedEvmFactory<F>,
    pub(crate) vaults: VaultsOf<F>,
    pub(crate) states: Option<Box<dyn States>>,
    pub(crate) inspectors: J,
    pub(crate) inspected: Box<dyn Fn(usize, J::Inspector) + Send + Sync>,
    pub(crate) refuses: bool,
}

/// The accounts that the EVM credits in a block.
type VaultsOf<F> = Box<dyn Fn(&<F as EvmFactory>::BlockEnv) -> Vec<Address> + Send + Sync>;

impl<F, R, Spec, J> fmt::Debug for AnyExecutorFactory<F, R, Spec, J>
where
    F: EvmFactory,
    R: fmt::Debug,
    Spec: fmt::Debug,
    J: Inspectors<F>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyExecutorFactory")
            .field("engine", &self.engine)
            .field("receipt_builder", &self.receipt_builder)
            .field("spec", &self.spec)
            .field("states", &self.states.is_some())
            .field("inspects", &J::INSPECTS)
            .field("refuses", &self.refuses)
            .finish_non_exhaustive()
    }
}

impl<F: EvmFactory, R, Spec> AnyExecutorFactory<F, R, Spec> {
    /// A factory whose executors work on `engine`, with EVMs that `evm_factory` makes.
    pub fn new(engine: Arc<Engine>, receipt_builder: R, spec: Spec, evm_factory: F) -> Self {
        Self {
            engine,
            receipt_builder,
            spec,
            evm_factory: TrackedEvmFactory(evm_factory),
            vaults: Box::new(|_| Vec::new()),
            states: None,
            inspectors: NoInspectors,
            inspected: Box::new(|_, _| {}),
            refuses: false,
        }
    }

    /// The same factory, with an inspector for each transaction. `take` is given the inspectors of
    /// a whole block's transactions in order, each before its transaction is committed, with the
    /// transaction's place.
    #[must_use]
    pub fn with_inspectors<J: Inspectors<F>>(
        self,
        inspectors: J,
        take: impl Fn(usize, J::Inspector) + Send + Sync + 'static,
    ) -> AnyExecutorFactory<F, R, Spec, J> {
        let Self { engine, receipt_builder, spec, evm_factory, vaults, states, refuses, .. } = self;
        let inspected = Box::new(take);
        AnyExecutorFactory {
            engine,
            receipt_builder,
            spec,
            evm_factory,
            vaults,
            states,
            inspectors,
            inspected,
            refuses,
        }
    }
}

impl<F: EvmFactory, R, Spec, J: Inspectors<F>> AnyExecutorFactory<F, R, Spec, J> {
    /// The same factory, with the accounts that the EVM credits in a block. See
    /// [vaults](block_stm_any_evm#vaults) for what that takes for granted.
    #[must_use]
    pub fn with_vaults(
        mut self,
        vaults: impl Fn(&F::BlockEnv) -> Vec<Address> + Send + Sync + 'static,
    ) -> Self {
        self.vaults = Box::new(vaults);
        self
    }

    /// The same factory, which lets all threads read the state before a block from `states`, as
    /// [`BlockStmExecutorFactory::with_states`](crate::BlockStmExecutorFactory::with_states).
    #[must_use]
    pub fn with_states(mut self, states: impl States) -> Self {
        self.states = Some(Box::new(states));
        self
    }

    /// The same factory, whose executors return an error that names the
    /// [`Obstacle`](crate::Obstacle) where a block can't be executed in parallel, rather than
    /// execute it one transaction after another. With inspectors, they always do.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// What makes receipts.
    pub const fn receipt_builder(&self) -> &R {
        &self.receipt_builder
    }

    /// The chain.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The factory of the host's.
    pub const fn inner_evm_factory(&self) -> &F {
        &self.evm_factory.0
    }
}

impl<F, R, Spec, J> BlockExecutorFactory for AnyExecutorFactory<F, R, Spec, J>
where
    F: EvmFactory<
            Spec: Into<SpecId> + Clone,
            Tx: FromRecoveredTx<R::Transaction>
                    + FromTxWithEncoded<R::Transaction>
                    + Clone
                    + Send
                    + Sync,
        > + Sync,
    J: Inspectors<F>,
    R: ReceiptBuilder<Transaction: Transaction + Encodable2718, Receipt: TxReceipt<Log = Log>>,
    Spec: EthExecutorSpec,
    <R::Transaction as TransactionEnvelope>::TxType: Send + 'static,
    Self: 'static,
{
    type EvmFactory = TrackedEvmFactory<F>;
    type ExecutionCtx<'a> = EthBlockExecutionCtx<'a>;
    type Transaction = R::Transaction;
    type Receipt = R::Receipt;
    type TxExecutionResult =
        EthTxResult<F::HaltReason, <R::Transaction as TransactionEnvelope>::TxType>;
    type Executor<'a, DB: StateDB, I: Inspector<F::Context<DB>>> =
        AnyExecutor<'a, TrackedEvm<F::Evm<DB, I>>, F, R, Spec, J>;

    fn evm_factory(&self) -> &TrackedEvmFactory<F> {
        &self.evm_factory
    }

    fn create_executor<'a, DB, I>(
        &'a self,
        evm: TrackedEvm<F::Evm<DB, I>>,
        ctx: EthBlockExecutionCtx<'a>,
    ) -> Self::Executor<'a, DB, I>
    where
        DB: StateDB,
        I: Inspector<F::Context<DB>>,
    {
        let inner = EthBlockExecutor::new(evm, ctx, &self.spec, &self.receipt_builder);
        AnyExecutor::new(inner, self)
    }
}

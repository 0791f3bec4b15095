//! Where executors come from.

use std::{fmt, sync::Arc};

use alloy_consensus::{Transaction, TransactionEnvelope, TxReceipt};
use alloy_eips::Encodable2718;
use alloy_evm::{
    FromRecoveredTx, FromTxWithEncoded,
    block::{BlockExecutorFactory, StateDB},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor, EthEvmContext, EthTxResult,
        receipt_builder::{AlloyReceiptBuilder, ReceiptBuilder},
        spec::{EthExecutorSpec, EthSpec},
    },
    revm::{
        Inspector,
        context::{TxEnv, result::HaltReason},
    },
};
use alloy_primitives::Log;
use block_stm_evm::block_stm::Engine;

use crate::{BlockStmEvm, BlockStmEvmFactory, BlockStmExecutor, States};

/// What alloy-evm's `EthBlockExecutorFactory` is, with executors that
/// [`execute_block`](alloy_evm::block::BlockExecutor::execute_block) in parallel. See the
/// [crate's front page](crate).
///
/// Cloning is cheap: clones share the engine.
#[derive(Clone)]
pub struct BlockStmExecutorFactory<R = AlloyReceiptBuilder, Spec = EthSpec> {
    pub(crate) receipt_builder: R,
    pub(crate) spec: Spec,
    pub(crate) evm_factory: BlockStmEvmFactory,
    pub(crate) settings: Settings,
}

/// How blocks are executed.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) engine: Arc<Engine>,
    pub(crate) states: Option<Arc<dyn States>>,
    pub(crate) refuses: bool,
}

impl<R: fmt::Debug, Spec: fmt::Debug> fmt::Debug for BlockStmExecutorFactory<R, Spec> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockStmExecutorFactory")
            .field("receipt_builder", &self.receipt_builder)
            .field("spec", &self.spec)
            .field("engine", &self.settings.engine)
            .field("states", &self.settings.states.is_some())
            .field("refuses", &self.settings.refuses)
            .finish_non_exhaustive()
    }
}

impl<R, Spec> BlockStmExecutorFactory<R, Spec> {
    /// A factory whose executors work on `engine`.
    ///
    /// With [states](Self::with_states), or an engine of fewer threads than cores, blocks are
    /// executed in parallel. See [how](crate#how).
    pub fn new(engine: Arc<Engine>, receipt_builder: R, spec: Spec) -> Self {
        let settings = Settings { engine, states: None, refuses: false };
        Self { receipt_builder, spec, evm_factory: BlockStmEvmFactory::default(), settings }
    }

    /// The same factory, which lets all threads read the state before a block from `states`, if
    /// that has it.
    ///
    /// Only for whole blocks: of what transactions did that were executed one by one before, only
    /// the database knows.
    #[must_use]
    pub fn with_states(mut self, states: impl States) -> Self {
        self.settings.states = Some(Arc::new(states));
        self
    }

    /// The same factory, whose executors return an error that names the
    /// [`Obstacle`](crate::Obstacle) where a block can't be executed in parallel, rather than
    /// execute it one transaction after another.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.settings.refuses = true;
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

    /// What makes VMs.
    pub const fn evm_factory(&self) -> &BlockStmEvmFactory {
        &self.evm_factory
    }
}

impl<R, Spec> BlockExecutorFactory for BlockStmExecutorFactory<R, Spec>
where
    R: ReceiptBuilder<Transaction: Transaction + Encodable2718, Receipt: TxReceipt<Log = Log>>,
    TxEnv: FromRecoveredTx<R::Transaction> + FromTxWithEncoded<R::Transaction>,
    Spec: EthExecutorSpec,
    <R::Transaction as TransactionEnvelope>::TxType: Send + 'static,
    Self: 'static,
{
    type EvmFactory = BlockStmEvmFactory;
    type ExecutionCtx<'a> = EthBlockExecutionCtx<'a>;
    type Transaction = R::Transaction;
    type Receipt = R::Receipt;
    type TxExecutionResult =
        EthTxResult<HaltReason, <R::Transaction as TransactionEnvelope>::TxType>;
    type Executor<'a, DB: StateDB, I: Inspector<EthEvmContext<DB>>> =
        BlockStmExecutor<'a, DB, I, Spec, R>;

    fn evm_factory(&self) -> &BlockStmEvmFactory {
        &self.evm_factory
    }

    fn create_executor<'a, DB, I>(
        &'a self,
        evm: BlockStmEvm<DB, I>,
        ctx: EthBlockExecutionCtx<'a>,
    ) -> BlockStmExecutor<'a, DB, I, Spec, R>
    where
        DB: StateDB,
        I: Inspector<EthEvmContext<DB>>,
    {
        let inner = EthBlockExecutor::new(evm, ctx, &self.spec, &self.receipt_builder);
        BlockStmExecutor::new(inner, &self.settings)
    }
}

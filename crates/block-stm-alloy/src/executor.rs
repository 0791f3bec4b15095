//! An executor for one block.

use std::{fmt, mem};

use alloy_consensus::{Transaction, TransactionEnvelope, TxReceipt};
use alloy_eips::Encodable2718;
use alloy_evm::{
    Evm, FromRecoveredTx, FromTxWithEncoded, RecoveredTx,
    block::{
        BlockExecutionError, BlockExecutionResult, BlockExecutor, ExecutableTx, GasOutput, StateDB,
    },
    eth::{
        EthBlockExecutor, EthEvmContext, EthTxResult, receipt_builder::ReceiptBuilder,
        spec::EthExecutorSpec,
    },
    revm::{
        Inspector,
        context::{
            TxEnv,
            result::{HaltReason, ResultAndState},
        },
    },
};
use alloy_primitives::Log;
use block_stm_evm::{
    Block, CommittedTxn, InvalidTxnReason, ParallelOptions, TxnSink,
    block_stm::{Admission, Flow},
    steps::{execute_txns, is_for_one},
};

use crate::{
    BlockStmEvm, SharedState,
    errors::{block_error, database_error},
    factory::Settings,
    gas::GasRoom,
    serve::{Message, Outbox, Shared, execute, has_a_core_beside, hash, shared},
};

/// The executor of alloy-evm for one block, which executes a whole block in parallel. See the
/// [crate's front page](crate).
pub struct BlockStmExecutor<'a, DB: StateDB, I, Spec, R: ReceiptBuilder> {
    inner: EthBlockExecutor<'a, BlockStmEvm<DB, I>, &'a Spec, &'a R>,
    settings: &'a Settings,
}

/// Why a block is executed one transaction after another, though it is worth more threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The VM's inspector is enabled: it is one, and sees the transactions in order.
    #[error("an inspector is enabled, which sees one transaction after the other")]
    Inspector,
    /// There was a mutable reference to the VM's precompiles, by which they may have been changed.
    #[error("precompiles may have been changed, which the engine's threads do not have")]
    Precompiles,
    /// Only the calling thread can read the state before the block, and no core is left on which
    /// it could read for the others: the factory was given no [states](crate::States), or they
    /// have not that of the block's parent, or something was executed in the block before; and the
    /// engine has as many threads as cores.
    #[error(
        "only the calling thread can read the state before the block, and has no core of its own: \
         give the factory states, or the engine fewer threads than cores"
    )]
    Database,
}

impl<DB: StateDB, I, Spec, R: ReceiptBuilder> fmt::Debug for BlockStmExecutor<'_, DB, I, Spec, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockStmExecutor")
            .field("evm", &self.inner.evm)
            .field("receipts", &self.inner.receipts.len())
            .field("engine", &self.settings.engine)
            .finish_non_exhaustive()
    }
}

impl<'a, DB, I, Spec, R> BlockStmExecutor<'a, DB, I, Spec, R>
where
    DB: StateDB,
    I: Inspector<EthEvmContext<DB>>,
    Spec: EthExecutorSpec,
    R: ReceiptBuilder<Transaction: Transaction + Encodable2718, Receipt: TxReceipt<Log = Log>>,
    TxEnv: FromRecoveredTx<R::Transaction> + FromTxWithEncoded<R::Transaction>,
    <R::Transaction as TransactionEnvelope>::TxType: Send + 'static,
{
    pub(crate) fn new(
        inner: EthBlockExecutor<'a, BlockStmEvm<DB, I>, &'a Spec, &'a R>,
        settings: &'a Settings,
    ) -> Self {
        Self { inner, settings }
    }

    /// Configures whether the block's budget of state gas is left unchecked, as
    /// [`EthBlockExecutor::with_skip_state_gas_capacity_check`].
    #[must_use]
    pub fn with_skip_state_gas_capacity_check(mut self, skip: bool) -> Self {
        self.inner.skip_state_gas_capacity_check = skip;
        self
    }

    /// Why the block can't be executed in parallel; `None` if it can.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let state = self.state();
        self.inner.evm.obstacle(&self.settings.engine, state.is_some())
    }

    /// The state before the block as all threads can read it, if there is one and the block is at
    /// its begin: of transactions before these, only the database knows.
    fn state(&self) -> Option<Box<dyn SharedState + 'a>> {
        let states = self.settings.states.as_deref().filter(|_| self.inner.receipts.is_empty());
        states?.after(self.inner.ctx.parent_hash)
    }

    /// Executes the transactions on the engine, which read the state before them from `shared`, or
    /// by way of this thread.
    ///
    /// `senders` have what came with each transaction of `block`.
    fn execute_in_parallel<T: RecoveredTx<R::Transaction>>(
        &mut self,
        block: &Block,
        senders: &[T],
        shared: Option<Shared<'_>>,
    ) -> Result<(), BlockExecutionError> {
        let settings = self.settings;
        let limits = senders.iter().map(|txn| txn.tx().gas_limit()).collect();
        let room = GasRoom::of(&self.inner);
        let on_engine = move |served: &_, outbox: &mut _| {
            let mut sink = Committing { outbox, room, limits };
            let options = ParallelOptions::default();
            execute_txns(&settings.engine, block, served, &options, &mut sink)
        };
        let mut committed = 0;
        let is_beside = has_a_core_beside(&settings.engine);
        let executed = execute(is_beside, shared, on_engine, |message| match message {
            Message::Read(read) => read.answer(self.inner.evm.db_mut()),
            Message::Committed(txns) => {
                committed += txns.len();
                txns.into_iter().for_each(|txn| self.commit(txn, senders));
            }
        });
        executed.map(drop).map_err(|error| block_error(error, committed, |n| hash(senders, n)))
    }

    fn commit<T: RecoveredTx<R::Transaction>>(&mut self, txn: CommittedTxn, senders: &[T]) {
        let CommittedTxn { index, result, state, .. } = txn;
        let state = state.expect("a sink that wants states is told them");
        let txn = senders[index].tx();
        let blob_gas_used = txn.blob_gas_used().unwrap_or_default();
        let result = ResultAndState { result, state };
        let gas = self.inner.commit_transaction(EthTxResult {
            result,
            blob_gas_used,
            tx_type: txn.tx_type(),
        });
        // The caller of `execute_block` does not see it.
        let GasOutput { .. } = gas;
    }
}

/// Admits transactions by the block's gas, and hands them to the thread that commits.
struct Committing<'o, E> {
    outbox: &'o mut Outbox<E, CommittedTxn>,
    room: GasRoom,
    limits: Vec<u64>,
}

impl<E: Send> TxnSink for Committing<'_, E> {
    fn admit(&mut self, index: usize, _txn: &TxEnv) -> Admission<InvalidTxnReason> {
        match self.room.admit(self.limits[index]) {
            Ok(()) => Admission::Admit,
            Err(reason) => Admission::Refuse(reason),
        }
    }

    fn commit(&mut self, txn: CommittedTxn) -> Flow {
        self.room.record(txn.result.gas());
        self.outbox.push(txn)
    }
}

impl<DB, I, Spec, R> BlockExecutor for BlockStmExecutor<'_, DB, I, Spec, R>
where
    DB: StateDB,
    I: Inspector<EthEvmContext<DB>>,
    Spec: EthExecutorSpec,
    R: ReceiptBuilder<Transaction: Transaction + Encodable2718, Receipt: TxReceipt<Log = Log>>,
    TxEnv: FromRecoveredTx<R::Transaction> + FromTxWithEncoded<R::Transaction>,
    <R::Transaction as TransactionEnvelope>::TxType: Send + 'static,
{
    type Transaction = R::Transaction;
    type Receipt = R::Receipt;
    type Evm = BlockStmEvm<DB, I>;
    type Result = EthTxResult<HaltReason, <R::Transaction as TransactionEnvelope>::TxType>;

    fn apply_pre_execution_changes(&mut self) -> Result<(), BlockExecutionError> {
        self.inner.apply_pre_execution_changes()
    }

    fn execute_transaction_without_commit(
        &mut self,
        tx: impl ExecutableTx<Self>,
    ) -> Result<Self::Result, BlockExecutionError> {
        self.inner.execute_transaction_without_commit(tx)
    }

    fn commit_transaction(&mut self, output: Self::Result) -> GasOutput {
        self.inner.commit_transaction(output)
    }

    fn finish(self) -> Result<(Self::Evm, BlockExecutionResult<R::Receipt>), BlockExecutionError> {
        self.inner.finish()
    }

    fn evm_mut(&mut self) -> &mut Self::Evm {
        &mut self.inner.evm
    }

    fn evm(&self) -> &Self::Evm {
        &self.inner.evm
    }

    fn receipts(&self) -> &[R::Receipt] {
        &self.inner.receipts
    }

    fn execute_block(
        mut self,
        transactions: impl IntoIterator<Item = impl ExecutableTx<Self>>,
    ) -> Result<BlockExecutionResult<R::Receipt>, BlockExecutionError> {
        let (state, settings) = (self.state(), self.settings);
        let obstacle = self.inner.evm.obstacle(&settings.engine, state.is_some());
        if let Some(obstacle) = obstacle.filter(|_| settings.refuses) {
            return Err(BlockExecutionError::other(obstacle));
        }
        self.apply_pre_execution_changes()?;
        if obstacle.is_some() {
            for tx in transactions {
                self.execute_transaction(tx)?;
            }
            return self.apply_post_execution_changes();
        }
        let parts = transactions.into_iter().map(|tx| tx.into_parts());
        let (txns, senders): (Vec<_>, Vec<_>) = parts.unzip();
        let (spec, env) = (self.inner.evm.cfg_env().spec, self.inner.evm.block().clone());
        let mut block = Block::new(spec, env, txns).cfg(self.inner.evm.cfg_env().clone());
        block.creates_over_storage = true;
        self.inner.receipts.reserve(senders.len());
        let shared = shared(&mut self.inner, state.as_deref());
        let shared = shared.map_err(|source| database_error(source, hash(&senders, 0)))?;
        let is_served = shared.is_some() || has_a_core_beside(&settings.engine);
        if is_served && !is_for_one(&settings.engine, &block) {
            self.execute_in_parallel(&block, &senders, shared)?;
        } else if !is_served && settings.refuses {
            return Err(BlockExecutionError::other(Obstacle::Database));
        } else {
            for tx in mem::take(&mut block.txns).into_iter().zip(senders) {
                self.execute_transaction(tx)?;
            }
        }
        self.apply_post_execution_changes()
    }
}

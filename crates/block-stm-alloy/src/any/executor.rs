//! An executor for one block of any EVM.

use std::{fmt, panic};

use alloy_consensus::{Transaction, TransactionEnvelope, TxReceipt};
use alloy_eips::Encodable2718;
use alloy_evm::{
    Evm, EvmEnv, EvmFactory, FromRecoveredTx, FromTxWithEncoded, RecoveredTx,
    block::{
        BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockValidationError,
        ExecutableTx, GasOutput, InternalBlockExecutionError, StateDB,
    },
    eth::{EthBlockExecutor, EthTxResult, receipt_builder::ReceiptBuilder, spec::EthExecutorSpec},
    revm::{context::DBErrorMarker, primitives::hardfork::SpecId},
};
use alloy_primitives::{B256, Log};
use block_stm_any_evm::{Error, FinalTxn, Inspectors, InvalidTxn, TxnSink, Txns};
use block_stm_evm::{
    InvalidTxnReason,
    block_stm::{Admission, BoxError, Flow},
};

use super::AnyExecutorFactory;
use crate::{
    Obstacle, SharedState, TrackedEvm,
    errors::database_error,
    gas::GasRoom,
    serve::{Message, Outbox, ReadError, Served, Shared, execute, has_a_core_beside, hash, shared},
};

/// The executor of alloy-evm for one block of any EVM, which executes a whole block in parallel.
pub struct AnyExecutor<'a, E, F: EvmFactory, R: ReceiptBuilder, Spec, J: Inspectors<F>> {
    inner: EthBlockExecutor<'a, E, &'a Spec, &'a R>,
    factory: &'a AnyExecutorFactory<F, R, Spec, J>,
}

impl<E, F, R, Spec, J> fmt::Debug for AnyExecutor<'_, E, F, R, Spec, J>
where
    E: fmt::Debug,
    F: EvmFactory,
    R: ReceiptBuilder,
    J: Inspectors<F>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyExecutor")
            .field("evm", &self.inner.evm)
            .field("receipts", &self.inner.receipts.len())
            .field("engine", &self.factory.engine)
            .finish_non_exhaustive()
    }
}

impl<'a, E, F: EvmFactory, R: ReceiptBuilder, Spec, J: Inspectors<F>>
    AnyExecutor<'a, TrackedEvm<E>, F, R, Spec, J>
{
    pub(crate) fn new(
        inner: EthBlockExecutor<'a, TrackedEvm<E>, &'a Spec, &'a R>,
        factory: &'a AnyExecutorFactory<F, R, Spec, J>,
    ) -> Self {
        Self { inner, factory }
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
        self.inner.evm.obstacle(&self.factory.engine, state.is_some())
    }

    /// As [`BlockStmExecutor`](crate::BlockStmExecutor)'s.
    fn state(&self) -> Option<Box<dyn SharedState + 'a>> {
        let states = self.factory.states.as_deref().filter(|_| self.inner.receipts.is_empty());
        states?.after(self.inner.ctx.parent_hash)
    }
}

/// A final transaction, on its way to the thread that commits.
type Txn<F, J> = FinalTxn<<F as EvmFactory>::HaltReason, <J as Inspectors<F>>::Inspector>;

impl<E, F, R, Spec, J> AnyExecutor<'_, TrackedEvm<E>, F, R, Spec, J>
where
    E: Evm<
            DB: StateDB,
            Tx = F::Tx,
            HaltReason = F::HaltReason,
            Spec = F::Spec,
            BlockEnv = F::BlockEnv,
        >,
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
{
    /// Executes the transactions on the engine, which read the state before them from `shared`, or
    /// by way of this thread.
    ///
    /// `senders` have what came with each transaction.
    fn execute_in_parallel<T: RecoveredTx<R::Transaction>>(
        &mut self,
        txns: &[F::Tx],
        senders: &[T],
        shared: Option<Shared<'_>>,
    ) -> Result<(), BlockExecutionError> {
        let (factory, evm) = (self.factory, &self.inner.evm);
        let env = EvmEnv { cfg_env: evm.cfg_env().clone(), block_env: evm.block().clone() };
        let vaults = (factory.vaults)(&env.block_env);
        let limits = senders.iter().map(|txn| txn.tx().gas_limit()).collect();
        let room = GasRoom::of(&self.inner);
        let (evms, inspectors) = (factory.inner_evm_factory(), &factory.inspectors);
        let engine = &*factory.engine;
        let on_engine = move |served: &Served<'_, _, Txn<F, J>>, outbox: &mut _| {
            let mut sink = Committing { outbox, room, limits };
            let txns = Txns::new(evms, &env, txns).vaults(&vaults).inspectors(By(inspectors));
            block_stm_any_evm::execute(engine, &txns, served, &mut sink)
        };
        let is_beside = has_a_core_beside(engine);
        let executed = execute(is_beside, shared, on_engine, |message| match message {
            Message::Read(read) => read.answer(self.inner.evm.db_mut()),
            Message::Committed(txns) => {
                txns.into_iter().for_each(|txn| self.commit(txn, senders));
            }
        });
        executed.map(drop).map_err(|error| block_error(error, |n| hash(senders, n)))
    }

    fn commit<T: RecoveredTx<R::Transaction>>(&mut self, txn: Txn<F, J>, senders: &[T]) {
        let FinalTxn { index, result, inspector, .. } = txn;
        (self.factory.inspected)(index, inspector);
        let txn = senders[index].tx();
        let blob_gas_used = txn.blob_gas_used().unwrap_or_default();
        let output = EthTxResult { result, blob_gas_used, tx_type: txn.tx_type() };
        // The caller of `execute_block` does not see it.
        let GasOutput { .. } = self.inner.commit_transaction(output);
    }
}

/// Inspectors by reference.
struct By<'j, J>(&'j J);

impl<F: EvmFactory, J: Inspectors<F>> Inspectors<F> for By<'_, J> {
    type Inspector = J::Inspector;

    const INSPECTS: bool = J::INSPECTS;

    fn inspector(&self, index: usize, txn: &F::Tx) -> J::Inspector {
        self.0.inspector(index, txn)
    }
}

/// Admits transactions by the block's gas, and hands them to the thread that commits.
struct Committing<'o, E, H, I> {
    outbox: &'o mut Outbox<E, FinalTxn<H, I>>,
    room: GasRoom,
    limits: Vec<u64>,
}

impl<E, F, I> TxnSink<F, I> for Committing<'_, E, F::HaltReason, I>
where
    E: Send,
    F: EvmFactory,
    I: Send,
{
    fn admit(&mut self, index: usize, _txn: &F::Tx) -> Admission<BoxError> {
        match self.room.admit(self.limits[index]) {
            Ok(()) => Admission::Admit,
            Err(InvalidTxnReason::BlockGas { gas_limit, available }) => {
                let error = BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                    transaction_gas_limit: gas_limit,
                    block_available_gas: available,
                };
                Admission::Refuse(Box::new(error))
            }
            Err(other) => Admission::Refuse(Box::new(other)),
        }
    }

    fn commit(&mut self, txn: FinalTxn<F::HaltReason, I>) -> Flow {
        self.room.record(txn.result.result.gas());
        self.outbox.push(txn)
    }
}

/// What the engine's error is in alloy-evm's words. `hash` is that of the transaction at a place.
///
/// # Panics
///
/// With the message of a panic, which the sequential execution would have had.
fn block_error<E>(error: Error<ReadError<E>>, hash: impl Fn(usize) -> B256) -> BlockExecutionError
where
    E: DBErrorMarker + std::error::Error + Send + Sync + 'static,
{
    match error {
        Error::InvalidTxn { index, reason: InvalidTxn::Evm(error) } => {
            BlockValidationError::InvalidTx { hash: hash(index), error }.into()
        }
        Error::InvalidTxn { reason: InvalidTxn::Refused(reason), .. } => {
            match reason.downcast::<BlockValidationError>() {
                Ok(error) => (*error).into(),
                Err(other) => BlockValidationError::Other(other).into(),
            }
        }
        Error::Database { index, source: ReadError::Database(source) } => {
            database_error(source, hash(index))
        }
        Error::Database { index, source: ReadError::State(source) } => {
            database_error(source, hash(index))
        }
        Error::Evm { index, source: error } => {
            InternalBlockExecutionError::EVM { hash: hash(index), error }.into()
        }
        Error::Panicked { message, .. } => panic::resume_unwind(Box::new(message)),
        other => BlockExecutionError::msg(other),
    }
}

impl<E, F, R, Spec, J> BlockExecutor for AnyExecutor<'_, TrackedEvm<E>, F, R, Spec, J>
where
    E: Evm<
            DB: StateDB,
            Tx = F::Tx,
            HaltReason = F::HaltReason,
            Spec = F::Spec,
            BlockEnv = F::BlockEnv,
        >,
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
{
    type Transaction = R::Transaction;
    type Receipt = R::Receipt;
    type Evm = TrackedEvm<E>;
    type Result = EthTxResult<F::HaltReason, <R::Transaction as TransactionEnvelope>::TxType>;

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
        let (state, factory) = (self.state(), self.factory);
        let obstacle = self.inner.evm.obstacle(&factory.engine, state.is_some());
        // Inspectors that were asked for inspect every transaction, or the block fails.
        let refuses = factory.refuses || J::INSPECTS;
        if let Some(obstacle) = obstacle.filter(|_| refuses) {
            return Err(BlockExecutionError::other(obstacle));
        }
        self.apply_pre_execution_changes()?;
        let is_for_one = factory.engine.threads() == 1 && !J::INSPECTS;
        if obstacle.is_some() || is_for_one {
            for tx in transactions {
                self.execute_transaction(tx)?;
            }
            return self.apply_post_execution_changes();
        }
        let parts = transactions.into_iter().map(|tx| tx.into_parts());
        let (txns, senders): (Vec<_>, Vec<_>) = parts.unzip();
        self.inner.receipts.reserve(senders.len());
        let shared = shared(&mut self.inner, state.as_deref());
        let shared = shared.map_err(|source| database_error(source, hash(&senders, 0)))?;
        if shared.is_some() || has_a_core_beside(&factory.engine) {
            self.execute_in_parallel(&txns, &senders, shared)?;
        } else if refuses {
            return Err(BlockExecutionError::other(Obstacle::Database));
        } else {
            for tx in txns.into_iter().zip(senders) {
                self.execute_transaction(tx)?;
            }
        }
        self.apply_post_execution_changes()
    }
}

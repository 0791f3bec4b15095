//! Executing a block one transaction after another: the plain revm loop, and what the parallel path
//! must equal.

use alloy_eips::eip7685::Requests;
use alloy_primitives::{I256, U256};
use block_stm::{Admission, Cut, Flow};
use revm::{
    Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainnetEvm,
    context::{
        BlockEnv, CfgEnv, ContextTr, TxEnv,
        result::{EVMError, ExecutionResult},
    },
    database::CacheDB,
    state::EvmState,
};

use crate::{
    Block, BlockRecord, BlockResult, BlockSink, BlockState, ExecutedTxn, ExecutionError, FinalTxn,
    InvalidTxn, Receipt, Stage, StateRef, creation::CreationJournal, post_block::apply_post_block,
    pre_block::apply_pre_block, state_ref::State,
};

/// Executes `block` on the state `db`, one transaction after another on one reused revm instance.
///
/// # Errors
///
/// An [`ExecutionError`]: the block is invalid, or `db` failed. No transaction after the one that
/// is to blame has been executed.
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};
/// use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// let result = execute_sequential(&block, &PreState::new(), InvalidTxn::Reject)?;
/// assert_eq!(result.gas_used, 0);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn execute_sequential<DB: StateRef>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
) -> Result<BlockResult, ExecutionError<DB::Error>> {
    execute_observed(block, db, policy, |_| {})
}

/// The loop that a revm user has today: one reused instance of revm over [`CacheDB`], receipts
/// kept.
///
/// The baseline of every comparison of speed. It does all that [`execute_sequential`] does but one
/// thing: it leaves the state changes in the cache, where they cannot be told from what was only
/// read.
///
/// # Errors
///
/// As [`execute_sequential`].
pub fn execute_plain<DB: StateRef>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
) -> Result<Vec<Receipt>, ExecutionError<DB::Error>> {
    let mut evm = evm_for(block, CacheDB::new(db));
    let (record, _requests) = execute_on(block, &mut evm, policy, |_| {})?;
    Ok(record.into_receipts())
}

/// [`execute_sequential`], which shows `observe` the state after every executed transaction.
///
/// # Errors
///
/// As [`execute_sequential`].
pub fn execute_observed<'db, DB: StateRef>(
    block: &Block,
    db: &'db DB,
    policy: InvalidTxn,
    observe: impl FnMut(&BlockState<&'db DB>),
) -> Result<BlockResult, ExecutionError<DB::Error>> {
    let mut evm = evm_for(block, BlockState::new(db));
    let (record, requests) = execute_on(block, &mut evm, policy, observe)?;
    let state = evm.ctx.journaled_state.into_database().into_changes();
    Ok(record.finish(requests, state))
}

/// [`execute_sequential`] with a sink: what
/// [`execute_parallel_with`](crate::execute_parallel_with) must equal, one transaction after
/// another. Also says why the block ended before its last transaction, if the sink cut it.
///
/// # Errors
///
/// As [`execute_sequential`].
pub fn execute_sequential_with<DB: StateRef>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
    sink: &mut dyn BlockSink,
) -> Result<(BlockResult, Option<Cut>), ExecutionError<DB::Error>> {
    let mut evm = evm_for(block, BlockState::new(db));
    apply_pre_block(block, &mut evm)?;
    let mut record = BlockRecord::new(block);
    let mut cut = None;
    for index in 0..block.txns.len() {
        if offer(block, index, policy, &mut record, &mut evm, sink)? == Flow::Cut {
            cut = Some(Cut::Sink);
            break;
        }
    }
    let requests = apply_post_block(block, record.receipts(), &mut evm)?;
    let state = evm.ctx.journaled_state.into_database().into_changes();
    Ok((record.finish(requests, state), cut))
}

/// Executes one transaction as `sink` likes; whether the block goes on.
fn offer<DB: State + DatabaseCommit>(
    block: &Block,
    index: usize,
    policy: InvalidTxn,
    record: &mut BlockRecord,
    evm: &mut EvmOn<DB>,
    sink: &mut dyn BlockSink,
) -> Result<Flow, ExecutionError<DB::Error>> {
    let txn = &block.txns[index];
    let leave_out = |reason, record: &mut BlockRecord, sink: &mut dyn BlockSink| {
        if policy == InvalidTxn::Reject {
            return Err(ExecutionError::InvalidTxn { index, reason });
        }
        record.skipped(reason);
        let (outcome, receipt) = record.last();
        Ok(sink.commit(FinalTxn { index, outcome, receipt, gain: I256::ZERO, state: None }))
    };
    let admission = match record.admit(txn) {
        Ok(()) => sink.admit(index, txn),
        Err(reason) => Admission::Refuse(reason),
    };
    match admission {
        Admission::Admit => {}
        Admission::Refuse(reason) => return leave_out(reason, record, sink),
        Admission::Cut => return Ok(Flow::Cut),
    }
    let result: Result<_, EVMError<_>> = evm.transact_one(txn.clone());
    let state = evm.finalize();
    let result = match result.map_err(|error| ExecutionError::from_evm(Stage::Txn(index), error)) {
        Ok(result) => result,
        Err(ExecutionError::InvalidTxn { reason, .. }) => return leave_out(reason, record, sink),
        Err(error) => return Err(error),
    };
    let db = evm.ctx.db_mut();
    let failed = |source| ExecutionError::Database { stage: Stage::Txn(index), source };
    let beneficiary = block.env.beneficiary;
    let before = db.basic(beneficiary).map_err(failed)?.unwrap_or_default().balance;
    let after = match state.get(&beneficiary) {
        Some(account) if account.is_selfdestructed() => U256::ZERO,
        Some(account) => account.info.balance,
        None => before,
    };
    let gain = I256::from_raw(after.wrapping_sub(before));
    match sink.settle(ExecutedTxn { index, txn, result: &result, gain }) {
        Admission::Admit => {}
        Admission::Refuse(reason) => return leave_out(reason, record, sink),
        Admission::Cut => return Ok(Flow::Cut),
    }
    let told = sink.wants_state().then(|| state.clone());
    evm.ctx.db_mut().commit(state);
    record.executed(txn, result);
    let (outcome, receipt) = record.last();
    Ok(sink.commit(FinalTxn { index, outcome, receipt, gain, state: told }))
}

pub(crate) type ContextOn<DB> = Context<BlockEnv, TxEnv, CfgEnv, DB, CreationJournal<DB>>;
type EvmOn<DB> = MainnetEvm<ContextOn<DB>>;

/// revm's context for `block` on `db`, in which no contract is created over storage.
///
/// [`Block::adapt_instructions`] puts what this block has of its own into the instructions.
pub fn context_for<DB: State>(block: &Block, db: DB) -> ContextOn<DB> {
    let context = ContextOn::new(db, block.spec).with_block(block.env.clone());
    let mut context = context.with_cfg(block.cfg_env());
    context.journaled_state.creates_over_storage = block.creates_over_storage;
    context
}

pub(crate) fn evm_for<DB: State>(block: &Block, db: DB) -> EvmOn<DB> {
    let mut evm = context_for(block, db).build_mainnet();
    block.adapt_instructions(&mut evm.instruction);
    evm
}

fn execute_on<DB: State + DatabaseCommit>(
    block: &Block,
    evm: &mut EvmOn<DB>,
    policy: InvalidTxn,
    mut observe: impl FnMut(&DB),
) -> Result<(BlockRecord, Option<Requests>), ExecutionError<DB::Error>> {
    apply_pre_block(block, evm)?;
    let mut record = BlockRecord::new(block);
    for index in 0..block.txns.len() {
        match execute_txn(block, index, &record, evm) {
            Ok(result) => {
                record.executed(&block.txns[index], result);
                observe(evm.ctx.db());
            }
            Err(ExecutionError::InvalidTxn { reason, .. }) if policy == InvalidTxn::Skip => {
                record.skipped(reason);
            }
            Err(error) => return Err(error),
        }
    }
    let requests = apply_post_block(block, record.receipts(), evm)?;
    Ok((record, requests))
}

fn execute_txn<DB: State + DatabaseCommit>(
    block: &Block,
    index: usize,
    record: &BlockRecord,
    evm: &mut EvmOn<DB>,
) -> Result<ExecutionResult, ExecutionError<DB::Error>> {
    execute_txn_with(block, index, record, evm, |_| {})
}

/// Executes one transaction, and shows `observe` what it leaves before that is committed.
pub(crate) fn execute_txn_with<DB: State + DatabaseCommit>(
    block: &Block,
    index: usize,
    record: &BlockRecord,
    evm: &mut EvmOn<DB>,
    observe: impl FnOnce(&EvmState),
) -> Result<ExecutionResult, ExecutionError<DB::Error>> {
    let txn = &block.txns[index];
    let admitted = record.admit(txn);
    admitted.map_err(|reason| ExecutionError::InvalidTxn { index, reason })?;
    let result: Result<_, EVMError<_>> = evm.transact_one(txn.clone());
    // Also after an error: the journal must not leak into the next transaction.
    let state = evm.finalize();
    let result = result.map_err(|error| ExecutionError::from_evm(Stage::Txn(index), error))?;
    observe(&state);
    evm.ctx.db_mut().commit(state);
    Ok(result)
}

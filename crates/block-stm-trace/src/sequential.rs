//! The transactions of a block, traced one after another on one instance of revm.

use block_stm_evm::{
    ExecutionError, Stage, StateRef,
    block_stm::Flow,
    revm::{
        DatabaseCommit, InspectEvm, MainBuilder,
        context::{ContextTr, result::EVMError},
    },
    steps::{BlockRecord, BlockState, apply_pre_block, context_for},
};

use crate::{TracedBlock, Tracer, TxnTrace, tracer::finish};

/// Traces the block's transactions one after another: what [`trace_block`](crate::trace_block) must
/// equal.
///
/// The plain loop: one instance of revm over a state that each transaction is committed to. It
/// shares nothing with the parallel way but the inspectors. What follows the transactions of a
/// block is not executed.
///
/// # Errors
///
/// As [`execute_sequential`](block_stm_evm::execute_sequential). `take` was given the traces of all
/// transactions before the one that is to blame.
pub fn trace_in_order<DB: StateRef>(
    traced: &TracedBlock<'_>,
    db: &DB,
    tracer: &Tracer,
    take: &mut dyn FnMut(TxnTrace) -> Flow,
) -> Result<(), ExecutionError<DB::Error>> {
    let block = traced.block;
    let mut evm = context_for(block, BlockState::new(db)).build_mainnet();
    block.adapt_instructions(&mut evm.instruction);
    apply_pre_block(block, &mut evm)?;
    let mut evm = evm.with_inspector(tracer.inspector());
    let mut record = BlockRecord::new(block);
    for (index, txn) in block.txns.iter().enumerate() {
        let stage = Stage::Txn(index);
        let admitted = record.admit(txn);
        admitted.map_err(|reason| ExecutionError::InvalidTxn { index, reason })?;
        let result: Result<_, EVMError<_>> = evm.inspect(txn.clone(), tracer.inspector());
        let result = result.map_err(|error| ExecutionError::from_evm(stage, error))?;
        let mut before = evm.ctx.db();
        let trace = finish(traced, (index, txn), &mut evm.inspector, &result, &mut before);
        let trace = trace.map_err(|source| ExecutionError::Database { stage, source })?;
        if take(trace) == Flow::Cut {
            break;
        }
        evm.ctx.db_mut().commit(result.state);
        record.executed(txn, result.result);
    }
    Ok(())
}

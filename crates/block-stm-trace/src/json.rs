//! Traces as JSON, written one by one.

use std::io::{self, Write};

use block_stm_evm::{
    BlockResult, ExecutionError, StateRef,
    block_stm::{Engine, Flow},
};

use crate::{TracedBlock, Tracer, TxnTrace, default_in_flight, trace_block};

/// Why traces are not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError<E> {
    /// The block can't be executed.
    #[error(transparent)]
    Execution(#[from] ExecutionError<E>),
    /// The output takes no more.
    #[error("the traces can't be written: {0}")]
    Write(io::Error),
}

/// A trace as JSON, without a line break.
fn rendered(trace: &TxnTrace) -> Vec<u8> {
    serde_json::to_vec(trace).expect("its keys are strings")
}

/// Traces a block as [`trace_block`] does, and writes what geth's `debug_traceBlockByNumber`
/// answers: `[{"txHash": .., "result": ..}, ..]`.
///
/// Each trace is rendered where it was made, and written as soon as all before it are.
///
/// # Errors
///
/// As [`trace_block`], or `out` takes no more. Nothing is written for a block that is invalid.
/// After another error, what was written is the beginning of an array.
///
/// # Panics
///
/// As [`trace_block`].
pub fn write_traces<DB: StateRef + Sync>(
    engine: &Engine,
    traced: &TracedBlock<'_>,
    db: &DB,
    tracer: &Tracer,
    out: &mut (impl Write + Send),
) -> Result<BlockResult, TraceError<DB::Error>> {
    // Begun with the first trace: before that, the block may turn out to be invalid.
    let (mut begun, mut failed) = (false, None);
    let mut take = |trace: Vec<u8>| {
        let mark: &[u8] = if begun { b"," } else { b"[" };
        begun = true;
        match out.write_all(mark).and_then(|()| out.write_all(&trace)) {
            Ok(()) => Flow::Continue,
            Err(error) => {
                failed = Some(error);
                Flow::Cut
            }
        }
    };
    let in_flight = default_in_flight(engine);
    let result =
        trace_block(engine, traced, db, tracer, in_flight, |trace| rendered(&trace), &mut take)?;
    if let Some(error) = failed {
        return Err(TraceError::Write(error));
    }
    let end: &[u8] = if begun { b"]" } else { b"[]" };
    out.write_all(end).map_err(TraceError::Write)?;
    Ok(result)
}

//! The transactions of a block, traced in parallel.

use block_stm_evm::{
    BlockResult, ExecutionError, StateRef,
    block_stm::{Engine, Flow},
    inspect::inspect_block,
};

use crate::{TracedBlock, Tracer, TxnTrace, tracer::finish};

/// How many traces of a block are under way at once, unless a host says something else: enough for
/// the threads of `engine` not to wait for each other as a rule.
pub fn default_in_flight(engine: &Engine) -> usize {
    8 * engine.threads()
}

/// Executes the block on the state `db`, and traces all of its transactions with the threads of
/// `engine`. Returns the block's result.
///
/// Each trace goes through `render` on the thread that has made it, and then to `take`, in the
/// order of the block and from one thread at a time. `take` ends it all with [`Flow::Cut`].
///
/// At most `in_flight` traces are begun and not taken at any time; see [`default_in_flight`]. That
/// bounds the memory by the size of the traces. The `limit` of [`Tracer::StructLog`] bounds that of
/// one trace, which else grows with every step.
///
/// # Errors
///
/// As [`execute_parallel`](block_stm_evm::execute_parallel), before anything is traced: the block
/// is invalid, or `db` failed. Or `db` failed in the end, after `take` was given all traces below
/// the transaction that the error names.
///
/// # Panics
///
/// As [`execute_parallel`](block_stm_evm::execute_parallel), and if `take` does.
///
/// # Cost
///
/// See [`inspect_block`].
///
/// # Examples
///
/// The gas that each transaction was traced with:
///
/// ```
/// use block_stm_trace::{
///     TracedBlock, Tracer, alloy_rpc_types_trace::geth::GethTrace, trace_block,
///     block_stm_evm::block_stm::{Config, Engine, Flow},
/// };
/// # use block_stm_trace::block_stm_evm::{self, Block, PreState};
/// # use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// # let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// # let state = PreState::new();
/// let engine = Engine::new(Config::default())?;
/// let tracer = Tracer::parse("callTracer", None)?;
/// let mut gas = Vec::new();
/// let result = trace_block(
///     &engine,
///     &TracedBlock::new(&block),
///     &state,
///     &tracer,
///     64,
///     |trace| trace.trace,
///     &mut |trace| {
///         if let GethTrace::CallTracer(call) = trace {
///             gas.push(call.gas_used);
///         }
///         Flow::Continue
///     },
/// )?;
/// assert_eq!(gas.len(), result.receipts.len());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn trace_block<DB: StateRef + Sync, T: Send>(
    engine: &Engine,
    traced: &TracedBlock<'_>,
    db: &DB,
    tracer: &Tracer,
    in_flight: usize,
    render: impl Fn(TxnTrace) -> T + Sync,
    take: &mut (dyn FnMut(T) -> Flow + Send),
) -> Result<BlockResult, ExecutionError<DB::Error>> {
    inspect_block(
        engine,
        traced.block,
        db,
        in_flight,
        |_| tracer.inspector(),
        |mut txn| {
            let place = (txn.index, txn.txn);
            let trace = finish(traced, place, txn.inspector, txn.result, &mut txn.before)?;
            Ok(render(trace))
        },
        take,
    )
}

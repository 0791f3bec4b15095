//! Inspecting a block's transactions in parallel: each on the state before it, in any order.
//!
//! # The problem
//!
//! A tracer sees every step of a transaction, and takes many times as long as its execution. On the
//! engine, attempts that are thrown away would be traced, too.
//!
//! # The idea
//!
//! Execute the block once, in parallel and without inspectors. That makes its access list, which
//! says what each transaction leaves. So the state before any transaction is known, and all can be
//! inspected independently, each exactly once.
//!
//! ```text
//! one pass       t0 t1 t2 t3 ...  on the engine   ->  access list
//! states         before t0, before t1, ...        =   state before the block + what is listed
//! inspection     t2  t0  t3  t1   on all threads  ->  handed on as t0 t1 t2 t3
//! ```
//!
//! * `states`: the state before each transaction, from a list, or from what an execution told a
//!   sink where a list does not say all (`told`).
//! * `window`: what is inspected in any order is handed on in order, with a bound on what waits.
//!
//! # Why it is exact
//!
//! The states are those of the sequential execution, as the list and what sinks are told are. An
//! inspected transaction is executed by revm's own handler on such a state, as a loop over the
//! transactions executes it.

mod states;
mod told;
mod window;

use std::sync::Mutex;

use block_stm::{Engine, Flow};
use revm::{
    Context, InspectEvm, Inspector, MainnetEvm,
    context::{
        BlockEnv, CfgEnv, ContextTr, TxEnv,
        result::{EVMError, ResultAndState},
    },
    interpreter::interpreter::EthInterpreter,
};

pub use self::states::{StateBefore, TxnStates};
use self::window::{Taker, Window};
use crate::{
    Block, BlockResult, ExecutionError, ParallelOptions, Stage, StateRef, alone::contained,
    creation::CreationJournal, execute_parallel, sequential::evm_for,
};

/// The context in which a transaction is inspected.
pub type InspectedContext<'s, DB> =
    Context<BlockEnv, TxEnv, CfgEnv, StateBefore<'s, DB>, CreationJournal<StateBefore<'s, DB>>>;

/// A transaction that was inspected.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedTxn<'a, 's, DB, I> {
    /// Its place in the block, from 0.
    pub index: usize,
    /// The transaction.
    pub txn: &'a TxEnv,
    /// What has seen it.
    pub inspector: &'a mut I,
    /// What it came to, and what it leaves.
    pub result: &'a ResultAndState,
    /// The state before it.
    pub before: StateBefore<'s, DB>,
}

/// Executes `block` on the state `db`, and then each of its transactions once more with an
/// inspector of its own, in parallel. Returns the block's result.
///
/// `inspector` makes the inspector of the transaction with a place. `finish` is called where the
/// transaction was executed, and makes of the inspector what `take` is handed, in the order of the
/// block, by one thread at a time. `take` ends it all with [`Flow::Cut`].
///
/// At most `in_flight` transactions are begun and not handed on, which bounds the memory: that many
/// inspectors, or what `finish` makes of them. With fewer than twice the number of threads, threads
/// wait for each other.
///
/// # Errors
///
/// As [`execute_parallel`], before anything is inspected. After that, `db` failed where an
/// inspected transaction, or `finish`, has read it; all transactions below were handed on.
///
/// # Panics
///
/// As [`execute_parallel`], and if `take` does. A panic of `inspector` or of `finish` is an error
/// that names the transaction.
///
/// # Cost
///
/// Two executions of the block, the second one with inspectors. A third one where a list does not
/// say all, see [`TxnStates::listed`].
///
/// # Examples
///
/// How many steps each transaction takes:
///
/// ```
/// use block_stm_evm::{
///     Block, PreState,
///     block_stm::{Config, Engine, Flow},
///     inspect::inspect_block,
///     revm::{Inspector, interpreter::Interpreter},
/// };
/// # use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// #[derive(Default)]
/// struct Steps(u64);
///
/// impl<CTX> Inspector<CTX> for Steps {
///     fn step(&mut self, _: &mut Interpreter, _: &mut CTX) {
///         self.0 += 1;
///     }
/// }
///
/// # let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// # let state = PreState::new();
/// let engine = Engine::new(Config::default())?;
/// let mut steps = Vec::new();
/// let result = inspect_block(
///     &engine,
///     &block,
///     &state,
///     64,
///     |_index| Steps::default(),
///     |txn| Ok(txn.inspector.0),
///     &mut |count| {
///         steps.push(count);
///         Flow::Continue
///     },
/// )?;
/// assert_eq!(steps.len(), result.receipts.len());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn inspect_block<DB, I, T>(
    engine: &Engine,
    block: &Block,
    db: &DB,
    in_flight: usize,
    inspector: impl Fn(usize) -> I + Sync,
    finish: impl Fn(InspectedTxn<'_, '_, DB, I>) -> Result<T, DB::Error> + Sync,
    take: &mut (dyn FnMut(T) -> Flow + Send),
) -> Result<BlockResult, ExecutionError<DB::Error>>
where
    DB: StateRef + Sync,
    I: for<'s> Inspector<InspectedContext<'s, DB>, EthInterpreter>,
    T: Send,
{
    let listing = ParallelOptions::default().access_list();
    let mut result = execute_parallel(engine, block, db, &listing)?.result;
    let list = result.access_list.take().unwrap_or_default();
    let states = match TxnStates::listed(engine, block, db, &list) {
        Some(states) => states,
        None => TxnStates::executed(engine, block, db)?.0,
    };
    inspect_txns(engine, block, &states, in_flight, inspector, finish, take)?;
    result.access_list = Some(list);
    Ok(result)
}

/// The second half of [`inspect_block`], for a block that was executed before: by a node that has
/// its access list, for instance.
///
/// # Errors
///
/// `db` failed, or the block is another one than that of the `states`. All transactions below were
/// handed on.
///
/// # Panics
///
/// As [`inspect_block`].
pub fn inspect_txns<DB, I, T>(
    engine: &Engine,
    block: &Block,
    states: &TxnStates<'_, DB>,
    in_flight: usize,
    inspector: impl Fn(usize) -> I + Sync,
    finish: impl Fn(InspectedTxn<'_, '_, DB, I>) -> Result<T, DB::Error> + Sync,
    take: &mut (dyn FnMut(T) -> Flow + Send),
) -> Result<(), ExecutionError<DB::Error>>
where
    DB: StateRef + Sync,
    I: for<'s> Inspector<InspectedContext<'s, DB>, EthInterpreter>,
    T: Send,
{
    let window = Window::new(block.txns.len(), in_flight);
    let taker: Taker<'_, T> = Mutex::new(take);
    engine.share(engine.threads().min(block.txns.len()), |_| {
        let mut evm = None;
        window.work(&taker, |index| {
            // What was in the middle of something when it panicked is not used again.
            let used = evm.take();
            let (used, made) = contained(index, || {
                let inspector = inspector(index);
                let mut evm = match used {
                    Some(evm) => evm,
                    None => evm_on(block, states.before(index)),
                }
                .with_inspector(inspector);
                let made = inspect(block, index, &mut evm, &finish)?;
                Ok((evm.with_inspector(()), made))
            })?;
            evm = Some(used);
            Ok(made)
        });
    });
    match window.into_error() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn evm_on<'s, DB: StateRef + Sync>(
    block: &Block,
    state: StateBefore<'s, DB>,
) -> MainnetEvm<InspectedContext<'s, DB>> {
    evm_for(block, state)
}

fn inspect<'s, DB, I, T>(
    block: &Block,
    index: usize,
    evm: &mut MainnetEvm<InspectedContext<'s, DB>, I>,
    finish: impl Fn(InspectedTxn<'_, '_, DB, I>) -> Result<T, DB::Error>,
) -> Result<T, ExecutionError<DB::Error>>
where
    DB: StateRef + Sync,
    I: Inspector<InspectedContext<'s, DB>, EthInterpreter>,
{
    let (txn, stage) = (&block.txns[index], Stage::Txn(index));
    evm.ctx.db_mut().txn = index;
    let result: Result<_, EVMError<_>> = evm.inspect_tx(txn.clone());
    let result = result.map_err(|error| ExecutionError::from_evm(stage, error))?;
    let before = *evm.ctx.db();
    let inspector = &mut evm.inspector;
    let made = finish(InspectedTxn { index, txn, inspector, result: &result, before });
    made.map_err(|source| ExecutionError::Database { stage, source })
}

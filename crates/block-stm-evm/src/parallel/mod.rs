//! Executing a block's transactions in parallel on revm, with exactly the sequential result.
//!
//! # The problem
//!
//! revm asks for whole accounts, and a run of it that reads every account whole conflicts with
//! nearly every other one: each pays fees to one beneficiary, each raises a nonce and takes from a
//! balance. Leaving such reads out of account, as others do, accepts blocks that are invalid.
//!
//! # The idea
//!
//! Watch what a transaction really observes, and tell the engine no more and no less.
//!
//! ```text
//! engine          peek                                check / assume, add, read, write
//!                  |                                        ^
//! database   account as it looks now        what was observed: [`observed`], what was done: deltas
//!                  v                                        |
//! revm       journal, watched at each load, transfer, creation, destruction: [`journal`]
//!                  ^ intents: what is this load for?
//!            [`instructions`], [`handler`]
//! ```
//!
//! * An account is shown to revm by [`peek`](block_stm::View::peek), which observes nothing. Each
//!   decision that revm then takes on it narrows a [`Predicate`]: the code is this, the nonce is
//!   that, the balance lies in a range. After the run the predicate is declared; the run stands as
//!   long as it holds.
//! * What a run does to an account is declared as a [`Delta`]: a payment, a raised nonce, a touch.
//!   What the account is afterwards follows where the delta is applied, see [`value`].
//! * The sender's nonce and funds are [assumed](block_stm::View::assume): a chain of one sender's
//!   transactions runs in parallel. The fee is a delta that looks at nothing.
//! * Storage slots are read and written as such. A slot is addressed with the number of times that
//!   its account's storage was wiped, so destroying or re-creating a contract needs no special
//!   care.
//!
//! # Why it is exact
//!
//! A run depends on the state only through the code, the slots, and the decisions that the journal
//! takes on accounts. Code and slots are observed in full. For decisions see [`observed`]; a load
//! by a caller whose intent is not known is observed in full, too. So a run whose predicates hold
//! for the final lower state is, step by step, the run on that state, and its deltas lead to what
//! the sequential run writes.
//!
//! The pre-block steps run before the transactions on [`BlockState`], which the transactions start
//! from. What they leave is put into the same [`BlockState`] for the post-block steps, and both
//! come out of it as one set of changes: the shared code of the sequential path.

mod after;
mod attempt;
mod attempts;
mod base;
mod batch;
mod code_hashes;
mod codes;
mod conclude;
mod database;
mod fold;
mod handler;
mod instructions;
mod item;
mod journal;
mod location;
mod observed;
mod payment;
mod result;
mod told;
mod truth;
mod txns;
mod value;
mod vm;

use block_stm::{ConflictGraph, Cut, Engine, Limits, Stats};
use revm::context::TxEnv;

pub use attempt::Attempt;
pub(crate) use attempt::Rules;
pub use attempts::Attempts;
pub(crate) use base::Base;
pub(crate) use batch::{Batch, BatchDone};
pub(crate) use codes::{Codes, WorkerCodes};
pub(crate) use conclude::{Concluded, Conclusion};
pub(crate) use fold::{Undo, fold, undo};
pub(crate) use item::Item;
pub use location::Location;
pub use txns::{TxnsExecuted, execute_txns};
pub(crate) use value::{AccountState, Delta, StateValue};

use self::{base::BlockBase, result::RecordSink, txns::TxnsTask};
use crate::{
    Block, BlockRecord, BlockResult, BlockSink, BlockState, ExecutionError, InvalidTxn, SlotFeed,
    StateRef,
    access_list::{self, ListBuilder},
    alone::execute_alone,
    share::on_one_thread,
};

/// How a block is executed in parallel. The default rejects invalid transactions and has no limits.
#[derive(Clone, Default)]
pub struct ParallelOptions<'a> {
    /// What happens to invalid transactions.
    policy: InvalidTxn,
    /// Where the block ends early, and who may stop it. A transaction's weight is the gas that it
    /// used.
    limits: Limits,
    /// Whether to report who read what from whom.
    conflict_graph: bool,
    /// What transactions will probably write.
    hints: Option<&'a dyn TxnHints>,
    /// Who is told of slots as they are committed.
    feed: Option<&'a dyn SlotFeed>,
    /// Whether to return the block's access list (EIP-7928).
    access_list: bool,
    /// Transactions that were executed before.
    attempts: Option<&'a Attempts>,
    /// Whether to return the block's own executions as attempts.
    keeps_attempts: bool,
}

/// Knows, or guesses, which locations a transaction will write; safe when wrong.
pub trait TxnHints: Sync {
    /// Calls `declare` with each location that the transaction at `index` will probably write.
    ///
    /// Only worth its while for storage slots: payments, fees and nonces do not conflict.
    fn declare(&self, index: usize, txn: &TxEnv, declare: &mut dyn FnMut(Location));
}

/// A block's result, and what it took.
#[derive(Debug)]
#[non_exhaustive]
pub struct ParallelResult {
    /// The result, equal to that of [`execute_sequential`](crate::execute_sequential). Of a block
    /// that was cut: that of the part before the cut.
    pub result: BlockResult,
    /// Why the block ended before its last transaction, if it did.
    pub cut: Option<Cut>,
    /// Who read what from whom, if that was asked for.
    ///
    /// Of storage slots only: what a transaction observes of an account is a predicate, which makes
    /// no edge, also where it pins the balance down, as BALANCE does, or the code of a contract
    /// created in the same block.
    pub conflict_graph: Option<ConflictGraph<Location>>,
    /// Counters.
    pub stats: Stats,
    /// How many transactions were committed by an [attempt](ParallelOptions::attempts) that stood,
    /// without running the EVM.
    pub attempts_stood: usize,
    /// What the transactions did, for another block that has them, if that was
    /// [asked for](ParallelOptions::keep_attempts).
    pub attempts: Option<Attempts>,
}

impl std::fmt::Debug for ParallelOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParallelOptions")
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("conflict_graph", &self.conflict_graph)
            .field("hints", &self.hints.is_some())
            .field("feed", &self.feed.is_some())
            .field("access_list", &self.access_list)
            .field("attempts", &self.attempts.map(Attempts::count))
            .field("keeps_attempts", &self.keeps_attempts)
            .finish()
    }
}

impl<'a> ParallelOptions<'a> {
    /// The same options with another policy.
    #[must_use]
    pub fn policy(mut self, policy: InvalidTxn) -> Self {
        self.policy = policy;
        self
    }

    /// The same options with limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same options, asking for the conflict graph.
    #[must_use]
    pub fn conflict_graph(mut self) -> Self {
        self.conflict_graph = true;
        self
    }

    /// The same options with hints.
    #[must_use]
    pub fn hints(mut self, hints: &'a dyn TxnHints) -> Self {
        self.hints = Some(hints);
        self
    }

    /// The same options, telling `feed` of slots while the block runs.
    #[must_use]
    pub fn slot_feed(mut self, feed: &'a dyn SlotFeed) -> Self {
        self.feed = Some(feed);
        self
    }

    /// The same options with attempts that were made at transactions of the block. They count as
    /// executions where all that they relied on holds, and change no result.
    #[must_use]
    pub fn attempts(mut self, attempts: &'a Attempts) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The same options, asking for what the block's transactions did, as attempts at the same
    /// transactions in another block. There are none at ordinary payments, nor at transactions
    /// that were left out.
    ///
    /// # Cost
    ///
    /// As that of [`Attempts::ahead`].
    #[must_use]
    pub fn keep_attempts(mut self) -> Self {
        self.keeps_attempts = true;
        self
    }

    /// The same options, asking for the block's access list (EIP-7928), which comes in the
    /// result. Works for blocks of any fork.
    ///
    /// # Cost
    ///
    /// Each committed transaction is remembered with all that it looked at, and the list is put
    /// together on the calling thread in the end.
    #[must_use]
    pub fn access_list(mut self) -> Self {
        self.access_list = true;
        self
    }
}

impl ParallelOptions<'_> {
    fn list(&self) -> Option<ListBuilder> {
        self.access_list.then(ListBuilder::default)
    }
}

/// Executes `block` on the state `db` with the threads of `engine`.
///
/// # Errors
///
/// An [`ExecutionError`], the same as from [`execute_sequential`](crate::execute_sequential): the
/// block is invalid, or `db` failed for a transaction that was really reached. If `db` fails, which
/// transaction is named may differ, since fewer accounts may be read and each is read once.
///
/// # Panics
///
/// If `db` panics in the pre-block or post-block steps.
///
/// # Examples
///
/// ```
/// use block_stm::{Config, Engine};
/// use block_stm_evm::{Block, ParallelOptions, PreState, execute_parallel};
/// use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// let engine = Engine::new(Config::default())?;
/// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// let options = ParallelOptions::default();
/// let executed = execute_parallel(&engine, &block, &PreState::new(), &options)?;
/// assert_eq!(executed.result.gas_used, 0);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn execute_parallel<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
) -> Result<ParallelResult, ExecutionError<DB::Error>> {
    let plain = !options.conflict_graph
        && options.limits.is_none()
        && options.attempts.is_none()
        && !options.keeps_attempts;
    if plain && is_for_one(engine, block) {
        let result = execute_alone(block, db, options.policy, options.list())?;
        let mut stats = Stats::default();
        stats.committed = block.txns.len() as u64;
        stats.executions = stats.committed;
        stats.head_executions = stats.committed;
        stats.alone_executions = stats.committed;
        stats.workers = 1;
        return Ok(ParallelResult {
            result,
            cut: None,
            conflict_graph: None,
            stats,
            attempts_stood: 0,
            attempts: None,
        });
    }
    execute(&Backend::Engine(engine), block, db, options, None)
}

/// [`execute_parallel`], which hands each transaction to `sink` as it becomes final, and asks it
/// which ones stand.
///
/// # Errors
///
/// As [`execute_parallel`]. `sink` was given a prefix of the block then.
///
/// # Panics
///
/// As [`execute_parallel`], and if `sink` does.
///
/// # Examples
///
/// Receipts are sent to another thread while the block runs; what fails in the VM is left out:
///
/// ```
/// use std::{sync::mpsc, thread};
///
/// use block_stm_evm::{
///     Block, InvalidTxn, ParallelOptions, PreState, RefuseReverted, StreamReceipts,
///     block_stm::{Config, Engine}, execute_parallel_with,
/// };
/// # use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// # let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// # let state = PreState::new();
/// let engine = Engine::new(Config::default())?;
/// let options = ParallelOptions::default().policy(InvalidTxn::Skip);
/// let (receipts, streamed) = mpsc::channel();
/// let mut sink = RefuseReverted::new(StreamReceipts::new(receipts), |_index| false);
/// let listener = thread::spawn(move || streamed.iter().count());
/// let executed = execute_parallel_with(&engine, &block, &state, &options, &mut sink)?;
/// drop(sink);
/// assert_eq!(listener.join().ok(), Some(executed.result.receipts.len()));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn execute_parallel_with<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
    sink: &mut dyn BlockSink,
) -> Result<ParallelResult, ExecutionError<DB::Error>> {
    execute(&Backend::Engine(engine), block, db, options, Some(sink))
}

/// Whether a block is for one thread: because there is only one, or because it is probably over
/// before another has woken up.
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Block, block_stm::{Config, Engine}, steps::is_for_one};
/// # use block_stm_evm::revm::{context::BlockEnv, primitives::hardfork::SpecId};
///
/// let engine = Engine::new(Config::default())?;
/// let empty = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// assert!(is_for_one(&engine, &empty));
/// # Ok::<_, block_stm_evm::block_stm::BuildError>(())
/// ```
pub fn is_for_one(engine: &Engine, block: &Block) -> bool {
    are_for_one(engine, block.txns.iter())
}

/// Whether transactions are for one thread, as [`is_for_one`].
pub(crate) fn are_for_one<'t>(
    engine: &Engine,
    txns: impl ExactSizeIterator<Item = &'t TxEnv>,
) -> bool {
    let inline_below = engine.inline_below();
    if inline_below == 0 {
        return false;
    }
    if engine.threads() == 1 || txns.len() < inline_below.max(FEW) {
        return true;
    }
    // Payments from one account to the next are a matter of half a microsecond here, of more there.
    // For others a microsecond and, as limits are generous, a fifth of a nanosecond for each unit
    // of gas.
    let nanos = |txn: &TxEnv| match txn.data.is_empty() {
        true => 450,
        false => 1_000 + txn.gas_limit.saturating_sub(21_000) / 5,
    };
    let total = txns.map(nanos).fold(0_u64, u64::saturating_add);
    total < SMALL_NANOS
}

/// With fewer transactions a second thread seldom finds something to do that does not depend on
/// what the first one does.
const FEW: usize = 10;

/// What another thread must be worth: waking it up, and fetching from its cache what it did. As
/// limits are two to four times what is used, a block is over in half of that or less.
const SMALL_NANOS: u64 = 500_000;

/// Executes `block` with the VM of [`execute_parallel`] on the engine's sequential oracle.
///
/// For telling a fault of the adapter from one of the engine: it has no threads and speculates on
/// nothing.
///
/// # Errors
///
/// As [`execute_parallel`].
///
/// # Panics
///
/// As [`execute_parallel`].
pub fn execute_with_oracle<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
) -> Result<ParallelResult, ExecutionError<DB::Error>> {
    execute(&Backend::Oracle, block, db, options, None)
}

/// [`execute_parallel_with`] on the engine's sequential oracle; see [`execute_with_oracle`].
///
/// # Errors
///
/// As [`execute_parallel_with`].
///
/// # Panics
///
/// As [`execute_parallel_with`].
pub fn execute_with_oracle_and<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
    sink: &mut dyn BlockSink,
) -> Result<ParallelResult, ExecutionError<DB::Error>> {
    execute(&Backend::Oracle, block, db, options, Some(sink))
}

enum Backend<'a> {
    Engine(&'a Engine),
    Oracle,
}

impl Backend<'_> {
    /// Begins to wake threads.
    fn wake(&self) {
        if let Self::Engine(engine) = self {
            engine.wake();
        }
    }

    /// Calls `work` with each number below `parts`.
    fn share(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        match self {
            Self::Engine(engine) => engine.share(parts, work),
            Self::Oracle => on_one_thread(parts, work),
        }
    }
}

fn execute<DB: StateRef + Sync>(
    backend: &Backend<'_>,
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
    host: Option<&mut dyn BlockSink>,
) -> Result<ParallelResult, ExecutionError<DB::Error>> {
    backend.wake();
    let mut list = options.list();
    let pre_block = access_list::prepare(block, BlockState::new(db), list.as_mut())?;
    let codes = Codes::default();
    let mut record = BlockRecord::new(block);
    let mut base = BlockBase::new(db, &pre_block, &codes);
    if host.is_some() {
        base = base.remembering();
    }
    let mut task = TxnsTask::new(block, &base, &codes, options);
    if let Some(host) = &host {
        task = task.told(host.wants_state());
    }
    let executed = task.execute(backend, &mut RecordSink::new(block, &mut record, host))?;
    let concluded = Conclusion {
        block,
        db,
        pre_block: &pre_block,
        state: &executed.state,
        codes: &codes,
        receipts: record.receipts(),
    };
    let share = |parts, work: &(dyn Fn(usize) + Sync)| backend.share(parts, work);
    let (state, requests, list) = concluded.make(&executed.accesses, list, &share)?;
    let mut result = record.finish(requests, state);
    result.access_list = list;
    Ok(ParallelResult {
        result,
        cut: executed.cut,
        conflict_graph: executed.conflict_graph,
        stats: executed.stats,
        attempts_stood: executed.attempts_stood,
        attempts: options.keeps_attempts.then(|| executed.attempts.into_iter().collect()),
    })
}

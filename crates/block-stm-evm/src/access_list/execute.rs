//! Executing a block with its list: each transaction once, on all threads, with nothing to wait
//! for.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use alloy_eip7928::{AccountChanges, BlockAccessIndex};
use block_stm::Engine;
use revm::{
    context::{CfgEnv, TxEnv, result::ExecutionResult},
    primitives::hardfork::SpecId,
};

use super::{
    around::{finish_logged, prepare_logged},
    check::IndexCheck,
    difference::{ListDifference, ListPart, first_difference},
    error::{AccessListError, check_list_form},
    listed::ListedState,
    outcome,
    txn::{TxnRunner, list_error},
    view::View,
};
use crate::{
    Block, BlockGas, BlockRecord, BlockResult, BlockState, ExecutionError, ParallelOptions, Stage,
    StateRef, alone::contained, execute_parallel, parallel::is_for_one,
};

/// Executes `block` with its access list (EIP-7928), and checks that the list is right.
///
/// Each transaction starts from the state that the list says the ones before it leave. So all are
/// executed at the same time and once, and what each looks at and changes is compared with what the
/// list says of it. The result is that of [`execute_sequential`](crate::execute_sequential),
/// without a list of its own.
///
/// Works for blocks of any fork. A list cannot say that an account without anything exists, nor
/// that it ceases to. That counts before Spurious Dragon (EIP-161), and later where a listed
/// account is one from before, which may delegate (EIP-7702) or have storage (EIP-7610). There the
/// block is executed by [`execute_parallel`], and its list compared with the given one. So it is
/// where a listed account can't be read.
///
/// Whether the list is the one that the header names, and not longer than a block's list may be
/// ([`check_list_length`](crate::access_list::check_list_length)), is for the caller to check.
///
/// # Errors
///
/// [`AccessListError::Form`] before anything is executed. [`AccessListError::Wrong`] with the first
/// place, in the order of the block, at which the list is wrong; or [`AccessListError::Execution`]
/// if that is where the block is invalid or `db` fails. The same error with every number of
/// threads. Where the lists are compared, a block that can't be executed is
/// [`AccessListError::Execution`], whatever the list says up to there.
///
/// # Panics
///
/// If `db` panics in the pre-block or post-block steps.
///
/// # Cost
///
/// What is listed is read once, on all threads. Memory is bounded by the list and the block: what
/// is executed uses no more than the block's gas limit, but for the last transaction of each
/// thread.
///
/// # Examples
///
/// ```
/// use block_stm::{Config, Engine};
/// use block_stm_evm::{Block, PreState, access_list::execute_with_access_list};
/// use block_stm_evm::alloy_eip7928::AccountChanges;
/// use block_stm_evm::revm::{context::BlockEnv, primitives::{Address, hardfork::SpecId}};
///
/// let engine = Engine::new(Config::default())?;
/// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// execute_with_access_list(&engine, &block, &PreState::new(), &[])?;
///
/// let wrong = [AccountChanges::new(Address::repeat_byte(1))];
/// let refused = execute_with_access_list(&engine, &block, &PreState::new(), &wrong);
/// let error = refused.expect_err("is wrong");
/// assert!(error.to_string().ends_with("is listed, but never accessed"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn execute_with_access_list<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    db: &DB,
    list: &[AccountChanges],
) -> Result<BlockResult, AccessListError<DB::Error>> {
    check_list_form(list, block.txns.len())?;
    if !block.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
        return execute_and_compare(engine, block, db, list);
    }
    let state = ListedState::new(block, db, list);
    let workers = if is_for_one(engine, block) { 1 } else { engine.threads() };
    // A lone worker has no other one to read ahead for.
    if workers > 1 {
        state.fetch_all(engine);
    }
    if !state.says_who_exists() {
        return execute_and_compare(engine, block, db, list);
    }
    let before = BlockState::new(View::new(&state, BlockAccessIndex::PRE_EXECUTION));
    let (_, log) = prepare_logged(block, before).map_err(|error| list_error(error, 0))?;
    IndexCheck::new(&state, BlockAccessIndex::PRE_EXECUTION)
        .steps(&log)
        .map_err(AccessListError::Wrong)?;
    let mut record = BlockRecord::new(block);
    execute_txns(engine, workers, block, &state, &mut record)?;
    let last = block.txns.len() as u64 + 1;
    let index = BlockAccessIndex::new(last);
    let after = BlockState::new(View::new(&state, index));
    let finished = finish_logged(block, record.receipts(), after);
    let ((_, requests), log) = finished.map_err(|error| list_error(error, last))?;
    IndexCheck::new(&state, index).steps(&log).map_err(AccessListError::Wrong)?;
    everything_is_accessed(&state).map_err(AccessListError::Wrong)?;
    let changes = outcome::changes(engine, &state);
    let changes =
        changes.map_err(|source| ExecutionError::Database { stage: Stage::PostBlock, source })?;
    Ok(record.finish(requests, changes))
}

/// For blocks of which a list does not say all of the state.
fn execute_and_compare<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    db: &DB,
    list: &[AccountChanges],
) -> Result<BlockResult, AccessListError<DB::Error>> {
    let options = ParallelOptions::default().access_list();
    let mut result = execute_parallel(engine, block, db, &options)?.result;
    let actual = result.access_list.take().unwrap_or_default();
    match first_difference(list, &actual) {
        None => Ok(result),
        Some(difference) => Err(AccessListError::Wrong(Box::new(difference))),
    }
}

fn everything_is_accessed<DB>(state: &ListedState<'_, DB>) -> Result<(), Box<ListDifference>> {
    for account in &state.accounts {
        let never = |part| Box::new(ListDifference::never_accessed(account.list.address, part));
        if !account.is_accessed() {
            return Err(never(ListPart::Account));
        }
        if let Some(slot) = account.unread_slot() {
            return Err(never(ListPart::Slot(slot)));
        }
    }
    Ok(())
}

/// What the threads share.
struct Job<'a, DB: StateRef> {
    block: &'a Block,
    cfg: CfgEnv,
    no_txn: TxEnv,
    state: &'a ListedState<'a, DB>,
    outcomes: Vec<OnceLock<TxnOutcome<DB::Error>>>,
    next_txn: AtomicUsize,
    /// The first transaction that is known to have no result: those after it need not be executed.
    stop: AtomicUsize,
    /// Gas without anything used of it, which says what a transaction counts for.
    gas: BlockGas,
    /// What the transactions that were executed have used.
    used: AtomicU64,
}

type TxnOutcome<E> = Result<ExecutionResult, AccessListError<E>>;

fn execute_txns<DB: StateRef + Sync>(
    engine: &Engine,
    workers: usize,
    block: &Block,
    state: &ListedState<'_, DB>,
    record: &mut BlockRecord,
) -> Result<(), AccessListError<DB::Error>> {
    let job = Job {
        block,
        cfg: block.cfg_env(),
        no_txn: TxEnv::default(),
        state,
        outcomes: block.txns.iter().map(|_| OnceLock::new()).collect(),
        next_txn: AtomicUsize::new(0),
        stop: AtomicUsize::new(usize::MAX),
        gas: BlockGas::new(block),
        used: AtomicU64::new(0),
    };
    engine.share(workers, |_| job.work());
    for (index, (txn, outcome)) in block.txns.iter().zip(job.outcomes).enumerate() {
        let admitted = record.admit(txn);
        admitted.map_err(|reason| ExecutionError::InvalidTxn { index, reason })?;
        let outcome = outcome.into_inner();
        record.executed(
            txn,
            outcome.expect("all are executed up to the first that has no room or no result")?,
        );
    }
    Ok(())
}

impl<DB: StateRef + Sync> Job<'_, DB> {
    /// Executes transactions until there are no more, or until more gas is used than the block has.
    ///
    /// In the second case those that have taken a number can't all have had room, so that the block
    /// is invalid before the first that no thread took. Which these are depends on the threads; the
    /// first without room does not.
    fn work(&self) {
        let mut runner = None;
        // ORDERING: Relaxed: what is counted has taken a number before, and those are looked at
        // when all threads have come back; a sum that is seen late costs an execution.
        while self.used.load(Ordering::Relaxed) <= self.block.env.gas_limit {
            // ORDERING: Relaxed: hands out numbers; a stop that is seen late costs an execution.
            let index = self.next_txn.fetch_add(1, Ordering::Relaxed);
            if index >= self.outcomes.len() || index > self.stop.load(Ordering::Relaxed) {
                return;
            }
            let ready = runner
                .take()
                .unwrap_or_else(|| TxnRunner::new(self.block, &self.cfg, &self.no_txn, self.state));
            // What was in the middle of something when it panicked is not used again.
            let outcome = contained(index, move || {
                let mut runner = ready;
                let outcome = runner.execute(index, &self.block.txns[index]);
                Ok::<_, ExecutionError<DB::Error>>((runner, outcome))
            });
            let outcome = match outcome {
                Ok((ready, outcome)) => {
                    runner = Some(ready);
                    outcome
                }
                Err(panic) => Err(panic.into()),
            };
            match &outcome {
                Ok(result) => {
                    let used = self.gas.used_of_limit(&self.block.txns[index], result.gas());
                    // ORDERING: Relaxed, as above. A sum that wraps is too small, which costs
                    // executions.
                    self.used.fetch_add(used, Ordering::Relaxed);
                }
                // ORDERING: Relaxed, as for the number.
                Err(_) => {
                    self.stop.fetch_min(index, Ordering::Relaxed);
                }
            }
            let _ = self.outcomes[index].set(outcome);
        }
    }
}

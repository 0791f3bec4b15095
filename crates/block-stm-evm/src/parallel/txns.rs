//! The transactions of a block on the engine, without what is around them.

use std::sync::Arc;

use block_stm::{
    ConflictGraph, Cut, Engine, Executed, FinalState, Hints, InvalidPolicy, Stats, TxnIndex,
};
use revm::context::TxEnv;

use super::{
    Backend, ParallelOptions, TxnHints,
    attempt::{Attempt, Rules},
    base::BlockBase,
    codes::Codes,
    item::Item,
    location::Location,
    result::{Handover, execution_error, vm_error},
    told::Tells,
    truth::Truth,
    value::StateValue,
    vm::BlockVm,
};
use crate::{
    Block, BlockState, ExecutionError, InvalidTxn, Stage, StateRef, TxnSink, access_list::Committed,
};

/// The transactions of a block, ready to be executed.
pub(crate) struct TxnsTask<'t, 'o, DB> {
    block: &'t Block,
    base: &'t BlockBase<'t, DB>,
    codes: &'t Codes,
    options: &'t ParallelOptions<'o>,
    tells: Tells,
}

/// What the transactions came to, without the VM that executed them.
pub(crate) struct TxnsDone {
    pub(crate) state: FinalState<Location, StateValue>,
    pub(crate) cut: Option<Cut>,
    pub(crate) conflict_graph: Option<ConflictGraph<Location>>,
    pub(crate) stats: Stats,
    /// What the transactions looked at, for an access list.
    pub(crate) accesses: Vec<Committed>,
    pub(crate) attempts_stood: usize,
    /// What each did, if that was asked for.
    pub(crate) attempts: Vec<Option<Attempt>>,
}

impl<'t, 'o, DB: StateRef + Sync> TxnsTask<'t, 'o, DB> {
    pub(crate) fn new(
        block: &'t Block,
        base: &'t BlockBase<'t, DB>,
        codes: &'t Codes,
        options: &'t ParallelOptions<'o>,
    ) -> Self {
        let tells = Tells { accesses: options.access_list, ..Tells::default() };
        Self { block, base, codes, options, tells }
    }

    /// The same task, whose sink is told what the beneficiary gains, and of states if it wants
    /// them.
    pub(crate) fn told(mut self, state: bool) -> Self {
        self.tells = Tells { gain: true, state, ..self.tells };
        self
    }

    pub(crate) fn execute(
        &self,
        backend: &Backend<'_>,
        sink: &mut dyn TxnSink,
    ) -> Result<TxnsDone, ExecutionError<DB::Error>> {
        let Self { block, base, codes, options, tells } = *self;
        let (cfg, no_txn) = (block.cfg_env(), TxEnv::default());
        let mut vm = BlockVm::new(block, &cfg, &no_txn, codes, base, tells);
        let mut txns: Vec<Item<'_>> = block.txns.iter().map(Item::Txn).collect();
        if options.attempts.is_some() || options.keeps_attempts {
            let rules = Arc::new(Rules::of(block, &cfg));
            for (item, attempt) in
                txns.iter_mut().zip(options.attempts.iter().flat_map(|a| a.iter()))
            {
                *item = item.attempted(attempt, &rules);
            }
            if options.keeps_attempts {
                vm = vm.keeping(rules);
            }
        }
        let hints = options.hints.map(HintsForVm);
        let mut task = block_stm::Block::new(&vm, &txns, base)
            .policy(match options.policy {
                InvalidTxn::Reject => InvalidPolicy::Reject,
                InvalidTxn::Skip => InvalidPolicy::Skip,
            })
            .limits(options.limits.clone());
        if options.conflict_graph {
            task = task.conflict_graph();
        }
        if let Some(hints) = &hints {
            task = task.hints(hints);
        }
        let truth = tells.gain.then(|| Truth::new(base, codes, block.spec));
        let mut handover = Handover::new(block, sink, truth, options.feed);
        handover.keeps_attempts = options.keeps_attempts;
        let executed = match backend {
            Backend::Engine(engine) => engine.execute(&task, &mut handover),
            Backend::Oracle => block_stm::execute_sequential(&task, &mut handover),
        };
        let executed = executed.map_err(execution_error)?;
        if let Some((index, source)) = handover.fault {
            return Err(vm_error(Stage::Txn(index), source));
        }
        let Executed { state, cut, conflict_graph, stats, .. } = executed;
        let Handover { committed: accesses, attempts_stood, attempts, .. } = handover;
        Ok(TxnsDone { state, cut, conflict_graph, stats, accesses, attempts_stood, attempts })
    }
}

struct HintsForVm<'a>(&'a dyn TxnHints);

impl<'s> Hints<BlockVm<'s>> for HintsForVm<'_> {
    fn declare(&self, index: TxnIndex, item: &Item<'s>, declare: &mut dyn FnMut(Location)) {
        self.0.declare(index.as_usize(), item.first(), declare);
    }
}

/// What executing transactions alone took.
#[derive(Debug)]
#[non_exhaustive]
pub struct TxnsExecuted {
    /// Why they ended before the last one, if they did.
    pub cut: Option<Cut>,
    /// Who read what from whom, if that was asked for.
    pub conflict_graph: Option<ConflictGraph<Location>>,
    /// Counters.
    pub stats: Stats,
}

/// Executes the transactions of `block` on the state `db` with the threads of `engine`: none of the
/// steps before and after them, and no rules on the block's gas and blobs but those of `sink`.
///
/// All that they change comes in [`CommittedTxn::state`](crate::CommittedTxn::state), one
/// transaction after the other. `db` may change under the block, as long as it changes by these
/// states alone: once a transaction is committed, nothing of what it wrote is asked of `db` and
/// believed.
///
/// # Errors
///
/// An [`ExecutionError`] as from [`execute_parallel`](crate::execute_parallel).
///
/// # Panics
///
/// If `sink` does.
pub fn execute_txns<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    db: &DB,
    options: &ParallelOptions<'_>,
    sink: &mut dyn TxnSink,
) -> Result<TxnsExecuted, ExecutionError<DB::Error>> {
    let (codes, untouched) = (Codes::default(), BlockState::new(db));
    let base = BlockBase::new(db, &untouched, &codes).remembering();
    let task = TxnsTask::new(block, &base, &codes, options).told(true);
    let TxnsDone { cut, conflict_graph, stats, .. } =
        task.execute(&Backend::Engine(engine), sink)?;
    Ok(TxnsExecuted { cut, conflict_graph, stats })
}

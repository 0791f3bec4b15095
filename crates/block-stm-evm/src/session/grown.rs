//! How far a block has grown: the thread that executes what was pushed, batch after batch.

use std::{sync::Arc, time::Instant};

use alloy_primitives::{Address, I256, U256, map::AddressMap};
use block_stm::{CancelToken, Cut, Engine, FinalState, Limits};
use revm::{DatabaseRef, context::TxEnv};

use super::{
    Number, SessionBlock,
    options::SessionOptions,
    push::{Push, Settled, Ticket},
    queue::{Next, Queue, Work},
    reads::Remembered,
};
use crate::{
    Block, BlockRecord, BlockState, ExecutionError, Location, Stage, StateRef,
    access_list::{self, Committed, ListBuilder, complete, finish_as_asked},
    alone::execute_each,
    block_state::{CachedAccount, Fields},
    parallel::{
        AccountState, Batch, BatchDone, Codes, Concluded, Conclusion, Item, Rules, StateValue,
        Undo, are_for_one, fold, undo,
    },
    result::RecordMark,
    share::Share,
};

/// What the session's thread works with.
#[derive(Debug)]
pub(super) struct Task<DB> {
    pub(super) engine: Arc<Engine>,
    pub(super) block: Block,
    pub(super) db: Remembered<DB>,
    pub(super) options: SessionOptions,
}

/// A block so far.
struct Grown<'t, DB> {
    task: &'t Task<DB>,
    /// What attempts must have been made under.
    rules: Arc<Rules>,
    /// The state after all that is in the block, but for the last batch.
    state: BlockState<&'t Remembered<DB>>,
    /// What the last batch left.
    last: Option<FinalState<Location, StateValue>>,
    /// Whether the state is another than after the steps before the transactions.
    has_grown: bool,
    /// The accounts that the steps before the transactions looked at, as these left them.
    prepared: AddressMap<CachedAccount>,
    codes: Codes,
    record: BlockRecord,
    txns: Vec<TxEnv>,
    /// What the transactions looked at, for an access list.
    committed: Vec<Committed>,
    /// What the beneficiary has.
    balance: U256,
    /// What takes back all that came after the first checkpoint.
    undo: Vec<Undo>,
    /// One for each mark below which all is executed, in ascending order.
    checkpoints: Vec<Checkpoint>,
    batches: u64,
    executions: u64,
    attempts_stood: usize,
}

/// Where a block stood at a mark.
struct Checkpoint {
    mark: Number,
    record: RecordMark,
    txns: usize,
    committed: usize,
    balance: U256,
    undo: usize,
}

type Failure<DB> = ExecutionError<<DB as revm::DatabaseRef>::Error>;

impl<DB: StateRef + Sync> Task<DB> {
    /// Does what comes out of `queue` until the session is finished, or dropped: then there is no
    /// block.
    pub(super) fn run(&self, queue: &Queue) -> Result<Option<SessionBlock>, Failure<DB>> {
        self.engine.wake();
        let mut list = self.options.access_list.then(ListBuilder::default);
        let state = access_list::prepare(&self.block, BlockState::new(&self.db), list.as_mut())?;
        let mut grown = Grown::new(self, state)?;
        loop {
            match queue.next() {
                Next::Execute(work) => grown.execute(work, queue)?,
                Next::RollBack(mark) => {
                    grown.roll_back(mark);
                    queue.rolled_back(mark);
                }
                Next::Finish(cut) => return grown.finish(list, cut, queue).map(Some),
                Next::Leave => return Ok(None),
            }
        }
    }
}

impl<'t, DB: StateRef + Sync> Grown<'t, DB> {
    fn new(task: &'t Task<DB>, state: BlockState<&'t Remembered<DB>>) -> Result<Self, Failure<DB>> {
        let prepared = state.accounts.clone();
        let beneficiary = task.block.env.beneficiary;
        let beneficiary = match prepared.get(&beneficiary) {
            Some(account) => Ok(account.now.clone()),
            None => task.db.basic_ref(beneficiary),
        };
        let beneficiary = beneficiary
            .map_err(|source| ExecutionError::Database { stage: Stage::PreBlock, source })?;
        Ok(Self {
            state,
            prepared,
            last: None,
            has_grown: false,
            codes: Codes::default(),
            record: BlockRecord::new(&task.block),
            txns: Vec::new(),
            committed: Vec::new(),
            balance: beneficiary.unwrap_or_default().balance,
            undo: Vec::new(),
            checkpoints: Vec::new(),
            batches: 0,
            executions: 0,
            attempts_stood: 0,
            rules: Arc::new(Rules::of(&task.block, &task.block.cfg_env())),
            task,
        })
    }

    fn execute(&mut self, work: Work, queue: &Queue) -> Result<(), Failure<DB>> {
        let Work { pushes, stop, marks } = work;
        self.grow()?;
        self.keep(&marks);
        if self.is_for_one(&pushes) {
            return self.execute_alone(pushes, &stop, queue);
        }
        let before = self.record.mark();
        let items: Vec<Item<'_>> =
            pushes.iter().map(|(_, push)| push.attempted(&self.rules)).collect();
        let Task { engine, block, db, options } = self.task;
        let deadline = options.deadline;
        let batch = Batch {
            block,
            db,
            state: &self.state,
            codes: &self.codes,
            items: &items,
            limits: Limits { deadline, cancel: Some(stop), ..Limits::default() },
            lists: options.access_list,
        };
        let done = match batch.execute(engine, &mut self.record, self.balance) {
            Ok(done) => done,
            // Only where all of it was rolled back, or the session was dropped.
            Err(ExecutionError::Cancelled { .. }) => {
                self.record.roll_back(&before);
                queue.executed(Vec::new(), None);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.take(done, pushes, queue);
        Ok(())
    }

    /// Whether a batch of ordinary transactions is over before another thread has woken up.
    fn is_for_one(&self, pushes: &[(Number, Push)]) -> bool {
        // What was done must be known for a list, and for a way back.
        if self.task.options.access_list || !self.checkpoints.is_empty() {
            return false;
        }
        let txns: Option<Vec<_>> = pushes.iter().map(|(_, push)| push.txn()).collect();
        txns.is_some_and(|txns| are_for_one(&self.task.engine, txns.into_iter()))
    }

    /// Executes a batch on this thread.
    fn execute_alone(
        &mut self,
        pushes: Vec<(Number, Push)>,
        stop: &CancelToken,
        queue: &Queue,
    ) -> Result<(), Failure<DB>> {
        let Task { block, db, options, .. } = self.task;
        let is_late = || options.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let goes_on = || !stop.is_cut() && !stop.is_cancelled() && !is_late();
        let beneficiary = block.env.beneficiary;
        let (balance, mut settled) = (&mut self.balance, Vec::with_capacity(pushes.len()));
        let told = |record: &BlockRecord, state: &BlockState<&Remembered<DB>>| {
            let before = *balance;
            if let Some(account) = state.accounts.get(&beneficiary) {
                *balance = account.now.as_ref().map_or(U256::ZERO, |info| info.balance);
            }
            let gain = I256::from_raw(balance.wrapping_sub(before));
            settled.push(Settled::of_last(record, gain));
        };
        let state = std::mem::replace(&mut self.state, BlockState::new(db));
        self.has_grown = true;
        let txns = pushes.iter().filter_map(|(_, push)| push.txn());
        self.state = execute_each(block, txns, state, &mut self.record, goes_on, told)?;
        let cut = match () {
            () if settled.len() == pushes.len() => None,
            () if stop.is_cut() => Some(Cut::Token),
            () => Some(Cut::Deadline),
        };
        self.executions += settled.len() as u64;
        self.settle(settled, pushes, cut, queue);
        Ok(())
    }

    /// Makes what the last batch left part of the state.
    fn grow(&mut self) -> Result<(), Failure<DB>> {
        let Some(last) = self.last.take() else { return Ok(()) };
        self.has_grown = true;
        let log = (!self.checkpoints.is_empty()).then_some(&mut self.undo);
        fold(&mut self.state, &last, &self.codes, log).map_err(|source| {
            let stage = Stage::Txn(self.record.len().saturating_sub(1));
            ExecutionError::Database { stage, source }
        })
    }

    /// Makes a batch that was executed part of the block.
    fn take(&mut self, done: BatchDone, pushes: Vec<(Number, Push)>, queue: &Queue) {
        let BatchDone { state, settled, cut, balance, committed, executions, attempts_stood } =
            done;
        self.last = Some(state);
        self.balance = balance;
        self.committed.extend(committed);
        self.executions += executions;
        self.attempts_stood += attempts_stood;
        self.settle(settled, pushes, cut, queue);
    }

    /// Says what became of a batch.
    fn settle(
        &mut self,
        settled: Vec<Settled>,
        pushes: Vec<(Number, Push)>,
        cut: Option<Cut>,
        queue: &Queue,
    ) {
        self.batches += 1;
        self.task.db.keep();
        let mut numbered = Vec::with_capacity(settled.len());
        for ((number, push), settled) in pushes.into_iter().zip(settled) {
            if let Settled::Taken { .. } = settled {
                push.append_to(&mut self.txns);
            }
            numbered.push((number, settled));
        }
        queue.executed(numbered, cut);
    }

    /// Makes checkpoints for marks below which all is executed.
    fn keep(&mut self, marks: &[Number]) {
        let last = self.checkpoints.last().map(|checkpoint| checkpoint.mark);
        for &mark in marks.iter().filter(|mark| last.is_none_or(|last| **mark > last)) {
            self.checkpoints.push(Checkpoint {
                mark,
                record: self.record.mark(),
                txns: self.txns.len(),
                committed: self.committed.len(),
                balance: self.balance,
                undo: self.undo.len(),
            });
        }
    }

    /// Takes back all that came after `mark`.
    fn roll_back(&mut self, mark: Number) {
        // Without one, nothing after the mark was executed.
        let places = self.checkpoints.binary_search_by_key(&mark, |checkpoint| checkpoint.mark);
        let Ok(place) = places else { return };
        self.checkpoints.truncate(place + 1);
        // It came after all checkpoints.
        self.last = None;
        let Checkpoint { record, txns, committed, balance, undo: log, .. } =
            &self.checkpoints[place];
        self.record.roll_back(record);
        self.txns.truncate(*txns);
        self.committed.truncate(*committed);
        self.balance = *balance;
        undo(&mut self.state.accounts, self.undo.drain(*log..));
    }

    /// The account before the transactions.
    fn account_before(&self, address: &Address) -> Result<AccountState, Failure<DB>> {
        let info = |fields: Option<&Fields>| fields.map(Fields::info);
        let (info, wiped) = match (self.prepared.get(address), self.state.accounts.get(address)) {
            (Some(account), _) => (account.now.clone(), account.wiped || account.before.is_none()),
            (None, Some(account)) => (info(account.before.as_ref()), account.before.is_none()),
            (None, None) => {
                let info = self.task.db.basic_ref(*address);
                let stage = Stage::PostBlock;
                let info = info.map_err(|source| ExecutionError::Database { stage, source })?;
                let wiped = info.is_none();
                (info, wiped)
            }
        };
        Ok(AccountState::of(info.as_ref(), wiped, &self.codes))
    }

    /// What follows the transactions, over a state that has all of them.
    fn conclude(
        &mut self,
        committed: &[Committed],
        list: Option<ListBuilder>,
        share: &Share<'_>,
    ) -> Result<Concluded, Failure<DB>> {
        let Task { block, db, .. } = self.task;
        let state = std::mem::replace(&mut self.state, BlockState::new(db));
        let receipts = self.record.receipts();
        let ((state, requests), steps) = finish_as_asked(block, receipts, state, &list)?;
        // It has what was before each account that it knows.
        self.state = state;
        let before = |address: &_| self.account_before(address);
        let complete = |list| complete(list, committed, &steps, before, &self.codes, share);
        let list = list.map(complete).transpose()?;
        let state = std::mem::replace(&mut self.state, BlockState::new(db));
        Ok((state.into_changes(), requests, list))
    }

    fn finish(
        mut self,
        list: Option<ListBuilder>,
        cut: Option<Cut>,
        queue: &Queue,
    ) -> Result<SessionBlock, Failure<DB>> {
        let engine = &self.task.engine;
        let share = |parts, work: &(dyn Fn(usize) + Sync)| engine.share(parts, work);
        let committed = std::mem::take(&mut self.committed);
        let (state, requests, list) = match &self.last {
            Some(last) if !self.has_grown => Conclusion {
                block: &self.task.block,
                db: &self.task.db,
                pre_block: &self.state,
                state: last,
                codes: &self.codes,
                receipts: self.record.receipts(),
            }
            .make(&committed, list, &share)?,
            _ => {
                self.grow()?;
                self.conclude(&committed, list, &share)?
            }
        };
        let Self { record, txns, batches, executions, attempts_stood, .. } = self;
        let mut result = record.finish(requests, state);
        result.access_list = list;
        let settled = queue.all_settled().into_iter();
        let settled = settled.map(|(number, settled)| (Ticket(number), settled)).collect();
        Ok(SessionBlock { result, txns, settled, cut, batches, executions, attempts_stood })
    }
}

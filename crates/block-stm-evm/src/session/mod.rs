//! Blocks that grow: transactions are pushed while earlier ones are executed.
//!
//! # The idea
//!
//! A thread of the session's own takes whatever was pushed since, executes that batch on the
//! engine in parallel, and comes back for more.
//!
//! ```text
//! hosts:    push a b   push c    push d e f      roll back to the mark        finish
//!                            mark ^
//! thread:        [ a b ][ c       ][ d e f ]     d e f are taken back         the steps after
//! engine:        over the   over what a b left,
//!                state      over the state
//! ```
//!
//! While a batch is executed, the next one gathers. So batches are as long as pushes are fast: one
//! push that comes alone is executed alone, a thousand at once are executed in parallel.
//!
//! # Why it is exact
//!
//! * What a batch leaves is put into a [`BlockState`](crate::steps::BlockState), exactly as the
//!   plain loop would have left it there (`parallel/fold.rs`). The next batch, and the steps after
//!   the transactions, start from it. So where batches begin and end changes nothing.
//! * Gas and blobs are admitted when a push is committed, in order, from one record that all
//!   batches share.
//! * A bundle is one transaction to the engine: the VM executes its members one after another on
//!   one view. Where one of them takes the bundle back, the engine drops all that they did.
//! * What the host's state says never changes: what was read is kept, and not read again
//!   (`reads.rs`).
//! * Batches do not go across marks. So what came after a mark is a number of whole batches, and
//!   what each of them changed in the state is remembered as long as there is a mark.
//!
//! [`build_sequential`] is the loop that says what must come out.

mod bundle;
mod error;
mod grown;
mod options;
mod push;
mod queue;
mod reads;
mod sequential;

use std::{
    fmt,
    panic::resume_unwind,
    sync::Arc,
    thread::{self, JoinHandle},
};

use block_stm::{Cut, Engine};
use revm::{DatabaseRef, context::TxEnv};

use self::{
    grown::Task,
    queue::{Number, Queue},
    reads::Remembered,
};
use crate::{Block, BlockResult, ExecutionError, StateRef};

pub use self::{
    bundle::{Bundle, BundleError},
    error::{PushError, RollBackError, SessionError, UnsettledError},
    options::SessionOptions,
    push::{Mark, Push, Settled, Ticket},
    sequential::build_sequential,
};

/// A block that grows.
///
/// Invalid transactions are left out, and so is what the block has no room for; pushes that come
/// later are tried all the same. What is pushed from several threads stands in the order in which
/// the pushes return.
///
/// To drop a session ends it: nothing goes on running, and the engine is ready for the next block.
/// That waits for reads of the state that are under way.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use block_stm_evm::{
///     Block, BlockSession, Bundle, PreState, SessionOptions, Settled,
///     block_stm::{Config, Engine},
///     revm::{
///         context::{BlockEnv, TxEnv},
///         primitives::{Address, TxKind, U256, hardfork::SpecId},
///         state::AccountInfo,
///     },
/// };
///
/// let [alice, bob] = [1, 2].map(Address::repeat_byte);
/// let mut state = PreState::new();
/// state.insert_account(alice, AccountInfo::from_balance(U256::from(1_000_000)));
/// let state = Arc::new(state);
/// let pay = |nonce| TxEnv {
///     caller: alice,
///     nonce,
///     kind: TxKind::Call(bob),
///     value: U256::from(5),
///     gas_limit: 21_000,
///     ..TxEnv::default()
/// };
/// let engine = Arc::new(Engine::new(Config::default())?);
/// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
///
/// let session = BlockSession::start(engine, block, state.clone(), SessionOptions::default())?;
/// session.push(pay(0))?;
/// let mark = session.mark();
/// let bundle = session.push(Bundle::new(vec![pay(1), pay(7)])?)?;
/// assert!(matches!(session.wait(bundle)?, Settled::LeftOut(_)), "a nonce is wrong");
/// session.push(pay(1))?;
/// session.roll_back(mark)?;
/// let block = session.finish()?;
/// assert_eq!(block.txns, [pay(0)]);
/// let bundle = block.result.state.to_bundle(&*state)?;
/// let paid = bundle.account(&bob).and_then(|bob| bob.account_info()).ok_or("paid")?;
/// assert_eq!(paid.balance, U256::from(5));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct BlockSession<DB: StateRef> {
    pusher: Pusher,
    /// `None` once it was waited for.
    thread: Option<JoinHandle<Ended<DB>>>,
}

type Ended<DB> = Result<Option<SessionBlock>, ExecutionError<<DB as DatabaseRef>::Error>>;

impl<DB: StateRef> fmt::Debug for BlockSession<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockSession").field("pending", &self.pusher.pending()).finish()
    }
}

impl<DB: StateRef + Send + Sync + 'static> BlockSession<DB> {
    /// Begins a block on the state `db` and makes the steps before its first transaction. The
    /// transactions that `block` has already are pushed first.
    ///
    /// # Errors
    ///
    /// [`SessionError::Thread`]. What is wrong with the block, its steps or `db` is for
    /// [`finish`](Self::finish) to say.
    pub fn start(
        engine: Arc<Engine>,
        mut block: Block,
        db: DB,
        options: SessionOptions,
    ) -> Result<Self, SessionError<DB::Error>> {
        let queue = Arc::new(Queue::new(options));
        let first = std::mem::take(&mut block.txns).into_iter().map(Push::from);
        // More than what fits are taken: the host has them in memory anyway.
        queue.begin_with(first);
        let task = Task { engine, block, db: Remembered::new(db), options };
        let shared = Arc::clone(&queue);
        let run = move || {
            let over = Over(shared);
            task.run(&over.0)
        };
        let thread = thread::Builder::new().name("block-stm-session".to_owned()).spawn(run);
        let thread = Some(thread.map_err(SessionError::Thread)?);
        Ok(Self { pusher: Pusher { queue }, thread })
    }

    /// Takes nothing more, waits until all that was pushed is executed or the deadline has passed,
    /// makes the steps after the transactions, and returns the block.
    ///
    /// # Errors
    ///
    /// [`SessionError::Execution`]: the block is invalid, or `db` failed. Nothing is left of the
    /// block then.
    ///
    /// # Panics
    ///
    /// If `db` panicked in the steps before or after the transactions, with its payload.
    pub fn finish(mut self) -> Result<SessionBlock, SessionError<DB::Error>> {
        self.pusher.queue.finish();
        let thread = self.thread.take().expect("only this method and `drop` wait for it");
        match thread.join() {
            Ok(Ok(block)) => Ok(block.expect("only a session that is dropped has no block")),
            Ok(Err(error)) => Err(error.into()),
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl<DB: StateRef> BlockSession<DB> {
    /// A handle for another thread.
    pub fn pusher(&self) -> Pusher {
        self.pusher.clone()
    }
}

impl<DB: StateRef> std::ops::Deref for BlockSession<DB> {
    type Target = Pusher;

    fn deref(&self) -> &Pusher {
        &self.pusher
    }
}

impl<DB: StateRef> Drop for BlockSession<DB> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.pusher.queue.leave();
            // What it came to, or panicked with, is of no interest any more.
            let _dropped = thread.join();
        }
    }
}

/// Says on every way out that the thread does nothing more.
struct Over(Arc<Queue>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.over();
    }
}

/// Pushes to a session, from any thread.
///
/// Does not keep the session alive: when that is over, pushes are refused.
#[derive(Clone, Debug)]
pub struct Pusher {
    queue: Arc<Queue>,
}

impl Pusher {
    /// Appends a transaction or a bundle, and waits for [room](SessionOptions::capacity) if need
    /// be.
    ///
    /// # Errors
    ///
    /// Any [`PushError`] but [`PushError::Full`].
    pub fn push(&self, push: impl Into<Push>) -> Result<Ticket, PushError> {
        self.append([push.into()], true).map(|tickets| tickets[0])
    }

    /// [`push`](Self::push) without waiting.
    ///
    /// # Errors
    ///
    /// Any [`PushError`].
    pub fn try_push(&self, push: impl Into<Push>) -> Result<Ticket, PushError> {
        self.append([push.into()], false).map(|tickets| tickets[0])
    }

    /// Appends transactions one after another, with nothing from other threads between them as
    /// long as there is room for all.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push); those before the one that was refused are in the session.
    pub fn push_all(&self, txns: Vec<TxEnv>) -> Result<Vec<Ticket>, PushError> {
        self.append(txns.into_iter().map(Push::from), true)
    }

    fn append(
        &self,
        pushes: impl IntoIterator<Item = Push>,
        waits: bool,
    ) -> Result<Vec<Ticket>, PushError> {
        let mut tickets = Vec::new();
        self.queue.push(pushes, waits, |number| tickets.push(Ticket(number)))?;
        Ok(tickets)
    }

    /// The place after all that was pushed so far, to come back to with
    /// [`roll_back`](Self::roll_back).
    ///
    /// # Cost
    ///
    /// What is pushed before a mark is not executed together with what is pushed after it. Where
    /// there is a mark, what later batches change is remembered until the session is over.
    pub fn mark(&self) -> Mark {
        Mark(self.queue.mark())
    }

    /// Drops all that was pushed after `mark`, executed or not, and returns when that is done.
    /// The mark can be used again; later ones can't.
    ///
    /// Pushes of other threads that come meanwhile stay. A block that was cut, or whose deadline
    /// has passed, can be rolled back, too.
    ///
    /// # Errors
    ///
    /// [`RollBackError`]; nothing was dropped then.
    pub fn roll_back(&self, mark: Mark) -> Result<(), RollBackError> {
        self.queue.roll_back(mark.0)
    }

    /// Waits until a push is executed; what became of it.
    ///
    /// # Errors
    ///
    /// [`UnsettledError`].
    pub fn wait(&self, ticket: Ticket) -> Result<Settled, UnsettledError> {
        let settled = self.queue.settled(ticket.0, true)?;
        Ok(settled.expect("it was waited for"))
    }

    /// What became of a push, if it is executed.
    ///
    /// # Errors
    ///
    /// [`UnsettledError`].
    pub fn settled(&self, ticket: Ticket) -> Result<Option<Settled>, UnsettledError> {
        self.queue.settled(ticket.0, false)
    }

    /// How many transactions are pushed and not executed yet.
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }

    /// Ends the block with what is executed by now, as its deadline would. It remains to be
    /// [finished](BlockSession::finish).
    pub fn cut(&self) {
        self.queue.cut();
    }
}

/// A block that has grown.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionBlock {
    /// Receipts, gas, requests, the state's changes, and the access list if it was asked for. There
    /// is an outcome for each transaction that was pushed and not rolled back, those that were left
    /// out included, up to where the block was cut.
    pub result: BlockResult,
    /// The transactions of the block, in order.
    pub txns: Vec<TxEnv>,
    /// What became of the pushes, in order, up to where the block was cut.
    pub settled: Vec<(Ticket, Settled)>,
    /// Why pushes were dropped that had not been executed, if any were.
    pub cut: Option<Cut>,
    /// How many batches the block was executed in, those that were rolled back included.
    pub batches: u64,
    /// How often a push was executed, those that were rolled back included.
    pub executions: u64,
    /// How many transactions were committed by an attempt that stood, without running the EVM,
    /// those that were rolled back included.
    pub attempts_stood: usize,
}

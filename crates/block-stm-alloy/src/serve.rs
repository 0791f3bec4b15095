//! A database that stays on its thread, and the threads that read from it.

use std::{
    error::Error,
    mem, panic,
    sync::mpsc::{self, Sender, SyncSender, sync_channel},
    thread,
};

use alloy_eips::Encodable2718;
use alloy_evm::{
    Evm, RecoveredTx,
    block::StateDB,
    eth::{EthBlockExecutor, receipt_builder::ReceiptBuilder},
    revm::{
        Database, DatabaseRef,
        context::DBErrorMarker,
        primitives::{Address, AddressMap, B256, HashMap, StorageKey, StorageValue},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_evm::{
    StateRef,
    block_stm::{Engine, Flow},
};

use crate::{SharedState, StateError, TrackedEvm, tracked::DbError};

/// What the engine's threads send to the one that owns the database.
pub(crate) enum Message<E, Txn> {
    /// A thread waits for a value.
    Read(Read<E>),
    /// Transactions are final; they come in order.
    Committed(Vec<Txn>),
}

/// A question, and where the answer goes.
pub(crate) enum Read<E> {
    Account(Address, Reply<Option<AccountInfo>, E>),
    Code(B256, Reply<Bytecode, E>),
    Slot(Address, StorageKey, Reply<StorageValue, E>),
    BlockHash(u64, Reply<B256, E>),
}

type Reply<T, E> = SyncSender<Result<T, E>>;

impl<E> Read<E> {
    /// Asks `db`. A thread that does not wait any more gets no answer.
    pub(crate) fn answer(self, db: &mut impl Database<Error = E>) {
        let _gone = match self {
            Self::Account(address, reply) => reply.send(db.basic(address)).is_err(),
            Self::Code(hash, reply) => reply.send(db.code_by_hash(hash)).is_err(),
            Self::Slot(address, key, reply) => reply.send(db.storage(address, key)).is_err(),
            Self::BlockHash(number, reply) => reply.send(db.block_hash(number)).is_err(),
        };
    }
}

/// Executes where that is best, while this thread does what the messages ask for. What the
/// execution returns.
///
/// `is_beside` says whether there is a core for this thread beside the engine's. Then it commits
/// while they execute, and reads for them where there is no `shared` state. Else it is one of them,
/// and commits when they are done.
///
/// # Panics
///
/// As the execution does.
pub(crate) fn execute<'s, E: Send, Txn: Send, T: Send>(
    is_beside: bool,
    shared: Option<Shared<'s>>,
    execute: impl FnOnce(&Served<'s, E, Txn>, &mut Outbox<E, Txn>) -> T + Send,
    mut act: impl FnMut(Message<E, Txn>),
) -> T {
    let shared = match shared {
        Some(shared) if !is_beside => {
            let mut outbox = Outbox { owner: None, pending: Vec::new() };
            let executed = execute(&Served::Shared(shared), &mut outbox);
            act(Message::Committed(mem::take(&mut outbox.pending)));
            return executed;
        }
        other => other,
    };
    let (owner, messages) = mpsc::channel();
    let mut outbox = Outbox { owner: Some(owner.clone()), pending: Vec::with_capacity(BATCH) };
    let served = shared.map_or(Served::Owner(owner), Served::Shared);
    thread::scope(|scope| {
        // It ends when the execution has let go of all senders.
        let execution = scope.spawn(move || execute(&served, &mut outbox));
        messages.into_iter().for_each(act);
        execution.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// Whether the engine leaves a core to the thread that calls it.
pub(crate) fn has_a_core_beside(engine: &Engine) -> bool {
    engine.threads() < engine.cores()
}

/// The hash of the transaction at this place; zero if there is none.
pub(crate) fn hash<Tx: Encodable2718>(senders: &[impl RecoveredTx<Tx>], index: usize) -> B256 {
    senders.get(index).map(|txn| txn.tx().trie_hash()).unwrap_or_default()
}

/// How many transactions go to a thread that commits beside the others at once: waking it is dear.
const BATCH: usize = 16;

/// Hands final transactions to the thread that commits.
pub(crate) struct Outbox<E, Txn> {
    /// That thread, if it does not wait for the whole block.
    owner: Option<Sender<Message<E, Txn>>>,
    pending: Vec<Txn>,
}

impl<E, Txn> Outbox<E, Txn> {
    /// Hands a transaction over, soon. The block ends if it is not taken any more: then the thread
    /// that commits panics, which fails the block.
    pub(crate) fn push(&mut self, txn: Txn) -> Flow {
        self.pending.push(txn);
        if self.pending.len() < BATCH || self.flush() { Flow::Continue } else { Flow::Cut }
    }

    /// Hands over what is pending, if it need not wait; whether it is taken.
    fn flush(&mut self) -> bool {
        let Some(owner) = &self.owner else { return true };
        let batch = mem::replace(&mut self.pending, Vec::with_capacity(BATCH));
        owner.send(Message::Committed(batch)).is_ok()
    }
}

impl<E, Txn> Drop for Outbox<E, Txn> {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            self.flush();
        }
    }
}

/// Why a value could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError<E> {
    #[error("{0}")]
    Database(E),
    #[error("{0}")]
    State(StateError),
    /// The thread that owns the database panics, which is what the caller will see.
    #[error("the database is gone")]
    Gone,
}

impl<E: Error + Send + Sync + 'static> DBErrorMarker for ReadError<E> {}

/// What the steps before the transactions left of an account.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) info: Option<AccountInfo>,
    pub(crate) slots: HashMap<StorageKey, StorageValue>,
}

/// The state before the block, and what is new since then.
pub(crate) type Shared<'s> = (&'s dyn SharedState, AddressMap<Prepared>);

/// The state before the transactions from `state`, if that is what the executor's database shows
/// but for what system calls wrote.
pub(crate) fn shared<'s, E: Evm<DB: StateDB>, Spec, R: ReceiptBuilder>(
    executor: &mut EthBlockExecutor<'_, TrackedEvm<E>, Spec, R>,
    state: Option<&'s dyn SharedState>,
) -> Result<Option<Shared<'s>>, DbError<E>> {
    let Some(state) = state else { return Ok(None) };
    let prepared = executor.evm.prepared()?;
    Ok(prepared.map(|prepared| (state, prepared)))
}

/// The state before the transactions, as the engine's threads see it.
pub(crate) enum Served<'s, E, Txn> {
    /// By way of the thread that owns the database.
    Owner(Sender<Message<E, Txn>>),
    Shared(Shared<'s>),
}

fn ask<T, E, Txn>(
    owner: &Sender<Message<E, Txn>>,
    read: impl FnOnce(Reply<T, E>) -> Read<E>,
) -> Result<T, ReadError<E>> {
    let (reply, answer) = sync_channel(1);
    let sent = owner.send(Message::Read(read(reply)));
    sent.map_err(|_| ReadError::Gone)?;
    answer.recv().map_err(|_| ReadError::Gone)?.map_err(ReadError::Database)
}

impl<E: Error + Send + Sync + 'static, Txn> DatabaseRef for Served<'_, E, Txn> {
    type Error = ReadError<E>;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ReadError<E>> {
        match self {
            Self::Owner(owner) => ask(owner, |reply| Read::Account(address, reply)),
            Self::Shared((state, prepared)) => match prepared.get(&address) {
                Some(account) => Ok(account.info.clone()),
                None => state.account(address).map_err(ReadError::State),
            },
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ReadError<E>> {
        match self {
            Self::Owner(owner) => ask(owner, |reply| Read::Code(hash, reply)),
            Self::Shared((state, _)) => state.code(hash).map_err(ReadError::State),
        }
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, ReadError<E>> {
        match self {
            Self::Owner(owner) => ask(owner, |reply| Read::Slot(address, key, reply)),
            Self::Shared((state, prepared)) => {
                match prepared.get(&address).and_then(|account| account.slots.get(&key)) {
                    Some(value) => Ok(*value),
                    None => state.slot(address, key).map_err(ReadError::State),
                }
            }
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ReadError<E>> {
        match self {
            Self::Owner(owner) => ask(owner, |reply| Read::BlockHash(number, reply)),
            Self::Shared((state, _)) => state.block_hash(number).map_err(ReadError::State),
        }
    }
}

/// Contracts are created over storage, as alloy-evm creates them.
impl<E: Error + Send + Sync + 'static, Txn: Send> StateRef for Served<'_, E, Txn> {}

//! A database that stays on its thread, and the threads that read from it.

use std::{
    error::Error,
    mem, panic,
    sync::mpsc::{Receiver, Sender, SyncSender, sync_channel},
    thread,
};

use alloy_evm::revm::{
    Database, DatabaseRef,
    context::DBErrorMarker,
    primitives::{Address, AddressMap, B256, HashMap, StorageKey, StorageValue},
    state::{AccountInfo, Bytecode},
};
use block_stm_evm::{StateRef, block_stm::Flow};

use crate::{SharedState, StateError};

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

/// Executes on another thread, while this one does what the messages ask for. What the execution
/// returns; it ends when it has let go of all senders.
///
/// # Panics
///
/// As the execution does.
pub(crate) fn serve<E, Txn, T: Send>(
    messages: Receiver<Message<E, Txn>>,
    execute: impl FnOnce() -> T + Send,
    act: impl FnMut(Message<E, Txn>),
) -> T {
    thread::scope(|scope| {
        let execution = scope.spawn(execute);
        messages.into_iter().for_each(act);
        execution.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// How many transactions go to the thread that commits at once: waking it is dear.
const BATCH: usize = 16;

/// Hands final transactions to the thread that commits.
pub(crate) struct Outbox<E, Txn> {
    owner: Sender<Message<E, Txn>>,
    pending: Vec<Txn>,
}

impl<E, Txn> Outbox<E, Txn> {
    pub(crate) fn new(owner: Sender<Message<E, Txn>>) -> Self {
        Self { owner, pending: Vec::with_capacity(BATCH) }
    }

    /// Hands a transaction over, soon. The block ends if it is not taken any more: then the thread
    /// that commits panics, which fails the block.
    pub(crate) fn push(&mut self, txn: Txn) -> Flow {
        self.pending.push(txn);
        if self.pending.len() < BATCH || self.flush() { Flow::Continue } else { Flow::Cut }
    }

    /// Hands over what is pending; whether it is taken.
    fn flush(&mut self) -> bool {
        let batch = mem::replace(&mut self.pending, Vec::with_capacity(BATCH));
        self.owner.send(Message::Committed(batch)).is_ok()
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

/// The state before the transactions, as the engine's threads see it.
pub(crate) struct Served<'s, E, Txn> {
    pub(crate) owner: Sender<Message<E, Txn>>,
    /// The state before the block, if it can be read from here, and what is new since then.
    pub(crate) shared: Option<(&'s dyn SharedState, AddressMap<Prepared>)>,
}

impl<E, Txn> Served<'_, E, Txn> {
    fn ask<T>(&self, read: impl FnOnce(Reply<T, E>) -> Read<E>) -> Result<T, ReadError<E>> {
        let (reply, answer) = sync_channel(1);
        let sent = self.owner.send(Message::Read(read(reply)));
        sent.map_err(|_| ReadError::Gone)?;
        answer.recv().map_err(|_| ReadError::Gone)?.map_err(ReadError::Database)
    }
}

impl<E: Error + Send + Sync + 'static, Txn> DatabaseRef for Served<'_, E, Txn> {
    type Error = ReadError<E>;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ReadError<E>> {
        let Some((shared, prepared)) = &self.shared else {
            return self.ask(|reply| Read::Account(address, reply));
        };
        match prepared.get(&address) {
            Some(account) => Ok(account.info.clone()),
            None => shared.account(address).map_err(ReadError::State),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ReadError<E>> {
        match &self.shared {
            None => self.ask(|reply| Read::Code(hash, reply)),
            Some((shared, _)) => shared.code(hash).map_err(ReadError::State),
        }
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, ReadError<E>> {
        let Some((shared, prepared)) = &self.shared else {
            return self.ask(|reply| Read::Slot(address, key, reply));
        };
        match prepared.get(&address).and_then(|account| account.slots.get(&key)) {
            Some(value) => Ok(*value),
            None => shared.slot(address, key).map_err(ReadError::State),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ReadError<E>> {
        match &self.shared {
            None => self.ask(|reply| Read::BlockHash(number, reply)),
            Some((shared, _)) => shared.block_hash(number).map_err(ReadError::State),
        }
    }
}

/// Contracts are created over storage, as alloy-evm creates them.
impl<E: Error + Send + Sync + 'static, Txn: Send> StateRef for Served<'_, E, Txn> {}

//! States that threads cannot share: one handle for each of them.

use std::{
    error::Error,
    fmt,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Address, B256};
use revm::{
    Database, DatabaseRef,
    database_interface::DBErrorMarker,
    primitives::{StorageKey, StorageValue},
    state::{AccountInfo, Bytecode},
};

use crate::StateRef;

/// Opens handles on one state, each for one thread at a time: a read transaction of a store, a
/// connection, a node's state provider.
///
/// A handle is any revm [`Database`] that may move from thread to thread. It need be neither
/// [`Sync`] nor a [`DatabaseRef`]. All handles must show the same state, that before the block.
///
/// A function that opens a handle is one, for states that can't say whether an account has storage.
pub trait StateHandles: Sync {
    /// What is opened.
    type Handle: Database<Error = Self::Error> + Send;
    /// Why opening or reading fails.
    type Error: DBErrorMarker + Error + Send + Sync + 'static;

    /// Opens a handle.
    ///
    /// # Errors
    ///
    /// What the host likes; it becomes that of the read for which the handle is needed.
    fn open(&self) -> Result<Self::Handle, Self::Error>;

    /// Whether a slot of the account at `address` is not zero, as [`StateRef::has_storage_ref`].
    ///
    /// # Errors
    ///
    /// What the state says when it can't be read.
    fn has_storage(
        &self,
        handle: &mut Self::Handle,
        address: Address,
    ) -> Result<Option<bool>, Self::Error> {
        let _ = (handle, address);
        Ok(None)
    }
}

impl<F, H> StateHandles for F
where
    F: Fn() -> Result<H, H::Error> + Sync,
    H: Database<Error: Error + Send + Sync + 'static> + Send,
{
    type Handle = H;
    type Error = H::Error;

    fn open(&self) -> Result<H, H::Error> {
        self()
    }
}

/// A state that all workers read through handles of their own.
///
/// A handle is opened when a read finds none idle, and kept until the pool is dropped. So there are
/// never more than reads at once, which are no more than the engine's threads. No lock is held
/// while a handle reads: slow reads overlap. With a store that waits, give the engine more
/// [threads](block_stm::Config::threads) than cores.
///
/// A handle whose read failed or panicked is dropped: the next read opens another one.
///
/// # Examples
///
/// A database that counts what it is asked, which it can't do from two threads:
///
/// ```
/// use std::{cell::Cell, convert::Infallible};
///
/// use block_stm_evm::{
///     Block, HandlePool, ParallelOptions, block_stm::{Config, Engine}, execute_parallel,
///     revm::{
///         Database, context::BlockEnv,
///         primitives::{Address, B256, U256, hardfork::SpecId},
///         state::{AccountInfo, Bytecode},
///     },
/// };
///
/// struct Counting { asked: Cell<u32> }
///
/// impl Database for Counting {
///     type Error = Infallible;
///     fn basic(&mut self, _: Address) -> Result<Option<AccountInfo>, Infallible> {
///         self.asked.set(self.asked.get() + 1);
///         Ok(None)
///     }
///     // ...
/// #   fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, Infallible> {
/// #       Ok(Bytecode::new())
/// #   }
/// #   fn storage(&mut self, _: Address, _: U256) -> Result<U256, Infallible> {
/// #       Ok(U256::ZERO)
/// #   }
/// #   fn block_hash(&mut self, _: u64) -> Result<B256, Infallible> {
/// #       Ok(B256::ZERO)
/// #   }
/// }
///
/// let state = HandlePool::new(|| Ok(Counting { asked: Cell::new(0) }));
/// let block = Block::new(SpecId::LONDON, BlockEnv::default(), Vec::new());
/// let engine = Engine::new(Config::default())?;
/// execute_parallel(&engine, &block, &state, &ParallelOptions::default())?;
/// assert_eq!(state.into_handles().len(), 1, "for the block's reward");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct HandlePool<S: StateHandles> {
    state: S,
    idle: Mutex<Vec<S::Handle>>,
}

impl<S: StateHandles> fmt::Debug for HandlePool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlePool").field("idle", &self.idle().len()).finish_non_exhaustive()
    }
}

impl<S: StateHandles> HandlePool<S> {
    /// The state whose handles `state` opens. None is opened yet.
    pub fn new(state: S) -> Self {
        Self { state, idle: Mutex::new(Vec::new()) }
    }

    /// The handles, for instance to take out what they cached.
    pub fn into_handles(self) -> Vec<S::Handle> {
        self.idle.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<S::Handle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        read: impl FnOnce(&mut S::Handle) -> Result<T, S::Error>,
    ) -> Result<T, S::Error> {
        let idle = self.idle().pop();
        let mut handle = match idle {
            Some(handle) => handle,
            None => self.state.open()?,
        };
        let value = read(&mut handle)?;
        self.idle().push(handle);
        Ok(value)
    }
}

impl<S: StateHandles> DatabaseRef for HandlePool<S> {
    type Error = S::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, S::Error> {
        self.with(|handle| handle.basic(address))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, S::Error> {
        self.with(|handle| handle.code_by_hash(hash))
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, S::Error> {
        self.with(|handle| handle.storage(address, key))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, S::Error> {
        self.with(|handle| handle.block_hash(number))
    }
}

impl<S: StateHandles> StateRef for HandlePool<S> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, S::Error> {
        self.with(|handle| self.state.has_storage(handle, address))
    }
}

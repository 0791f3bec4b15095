//! The state before a block, where a host can show it to many threads.

use std::{error::Error, fmt, sync::Arc};

use alloy_evm::revm::{
    DatabaseRef,
    context::DBErrorMarker,
    primitives::{Address, B256, StorageKey, StorageValue},
    state::{AccountInfo, Bytecode},
};

/// Where the state before a block can be read by all threads at once.
///
/// # Examples
///
/// A node's provider whose state providers are no more [`Sync`] than its transactions: the
/// [`HandlePool`](block_stm_evm::HandlePool) opens one for each thread that reads.
///
/// ```
/// use block_stm_alloy::{
///     SharedState, States,
///     alloy_evm::revm::{database::EmptyDB, primitives::B256},
///     block_stm_evm::HandlePool,
/// };
///
/// struct Node { head: B256 }
///
/// impl States for Node {
///     fn after(&self, block: B256) -> Option<Box<dyn SharedState + '_>> {
///         // Only what is stored; blocks on top of that are in the executor's database.
///         let open = move || Ok(EmptyDB::default() /* self.state_at(block)? */);
///         (block == self.head).then(|| Box::new(HandlePool::new(open)) as _)
///     }
/// }
/// ```
pub trait States: Send + Sync + 'static {
    /// The state after the block with this hash, which is the parent of the block that is to be
    /// executed. `None` if it can't be shown: the executor's database is asked then.
    ///
    /// It must be the state that the executor's database shows when the executor is made, which is
    /// not checked.
    fn after(&self, block: B256) -> Option<Box<dyn SharedState + '_>>;
}

impl<S: States> States for Arc<S> {
    fn after(&self, block: B256) -> Option<Box<dyn SharedState + '_>> {
        (**self).after(block)
    }
}

/// A state that threads share: each [`DatabaseRef`] that is [`Sync`] is one.
pub trait SharedState: Sync {
    /// [`DatabaseRef::basic_ref`].
    ///
    /// # Errors
    ///
    /// What the state says when it can't be read, and so for the other methods.
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError>;

    /// [`DatabaseRef::code_by_hash_ref`].
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn code(&self, hash: B256) -> Result<Bytecode, StateError>;

    /// [`DatabaseRef::storage_ref`].
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn slot(&self, address: Address, key: StorageKey) -> Result<StorageValue, StateError>;

    /// [`DatabaseRef::block_hash_ref`].
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account).
    fn block_hash(&self, number: u64) -> Result<B256, StateError>;
}

impl<T> SharedState for T
where
    T: DatabaseRef<Error: Error + Send + Sync + 'static> + Sync,
{
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.basic_ref(address).map_err(StateError::new)
    }

    fn code(&self, hash: B256) -> Result<Bytecode, StateError> {
        self.code_by_hash_ref(hash).map_err(StateError::new)
    }

    fn slot(&self, address: Address, key: StorageKey) -> Result<StorageValue, StateError> {
        self.storage_ref(address, key).map_err(StateError::new)
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        self.block_hash_ref(number).map_err(StateError::new)
    }
}

/// Why a [`SharedState`] could not be read.
///
/// In alloy-evm's errors it is the database's error: an internal error of the VM holds an
/// `EVMError<StateError>`.
#[derive(Debug)]
pub struct StateError(Box<dyn Error + Send + Sync>);

impl StateError {
    fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    /// The state's own error.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl DBErrorMarker for StateError {}

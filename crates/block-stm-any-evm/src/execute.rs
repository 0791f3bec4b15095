//! Executing the transactions of a block.

use std::{error::Error as StdError, fmt};

use alloy_evm::{
    EvmEnv, EvmFactory,
    revm::{DatabaseRef, primitives::Address},
};
use block_stm::{Block, BoxError, Cut, Engine, InvalidPolicy, Limits, Stats};

use crate::{
    Inspectors, InvalidTxn, NoInspectors, TxnSink,
    location::Location,
    sink::Committing,
    vm::{EvmVm, Placed},
};

/// The transactions of a block, and what executes them.
///
/// # Examples
///
/// See the [crate's front page](crate).
pub struct Txns<'a, F: EvmFactory, I = NoInspectors> {
    factory: &'a F,
    env: &'a EvmEnv<F::Spec, F::BlockEnv>,
    txns: &'a [F::Tx],
    vaults: &'a [Address],
    inspectors: I,
    policy: InvalidPolicy,
    limits: Limits,
}

impl<F: EvmFactory, I> fmt::Debug for Txns<'_, F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txns")
            .field("txns", &self.txns.len())
            .field("vaults", &self.vaults)
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<'a, F: EvmFactory> Txns<'a, F> {
    /// `txns` for EVMs that `factory` makes for `env`; an invalid one is an error.
    pub fn new(factory: &'a F, env: &'a EvmEnv<F::Spec, F::BlockEnv>, txns: &'a [F::Tx]) -> Self {
        let (policy, limits) = (InvalidPolicy::default(), Limits::default());
        Self { factory, env, txns, vaults: &[], inspectors: NoInspectors, policy, limits }
    }
}

impl<'a, F: EvmFactory, I> Txns<'a, F, I> {
    /// Declares accounts that many transactions credit: the beneficiary, and wherever else the
    /// chain sends fees. See [vaults](crate#vaults) for what that takes for granted.
    ///
    /// # Cost
    ///
    /// Transactions are executed with an inspector, if an idle one. One that looks at a vault is
    /// executed twice.
    #[must_use]
    pub fn vaults(self, vaults: &'a [Address]) -> Self {
        Self { vaults, ..self }
    }

    /// Gives each execution an inspector.
    #[must_use]
    pub fn inspectors<J: Inspectors<F>>(self, inspectors: J) -> Txns<'a, F, J> {
        let Self { factory, env, txns, vaults, policy, limits, .. } = self;
        Txns { factory, env, txns, vaults, inspectors, policy, limits }
    }

    /// Sets what an invalid transaction means.
    #[must_use]
    pub fn policy(self, policy: InvalidPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets where the block ends early, and who may stop it. A transaction's weight is its gas.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

/// What the transactions came to, beside what the sink was given.
#[derive(Debug)]
#[non_exhaustive]
pub struct Executed {
    /// How many transactions the sink was given: all, unless the block was cut.
    pub committed: usize,
    /// Why the block ended before its last transaction, if it did.
    pub cut: Option<Cut>,
    /// What the execution cost.
    pub stats: Stats,
}

/// Why transactions were not executed to the last one; `E` is the database's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: StdError + 'static> {
    /// A transaction is invalid, and invalid ones are not to be skipped.
    #[error("txn {index} is invalid: {reason}")]
    InvalidTxn {
        /// Its place in the block.
        index: usize,
        /// What is wrong with it.
        reason: InvalidTxn,
    },
    /// The state before the transactions could not be read. To try again may help.
    #[error("txn {index}: the state could not be read: {source}")]
    Database {
        /// The place of the transaction that needed it.
        index: usize,
        /// What the database says.
        source: E,
    },
    /// The EVM failed, which is not the transaction's fault.
    #[error("txn {index}: the EVM failed: {source}")]
    Evm {
        /// The place of the transaction.
        index: usize,
        /// What the EVM says: the factory's error, with [`Interrupted`](crate::Interrupted) as the
        /// database's.
        source: BoxError,
    },
    /// The EVM, an inspector or the database panicked.
    #[error("txn {index}: the execution panicked: {message}")]
    Panicked {
        /// The place of the transaction.
        index: usize,
        /// The panic's message.
        message: String,
    },
    /// The block was cancelled through its [`CancelToken`](block_stm::CancelToken).
    #[error("cancelled after {committed} txns")]
    Cancelled {
        /// How many transactions the sink had been given.
        committed: usize,
    },
    /// Another error of the engine's.
    #[error("{0}")]
    Engine(BoxError),
}

impl<E: StdError + Send + Sync + 'static> Error<E> {
    /// What `source` is, which came from the database or from the EVM.
    fn of(index: usize, source: BoxError) -> Self {
        match source.downcast::<E>() {
            Ok(source) => Self::Database { index, source: *source },
            Err(source) => Self::Evm { index, source },
        }
    }
}

/// Executes the transactions on `engine`, over `state`, and hands each to `sink` as it becomes
/// final.
///
/// The outcome is that of a loop: for each transaction, an EVM that the factory makes over a
/// database that has all that was committed before; its result to the sink, and its state into the
/// database, as revm's [`State`](alloy_evm::revm::database::State) commits it.
///
/// # Errors
///
/// See [`Error`]. What the sink was given before is a prefix of what the loop would have given it.
///
/// # Panics
///
/// If the sink panics.
pub fn execute<F, I, DB, S>(
    engine: &Engine,
    txns: &Txns<'_, F, I>,
    state: &DB,
    sink: &mut S,
) -> Result<Executed, Error<DB::Error>>
where
    F: EvmFactory<Tx: Clone + Sync> + Sync,
    I: Inspectors<F>,
    DB: DatabaseRef<Error: StdError + Send + Sync + 'static> + Sync,
    S: TxnSink<F, I::Inspector> + ?Sized,
{
    let Txns { factory, env, vaults, inspectors, policy, limits, .. } = txns;
    let vm = EvmVm { factory: *factory, env, vaults, inspectors, base: state };
    let placed = txns.txns.iter().enumerate().map(|(index, txn)| Placed { index, txn });
    let placed: Vec<_> = placed.collect();
    let storage = |location: &Location| vm.base.read(location);
    let block = Block::new(&vm, &placed, &storage).policy(*policy).limits(limits.clone());
    let mut committing = Committing::new(sink, vaults, state);
    let executed = engine.execute(&block, &mut committing);
    if let Some((index, source)) = committing.failed {
        return Err(Error::of(index, source));
    }
    let executed = executed.map_err(|error| match error {
        block_stm::Error::Invalid { txn, reason } => {
            Error::InvalidTxn { index: txn.as_usize(), reason: reason.into() }
        }
        block_stm::Error::Storage { txn, source, .. } | block_stm::Error::Vm { txn, source } => {
            Error::of(txn.as_usize(), source)
        }
        block_stm::Error::Panicked { txn, message } => {
            Error::Panicked { index: txn.as_usize(), message }
        }
        block_stm::Error::Cancelled { committed } => Error::Cancelled { committed },
        other => Error::Engine(other.to_string().into()),
    })?;
    Ok(Executed { committed: executed.committed, cut: executed.cut, stats: executed.stats })
}

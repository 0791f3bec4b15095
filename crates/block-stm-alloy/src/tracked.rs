//! An EVM that remembers what an executor must know of it.

use std::{fmt, ops::Deref};

use alloy_evm::{
    Database, EthEvm, EthEvmFactory, Evm, EvmEnv, EvmFactory,
    block::StateDB,
    eth::EthEvmContext,
    precompiles::PrecompilesMap,
    revm::{
        Database as _, Inspector,
        context::{CfgEnv, DBErrorMarker, result::ResultAndState},
        inspector::NoOpInspector,
        primitives::{AddressMap, HashSet, StorageKey},
    },
};
use alloy_primitives::{Address, Bytes};

use block_stm_evm::block_stm::Engine;

use crate::{
    Obstacle,
    serve::{Prepared, has_a_core_beside},
};

/// The EVM of another factory, which also knows whether its inspector is enabled, whether anyone
/// could have changed its precompiles, and what system calls wrote. Otherwise it does what that one
/// does.
pub struct TrackedEvm<E> {
    inner: E,
    inspects: bool,
    /// There was a mutable reference to the precompiles.
    own_precompiles: bool,
    /// What system calls wrote; `None` if storages were wiped.
    written: Option<AddressMap<HashSet<StorageKey>>>,
}

/// Ethereum's EVM as the executors of this crate want it.
pub type BlockStmEvm<DB, I> = TrackedEvm<EthEvm<DB, I, PrecompilesMap>>;

/// [`EthEvmFactory`] for [`BlockStmEvm`].
pub type BlockStmEvmFactory = TrackedEvmFactory<EthEvmFactory>;

impl<E> TrackedEvm<E> {
    fn new(inner: E, inspects: bool) -> Self {
        let written = Some(AddressMap::default());
        Self { inner, inspects, own_precompiles: false, written }
    }

    /// Why a block can't be executed in parallel; `None` if it can. `is_shared` says whether the
    /// engine's threads can read the state before it.
    pub(crate) fn obstacle(&self, engine: &Engine, is_shared: bool) -> Option<Obstacle> {
        match () {
            () if self.inspects => Some(Obstacle::Inspector),
            () if self.own_precompiles => Some(Obstacle::Precompiles),
            () if !is_shared && !has_a_core_beside(engine) => Some(Obstacle::Database),
            () => None,
        }
    }
}

impl<E: Evm<DB: StateDB>> TrackedEvm<E> {
    /// What system calls left of the accounts that they wrote to; `None` if that is more than a
    /// list of slots.
    pub(crate) fn prepared(&mut self) -> Result<Option<AddressMap<Prepared>>, DbError<E>> {
        let Some(written) = &self.written else { return Ok(None) };
        let db = self.inner.db_mut();
        let mut prepared = AddressMap::default();
        for (address, keys) in written {
            let mut account = Prepared { info: db.basic(*address)?, ..Prepared::default() };
            for key in keys {
                account.slots.insert(*key, db.storage(*address, *key)?);
            }
            prepared.insert(*address, account);
        }
        Ok(Some(prepared))
    }
}

/// What the database of an EVM fails with.
pub(crate) type DbError<E> = <<E as Evm>::DB as alloy_evm::revm::Database>::Error;

impl<DB: Database, I, P> TrackedEvm<EthEvm<DB, I, P>> {
    /// The context, to be changed.
    pub fn ctx_mut(&mut self) -> &mut EthEvmContext<DB> {
        self.inner.ctx_mut()
    }
}

impl<E> fmt::Debug for TrackedEvm<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedEvm")
            .field("inspects", &self.inspects)
            .field("own_precompiles", &self.own_precompiles)
            .finish_non_exhaustive()
    }
}

impl<E> Deref for TrackedEvm<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.inner
    }
}

impl<E: Evm> Evm for TrackedEvm<E> {
    type DB = E::DB;
    type Tx = E::Tx;
    type Error = E::Error;
    type HaltReason = E::HaltReason;
    type Spec = E::Spec;
    type BlockEnv = E::BlockEnv;
    type Precompiles = E::Precompiles;
    type Inspector = E::Inspector;

    fn block(&self) -> &E::BlockEnv {
        self.inner.block()
    }

    fn cfg_env(&self) -> &CfgEnv<E::Spec> {
        self.inner.cfg_env()
    }

    fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    fn transact_raw(&mut self, tx: E::Tx) -> Result<ResultAndState<E::HaltReason>, E::Error> {
        self.inner.transact_raw(tx)
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<E::HaltReason>, E::Error> {
        let result = self.inner.transact_system_call(caller, contract, data)?;
        for (address, account) in result.state.iter().filter(|(_, account)| account.is_touched()) {
            let wiped = account.is_created() || account.is_selfdestructed();
            let Some(written) = self.written.as_mut().filter(|_| !wiped) else {
                self.written = None;
                break;
            };
            let slots = account.changed_storage_slots().map(|(key, _)| *key);
            written.entry(*address).or_default().extend(slots);
        }
        Ok(result)
    }

    fn db_mut(&mut self) -> &mut E::DB {
        self.inner.db_mut()
    }

    fn inspector_mut(&mut self) -> &mut E::Inspector {
        self.inner.inspector_mut()
    }

    fn finish(self) -> (E::DB, EvmEnv<E::Spec, E::BlockEnv>) {
        self.inner.finish()
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inspects = enabled;
        self.inner.set_inspector_enabled(enabled);
    }

    fn components(&self) -> (&E::DB, &E::Inspector, &E::Precompiles) {
        self.inner.components()
    }

    fn components_mut(&mut self) -> (&mut E::DB, &mut E::Inspector, &mut E::Precompiles) {
        self.own_precompiles = true;
        self.inner.components_mut()
    }
}

/// Another factory, for [`TrackedEvm`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackedEvmFactory<F>(pub(crate) F);

impl<F: EvmFactory> EvmFactory for TrackedEvmFactory<F> {
    type Evm<DB: Database, I: Inspector<F::Context<DB>>> = TrackedEvm<F::Evm<DB, I>>;
    type Context<DB: Database> = F::Context<DB>;
    type Tx = F::Tx;
    type Error<DBError: DBErrorMarker> = F::Error<DBError>;
    type HaltReason = F::HaltReason;
    type Spec = F::Spec;
    type BlockEnv = F::BlockEnv;
    type Precompiles = F::Precompiles;

    fn create_evm<DB: Database>(
        &self,
        db: DB,
        env: EvmEnv<F::Spec, F::BlockEnv>,
    ) -> TrackedEvm<F::Evm<DB, NoOpInspector>> {
        let inner = self.0.create_evm(db, env);
        TrackedEvm::new(inner, false)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<F::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv<F::Spec, F::BlockEnv>,
        inspector: I,
    ) -> TrackedEvm<F::Evm<DB, I>> {
        let inner = self.0.create_evm_with_inspector(db, env, inspector);
        TrackedEvm::new(inner, true)
    }
}

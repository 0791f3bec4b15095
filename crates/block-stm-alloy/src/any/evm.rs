//! The host's EVM, which remembers what an executor must know of it.

use std::{fmt, ops::Deref};

use alloy_evm::{
    Database, Evm, EvmEnv, EvmFactory,
    revm::{
        Inspector,
        context::{CfgEnv, DBErrorMarker, result::ResultAndState},
        inspector::NoOpInspector,
    },
};
use alloy_primitives::{Address, Bytes};

/// The EVM of another factory, which also knows whether its inspector is enabled, and whether
/// anyone could have changed its precompiles. Otherwise it does what that one does.
pub struct TrackedEvm<E> {
    inner: E,
    pub(crate) inspects: bool,
    /// There was a mutable reference to the precompiles.
    pub(crate) own_precompiles: bool,
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
        self.inner.transact_system_call(caller, contract, data)
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
        TrackedEvm { inner, inspects: false, own_precompiles: false }
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<F::Context<DB>>>(
        &self,
        db: DB,
        env: EvmEnv<F::Spec, F::BlockEnv>,
        inspector: I,
    ) -> TrackedEvm<F::Evm<DB, I>> {
        let inner = self.0.create_evm_with_inspector(db, env, inspector);
        TrackedEvm { inner, inspects: true, own_precompiles: false }
    }
}

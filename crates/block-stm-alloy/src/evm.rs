//! alloy-evm's Ethereum VM, which remembers what an executor must know of it.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use alloy_evm::{
    Database, EthEvm, EthEvmFactory, Evm, EvmEnv, EvmFactory,
    eth::EthEvmContext,
    precompiles::PrecompilesMap,
    revm::{
        Inspector,
        context::{
            BlockEnv, CfgEnv, DBErrorMarker, TxEnv,
            result::{EVMError, HaltReason, ResultAndState},
        },
        inspector::NoOpInspector,
        primitives::{AddressMap, HashSet, StorageKey, hardfork::SpecId},
    },
};
use alloy_primitives::{Address, Bytes};

/// [`EthEvm`], which also knows whether its inspector is enabled, whether anyone could have changed
/// its precompiles, and what system calls wrote. Otherwise it does what that one does.
pub struct BlockStmEvm<DB: Database, I> {
    inner: EthEvm<DB, I, PrecompilesMap>,
    inspects: bool,
    /// Somebody had the precompiles in hand.
    own_precompiles: bool,
    written: Written,
}

/// Accounts and slots, or nothing if storages were wiped.
pub(crate) type Written = Option<AddressMap<HashSet<StorageKey>>>;

impl<DB: Database, I> fmt::Debug for BlockStmEvm<DB, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockStmEvm")
            .field("inspects", &self.inspects)
            .field("own_precompiles", &self.own_precompiles)
            .finish_non_exhaustive()
    }
}

impl<DB: Database, I> BlockStmEvm<DB, I> {
    pub(crate) fn inspects(&self) -> bool {
        self.inspects
    }

    pub(crate) fn has_own_precompiles(&self) -> bool {
        self.own_precompiles
    }

    /// What system calls wrote so far; `None` if that is more than a list of slots.
    pub(crate) fn written(&self) -> Written {
        self.written.clone()
    }

    fn of(inner: EthEvm<DB, I, PrecompilesMap>, inspects: bool) -> Self {
        let written = Some(AddressMap::default());
        Self { inner, inspects, own_precompiles: false, written }
    }
}

impl<DB: Database, I> Deref for BlockStmEvm<DB, I> {
    type Target = EthEvmContext<DB>;

    fn deref(&self) -> &EthEvmContext<DB> {
        self.inner.ctx()
    }
}

impl<DB: Database, I> DerefMut for BlockStmEvm<DB, I> {
    fn deref_mut(&mut self) -> &mut EthEvmContext<DB> {
        self.inner.ctx_mut()
    }
}

impl<DB: Database, I: Inspector<EthEvmContext<DB>>> Evm for BlockStmEvm<DB, I> {
    type DB = DB;
    type Tx = TxEnv;
    type Error = EVMError<DB::Error>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;
    type Inspector = I;

    fn block(&self) -> &BlockEnv {
        self.inner.block()
    }

    fn cfg_env(&self) -> &CfgEnv {
        self.inner.cfg_env()
    }

    fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    fn transact_raw(&mut self, tx: TxEnv) -> Result<ResultAndState, Self::Error> {
        self.inner.transact_raw(tx)
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState, Self::Error> {
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

    fn db_mut(&mut self) -> &mut DB {
        self.inner.db_mut()
    }

    fn inspector_mut(&mut self) -> &mut I {
        self.inner.inspector_mut()
    }

    fn finish(self) -> (DB, EvmEnv) {
        self.inner.finish()
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inspects = enabled;
        self.inner.set_inspector_enabled(enabled);
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        self.inner.components()
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        self.own_precompiles = true;
        self.inner.components_mut()
    }
}

/// [`EthEvmFactory`] for [`BlockStmEvm`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct BlockStmEvmFactory;

impl EvmFactory for BlockStmEvmFactory {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = BlockStmEvm<DB, I>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = TxEnv;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> BlockStmEvm<DB, NoOpInspector> {
        let inner = EthEvmFactory::default().create_evm(db, env);
        BlockStmEvm::of(inner, false)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> BlockStmEvm<DB, I> {
        let inner = EthEvmFactory::default().create_evm_with_inspector(db, env, inspector);
        BlockStmEvm::of(inner, true)
    }
}

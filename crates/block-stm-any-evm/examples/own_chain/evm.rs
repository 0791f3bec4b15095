//! The chain's EVM: its transactions, handler and precompiles in revm's context.

use alloy_evm::{
    Database, Evm, EvmEnv, EvmFactory,
    precompiles::{DynPrecompile, PrecompileInput, PrecompilesMap},
    revm::{
        Context, Inspector, Journal, MainContext,
        context::{BlockEnv, CfgEnv, DBErrorMarker, Evm as RevmEvm},
        context_interface::{
            ContextSetters, JournalTr,
            result::{EVMError, HaltReason, ResultAndState},
        },
        handler::{EthFrame, Handler, SystemCallTx, instructions::EthInstructions},
        inspector::{InspectorHandler, NoOpInspector},
        interpreter::interpreter::EthInterpreter,
        precompile::{
            PrecompileError, PrecompileId, PrecompileOutput, PrecompileSpecId, Precompiles,
        },
        primitives::{Address, Bytes, U256, hardfork::SpecId},
    },
};

use super::{
    handler::{DATA_FEES, OwnHandler},
    txn::OwnTxn,
};

/// A contract that holds prices, each in a slot.
pub(crate) const PRICES: Address = Address::repeat_byte(0xee);
/// A precompile that reads the price of what its input names.
pub(crate) const PRICE: Address = Address::with_last_byte(0xa0);
/// A precompile that reads what the vault of data fees holds.
pub(crate) const TREASURY: Address = Address::with_last_byte(0xa1);

pub(crate) type OwnContext<DB> = Context<BlockEnv, OwnTxn, CfgEnv, DB, Journal<DB>, ()>;

type Inner<DB, I> = RevmEvm<
    OwnContext<DB>,
    I,
    EthInstructions<EthInterpreter, OwnContext<DB>>,
    PrecompilesMap,
    EthFrame,
>;

/// The chain's EVM.
pub(crate) struct OwnEvm<DB: Database, I> {
    inner: Inner<DB, I>,
    inspects: bool,
}

/// [`Fatal`](PrecompileError::Fatal), for a database that failed.
fn fatal(error: impl ToString) -> PrecompileError {
    PrecompileError::Fatal(error.to_string())
}

fn price(mut input: PrecompileInput<'_>) -> Result<PrecompileOutput, PrecompileError> {
    let key = U256::from_be_slice(&input.data[..input.data.len().min(32)]);
    input.internals.load_account(PRICES).map_err(fatal)?;
    let price = input.internals.sload(PRICES, key).map_err(fatal)?.data;
    Ok(PrecompileOutput::new(300, price.to_be_bytes_vec().into(), input.reservoir))
}

fn treasury(mut input: PrecompileInput<'_>) -> Result<PrecompileOutput, PrecompileError> {
    let balance = input.internals.load_account(DATA_FEES).map_err(fatal)?.data.info.balance;
    Ok(PrecompileOutput::new(300, balance.to_be_bytes_vec().into(), input.reservoir))
}

fn precompiles(spec: SpecId) -> PrecompilesMap {
    let ethereum = Precompiles::new(PrecompileSpecId::from_spec_id(spec));
    let own = |name: &'static str, f| DynPrecompile::new_stateful(PrecompileId::custom(name), f);
    PrecompilesMap::from_static(ethereum).with_extended_precompiles([
        (PRICE, own("price", price as fn(PrecompileInput<'_>) -> _)),
        (TREASURY, own("treasury", treasury)),
    ])
}

impl<DB: Database, I> OwnEvm<DB, I> {
    fn new(db: DB, env: EvmEnv, inspector: I, inspects: bool) -> Self {
        let spec = env.cfg_env.spec;
        let context = Context::mainnet()
            .with_db(db)
            .with_tx(OwnTxn::default())
            .with_block(env.block_env)
            .with_cfg(env.cfg_env);
        let instructions = EthInstructions::new_mainnet_with_spec(spec);
        let inner =
            RevmEvm::new_with_inspector(context, inspector, instructions, precompiles(spec));
        Self { inner, inspects }
    }
}

impl<DB: Database, I: Inspector<OwnContext<DB>>> Evm for OwnEvm<DB, I> {
    type DB = DB;
    type Tx = OwnTxn;
    type Error = EVMError<DB::Error>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;
    type Inspector = I;

    fn block(&self) -> &BlockEnv {
        &self.inner.ctx.block
    }

    fn cfg_env(&self) -> &CfgEnv {
        &self.inner.ctx.cfg
    }

    fn chain_id(&self) -> u64 {
        self.inner.ctx.cfg.chain_id
    }

    fn transact_raw(&mut self, txn: OwnTxn) -> Result<ResultAndState, Self::Error> {
        self.inner.ctx.set_tx(txn);
        let mut handler = OwnHandler::<_, Self::Error>::default();
        let result = match self.inspects {
            true => handler.inspect_run(&mut self.inner),
            false => handler.run(&mut self.inner),
        };
        let state = self.inner.ctx.journaled_state.finalize();
        Ok(ResultAndState { result: result?, state })
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState, Self::Error> {
        use alloy_evm::revm::context::TxEnv;
        let txn = TxEnv::new_system_tx_with_caller(caller, contract, data);
        self.inner.ctx.set_tx(txn.into());
        let result = OwnHandler::<_, Self::Error>::default().run_system_call(&mut self.inner);
        let state = self.inner.ctx.journaled_state.finalize();
        Ok(ResultAndState { result: result?, state })
    }

    fn finish(self) -> (DB, EvmEnv) {
        let Context { block: block_env, cfg: cfg_env, journaled_state, .. } = self.inner.ctx;
        (journaled_state.database, EvmEnv { cfg_env, block_env })
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inspects = enabled;
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        let RevmEvm { ctx, inspector, precompiles, .. } = &self.inner;
        (&ctx.journaled_state.database, inspector, precompiles)
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        let RevmEvm { ctx, inspector, precompiles, .. } = &mut self.inner;
        (&mut ctx.journaled_state.database, inspector, precompiles)
    }
}

/// Makes the chain's EVMs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnEvmFactory;

impl EvmFactory for OwnEvmFactory {
    type Evm<DB: Database, I: Inspector<OwnContext<DB>>> = OwnEvm<DB, I>;
    type Context<DB: Database> = OwnContext<DB>;
    type Tx = OwnTxn;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> OwnEvm<DB, NoOpInspector> {
        OwnEvm::new(db, env, NoOpInspector, false)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<OwnContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> OwnEvm<DB, I> {
        OwnEvm::new(db, env, inspector, true)
    }
}

//! An EVM whose transactions are several calls, with fees after each: frames after the vault was
//! credited.

use alloy_evm::{
    Database, EthEvm, EthEvmFactory, Evm, EvmEnv, EvmFactory, IntoTxEnv,
    eth::EthEvmContext,
    precompiles::PrecompilesMap,
    revm::{
        ExecuteEvm, InspectEvm, Inspector,
        context::{BlockEnv, CfgEnv, DBErrorMarker, TxEnv},
        context_interface::result::{EVMError, HaltReason, ResultAndState},
        inspector::NoOpInspector,
        primitives::{Address, Bytes, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_any_evm::Txns;
use block_stm_evm::{PreState, revm::bytecode::opcode as op};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*};

use crate::{
    code::Code,
    same::{assert_same_as, engines, executed, looped},
};

/// Calls that are one transaction.
#[derive(Clone, Debug, Default)]
struct Batch(Vec<TxEnv>);

impl IntoTxEnv<Self> for Batch {
    fn into_tx_env(self) -> Self {
        self
    }
}

type Inner<DB, I> = alloy_evm::revm::context::Evm<
    EthEvmContext<DB>,
    I,
    alloy_evm::revm::handler::instructions::EthInstructions<
        alloy_evm::revm::interpreter::interpreter::EthInterpreter,
        EthEvmContext<DB>,
    >,
    PrecompilesMap,
    alloy_evm::revm::handler::EthFrame,
>;

struct BatchEvm<DB: Database, I> {
    inner: Inner<DB, I>,
    inspects: bool,
}

impl<DB: Database, I> BatchEvm<DB, I> {
    fn new(evm: EthEvm<DB, I, PrecompilesMap>, inspects: bool) -> Self {
        Self { inner: evm.into_inner(), inspects }
    }
}

impl<DB: Database, I: Inspector<EthEvmContext<DB>>> Evm for BatchEvm<DB, I> {
    type DB = DB;
    type Tx = Batch;
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

    /// The result is that of the last call; the first one that is invalid makes all so.
    fn transact_raw(&mut self, batch: Batch) -> Result<ResultAndState, Self::Error> {
        let mut last = None;
        for txn in batch.0 {
            last = Some(match self.inspects {
                true => self.inner.inspect_one_tx(txn)?,
                false => self.inner.transact_one(txn)?,
            });
        }
        let result = last.expect("a batch has calls");
        Ok(ResultAndState { result, state: self.inner.finalize() })
    }

    fn transact_system_call(
        &mut self,
        _: Address,
        _: Address,
        _: Bytes,
    ) -> Result<ResultAndState, Self::Error> {
        unreachable!("the tests make no system calls")
    }

    fn finish(self) -> (DB, EvmEnv) {
        let ctx = self.inner.ctx;
        (ctx.journaled_state.database, EvmEnv { cfg_env: ctx.cfg, block_env: ctx.block })
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inspects = enabled;
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        let inner = &self.inner;
        (&inner.ctx.journaled_state.database, &inner.inspector, &inner.precompiles)
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        let inner = &mut self.inner;
        (&mut inner.ctx.journaled_state.database, &mut inner.inspector, &mut inner.precompiles)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct BatchEvmFactory(EthEvmFactory);

impl EvmFactory for BatchEvmFactory {
    type Evm<DB: Database, I: Inspector<EthEvmContext<DB>>> = BatchEvm<DB, I>;
    type Context<DB: Database> = EthEvmContext<DB>;
    type Tx = Batch;
    type Error<DBError: DBErrorMarker> = EVMError<DBError>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;

    fn create_evm<DB: Database>(&self, db: DB, env: EvmEnv) -> BatchEvm<DB, NoOpInspector> {
        BatchEvm::new(self.0.create_evm(db, env), false)
    }

    fn create_evm_with_inspector<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> BatchEvm<DB, I> {
        BatchEvm::new(self.0.create_evm_with_inspector(db, env, inspector), true)
    }
}

const VAULT: Address = Address::repeat_byte(0xa0);
const LOOKER: Address = Address::repeat_byte(0xc0);

/// What each call does: looks at the vault, or pays an account.
fn batch(caller: Address, nonce: &mut u64, looks: &[bool]) -> Batch {
    let calls = looks.iter().map(|&looks| {
        let kind = TxKind::Call(if looks { LOOKER } else { caller });
        let (gas_limit, gas_price) = (100_000, 1);
        let txn = TxEnv { caller, nonce: *nonce, kind, gas_limit, gas_price, ..TxEnv::default() };
        *nonce += 1;
        txn
    });
    Batch(calls.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn frames_after_a_credit_are_shown_the_truth(
        batches in vec(vec(any::<bool>(), 1..4), 1..20),
    ) {
        within(PATIENCE, move || {
            let mut state = PreState::new();
            let code = Code::new().balance(VAULT).sload(0).ops(&[op::ADD]).sstore_top(0);
            let code = Bytecode::new_legacy(code.bytes().into());
            state.insert_account(LOOKER, AccountInfo::default().with_nonce(1).with_code(code));
            let senders = [1, 2, 3].map(Address::repeat_byte);
            for sender in senders {
                let info = AccountInfo::from_balance(U256::from(1_000_000_000_u64));
                state.insert_account(sender, info);
            }
            let mut nonces = [0; 3];
            let txns = batches.iter().enumerate();
            let txns: Vec<_> =
                txns.map(|(n, looks)| batch(senders[n % 3], &mut nonces[n % 3], looks)).collect();
            let block_env = BlockEnv { beneficiary: VAULT, ..BlockEnv::default() };
            let env = EvmEnv { cfg_env: CfgEnv::new_with_spec(SpecId::CANCUN), block_env };
            let factory = BatchEvmFactory::default();
            let (expected, error) = looped(&factory, &env, &txns, &state, false);
            assert_eq!(error, None);
            assert!(expected.iter().all(Result::is_ok));
            for engine in engines() {
                let txns = Txns::new(&factory, &env, &txns).vaults(&[VAULT]);
                let (came, ended) = executed(engine, txns, &state);
                ended.expect("the state can be read");
                assert_same_as(&expected, &came, &format!("{} workers", engine.threads()));
            }
        }).expect("no hang");
    }
}

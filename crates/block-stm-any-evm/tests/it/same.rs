//! Executing transactions in a plain loop and by this crate, and comparing all of it.

use std::{
    fmt::Debug,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
};

use alloy_evm::{
    EthEvmFactory, Evm, EvmEnv, EvmError, EvmFactory,
    revm::{
        DatabaseCommit, DatabaseRef,
        context::TxEnv,
        context_interface::result::{HaltReason, ResultAndState},
        database::State,
        primitives::Address,
    },
};
use block_stm_any_evm::{
    Error, FinalTxn, InvalidTxn, TxnSink, Txns,
    block_stm::{Config, Engine, Flow, InvalidPolicy, Stats},
    execute,
};
use block_stm_evm::{Block, PreState};

use crate::decode::Case;

/// Engines with 1, 2, 4 and 8 workers that execute even the shortest block in parallel.
pub(crate) fn engines() -> &'static [Arc<Engine>] {
    static ENGINES: OnceLock<Vec<Arc<Engine>>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |threads| {
            let threads = NonZeroUsize::new(threads).expect("not zero");
            let config = Config::default().threads(threads).inline_below(0);
            Arc::new(Engine::new(config).expect("threads start"))
        };
        [1, 2, 4, 8].map(engine).into()
    })
}

/// The state of a case, as it could be on a chain: what has neither nonce nor code has no storage.
///
/// revm's `State` takes that for granted once such an account is changed, and asks what is below it
/// before.
pub(crate) fn possible(case: &Case) -> PreState {
    let state = case.state();
    let mut possible = state.clone();
    for (address, account) in state.accounts() {
        if account.info.nonce == 0 && account.info.is_empty_code_hash() {
            possible.wipe_storage(address);
        }
    }
    possible
}

/// What each transaction came to: what the EVM returned, or why it is invalid.
pub(crate) type Came<H> = Vec<Result<ResultAndState<H>, String>>;

/// The environment of Ethereum's EVM in a block.
pub(crate) fn env_of(block: &Block) -> EvmEnv {
    EvmEnv { cfg_env: block.cfg_env(), block_env: block.env.clone() }
}

/// A plain loop. The EVM is new for each transaction, or `kept` as long as transactions are valid.
///
/// Ends with the first error that is not the transaction's fault.
pub(crate) fn looped<F, DB>(
    factory: &F,
    env: &EvmEnv<F::Spec, F::BlockEnv>,
    txns: &[F::Tx],
    state: &DB,
    kept: bool,
) -> (Came<F::HaltReason>, Option<String>)
where
    F: EvmFactory<Tx: Clone>,
    DB: DatabaseRef<Error: Send + Sync + 'static> + Debug,
{
    let mut db = State::builder().with_database_ref(state).build();
    let mut came = Vec::new();
    let mut rest = txns;
    while !rest.is_empty() {
        let mut evm = factory.create_evm(&mut db, env.clone());
        while let Some((txn, after)) = rest.split_first() {
            rest = after;
            let result = match evm.transact_raw(txn.clone()) {
                Ok(result) => {
                    evm.db_mut().commit(result.state.clone());
                    Ok(result)
                }
                Err(error) if error.is_invalid_tx_err() => Err(invalid(error)),
                Err(error) => return (came, Some(error.to_string())),
            };
            let goes_on = kept && result.is_ok();
            came.push(result);
            if !goes_on {
                break;
            }
        }
    }
    (came, None)
}

fn invalid<E: EvmError>(error: E) -> String {
    error.try_into_invalid_tx_err().map_or_else(|error| error.to_string(), |why| why.to_string())
}

/// Keeps what comes.
pub(crate) struct Keep<H, I> {
    pub(crate) came: Came<H>,
    pub(crate) inspectors: Vec<I>,
}

impl<H, I> Default for Keep<H, I> {
    fn default() -> Self {
        Self { came: Vec::new(), inspectors: Vec::new() }
    }
}

impl<F: EvmFactory, I: Send> TxnSink<F, I> for Keep<F::HaltReason, I> {
    fn commit(&mut self, txn: FinalTxn<F::HaltReason, I>) -> Flow {
        assert_eq!(txn.index, self.came.len());
        self.came.push(Ok(txn.result));
        self.inspectors.push(txn.inspector);
        Flow::Continue
    }

    fn skip(&mut self, index: usize, reason: InvalidTxn) {
        assert_eq!(index, self.came.len());
        self.came.push(Err(reason.to_string()));
    }
}

/// How the execution of a block over a database ended.
type Ended<DB> = Result<Stats, Error<<DB as DatabaseRef>::Error>>;

/// What this crate makes of the transactions, skipping invalid ones.
pub(crate) fn executed<F, DB>(
    engine: &Engine,
    txns: Txns<'_, F>,
    state: &DB,
) -> (Came<F::HaltReason>, Ended<DB>)
where
    F: EvmFactory<Tx: Clone + Sync> + Sync,
    DB: DatabaseRef<Error: Send + Sync + 'static> + Sync,
{
    let mut keep = Keep::default();
    let executed = execute(engine, &txns.policy(InvalidPolicy::Skip), state, &mut keep);
    (keep.came, executed.map(|executed| executed.stats))
}

pub(crate) fn assert_same_as<H: Debug + PartialEq>(expected: &Came<H>, came: &Came<H>, name: &str) {
    for (place, (came, expected)) in came.iter().zip(expected).enumerate() {
        let (Ok(came), Ok(expected)) = (came, expected) else {
            assert_eq!(came, expected, "{name}, txn {place}");
            continue;
        };
        assert_eq!(came.result, expected.result, "{name}, txn {place}");
        for address in came.state.keys().chain(expected.state.keys()) {
            let (came, expected) = (came.state.get(address), expected.state.get(address));
            assert_eq!(came, expected, "{name}, txn {place}, {address}");
        }
    }
    assert_eq!(came.len(), expected.len(), "{name}");
}

/// Checks that a block of Ethereum comes out the same with every engine, whatever `vaults` are
/// declared, and returns what it comes to.
///
/// # Panics
///
/// If it does not.
pub(crate) fn assert_same(
    block: &Block,
    state: &PreState,
    vaults: &[&[Address]],
) -> Came<HaltReason> {
    let (factory, env) = (EthEvmFactory::default(), env_of(block));
    let (expected, error) = looped(&factory, &env, &block.txns, state, false);
    assert_eq!(error, None);
    for engine in engines() {
        for vaults in vaults {
            let name = format!("{} workers, vaults {vaults:?}", engine.threads());
            let txns: Txns<'_, EthEvmFactory> = Txns::new(&factory, &env, &block.txns);
            let (came, ended) = executed(engine, txns.vaults(vaults), state);
            ended.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_same_as(&expected, &came, &name);
        }
    }
    expected
}

/// The transactions of a block as Ethereum's EVM takes them.
pub(crate) type EthTxns<'a> = Txns<'a, EthEvmFactory>;

/// [`Txns::new`] for Ethereum.
pub(crate) fn eth_txns<'a>(
    factory: &'a EthEvmFactory,
    env: &'a EvmEnv,
    txns: &'a [TxEnv],
) -> EthTxns<'a> {
    Txns::new(factory, env, txns)
}

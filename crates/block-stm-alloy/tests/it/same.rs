//! Executing a block by alloy-evm's executor and by this crate's, and comparing all of it.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, OnceLock},
};

use alloy_consensus::{ReceiptEnvelope, TxEnvelope};
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutionResult, BlockExecutor, BlockExecutorFactory},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory,
        receipt_builder::AlloyReceiptBuilder,
    },
    revm::{
        context::{BlockEnv, TxEnv},
        database::{BundleState, State, states::bundle_state::BundleRetention},
        primitives::{B256, hardfork::SpecId},
        state::{EvmState, bal::alloy::AlloyBal},
    },
};
use block_stm_alloy::{
    BlockStmExecutorFactory, SharedState, States,
    block_stm::{Config, Engine},
};
use block_stm_evm::PreState;

use crate::{
    given::{Given, Local},
    spec::FixedSpec,
};

/// Engines with 1, 2, 4 and 8 workers that execute even the shortest block in parallel, each on
/// as many cores, and on one more, which is left to the calling thread.
pub(crate) fn engines() -> &'static [Arc<Engine>] {
    static ENGINES: OnceLock<Vec<Arc<Engine>>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |threads: usize, cores| {
            let count = |count| NonZeroUsize::new(count).expect("not zero");
            let config = Config::default().threads(count(threads)).cores(count(cores));
            Arc::new(Engine::new(config.inline_below(0)).expect("threads start"))
        };
        let threads = [1, 2, 4, 8].into_iter();
        threads.flat_map(|n| [engine(n, n), engine(n, n + 1)]).collect()
    })
}

/// What an engine is called in a message.
pub(crate) fn name(engine: &Engine) -> String {
    format!("{} workers on {} cores", engine.threads(), engine.cores())
}

pub(crate) type Theirs = EthBlockExecutorFactory<AlloyReceiptBuilder, FixedSpec, EthEvmFactory>;
pub(crate) type Ours = BlockStmExecutorFactory<AlloyReceiptBuilder, FixedSpec>;

pub(crate) fn theirs(given: &Given) -> Theirs {
    let spec = FixedSpec::of(&given.block);
    EthBlockExecutorFactory::new(AlloyReceiptBuilder::default(), spec, EthEvmFactory::default())
}

pub(crate) fn ours(given: &Given, engine: &Arc<Engine>) -> Ours {
    let spec = FixedSpec::of(&given.block);
    BlockStmExecutorFactory::new(engine.clone(), AlloyReceiptBuilder::default(), spec)
}

/// A node that has the state of one block.
pub(crate) struct Node(B256, Arc<PreState>);

impl Node {
    pub(crate) fn of(given: &Given) -> Self {
        Self(given.block.parent_hash, given.state.clone())
    }
}

impl States for Node {
    fn after(&self, block: B256) -> Option<Box<dyn SharedState + '_>> {
        (block == self.0).then(|| Box::new(&*self.1) as _)
    }
}

/// As [`ours`], with the state itself.
pub(crate) fn sharing(given: &Given, engine: &Arc<Engine>) -> Ours {
    ours(given, engine).with_states(Node::of(given))
}

/// Factories of this crate for a block, with their names: on each engine, asking the database or
/// the state itself.
pub(crate) fn all_ours(given: &Given) -> Vec<(String, Ours)> {
    let mut all = Vec::new();
    for engine in engines() {
        let name = name(engine);
        all.push((format!("{name}, shared state"), sharing(given, engine)));
        all.push((name, ours(given, engine)));
    }
    all
}

/// All that comes of executing a block.
#[derive(Debug, PartialEq)]
pub(crate) struct Came {
    pub(crate) result: Result<BlockExecutionResult<ReceiptEnvelope>, String>,
    /// What the state hook saw.
    pub(crate) hooked: Vec<EvmState>,
    pub(crate) bundle: BundleState,
    pub(crate) access_list: Option<AlloyBal>,
}

/// Executes the block by an executor of `factory`, on `db`.
pub(crate) fn executed<F>(factory: &F, given: &Given, db: Local) -> Came
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<Tx = TxEnv, Spec = SpecId, BlockEnv = BlockEnv>,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
{
    let hooked = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let hooked = hooked.clone();
        move |state: EvmState| hooked.lock().expect("no panic").push(state)
    };
    let builder = State::builder().with_database(db).with_bundle_update().with_bal_builder();
    let mut state = builder.build();
    state.set_state_hook(Some(Box::new(hook)));
    let evm = factory.evm_factory().create_evm(&mut state, given.env());
    let executor = factory.create_executor(evm, given.ctx());
    let result = executor.execute_block(given.txns()).map_err(|error| format!("{error:?}"));
    state.merge_transitions(BundleRetention::Reverts);
    let mut bundle = state.take_bundle();
    bundle.reverts.sort();
    let access_list = state.take_built_alloy_bal();
    let hooked = std::mem::take(&mut *hooked.lock().expect("no panic"));
    Came { result, hooked, bundle, access_list }
}

/// The bundle after a valid block, without anything that watches.
pub(crate) fn bundled<F>(factory: &F, given: &Given) -> BundleState
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<Tx = TxEnv, Spec = SpecId, BlockEnv = BlockEnv>,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
        >,
{
    let builder = State::builder().with_database(given.database()).with_bundle_update();
    let mut state = builder.build();
    let evm = factory.evm_factory().create_evm(&mut state, given.env());
    let executor = factory.create_executor(evm, given.ctx());
    executor.execute_block(given.txns()).expect("valid");
    state.merge_transitions(BundleRetention::Reverts);
    state.take_bundle()
}

/// Checks that every executor of this crate comes to what alloy-evm's does, and returns that.
///
/// # Panics
///
/// If one does not.
pub(crate) fn assert_same(given: &Given) -> Came {
    let expected = executed(&theirs(given), given, given.database());
    for (name, ours) in all_ours(given) {
        let came = executed(&ours, given, given.database());
        assert_same_as(&expected, &came, &name);
    }
    expected
}

pub(crate) fn assert_same_as(expected: &Came, came: &Came, name: &str) {
    assert_eq!(came.result, expected.result, "{name}");
    for (place, (came, expected)) in came.hooked.iter().zip(&expected.hooked).enumerate() {
        let accounts = came.keys().chain(expected.keys());
        for address in accounts {
            let (came, expected) = (came.get(address), expected.get(address));
            assert_eq!(came, expected, "{name}, call {place} of the hook, {address}");
        }
    }
    assert_eq!(came.hooked.len(), expected.hooked.len(), "{name}");
    assert_eq!(came.bundle, expected.bundle, "{name}");
    let contracts = |came: &Came| {
        let mut hashes: Vec<_> = came.bundle.contracts.keys().copied().collect();
        hashes.sort();
        hashes
    };
    assert_eq!(contracts(came), contracts(expected), "{name}");
    assert_eq!(came.access_list, expected.access_list, "{name}");
}

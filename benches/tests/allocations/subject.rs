//! The blocks whose allocations are counted.

use std::any::Any;

use block_stm::{Block, Collect, Engine, Stats, Storage, execute_sequential as execute_in_order};
use block_stm_benches::{Case, Gate, Number, Step, Steps, opening};
use block_stm_evm::revm::DatabaseRef;
use block_stm_evm::revm::context::TxEnv;
use block_stm_evm::revm::primitives::{Address, B256, StorageKey, StorageValue};
use block_stm_evm::revm::state::{AccountInfo, Bytecode};
use block_stm_evm::{
    InvalidTxn, ParallelOptions, PreState, PreStateError, StateRef, execute_parallel,
    execute_sequential,
};

/// A block, its result still there: what it holds counts as live.
pub(crate) type Kept = Box<dyn Any>;

/// A block that was executed.
pub(crate) struct Executed {
    pub(crate) stats: Stats,
    _kept: Kept,
}

/// A block that can be executed both ways.
pub(crate) trait Subject {
    fn name(&self) -> &str;
    fn sequential(&self) -> Kept;
    fn parallel(&self, engine: &Engine) -> Executed;
    /// With two workers, all but the first transaction ahead of its turn, by one of them.
    fn ahead(&self, engine: &Engine) -> Executed;
}

impl Subject for Case {
    fn name(&self) -> &str {
        &self.name
    }

    fn sequential(&self) -> Kept {
        let result = execute_sequential(&self.block, &self.state, InvalidTxn::Reject);
        Box::new(result.expect("a valid block"))
    }

    fn parallel(&self, engine: &Engine) -> Executed {
        parallel(engine, &self.block, &self.state)
    }

    fn ahead(&self, engine: &Engine) -> Executed {
        let sender = |txn: Option<&TxEnv>| txn.expect("there are transactions").caller;
        let txns = &self.block.txns;
        let gate = Gate::new(sender(txns.first()), sender(txns.last()));
        parallel(engine, &self.block, &Gated { state: &self.state, gate })
    }
}

fn parallel<DB>(engine: &Engine, block: &block_stm_evm::Block, state: &DB) -> Executed
where
    DB: StateRef<Error: std::fmt::Debug> + Sync,
{
    let executed = execute_parallel(engine, block, state, &ParallelOptions::default());
    let executed = executed.expect("a valid block");
    Executed { stats: executed.stats, _kept: Box::new(executed) }
}

/// A block of a VM that does not allocate: what is counted is the engine's own.
#[derive(Debug)]
pub(crate) struct Synthetic {
    txns: Vec<Vec<Step>>,
}

impl Subject for Synthetic {
    fn name(&self) -> &str {
        "synthetic"
    }

    fn sequential(&self) -> Kept {
        let mut outcomes = Collect::default();
        let executed = execute_in_order(&Block::new(&Steps, &self.txns, &opening), &mut outcomes);
        Box::new((executed.expect("no errors"), outcomes))
    }

    fn parallel(&self, engine: &Engine) -> Executed {
        self.on(engine, &opening)
    }

    fn ahead(&self, engine: &Engine) -> Executed {
        let gate = Gate::new(own(0), own(self.txns.len() as u64 - 1));
        let gated = |location: &u64| {
            gate.pass(location);
            opening(location)
        };
        self.on(engine, &gated)
    }
}

impl Synthetic {
    fn on(&self, engine: &Engine, state: &dyn Storage<u64, Number>) -> Executed {
        let mut outcomes = Collect::default();
        let executed = engine.execute(&Block::new(&Steps, &self.txns, state), &mut outcomes);
        let executed = executed.expect("no errors");
        Executed { stats: executed.stats, _kept: Box::new((executed, outcomes)) }
    }
}

/// The first location of a transaction of its own.
const fn own(txn: u64) -> u64 {
    1_000 + 8 * txn
}

/// Eight reads and four writes each, and a delta that all share.
pub(crate) fn synthetic(txns: u64) -> Synthetic {
    let steps = |txn| {
        vec![
            Step::Read(own(txn)..own(txn) + 8),
            Step::Write(own(txn)..own(txn) + 4),
            Step::Add(0..1),
        ]
    };
    Synthetic { txns: (0..txns).map(steps).collect() }
}

/// A [`PreState`] behind a gate of accounts.
#[derive(Debug)]
struct Gated<'a> {
    state: &'a PreState,
    gate: Gate<Address>,
}

impl DatabaseRef for Gated<'_> {
    type Error = PreStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.gate.pass(&address);
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Self::Error> {
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.state.block_hash_ref(number)
    }
}

impl StateRef for Gated<'_> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        self.state.has_storage_ref(address)
    }
}

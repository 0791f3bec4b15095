//! Chains, and what sequential execution makes of them.

use std::path::Path;

use alloy_consensus::{BlockHeader, EthereumTxEnvelope, Header, TxEip4844};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use block_stm_chain::{Genesis, Line, Prepared, StateTrie, rlp_blocks, t8n::sign_txns};
use block_stm_evm::{BlockResult, PreState};
use block_stm_pipeline::{Draft, Maker};
use block_stm_workloads::{Format, Overrides, Params, Scenario, Workload};

pub(crate) type Txn = EthereumTxEnvelope<TxEip4844>;
pub(crate) type RlpBlock = alloy_consensus::Block<Txn>;
pub(crate) type AnyError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type TestResult = Result<(), AnyError>;

/// A chain with all that is known of each block.
pub(crate) struct Truth {
    pub(crate) genesis: Genesis,
    pub(crate) first: Header,
    pub(crate) blocks: Vec<Block>,
}

/// A block, executed one transaction after another.
pub(crate) struct Block {
    pub(crate) rlp: Bytes,
    pub(crate) decoded: RlpBlock,
    pub(crate) prepared: Prepared,
    pub(crate) result: BlockResult,
    /// The state after it.
    pub(crate) state: PreState,
}

impl Truth {
    fn new(genesis: Genesis, blocks: impl IntoIterator<Item = Bytes>) -> Result<Self, AnyError> {
        let mut first = genesis.header.clone();
        first.state_root = StateTrie::from(&genesis.state).root();
        let mut line = Line::new(genesis.schedule.clone(), first.clone());
        let mut state = genesis.state.clone();
        state.insert_block_hash(first.number, first.hash_slow());
        let mut done = Vec::new();
        for rlp in blocks {
            let prepared = line.take(&rlp, None)?;
            let result = prepared.execute_sequential(&state)?;
            state.apply(&result.state);
            state.insert_block_hash(prepared.header.number, prepared.hash);
            let decoded = RlpBlock::decode(&mut rlp.as_ref())?;
            done.push(Block { rlp, decoded, prepared, result, state: state.clone() });
        }
        Ok(Self { genesis, first, blocks: done })
    }

    /// A chain of `blocks` blocks of 40 transactions each.
    pub(crate) fn made(workload: Workload, blocks: usize) -> Result<Self, AnyError> {
        Self::made_with(workload, blocks, |_| {})
    }

    /// The same, with `change` in the state that it begins with. All have much gas.
    pub(crate) fn made_with(
        workload: Workload,
        blocks: usize,
        change: impl FnOnce(&mut PreState),
    ) -> Result<Self, AnyError> {
        let params = Params { txns: 40, accounts: 60, pools: 3, ..Params::default() };
        let text = workload.scenario(&params)?;
        let overrides = Overrides { blocks: Some(blocks), ..Overrides::default() };
        let mut no_files = |path: &str| Err(format!("{path} is not here"));
        let scenario = Scenario::parse(&text, Format::Json, &overrides, &mut no_files)?;
        let series = scenario.generate_with_keys()?;
        let gas = series.blocks.iter().map(|made| made.block.env.gas_limit).max();
        let first = &series.blocks.first().ok_or("no block")?.block;
        let mut genesis = series.genesis.clone();
        change(&mut genesis);
        let gas = gas.ok_or("no block")?.max(1 << 40);
        let mut maker = Maker::before(first, gas, genesis);
        let mut made = Vec::new();
        for block in series.blocks {
            let signed = sign_txns(&block.block.txns, &series.secret_keys)?;
            made.push(maker.make(Draft { block: block.block, signed })?.rlp);
        }
        Self::new(maker.genesis().clone(), made)
    }

    /// The chain in a folder of fixtures.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, AnyError> {
        let path = folder.join("genesis.json");
        let genesis = Genesis::parse(&path, &std::fs::read(&path)?)?;
        let bytes = std::fs::read(folder.join("chain.rlp"))?;
        let blocks: Result<Vec<_>, _> = rlp_blocks(&bytes).map(|(_, block)| block).collect();
        Self::new(genesis, blocks?.into_iter().map(Bytes::copy_from_slice))
    }

    /// The number of the genesis block.
    pub(crate) fn start(&self) -> u64 {
        self.first.number
    }

    pub(crate) fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number.checked_sub(self.start() + 1)?).ok()?)
    }

    pub(crate) fn header(&self, number: u64) -> Option<&Header> {
        if number == self.start() {
            return Some(&self.first);
        }
        self.block(number).map(|block| &block.prepared.header)
    }

    pub(crate) fn hash(&self, number: u64) -> Option<B256> {
        self.header(number).map(Header::hash_slow)
    }

    /// The state after a block.
    pub(crate) fn state(&self, number: u64) -> Option<&PreState> {
        if number == self.start() {
            return Some(&self.genesis.state);
        }
        self.block(number).map(|block| &block.state)
    }

    /// The number of the newest block.
    pub(crate) fn head(&self) -> u64 {
        self.blocks.last().map_or(self.start(), |block| block.decoded.header.number())
    }
}

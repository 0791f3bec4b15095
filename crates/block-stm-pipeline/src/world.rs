//! State, trie and headers of a chain after its newest block, in memory.

use alloy_consensus::{BlockBody, EthereumTxEnvelope, Header, TxEip4844};
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use block_stm_chain::{ForkSchedule, Genesis, Line, StateTrie};
use block_stm_evm::{
    PreState,
    revm::state::{AccountInfo, Bytecode},
};
use block_stm_store::{Options, Snapshot, Store, StoredBlock, disk::Disk};

use crate::{Prover, error::OpenError, record::genesis_record};

/// So many headers are read again: those that ommers are checked against.
const ANCESTORS: u64 = 8;
/// BLOCKHASH answers for so many blocks.
pub(crate) const BLOCK_HASHES: u64 = 256;

/// State, trie and newest headers of a chain, after its newest block.
#[derive(Debug)]
pub struct World {
    pub(crate) state: PreState,
    pub(crate) prover: Prover,
    pub(crate) line: Line,
}

impl World {
    /// What a chain begins with.
    ///
    /// # Cost
    ///
    /// Hashes the whole state, on the threads of rayon's current pool.
    pub fn genesis(genesis: Genesis) -> Self {
        let Genesis { schedule, mut header, mut state, .. } = genesis;
        let mut trie = StateTrie::from(&state);
        header.state_root = trie.root();
        state.insert_block_hash(header.number, header.hash_slow());
        let line = Line::new(schedule, header);
        Self { state, prover: Prover::new(trie, line.head()), line }
    }

    /// Opens the store of the chain that begins with `genesis`, or makes one, and reads what the
    /// chain is after the newest block that is there.
    ///
    /// # Errors
    ///
    /// The store can't be opened, is another chain's, or holds a state that does not have the root
    /// that its newest header names.
    ///
    /// # Cost
    ///
    /// Reads and hashes the whole state, on the threads of rayon's current pool.
    pub fn open(
        disk: impl Disk + 'static,
        genesis: Genesis,
        options: Options,
    ) -> Result<(Self, Store), OpenError> {
        let schedule = genesis.schedule.clone();
        let world = Self::genesis(genesis);
        let first = genesis_record(world.line.head_header(), &world.state);
        let store = Store::open_or_create(disk, first, options)?;
        if store.head() == world.line.head() {
            return Ok((world, store));
        }
        let start = world.line.head().0;
        drop(world);
        let world = Self::load(&store.snapshot()?, start, schedule)?;
        Ok((world, store))
    }

    /// The same from a snapshot of a store whose genesis block is `start`.
    fn load(snapshot: &Snapshot, start: u64, schedule: ForkSchedule) -> Result<Self, OpenError> {
        let line = line(snapshot, start, schedule)?;
        let mut state = state(snapshot)?;
        let (number, _) = line.head();
        for number in start.max((number + 1).saturating_sub(BLOCK_HASHES))..=number {
            if let Some(block) = snapshot.block(number)? {
                state.insert_block_hash(number, block.hash);
            }
        }
        let mut trie = StateTrie::from(&state);
        let (root, claimed) = (trie.root(), line.head_header().state_root);
        if root != claimed {
            let what = format!("its header names the state root {claimed}, the state has {root}");
            return Err(OpenError::Block { number, what });
        }
        Ok(Self { state, prover: Prover::new(trie, line.head()), line })
    }

    /// Number and hash of the newest block.
    pub fn head(&self) -> (u64, B256) {
        self.line.head()
    }

    /// The header of the newest block.
    pub fn head_header(&self) -> &Header {
        self.line.head_header()
    }

    /// Proofs of the newest block's state, from any thread, also while blocks go through a
    /// [`Pipeline`](crate::Pipeline).
    pub fn prover(&self) -> Prover {
        self.prover.clone()
    }

    /// The state after the newest block.
    pub fn state(&self) -> &PreState {
        &self.state
    }
}

fn wrong(number: u64, what: impl ToString) -> OpenError {
    OpenError::Block { number, what: what.to_string() }
}

/// The state that a snapshot shows.
fn state(snapshot: &Snapshot) -> Result<PreState, OpenError> {
    let mut state = PreState::new();
    for account in snapshot.accounts()? {
        let (address, account) = account?;
        let code_hash = account.code_hash;
        if state.code(&code_hash).is_none() {
            let code = snapshot.code(&code_hash)?;
            let missing = || wrong(snapshot.number(), format!("the code {code_hash} is missing"));
            state.insert_code(Bytecode::new_raw(code.ok_or_else(missing)?));
        }
        let (nonce, balance) = (account.nonce, account.balance);
        let info = AccountInfo { nonce, balance, code_hash, code: None, ..AccountInfo::default() };
        state.insert_account(address, info);
        // No account without code and nonce has storage since Spurious Dragon; before, some do.
        for slot in snapshot.slots(address)? {
            let (slot, value) = slot?;
            state.insert_storage(address, slot, value);
        }
    }
    Ok(state)
}

fn stored(snapshot: &Snapshot, number: u64) -> Result<StoredBlock, OpenError> {
    snapshot.block(number)?.ok_or_else(|| wrong(number, "it was forgotten"))
}

fn header(block: &StoredBlock) -> Result<Header, OpenError> {
    let header =
        Header::decode(&mut block.header.as_ref()).map_err(|error| wrong(block.number, error))?;
    if header.hash_slow() == block.hash {
        return Ok(header);
    }
    Err(wrong(block.number, "its header has another hash"))
}

/// The newest headers.
fn line(snapshot: &Snapshot, start: u64, schedule: ForkSchedule) -> Result<Line, OpenError> {
    let head = snapshot.number();
    let mut blocks = Vec::new();
    for number in start.max(head.saturating_sub(ANCESTORS))..=head {
        let block = stored(snapshot, number)?;
        // A genesis block has no body.
        let body = match block.body.is_empty() {
            true => BlockBody::default(),
            false => BlockBody::<EthereumTxEnvelope<TxEip4844>>::decode(&mut block.body.as_ref())
                .map_err(|error| wrong(number, error))?,
        };
        blocks.push((header(&block)?, body.ommers));
    }
    let newest = blocks.last().map(|(header, _)| header.difficulty).unwrap_or_default();
    // After the Merge it is enough that the sum is large.
    let total_difficulty = match newest.is_zero() && head > start {
        true => U256::MAX,
        false => {
            let mut sum = U256::ZERO;
            for number in start..=head {
                sum = sum.saturating_add(header(&stored(snapshot, number)?)?.difficulty);
            }
            sum
        }
    };
    Line::resume(schedule, blocks, total_difficulty).ok_or_else(|| wrong(head, "it is missing"))
}

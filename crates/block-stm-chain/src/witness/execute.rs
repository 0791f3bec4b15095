//! Executing a block on the whole state, with a witness for it; and on the witness alone.

use alloy_primitives::B256;
use block_stm_evm::block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, ExecutionError, InvalidTxn, ParallelOptions, PreState, PreStateError,
    Stage, execute_parallel, steps::execute_observed,
};
use revm::{DatabaseRef, primitives::hardfork::SpecId, state::AccountInfo};

use super::{
    Witness, WitnessError, WitnessFault, known::Known, record::Recorder, root::root_after,
    source::Source, state::StateOn,
};
use crate::StateTrie;

/// A block's result with the roots before and after it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rooted {
    /// The result, with the access list; state roots are in the receipts that hold them.
    pub result: BlockResult,
    /// The state root before the block.
    pub pre_root: B256,
    /// The state root after it.
    pub post_root: B256,
}

/// A block's result, and the witness that leads to it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Witnessed {
    /// The result.
    pub rooted: Rooted,
    /// What executing the block takes, without headers.
    pub witness: Witness,
    /// The oldest block of which BLOCKHASH asked for the hash.
    pub oldest_hash: Option<u64>,
}

/// Executes `block` in parallel on `state`, whose trie is `trie`, and makes the witness of it.
///
/// The witness has what the block takes when its transactions are executed one after another: each
/// node on the way to an account or slot that is read, or that shows that there is none; the nodes
/// beside removed ones that a collapsing branch needs; the code that is read. It has nothing else,
/// and it is the same for every number of threads. Any execution that is equal to the sequential
/// one can do with it.
///
/// # Errors
///
/// Those of [`execute_parallel`]. An invalid transaction is one.
///
/// # Panics
///
/// If `trie` is not that of `state`.
///
/// # Cost
///
/// Executes the block in parallel, with its access list, and once more, one transaction after
/// another, while what is read is noted: an engine reads ahead of itself, and in no fixed way. Each
/// node of the witness is encoded once.
pub fn execute_with_witness(
    engine: &Engine,
    block: &Block,
    state: &PreState,
    trie: &mut StateTrie,
) -> Result<Witnessed, ExecutionError<PreStateError>> {
    const AGAIN: &str = "a block that was executed can be executed again on the same state";
    let pre_root = trie.root();
    let options = ParallelOptions::default().access_list();
    let mut result = execute_parallel(engine, block, state, &options)?.result;
    let recorder = Recorder::new(state, trie);
    let (mut again, roots) = in_order(block, &recorder, pre_root).expect(AGAIN);
    again.access_list = result.access_list.clone();
    assert!(again == result, "the parallel result is not the sequential one");
    result.set_state_roots(&roots);
    let post_root = root_after(&recorder, pre_root, &result.state).expect(AGAIN);
    let (witness, oldest_hash) = recorder.witness();
    Ok(Witnessed { rooted: Rooted { result, pre_root, post_root }, witness, oldest_hash })
}

/// A state of which a witness is all that is known.
#[derive(Debug)]
pub struct WitnessState {
    known: Known,
    root: B256,
}

impl WitnessState {
    /// The state with the root `root`, as far as `witness` tells of it. Headers are left alone: see
    /// [`block_hash`](Self::block_hash).
    ///
    /// # Errors
    ///
    /// A [`WitnessFault`] with the first part of the witness that is wrong.
    ///
    /// # Cost
    ///
    /// Hashes each node and code; time and memory are in proportion to the witness.
    pub fn new(witness: &Witness, root: B256) -> Result<Self, WitnessFault> {
        Ok(Self { known: Known::new(witness)?, root })
    }

    /// The same state, in which BLOCKHASH answers `hash` for block `number`.
    #[must_use]
    pub fn block_hash(mut self, number: u64, hash: B256) -> Self {
        self.known.block_hashes.insert(number, hash);
        self
    }

    /// The account at `address`.
    ///
    /// # Errors
    ///
    /// The node that the witness lacks.
    pub fn account(
        &self,
        address: alloy_primitives::Address,
    ) -> Result<Option<AccountInfo>, WitnessError> {
        StateOn { source: &self.known, root: self.root }.basic_ref(address)
    }

    /// Executes `block` on this state with the threads of `engine`.
    ///
    /// # Errors
    ///
    /// Those of [`execute_parallel`]; with [`ExecutionError::Database`] where the witness lacks
    /// what the block needs.
    ///
    /// # Cost
    ///
    /// That of the block, where each read is a walk from the root, a look-up for each node; and of
    /// hashing what it changes. Before Byzantium, where receipts hold state roots, the block is
    /// executed twice, and hashed for each transaction.
    ///
    /// # Examples
    ///
    /// ```
    /// use block_stm_chain::{
    ///     StateTrie,
    ///     block_stm_evm::{
    ///         Block, PreState,
    ///         block_stm::{Config, Engine},
    ///         revm::{context::BlockEnv, primitives::hardfork::SpecId},
    ///     },
    ///     witness::{WitnessState, execute_with_witness},
    /// };
    ///
    /// let engine = Engine::new(Config::default())?;
    /// let (state, block) =
    ///     (PreState::new(), Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new()));
    /// let made =
    ///     execute_with_witness(&engine, &block, &state, &mut StateTrie::from(&state))?;
    /// let checked = WitnessState::new(&made.witness, made.rooted.pre_root)?;
    /// assert_eq!(checked.execute(&engine, &block)?, made.rooted);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn execute(
        &self,
        engine: &Engine,
        block: &Block,
    ) -> Result<Rooted, ExecutionError<WitnessError>> {
        let state = StateOn { source: &self.known, root: self.root };
        let options = ParallelOptions::default().access_list();
        let mut result = execute_parallel(engine, block, &state, &options)?.result;
        if holds_roots(block) {
            let (_, roots) = in_order(block, &self.known, self.root)?;
            result.set_state_roots(&roots);
        }
        let post_root = root_after(&self.known, self.root, &result.state).map_err(at_the_end)?;
        Ok(Rooted { result, pre_root: self.root, post_root })
    }
}

/// Whether receipts hold state roots.
fn holds_roots(block: &Block) -> bool {
    !block.spec.is_enabled_in(SpecId::BYZANTIUM)
}

fn at_the_end(source: WitnessError) -> ExecutionError<WitnessError> {
    ExecutionError::Database { stage: Stage::PostBlock, source }
}

/// Executes a block one transaction after another; with the state roots between, where receipts
/// hold them.
fn in_order<S: Source>(
    block: &Block,
    source: &S,
    root: B256,
) -> Result<(BlockResult, Vec<B256>), ExecutionError<WitnessError>> {
    let state = StateOn { source, root };
    let mut roots = Vec::new();
    let result = execute_observed(block, &state, InvalidTxn::Reject, |after| {
        if holds_roots(block) {
            roots.push(root_after(source, root, &after.clone().into_changes()));
        }
    })?;
    let roots = roots.into_iter().collect::<Result<_, _>>();
    Ok((result, roots.map_err(at_the_end)?))
}

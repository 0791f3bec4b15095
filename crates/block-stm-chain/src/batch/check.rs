//! Checking a batch: from its statement and its witness alone.

use std::path::Path;

use alloy_genesis::ChainConfig;
use alloy_primitives::{B256, hex};
use block_stm_evm::{ExecutionError, block_stm::Engine};

use super::{
    BATCH_FILE, Outcome, Statement, WITNESS_FILE,
    difference::first_difference,
    statement::{BlockPart, Kind, TransitionPart},
};
use crate::{
    ForkSchedule, ScheduleError,
    import::{ImportError, json::Document},
    t8n::{T8nError, T8nFiles, T8nOptions, T8nSource, Transition},
    witness::{
        Rooted, StatelessError, Witness, WitnessError, WitnessFault, WitnessState, check_block,
    },
};

/// Why a batch is refused, or can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// A file can't be read, or is not the JSON that is expected.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The rules of the chain make no sense.
    #[error("{BATCH_FILE}: block.config: {0}")]
    Schedule(#[from] ScheduleError),
    /// The environment or a transaction of the batch is wrong.
    #[error("{BATCH_FILE}: {0}")]
    Transition(#[from] T8nError),
    /// A transaction of the batch is invalid.
    #[error("{BATCH_FILE}: transition.txs: txn {index}: {reason}")]
    Rejected {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The witness is none.
    #[error("{WITNESS_FILE}: {0}")]
    Witness(#[from] WitnessFault),
    /// The batch can't be executed on the witness.
    #[error("{0}")]
    Execution(#[from] ExecutionError<WitnessError>),
    /// The block of the batch is refused.
    #[error("{0}")]
    Block(#[from] StatelessError),
    /// A root is another one than the statement says.
    #[error("{BATCH_FILE}: {field} is {claimed}, not {computed}")]
    Root {
        /// Which one.
        field: &'static str,
        /// The statement's.
        claimed: B256,
        /// What the batch leads to, or the header of the block's parent says.
        computed: B256,
    },
    /// A file says something else than follows from the batch.
    #[error("{file}: {difference}")]
    Differs {
        /// Which file.
        file: &'static str,
        /// The first difference, with its place.
        difference: String,
    },
}

impl BatchError {
    /// Whether the files can't be read at all, rather than claim something wrong.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Import(_))
    }
}

/// A batch that was checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckedBatch {
    /// What it claims.
    pub statement: Statement,
    /// The witness.
    pub witness: Witness,
    /// What it leads to.
    pub outcome: Outcome,
}

/// Executes what `statement` says on `witness` alone, and compares the roots.
///
/// # Errors
///
/// A [`BatchError`] with the first thing that is wrong.
///
/// # Cost
///
/// As [`WitnessState::new`] and [`WitnessState::execute`], and the signatures.
pub fn check_batch(
    statement: &Statement,
    witness: &Witness,
    engine: &Engine,
) -> Result<Outcome, BatchError> {
    let (state, rooted) = match statement.kind() {
        Kind::Transition(part) => transition(part, statement.pre_state_root, witness, engine)?,
        Kind::Block(part) => block(part, witness, engine)?,
    };
    let same = |field, claimed, computed| match claimed == computed {
        true => Ok(()),
        false => Err(BatchError::Root { field, claimed, computed }),
    };
    same("preStateRoot", statement.pre_state_root, rooted.pre_root)?;
    same("postStateRoot", statement.post_state_root, rooted.post_root)?;
    let outcome = Outcome::new(rooted, |address| state.account(address));
    outcome.map_err(|source| {
        let stage = block_stm_evm::Stage::PostBlock;
        ExecutionError::Database { stage, source }.into()
    })
}

/// Checks the files of a batch, which `read` reads by their names: the statement, the witness, and
/// that the files of the outcome say what follows from these.
///
/// # Errors
///
/// A [`BatchError`] with the first thing that is wrong, also if a file is missing.
///
/// # Cost
///
/// As [`check_batch`], with memory in proportion to the files.
pub fn check_files(
    read: impl Fn(&str) -> Result<Vec<u8>, ImportError>,
    engine: &Engine,
) -> Result<CheckedBatch, BatchError> {
    let statement = Statement::parse(Path::new(BATCH_FILE), &read(BATCH_FILE)?)?;
    let witness = Witness::parse(Path::new(WITNESS_FILE), &read(WITNESS_FILE)?)?;
    let outcome = check_batch(&statement, &witness, engine)?;
    for (file, computed) in outcome.files() {
        let claimed = read(file)?;
        if claimed == computed {
            continue;
        }
        // Written by another program, perhaps.
        let claimed: serde_json::Value = Document::bare(Path::new(file), &claimed).parse()?;
        let computed = Document::bare(Path::new(file), &computed).parse()?;
        if let Some(difference) = first_difference(&claimed, &computed) {
            return Err(BatchError::Differs { file, difference });
        }
    }
    Ok(CheckedBatch { statement, witness, outcome })
}

type Executed = (WitnessState, Rooted);

fn transition(
    part: &TransitionPart,
    root: B256,
    witness: &Witness,
    engine: &Engine,
) -> Result<Executed, BatchError> {
    let txs = format!("\"{}\"", hex::encode_prefixed(&part.txs));
    let source = |name: &'static str, bytes| T8nSource::File { name: Path::new(name), bytes };
    let files = T8nFiles {
        alloc: source("alloc", b"{}"),
        env: source("transition.env", part.env.get().as_bytes()),
        txs: source("transition.txs", txs.as_bytes()),
        blob_params: None,
        shared: None,
    };
    let options = T8nOptions { fork: &part.fork, chain_id: part.chain_id, reward: part.reward };
    let transition = Transition::new(&files, &options)?;
    if let Some((index, reason)) = transition.rejected().into_iter().next() {
        return Err(BatchError::Rejected { index, reason });
    }
    let mut state = WitnessState::new(witness, root)?;
    for (&number, &hash) in transition.state().block_hashes() {
        state = state.block_hash(number, hash);
    }
    let rooted = state.execute(engine, transition.block())?;
    transition.check_list(&rooted.result)?;
    Ok((state, rooted))
}

fn block(part: &BlockPart, witness: &Witness, engine: &Engine) -> Result<Executed, BatchError> {
    let config = Document::bare(Path::new("block.config"), part.config.get().as_bytes());
    let config: ChainConfig = config.parse()?;
    let schedule = ForkSchedule::from_genesis(&config)?;
    let checked = check_block(&part.rlp, &schedule, witness, engine)?;
    Ok((checked.state, checked.rooted))
}

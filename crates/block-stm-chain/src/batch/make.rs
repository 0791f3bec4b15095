//! Making batches on a whole state.

use std::path::Path;

use alloy_primitives::{Address, Bytes};
use block_stm_evm::{PreState, block_stm::Engine};
use revm::state::AccountInfo;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    BATCH_FILE, Outcome, Statement, WITNESS_FILE,
    outcome::json,
    statement::{BlockPart, TransitionPart},
};
use crate::{
    BlockError, Chain,
    import::{ImportError, json::Document},
    t8n::{T8nError, T8nFiles, T8nOptions, Transition},
    witness::{Witness, Witnessed},
};

/// A batch with all that comes out of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Batch {
    /// What it claims.
    pub statement: Statement,
    /// What it leads to.
    pub outcome: Outcome,
    /// What it takes to check that.
    pub witness: Witness,
    /// The transactions that were left out as they are invalid: their places in the input, and why.
    pub rejected: Vec<(usize, String)>,
}

/// Why no batch is made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchMakeError {
    /// The transition can't be made.
    #[error(transparent)]
    Transition(#[from] T8nError),
    /// The chain's files are wrong.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The block is refused.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl Batch {
    /// Names and content of all files: the statement, the witness and the outcome's.
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let own = [(BATCH_FILE, json(&self.statement)), (WITNESS_FILE, json(&self.witness))];
        own.into_iter().chain(self.outcome.files()).collect()
    }
}

/// The batch of a transition: as [`Transition`] makes it, with a witness. Invalid transactions are
/// left out, and are no part of the batch.
///
/// # Errors
///
/// As [`Transition::new`] and [`Transition::execute`]. Blob limits of one's own are refused: the
/// statement has no place for them.
///
/// # Cost
///
/// That of [`execute_with_witness`](crate::witness::execute_with_witness), and of hashing the
/// whole state; once more the block where transactions are invalid.
pub fn batch_of_transition(
    files: &T8nFiles<'_>,
    options: &T8nOptions<'_>,
    engine: &Engine,
) -> Result<Batch, BatchMakeError> {
    if files.blob_params.is_some() {
        let message = "blobParams: a batch has the blob limits of its fork".to_owned();
        return Err(T8nError::Config(message).into());
    }
    let mut transition = Transition::new(files, options)?;
    let made = transition.execute_with_witness(engine)?;
    let part = TransitionPart {
        fork: options.fork.to_owned(),
        chain_id: options.chain_id,
        reward: options.reward,
        env: files.env()?,
        txs: transition.body(),
    };
    let roots = (made.rooted.pre_root, made.rooted.post_root);
    let statement = Statement::of_transition(roots, part);
    let rejected = transition.rejected();
    Ok(batch(statement, made, transition.state(), rejected))
}

/// A block of a chain, to make a batch of.
#[derive(Clone, Copy, Debug)]
pub struct BlockInput<'a> {
    /// What errors call the genesis file.
    pub genesis_file: &'a Path,
    /// The genesis file, whose `config` enters the statement.
    pub genesis: &'a [u8],
    /// The block's RLP.
    pub rlp: &'a [u8],
}

/// The batch of a block of `chain`, which knows the parent. The block is not added.
///
/// # Errors
///
/// As [`Chain::witness`].
///
/// # Cost
///
/// As [`Chain::witness`].
pub fn batch_of_block(
    chain: &mut Chain,
    block: &BlockInput<'_>,
    engine: &Engine,
) -> Result<Batch, BatchMakeError> {
    #[derive(Deserialize)]
    struct Genesis {
        config: Box<RawValue>,
    }
    let genesis: Genesis = Document::bare(block.genesis_file, block.genesis).parse()?;
    let made = chain.witness(block.rlp, engine)?;
    let part = BlockPart { config: genesis.config, rlp: Bytes::copy_from_slice(block.rlp) };
    let roots = (made.rooted.pre_root, made.rooted.post_root);
    let statement = Statement::of_block(roots, part);
    let (_, before) = chain.block_and_state(block.rlp)?;
    Ok(batch(statement, made, before, Vec::new()))
}

fn batch(
    statement: Statement,
    made: Witnessed,
    before: &PreState,
    rejected: Vec<(usize, String)>,
) -> Batch {
    let account = |address: Address| -> Result<Option<AccountInfo>, std::convert::Infallible> {
        Ok(before.account(&address).map(|account| account.info.clone()))
    };
    let Ok(outcome) = Outcome::new(made.rooted, account);
    Batch { statement, outcome, witness: made.witness, rejected }
}

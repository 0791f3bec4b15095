//! State transitions from JSON to JSON, as geth's `evm t8n` and the executable specification make
//! them.
//!
//! A whole state (`alloc`), what is known of a block (`env`) and transactions (`txs`) go in; the
//! state after them and what the block's header will say come out. Test fillers and fuzzers drive a
//! client through this interface, and compare clients by it.
//!
//! ```text
//! alloc ---------------------------> PreState --+
//! env, fork --> rules, base fee, ...|--> Block --> execute_parallel --> result, alloc, body
//! txs --------> signed, senders recovered ------+      |
//!                      +-- rejected: undecodable,      +-- rejected: nonce, funds, gas, ...
//!                          wrong chain, bad signature
//! ```
//!
//! Invalid transactions are left out and reported with their place in the input; all else goes on.
//! Everything about the block is decided by the same code that executes blocks of real chains.

mod batch;
mod env;
mod error;
mod fork;
mod input;
mod reject;
mod result;
mod trace;
mod txns;

use std::path::Path;

use alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Bytes, U64};
use alloy_rlp::encode;
use block_stm_evm::block_stm::Engine;
use block_stm_evm::{
    Block, BlockResult, InvalidTxn, ParallelOptions, PreState, Rewards, TxnOutcome,
    access_list::check_list_length, execute_parallel,
};
use revm::context::TxEnv;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use self::{
    env::{Env, JsonEnv},
    result::{JsonReceipt, Place, RejectedTxn, T8nResult, alloc, logs_hash},
    txns::{Parsed, TxnRules},
};
pub use self::{
    error::T8nError,
    fork::T8nFork,
    input::{T8nInput, T8nInputError, sign_txns},
    trace::{OpcodeCounts, OpenTrace, TraceError, TraceOptions, trace_block},
};
use crate::import::{SignedTxn, files::Document, quantity::Quantity};
use crate::{state_root, state_roots_within};

/// Where a part of the input is.
#[derive(Clone, Copy, Debug)]
pub enum T8nSource<'a> {
    /// A field of the object that all such parts share, named `stdin` in errors.
    Shared,
    /// A file of its own, in memory.
    File {
        /// What errors call it.
        name: &'a Path,
        /// Its content.
        bytes: &'a [u8],
    },
}

/// The input of a transition, not parsed yet.
#[derive(Clone, Copy, Debug)]
pub struct T8nFiles<'a> {
    /// The state: address to balance, nonce, code and storage.
    pub alloc: T8nSource<'a>,
    /// The environment.
    pub env: T8nSource<'a>,
    /// The transactions: an array of objects, or a string of RLP (with `shared`, that may be
    /// `txsRlp`).
    pub txs: T8nSource<'a>,
    /// Blob limits in place of the fork's: `target`, `max` and `baseFeeUpdateFraction`.
    pub blob_params: Option<T8nSource<'a>>,
    /// The object with the fields `alloc`, `env`, `txs` or `txsRlp`, and `blobParams`, as far as
    /// they are shared.
    pub shared: Option<&'a [u8]>,
}

/// What is said about a transition beside its files.
#[derive(Clone, Copy, Debug)]
pub struct T8nOptions<'a> {
    /// The rules, by a name that [`T8nFork::by_name`] knows.
    pub fork: &'a str,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Block reward in wei, or none at all: a reward of zero still touches the producer's account.
    pub reward: Option<u64>,
}

/// A transition that is ready to be made.
#[derive(Debug)]
pub struct Transition {
    state: PreState,
    block: Block,
    access_list: bool,
    env: Env,
    txns: Vec<Parsed<SignedTxn>>,
    /// For each of the block's transactions its place among `txns`.
    places: Vec<usize>,
    rejected: Vec<RejectedTxn>,
}

/// What a transition comes to.
#[derive(Debug)]
#[non_exhaustive]
pub struct T8nOutput {
    /// What the header will say, receipts and rejected transactions.
    result: T8nResult,
    /// The whole state afterwards.
    pub state: PreState,
    /// The RLP list of the transactions that were executed.
    pub body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with the inputs that are not in files")]
struct Shared<'a> {
    #[serde(borrow)]
    alloc: Option<&'a RawValue>,
    #[serde(borrow)]
    env: Option<&'a RawValue>,
    /// Null stands for no transactions; a field that is missing does not.
    #[serde(borrow, default, deserialize_with = "given")]
    txs: Option<&'a RawValue>,
    #[serde(borrow)]
    txs_rlp: Option<&'a RawValue>,
    #[serde(borrow)]
    blob_params: Option<&'a RawValue>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object of blob limits")]
struct JsonBlobParams {
    target: Quantity<u64>,
    max: Quantity<u64>,
    base_fee_update_fraction: Quantity<u64>,
}

impl Transition {
    /// Parses the input and decides all that does not take execution; senders are recovered on
    /// rayon's current pool.
    ///
    /// # Errors
    ///
    /// A [`T8nError`] that names file and field.
    ///
    /// # Cost
    ///
    /// About 40 us of one thread per transaction, most of it for the signature.
    pub fn new(files: &T8nFiles<'_>, options: &T8nOptions<'_>) -> Result<Self, T8nError> {
        let documents = Documents::open(files)?;
        let mut state = crate::import::alloc::read(documents.alloc.parse()?, documents.alloc)?;
        let json: JsonEnv = documents.env.parse()?;
        let (number, timestamp) = (json.current_number.0, json.current_timestamp.0);
        let mut fork = T8nFork::by_name(options.fork, number, timestamp)?;
        if let Some(document) = documents.blob_params {
            fork.blobs = fork.blobs.map(|blobs| blob_params(document, blobs)).transpose()?;
        }
        let env = json.resolve(&fork)?;
        for (&number, &hash) in &env.block_hashes {
            state.insert_block_hash(number, hash);
        }
        let rules = TxnRules { spec: fork.spec, chain_id: options.chain_id };
        let txns = txns::parse(documents.txs, rules)?;
        let (mut places, mut executable, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for (index, txn) in txns::recover(&txns, rules).into_iter().enumerate() {
            match txn {
                Ok(txn) => {
                    places.push(index);
                    executable.push(txn);
                }
                Err(error) => rejected.push(RejectedTxn { index, error }),
            }
        }
        let block = block(&env, &fork, options, executable)?;
        Ok(Self { state, block, access_list: fork.access_lists, env, txns, places, rejected })
    }

    /// The block as it will be executed, without the transactions that are rejected already.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The state before the block, with the hashes of the blocks before it.
    pub fn state(&self) -> &PreState {
        &self.state
    }

    /// Makes the transition with the threads of `engine`.
    ///
    /// # Errors
    ///
    /// [`T8nError::MissingBlockHash`], [`T8nError::Evm`] or [`T8nError::AccessList`].
    ///
    /// # Cost
    ///
    /// That of the block, and of hashing the whole state once; before Byzantium once for each
    /// transaction.
    ///
    /// # Panics
    ///
    /// Never: the state is in memory.
    pub fn execute(self, engine: &Engine) -> Result<T8nOutput, T8nError> {
        let mut options = ParallelOptions::default().policy(InvalidTxn::Skip);
        if self.access_list {
            options = options.access_list();
        }
        let mut result = execute_parallel(engine, &self.block, &self.state, &options)?.result;
        if let Some(list) = &result.access_list {
            check_list_length(list, self.block.env.gas_limit)?;
        }
        if result.receipts_root().is_none() {
            let roots = state_roots_within(&self.state, &self.block, InvalidTxn::Skip)?;
            result.set_state_roots(&roots);
        }
        let mut state = self.state.clone();
        state.apply(&result.state);
        Ok(self.output(&result, state))
    }

    fn output(mut self, result: &BlockResult, state: PreState) -> T8nOutput {
        let mut included = Vec::new();
        let mut receipts = Vec::new();
        let mut logs_before = 0;
        for ((outcome, &place), txn) in
            result.outcomes.iter().zip(&self.places).zip(&self.block.txns)
        {
            match (outcome, &self.txns[place], result.receipts.get(receipts.len())) {
                (&TxnOutcome::Executed { gas_used, .. }, Ok(signed), Some(receipt)) => {
                    let index = receipts.len();
                    let at = Place { block: &self.block.env, index, logs_before, gas_used };
                    receipts.push(JsonReceipt::new(receipt, signed, txn, at));
                    logs_before += receipt.logs.len();
                    included.push(signed.clone());
                }
                (TxnOutcome::Skipped(reason), ..) => {
                    let error = reject::invalid(reason);
                    self.rejected.push(RejectedTxn { index: place, error });
                }
                _ => unreachable!("an executed transaction was decoded and has a receipt"),
            }
        }
        self.rejected.sort_by_key(|txn| txn.index);
        let (env, blobs) = (&self.env, self.env.excess_blob_gas);
        let requests = result.requests.as_ref();
        let result = T8nResult {
            state_root: state_root(&state),
            tx_root: calculate_transaction_root(&included),
            receipts_root: result.receipts_root().expect("state roots are set where there are any"),
            logs_hash: logs_hash(&result.receipts),
            logs_bloom: result.logs_bloom(),
            receipts,
            rejected: self.rejected,
            current_difficulty: env.block.prevrandao.is_none().then_some(env.block.difficulty),
            gas_used: U64::from(result.gas_used),
            current_base_fee: env.base_fee.map(U64::from),
            withdrawals_root: env.withdrawals.as_deref().map(calculate_withdrawals_root),
            current_excess_blob_gas: blobs.map(U64::from),
            blob_gas_used: blobs.map(|_| U64::from(result.blob_gas_used)),
            requests_hash: result.requests_hash(),
            requests: requests.map(|requests| requests.iter().cloned().collect()),
            block_access_list: result.access_list.as_ref().map(|list| encode(list).into()),
            block_access_list_hash: result.access_list_hash(),
        };
        T8nOutput { result, state, body: txns::encode_list(included.iter()) }
    }
}

impl T8nOutput {
    /// What the header will say, receipts and rejected transactions: the fields of geth's `result`.
    pub fn result(&self) -> &impl Serialize {
        &self.result
    }

    /// The whole state afterwards, for JSON, by ascending address.
    pub fn alloc(&self) -> impl Serialize + use<> {
        alloc(&self.state)
    }
}

/// The parts of the input, wherever they are.
struct Documents<'a> {
    alloc: Document<'a>,
    env: Document<'a>,
    txs: Document<'a>,
    blob_params: Option<Document<'a>>,
}

impl<'a> Documents<'a> {
    fn open(files: &T8nFiles<'a>) -> Result<Self, T8nError> {
        let stdin = Path::new("stdin");
        let shared = files.shared.map(|json| Document::within(stdin, "", json));
        let shared: Option<Shared<'a>> = match shared {
            Some(document) => Some(document.parse_borrowed()?),
            None => None,
        };
        let open = |source, name: &'static str, field: fn(&Shared<'a>) -> Option<&'a RawValue>| {
            match source {
                T8nSource::File { name, bytes } => Ok(Document::within(name, "", bytes)),
                T8nSource::Shared => match shared.as_ref().and_then(field) {
                    Some(json) => Ok(Document::within(stdin, name, json.get().as_bytes())),
                    None => {
                        let bare = Document::within(stdin, "", b"");
                        Err(bare.wrong(name.trim_end_matches('.'), "missing"))
                    }
                },
            }
        };
        Ok(Self {
            alloc: open(files.alloc, "alloc.", |shared| shared.alloc)?,
            env: open(files.env, "env.", |shared| shared.env)?,
            // An empty string of RLP stands for none.
            txs: open(files.txs, "txs.", |shared| {
                shared.txs_rlp.filter(|rlp| !matches!(rlp.get(), "\"\"" | "null")).or(shared.txs)
            })?,
            blob_params: match files.blob_params {
                Some(source) => Some(open(source, "blobParams.", |shared| shared.blob_params)?),
                None => None,
            },
        })
    }
}

fn blob_params(document: Document<'_>, blobs: BlobParams) -> Result<BlobParams, T8nError> {
    let json: JsonBlobParams = document.parse()?;
    let (target, max) = (json.target.0, json.max.0);
    if json.base_fee_update_fraction.0 == 0 {
        return Err(document.wrong("baseFeeUpdateFraction", "must not be 0").into());
    }
    if target > max || max > u64::from(u32::MAX) {
        let message = "target must not exceed max, and max must not exceed 2^32 - 1";
        return Err(document.wrong("target", message).into());
    }
    let per_txn = if blobs.blob_base_cost > 0 { blobs.max_blobs_per_tx } else { max };
    Ok(BlobParams {
        target_blob_count: target,
        max_blob_count: max,
        update_fraction: json.base_fee_update_fraction.0.into(),
        max_blobs_per_tx: per_txn.min(max),
        ..blobs
    })
}

fn block(
    env: &Env,
    fork: &T8nFork,
    options: &T8nOptions<'_>,
    txns: Vec<TxEnv>,
) -> Result<Block, T8nError> {
    let mut block = Block::new(fork.spec, env.block.clone(), txns).chain_id(options.chain_id);
    block.parent_hash = env.parent_hash();
    block.parent_beacon_block_root = env.beacon_root;
    block.withdrawals = env.withdrawals.clone().unwrap_or_default();
    block.rewards = Rewards::Given(match options.reward {
        Some(reward) => env.rewards(reward)?,
        None => Vec::new(),
    });
    block.dao_fork = fork.dao;
    block.net_metering = fork.net_metering;
    block.blob_params = fork.blobs;
    Ok(block)
}

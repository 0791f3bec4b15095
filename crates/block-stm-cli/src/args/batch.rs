//! Options of `batch` and `verify-batch`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{
    JsonArgs,
    parsers::{default_threads, number_parser, threads_parser},
};

pub(super) const BATCH_EXAMPLES: &str = "\
The input is that of `t8n`: a whole state, an environment and transactions; or, with --genesis, a \
block of a chain, which is imported up to that block. The batch is executed in parallel. The \
folder of --out, which must not be there yet, gets all files at once:

  batch.json        what is executed, and from which state root to which
  witness.json      the part of the state that this takes, as
                    debug_executionWitness answers it
  result.json       roots, gas, bloom, requests
  receipts.json     the receipts
  state-diff.json   accounts and slots before and after
  access-list.json  the access list (EIP-7928)

`block-stm verify-batch` checks them without any other state. Invalid transactions are left out of \
the batch, and told.

Examples:
  block-stm batch --state.fork Prague --out batch    alloc, env and txs are here
  block-stm batch --alloc a.json --env e.json --txs txs.rlp --out batch
  block-stm batch --genesis genesis.json --chain chain.rlp --block 5 --out b5

Exit codes: 1 where the batch or a block can't be executed, 2 where a file can't be read or \
written.";

pub(super) const VERIFY_BATCH_EXAMPLES: &str = "\
The batch is executed again, in parallel, on the state that the witness proves. Each of its nodes \
is found by its hash, from the state root that batch.json names, so that a wrong one is a missing \
one. Roots, receipts, state difference and access list must be those that the files say.

The root before the batch is the one to be compared with what the verifier trusts. The hashes that \
BLOCKHASH answers in a batch that is no block of a chain are a part of its environment.

Examples:
  block-stm verify-batch batch
  block-stm verify-batch batch --threads 1 --json

Exit codes: 0 all holds, 1 it does not, 2 a file can't be read.";

/// Options of `batch`.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// The whole state before the batch, as `t8n` reads it
    #[arg(long, value_name = "FILE", default_value = "alloc.json")]
    pub(crate) alloc: PathBuf,
    /// The environment, as `t8n` reads it
    #[arg(long, value_name = "FILE", default_value = "env.json")]
    pub(crate) env: PathBuf,
    /// The transactions, as `t8n` reads them: an array of objects or a string of RLP
    #[arg(long, value_name = "FILE", default_value = "txs.json")]
    pub(crate) txs: PathBuf,
    /// The rules: a fork's name, as `t8n` has them
    #[arg(long = "state.fork", value_name = "NAME", default_value = "Osaka")]
    pub(crate) fork: String,
    /// The chain id
    #[arg(long = "state.chainid", value_name = "N", default_value_t = 1)]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    pub(crate) chain_id: u64,
    /// Block reward in wei; -1 for none
    #[arg(long = "state.reward", value_name = "WEI", default_value_t = -1)]
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub(crate) reward: i64,
    /// The genesis file of a chain, in geth's format, in place of alloc, env and txs
    #[arg(long, value_name = "FILE", requires = "chain")]
    #[arg(conflicts_with_all = ["alloc", "env", "txs", "fork", "chain_id", "reward"])]
    pub(crate) genesis: Option<PathBuf>,
    /// The chain's blocks in RLP, as clients export them
    #[arg(long, value_name = "FILE", requires = "genesis")]
    pub(crate) chain: Option<PathBuf>,
    /// Which block of the chain [default: the last one]
    #[arg(long, value_name = "N", requires = "genesis")]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    pub(crate) block: Option<u64>,
    /// The folder to write, which must not be there yet
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// Options of `verify-batch`.
#[derive(Debug, Args)]
pub(crate) struct VerifyBatchArgs {
    /// The folder that `batch` wrote
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

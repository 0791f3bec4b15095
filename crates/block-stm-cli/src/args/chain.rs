//! Options of `chain`.

use std::{num::NonZeroUsize, path::PathBuf};

use block_stm_workloads::{Params, Workload};
use clap::{Args, Subcommand};

use super::{
    JsonArgs,
    parsers::{default_threads, size_parser, threads_parser},
    serve::ChainServeArgs,
    shape::{ShapeArgs, workload_parser},
};

pub(super) const CHAIN_EXAMPLES: &str = "\
Blocks go through five stages, several at the same time: prepare (header, body, senders), execute, \
root (state root and receipts), log (a durable record), flat (the state on the disk, in batches). \
Each block is checked in full before anything of it is written. A block that is wrong takes back \
all that was built on it; what is before it is durable.

`run` makes a chain of generated blocks, each executed sequentially to know its header, and times \
its import. `import` imports files of blocks; it goes on where the store is, whatever ended the \
run before. `serve` answers JSON-RPC for a store, and imports files meanwhile.

Examples:
  block-stm chain run --workload erc20 --blocks 20 --accounts 100000
  block-stm chain run --workload mixed --recover --compare --store store
  block-stm chain import --genesis genesis.json --store store chain.rlp
  block-stm chain serve --genesis genesis.json --store store
  block-stm db check store";

/// Options of `chain`.
#[derive(Debug, Args)]
pub(crate) struct ChainArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: ChainCommand,
}

/// What to do with a chain.
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Import generated blocks under load, and say what each stage takes
    Run(ChainRunArgs),
    /// Import blocks of files into a store; goes on where the store is
    Import(ChainImportArgs),
    /// Answer JSON-RPC for the chain in a store, and import files meanwhile
    #[command(after_help = super::serve::SERVE_EXAMPLES)]
    Serve(ChainServeArgs),
}

/// Options of `chain run`.
#[derive(Debug, Args)]
pub(crate) struct ChainRunArgs {
    /// What the blocks are of
    #[arg(long, value_name = "NAME", default_value = "erc20", value_parser = workload_parser())]
    pub(crate) workload: Workload,
    /// Blocks; all together have at most 1,000,000 transactions
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = size_parser(1, Params::TXNS_MAX))]
    pub(crate) blocks: usize,
    /// What shapes the blocks.
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    /// Threads that compute, for all stages together [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Recover senders from signatures; without it they are known, as a node knows those of its
    /// transaction pool
    #[arg(long)]
    pub(crate) recover: bool,
    /// Do all blocks also with the same stages one after another on one thread
    ///
    /// Without it, up to ten blocks are done so, to know what each stage takes alone.
    #[arg(long)]
    pub(crate) compare: bool,
    /// Write to the store in FOLDER, and go on where it is [default: one in the folder for
    /// temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// Options of `chain import`.
#[derive(Debug, Args)]
pub(crate) struct ChainImportArgs {
    /// The genesis file, in geth's format
    #[arg(long, value_name = "PATH")]
    pub(crate) genesis: PathBuf,
    /// The store's folder, which is made if it is not there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// Files of RLP blocks in their order, as clients export them; blocks that the store has are
    /// skipped
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Threads that compute, for all stages together [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

//! Options of `import`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{
    JsonArgs,
    parsers::{default_threads, number_parser, threads_parser},
};

pub(super) const IMPORT_EXAMPLES: &str = "\
Each block is checked in full: its header against its parent's, ommers, roots of the body, \
signatures, and, by executing it in parallel, gas used, receipts root, bloom, requests hash, \
access list hash and state root. The seal of proof of work is not checked. The state trie is kept \
in memory, and only what a block changed is hashed again, partly while the block still runs. \
Branches are followed; the head is the heaviest, after the Merge the last one.

What lies more than --branch-depth blocks below the head is forgotten: a block that follows on it \
is refused, also where it was imported long ago.

With --store, the blocks of the head's branch and the state after each are written to a store, \
which `block-stm db` looks at. Blocks that it has already stay as they are; where the head moves \
to another branch, it goes along. Receipts are not kept. `block-stm chain import` is for a chain \
without branches: it goes on where the store is, and does several blocks at the same time.

The first block that is refused ends the import, with its reason and exit code 1; one that can't \
be read, with exit code 2. What was imported up to there is told in any case. Files without a \
block end in exit code 1, too.

Examples:
  block-stm import --genesis genesis.json chain.rlp
  block-stm import --genesis genesis.json --store store chain.rlp
  block-stm import --genesis genesis.json --threads 8 --json part1.rlp part2.rlp";

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The genesis file, in geth's format
    #[arg(long, value_name = "PATH")]
    pub(crate) genesis: PathBuf,
    /// Files of RLP blocks, as clients export them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Threads that execute a block [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// How many blocks below the head a branch may begin; what so many blocks changed is kept in
    /// memory
    #[arg(long, value_name = "N", default_value_t = 256)]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    pub(crate) branch_depth: u64,
    /// Write blocks and state to the store in FOLDER, which is made if it is not there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: Option<PathBuf>,
    /// End with exit code 0 also where the files have no block
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

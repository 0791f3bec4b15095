//! Options of `replay`.

use std::path::PathBuf;

use clap::Args;

use super::CommonArgs;

pub(super) const REPLAY_EXAMPLES: &str = "\
PATH is one of
  a block folder   as `block-stm fetch` makes it:
    block.json     the answer of eth_getBlockByNumber with full transactions
    prestate.json  the accounts before it, as geth's prestate tracer writes
                   them, or its answers for each transaction, which are merged
                   (debug_traceBlockByNumber, with includeEmpty in newer geths)
    optional       blockhashes.json, ommers.json, and genesis.json or chain.json
                   for the config of a chain other than mainnet
  a chain folder   genesis.json and chain.rlp, as clients export them; each
                   block is executed on the state that the one before it left
  a folder of such folders

Each file may be compressed with gzip, with or without .gz at the end of its name.

Each block is executed sequentially and in parallel. Both results are compared after every \
execution, and with the header: gas used, blob gas used, receipts root, logs bloom, requests \
hash, access list hash, and in a chain the state root. A check that can't be made (the receipts \
root of a lone block from before Byzantium takes the whole state) is null in JSON and marked in \
the table. A block that can't be read is reported and left out; the exit code is then 2.

Files may be wrapped as answers of a JSON-RPC server. What a node leaves out (the chain) or writes \
under another name (data for input, 27 and 28 for the parity) is understood; what contradicts \
itself is refused.

Examples:
  block-stm replay blocks/17034870
  block-stm replay blocks --threads 1,2,4 --repeat 9
  block-stm replay blocks --bal --threads 8
  block-stm replay blocks --threads 16 --read-latency 50us
  block-stm replay chain --json | jq .totals";

/// Options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Block folders, chain folders, or folders of these
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Time also the execution with the block's access list (EIP-7928), which is built first
    ///
    /// Every transaction is executed once, on the state that the list says the ones before it
    /// leave, and the list is checked on the way. Building it is timed apart, in parallel and in
    /// order.
    #[arg(long)]
    pub(crate) bal: bool,
    /// How and where to.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

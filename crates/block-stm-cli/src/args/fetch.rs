//! Options of `fetch`.

use std::{num::NonZeroUsize, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use super::{
    CsvArgs, JsonArgs,
    parsers::{Latency, default_threads, number_parser, size_parser, threads_parser},
};

pub(super) const FETCH_EXAMPLES: &str = "\
BLOCKS is a number, FIRST..LAST with both included, `latest`, or FIRST..latest. Each block becomes \
the folder DIR/NUMBER, which `replay`, `explain` and the other commands read:
  block.json        the block, with its hash and all signatures checked
  prestate.json     what the block reads of the state before it
  receipts.json     its receipts, which are compared with those of the execution
  blockhashes.json  the hashes that BLOCKHASH asks for, if it does
  ommers.json       the headers of its ommers, if it has some
  chain.json        the config of a chain other than mainnet
  proofs.json       with --proofs: Merkle proofs of the pre-state

A folder appears once it is whole and the block's replay agrees with its header. One that is \
there is kept, so that a fetch that was cut short goes on where it stopped.

The pre-state comes from the prestate tracer (debug_traceBlockByHash). From a node without one, or \
whose traces do not do, it is read by executing the block, which takes many more requests. The \
node must still have the state before the block: an archive node, or a recent block.

The URL may hold a key: nothing but its host is ever shown or written. Give it in the environment, \
and other users of the machine don't see it either.

Examples:
  block-stm fetch --rpc http://localhost:8545 latest --out blocks
  block-stm fetch 17034870..17034879 --out blocks --jobs 8 --rate 25
  block-stm fetch --out blocks --follow
  block-stm fetch 1..latest --out devnet --genesis genesis.json";

/// Options of `fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// Which blocks
    #[arg(value_name = "BLOCKS", default_value = "latest")]
    pub(crate) blocks: Vec<Blocks>,
    /// The node's JSON-RPC over HTTP
    // Any text: the parser of the command line would quote what it refuses.
    #[arg(long, value_name = "URL", env = "BLOCK_STM_RPC", hide_env_values = true)]
    pub(crate) rpc: String,
    /// The folder that the blocks' folders are in
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Go on with each new block that the node has, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    /// How often --follow looks for a new block, such as 500ms
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "follow")]
    pub(crate) poll: Latency,
    /// Where the pre-state comes from
    #[arg(long, value_enum, default_value_t = Source::Auto)]
    pub(crate) pre_state: Source,
    /// Fetch Merkle proofs of the pre-state, too, and check them against the parent's state root
    #[arg(long)]
    pub(crate) proofs: bool,
    /// A genesis file, or its config, of a chain whose node does not tell it
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Blocks that are fetched at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = size_parser(1, 256))]
    pub(crate) jobs: usize,
    /// At most so many requests a second [default: as many as the node takes]
    #[arg(long, value_name = "N", value_parser = number_parser(1, 1_000_000))]
    pub(crate) rate: Option<u64>,
    /// How often a request is repeated that fails for a passing reason
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = size_parser(0, 100))]
    pub(crate) retries: usize,
    /// The wait before the first repetition; it doubles up to half a minute
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    pub(crate) backoff: Latency,
    /// Seconds that a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = number_parser(1, 86_400))]
    pub(crate) timeout: u64,
    /// Threads of the replay [default: all cores]
    #[arg(long, value_name = "N", default_value_t = default_threads(), hide_default_value = true)]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where the rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

/// Where the pre-state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// The tracer where there is one, else the execution
    Auto,
    /// The node's prestate tracer; what it leaves out is asked for
    Tracer,
    /// Executing the block, and asking for what it reads
    Execution,
}

/// A number or a range of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) first: Place,
    /// Included.
    pub(crate) last: Place,
}

/// A place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Number(u64),
    Latest,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        number
            .map(Self::Number)
            .ok_or_else(|| "expected a block's number, FIRST..LAST, or latest".to_owned())
    }
}

impl FromStr for Blocks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (first.parse()?, last.parse()?),
            None => (text.parse()?, text.parse()?),
        };
        match (first, last) {
            (Place::Number(first), Place::Number(last)) if first > last => {
                Err(format!("{first} comes after {last}"))
            }
            (Place::Latest, Place::Number(_)) => Err("nothing comes after latest".to_owned()),
            (Place::Number(0), _) => Err("block 0 has nothing to execute".to_owned()),
            _ => Ok(Self { first, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_numbers_and_ranges() {
        use Place::{Latest, Number};
        for (text, first, last) in [
            ("7", Number(7), Number(7)),
            ("7..9", Number(7), Number(9)),
            ("7..7", Number(7), Number(7)),
            ("7..latest", Number(7), Latest),
            ("latest", Latest, Latest),
        ] {
            assert_eq!(text.parse(), Ok(Blocks { first, last }), "{text}");
        }
        for bad in [
            "",
            "..",
            "7..",
            "..7",
            "9..7",
            "-1",
            "+1",
            "0",
            "0..3",
            "0x7",
            "latest..7",
            "7...9",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<Blocks>().is_err(), "{bad}");
        }
    }
}

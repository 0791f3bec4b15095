//! Options of `bal`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{BlocksArgs, CsvArgs, JsonArgs};

pub(super) const BAL_EXAMPLES: &str = "\
A block access list (EIP-7928) says which accounts and slots a block looks at, and what each \
transaction leaves in them. With it, all transactions can be executed at the same time. From \
Amsterdam on, headers name the hash of their block's list; `bal` makes one for blocks of any fork. \
Index 0 is what happens before the transactions, 1 and up are the transactions, the last one is \
what happens after them: withdrawals, requests, and rewards of old.

A list is read in RLP, as such or in hex digits, and in JSON, without being told which. A file of \
lists may have 64 MiB.

Examples:
  block-stm bal build blocks/17034870 --out 17034870.json
  block-stm bal verify blocks/17034870 --list 17034870.json --threads 4
  block-stm bal diff mine.rlp theirs.json";

const BUILD_EXAMPLES: &str = "\
PATH is what `block-stm replay` takes: a block folder, a chain folder, or a folder of these. Of \
several blocks, the lists come one after the other: in RLP as such, in JSON in an array.

What a block comes to is compared with its header, the list's hash included where the header names \
it; at a difference nothing is written, and the exit code is 1. Where ommers are known by their \
hash alone, the list lacks their rewards, which is said on standard error.

Examples:
  block-stm bal build blocks/17034870
  block-stm bal build chain --out lists.rlp --threads 4";

const VERIFY_EXAMPLES: &str = "\
Each block is executed with its list: every transaction once, on the state that the list says the \
ones before it leave. The first place at which the list is wrong is named, in the order of the \
block, and is the same with any number of threads. Where the header names the list's hash, that \
is compared, too, and the number of items with the gas limit.

FILE has as many lists as there are blocks, in the same order; `bal build` writes such files. \
A wrong list, or a result that differs from the header, ends in exit code 1; a file that can't be \
read, or a block that can't be executed, in 2. What was verified up to there is told in any case.

Examples:
  block-stm bal verify blocks/17034870 --list list.json
  block-stm bal verify chain --list lists.rlp --threads 8
  block-stm bal verify chain --list lists.rlp --json | jq .[-1]";

const DIFF_EXAMPLES: &str = "\
Every difference has a line: account, part, block access index, and what A and B have there. Where \
an account or a slot is only looked at in one of them, it says `access`. Lists that say the \
same in another order or form, which counts for the hash, have no such line, but are told from \
lists that are the same. Both end in exit code 1.

Examples:
  block-stm bal diff mine.json theirs.json
  block-stm bal diff mine.json theirs.json --json | jq .differences";

/// Options of `bal`.
#[derive(Debug, Args)]
pub(crate) struct BalArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: BalCommand,
}

/// What to do with lists.
#[derive(Debug, Subcommand)]
pub(crate) enum BalCommand {
    /// Build the lists of blocks
    #[command(after_help = BUILD_EXAMPLES)]
    Build(BalBuildArgs),
    /// Execute blocks with their lists, and say where a list is wrong
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(BalVerifyArgs),
    /// Name every difference of two lists
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(BalDiffArgs),
}

/// Options of `bal build`.
#[derive(Debug, Args)]
pub(crate) struct BalBuildArgs {
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: BlocksArgs,
    /// Where to write, `-` for standard output; a list whose block fails a check is not written
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// In which form [default: rlp for a FILE that ends with .rlp, else json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ListFormat>,
}

impl BalBuildArgs {
    /// The form that is asked for, or that the name of the file means.
    pub(crate) fn format(&self) -> ListFormat {
        let is_rlp = self.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("rlp"));
        self.format.unwrap_or(if is_rlp { ListFormat::Rlp } else { ListFormat::Json })
    }
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// The protocol's own, whose hash is in headers
    Rlp,
    /// With the field names of clients
    Json,
}

/// Options of `bal verify`.
#[derive(Debug, Args)]
pub(crate) struct BalVerifyArgs {
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: BlocksArgs,
    /// The lists, one for each block
    #[arg(long, value_name = "FILE")]
    pub(crate) list: PathBuf,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where the rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

/// Options of `bal diff`.
#[derive(Debug, Args)]
pub(crate) struct BalDiffArgs {
    /// One file of lists
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The other one
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where the rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

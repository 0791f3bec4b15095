//! The words of `block-stm t8n`: those of geth's `evm t8n`, and the number of threads.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf};

use block_stm_chain::t8n::T8nFork;
use clap::{ArgAction, Args};

use crate::args::{default_threads, number_parser, threads_parser};

/// What `--help` says at its end. Test fillers look for the names of forks there.
pub(crate) fn after_help() -> String {
    format!(
        "\
Options and files are those of geth's `evm t8n`. Inputs are files, or `stdin` for a field of the \
JSON object on standard input: alloc, env, txs (or txsRlp), blobParams. Outputs are files below \
the folder of --output.basedir, or `stdout` or `stderr` for a field of the JSON object there, or \
nothing for an empty name. All of them appear together or not at all, and none takes the place of \
an input, but for the state after the block, which may replace the one before. An absolute name \
lies below --output.basedir, too, if that is given.

Transactions are signed, or carry a secretKey to be signed with. The block is executed in \
parallel; invalid transactions are left out and listed in the result as rejected, with their place \
and the reason.

Forks: {} \
and transitions such as BerlinToLondonAt5 or CancunToPragueAtTime15k. With +7928 at the end, as in \
BPO2+7928, the result has the block's access list and its hash, as from Amsterdam on.

Examples:
  block-stm t8n --state.fork Prague                 alloc, env and txs are here
  block-stm t8n --state.fork Osaka --input.txs txs.rlp --output.result stdout
  block-stm t8n-input --workload amm --txns 100 in  makes such inputs

Exit codes, as geth's:
   0  done
   2  the block can't be executed, or bad usage
   3  the fork or the environment is not one that can be executed
   4  BLOCKHASH asks for a hash that the environment lacks
  10  bad JSON    11  a file can't be read or written    12  bad RLP",
        T8nFork::names().join(", ")
    )
}

/// Options of `t8n`.
#[derive(Debug, Args)]
pub(crate) struct T8nArgs {
    /// The state before the block: a file or `stdin`
    #[arg(long = "input.alloc", value_name = "FILE", default_value = "alloc.json")]
    pub(crate) input_alloc: PathBuf,
    /// The environment, from which the block's header follows: a file or `stdin`
    #[arg(long = "input.env", value_name = "FILE", default_value = "env.json")]
    pub(crate) input_env: PathBuf,
    /// The transactions, an array of objects or a string of RLP: a file or `stdin`
    #[arg(long = "input.txs", value_name = "FILE", default_value = "txs.json")]
    pub(crate) input_txs: PathBuf,
    /// Blob limits in place of the fork's (target, max, baseFeeUpdateFraction): a file or `stdin`
    #[arg(long = "input.blobParams", value_name = "FILE")]
    pub(crate) input_blob_params: Option<PathBuf>,
    /// Where output files are placed; made if it is not there
    #[arg(long = "output.basedir", value_name = "FOLDER", default_value = "")]
    pub(crate) output_basedir: OsString,
    /// The state after the block: a file, `stdout` or `stderr`
    #[arg(long = "output.alloc", value_name = "FILE", default_value = "alloc.json")]
    pub(crate) output_alloc: OsString,
    /// Roots, receipts, rejected transactions, access list: a file, `stdout` or `stderr`
    #[arg(long = "output.result", value_name = "FILE", default_value = "result.json")]
    pub(crate) output_result: OsString,
    /// The executed transactions, as a string of RLP: a file, `stdout` or `stderr`
    #[arg(
        long = "output.body",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) output_body: OsString,
    /// The rules
    #[arg(long = "state.fork", value_name = "NAME", default_value = "GrayGlacier")]
    pub(crate) fork: String,
    /// The chain id
    #[arg(long = "state.chainid", value_name = "N", default_value_t = 1)]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    pub(crate) chain_id: u64,
    /// Block reward in wei; -1 for none, while before Paris 0 still touches the account of the
    /// block's producer
    #[arg(long = "state.reward", value_name = "WEI", default_value_t = 0)]
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub(crate) reward: i64,
    /// Write a trace of each executed transaction to trace-PLACE-HASH.jsonl in --output.basedir
    #[arg(long, num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace: bool,
    /// Trace the memory, too
    #[arg(long = "trace.memory", conflicts_with = "trace_nomemory", num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace_memory: bool,
    /// Leave the memory out of traces (the default)
    #[arg(long = "trace.nomemory", num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace_nomemory: bool,
    /// Leave the stack out of traces
    #[arg(long = "trace.nostack", num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace_nostack: bool,
    /// Trace what calls return, too
    #[arg(long = "trace.returndata", conflicts_with = "trace_noreturndata", num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace_returndata: bool,
    /// Leave what calls return out of traces (the default)
    #[arg(long = "trace.noreturndata", num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace_noreturndata: bool,
    /// Trace where calls and creations begin, too: who calls what, with which gas and value
    #[arg(long = "trace.callframes", num_args = 0..=1)]
    #[arg(require_equals = true, action = ArgAction::Set, value_name = "BOOL")]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true, hide_possible_values = true)]
    pub(crate) trace_callframes: bool,
    /// How much to log, as for geth's `evm`; nothing is logged
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) verbosity: Option<i64>,
    /// How often each opcode was executed: a file, `stdout` or `stderr`
    #[arg(
        long = "opcode.count",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) opcode_count: OsString,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
}

//! Options of traces, under the names that geth's `evm` has for them.

use block_stm_chain::t8n::TraceOptions;
use clap::{ArgAction, Args};

/// What `statetest` and `blocktest` trace. Switches of geth's `evm` may be followed by `=true` or
/// `=false`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TestTraceArgs {
    /// Write a trace of all transactions to standard error, opcode by opcode, as JSON (EIP-3155)
    #[arg(long, num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    #[arg(default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(hide_possible_values = true, value_name = "BOOL")]
    pub(crate) trace: bool,
    /// The form of traces; there is one
    #[arg(long = "trace.format", value_name = "FORMAT", default_value = "json")]
    #[arg(value_parser = ["json"], hide_possible_values = true)]
    pub(crate) format: String,
    /// Leave the memory out of traces; with =false it is in
    #[arg(long = "trace.nomemory", alias = "nomemory", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "true", default_missing_value = "true", action = ArgAction::Set)]
    #[arg(hide_possible_values = true, value_name = "BOOL")]
    pub(crate) nomemory: bool,
    /// Leave the stack out of traces
    #[arg(long = "trace.nostack", alias = "nostack", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = ArgAction::Set)]
    #[arg(hide_possible_values = true, value_name = "BOOL")]
    pub(crate) nostack: bool,
    /// Leave the storage out of traces, in which it is not
    #[arg(long = "trace.nostorage", alias = "nostorage", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = ArgAction::Set)]
    #[arg(hide = true)]
    pub(crate) nostorage: bool,
    /// Leave what calls return out of traces; with =false it is in
    #[arg(long = "trace.noreturndata", alias = "noreturndata", num_args = 0..=1)]
    #[arg(require_equals = true, default_value = "true", default_missing_value = "true")]
    #[arg(action = ArgAction::Set, hide_possible_values = true, value_name = "BOOL")]
    pub(crate) noreturndata: bool,
}

impl TestTraceArgs {
    /// What a line holds, if traces are wanted.
    pub(crate) fn options(&self) -> Option<TraceOptions> {
        self.trace.then_some(TraceOptions {
            memory: !self.nomemory,
            stack: !self.nostack,
            return_data: !self.noreturndata,
            call_frames: false,
        })
    }
}

//! Options of `trace-block`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::{BlocksArgs, CsvArgs, JsonArgs, parsers::repeat_parser};

pub(super) const TRACE_BLOCK_EXAMPLES: &str = "\
PATH is what `block-stm replay` takes: a block folder, a chain folder, or a folder of these.

A block is executed once, in parallel, which makes its access list (EIP-7928). Then every \
transaction is traced on its own, on the state that the list says the ones before it leave. The \
traces are written in the order of the block, each as soon as all before it are: the result of \
geth's debug_traceBlockByNumber, and a line for each block.

  callTracer       {\"onlyTopCall\": true, \"withLog\": true}
  prestateTracer   {\"diffMode\": true, \"disableCode\": true,
                   \"disableStorage\": true}
  4byteTracer
  flatCallTracer   {\"includePrecompiles\": true}; errors are in parity's words
  structLogger     {\"disableStack\": true, \"disableStorage\": true,
                   \"enableMemory\": true, \"enableReturnData\": true, \"limit\": N}

The struct logs of one transaction are in memory as a whole; a limit of steps bounds them.

A block that can't be executed, or is not what its header says, ends the command: a FILE is not \
written then.

With --compare, the same blocks are also traced one after another, on one EVM over a state that \
each transaction is committed to. All traces must be the same, or the exit code is 1. Both sides \
are timed from the block to the last trace as JSON.

Examples:
  block-stm trace-block blocks/17034870 --tracer callTracer | jq .[0].result
  block-stm trace-block blocks/17034870 --tracer prestateTracer \\
      --tracer-config '{\"diffMode\": true}' --out traces.json
  block-stm trace-block chain --tracer 4byteTracer --threads 4
  block-stm trace-block blocks --tracer callTracer --compare --repeat 5";

/// Options of `trace-block`.
#[derive(Debug, Args)]
pub(crate) struct TraceBlockArgs {
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: BlocksArgs,
    /// Which tracer: callTracer, prestateTracer, 4byteTracer, flatCallTracer or structLogger
    #[arg(long, value_name = "NAME", default_value = "structLogger")]
    pub(crate) tracer: String,
    /// The tracer's options, as geth takes them
    #[arg(long, value_name = "JSON")]
    pub(crate) tracer_config: Option<String>,
    /// Where to write, `-` for standard output [default: -, and nowhere with --compare]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Trace also one after another, compare all traces, and time both
    #[arg(long)]
    pub(crate) compare: bool,
    /// How often both sides are timed
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(3).expect("not zero"))]
    #[arg(value_parser = repeat_parser(), requires = "compare")]
    pub(crate) repeat: NonZeroUsize,
    /// Where the comparison goes as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Where its rows go as CSV.
    #[command(flatten)]
    pub(crate) csv: CsvArgs,
}

//! The command line: its words, their ranges and what `--help` says about them.

mod bal;
mod batch;
mod blocks;
mod chain;
mod compare;
mod db;
mod explain;
mod fetch;
mod forecast;
mod import;
mod json;
mod official_tests;
mod page;
mod parse;
mod parsers;
mod replay;
mod run;
mod scenario;
mod serve;
mod shape;
mod sim;
mod sweep;
mod t8n_input;
mod timeline;
mod trace;
mod trace_block;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::{
    bal::{BalArgs, BalBuildArgs, BalCommand, BalDiffArgs, BalVerifyArgs, ListFormat},
    batch::{BatchArgs, VerifyBatchArgs},
    blocks::BlocksArgs,
    chain::{ChainArgs, ChainCommand, ChainImportArgs, ChainRunArgs},
    compare::CompareArgs,
    db::{DbArgs, DbCheckArgs, DbCommand, DbCompactArgs, DbExportArgs, DbStatsArgs, StateFormat},
    explain::{ExplainArgs, NameArgs},
    fetch::{FetchArgs, Place, Source},
    forecast::ForecastArgs,
    import::ImportArgs,
    json::{CsvArgs, JsonArgs, SvgArgs},
    official_tests::{StateTestArgs, TestArgs},
    page::PageArgs,
    parse::parse,
    parsers::{Latency, default_threads, number_parser, threads_parser},
    replay::ReplayArgs,
    run::{CommonArgs, RunArgs, WorkloadArgs},
    scenario::{ScenarioArgs, ScenarioCheckArgs, ScenarioCommand, ScenarioShowArgs},
    serve::ChainServeArgs,
    sim::SimArgs,
    sweep::{SweepArgs, SweepVm, sorted},
    t8n_input::T8nInputArgs,
    timeline::TimelineArgs,
    trace::TestTraceArgs,
    trace_block::TraceBlockArgs,
};
use crate::t8n::T8nArgs;

const EXAMPLES: &str = "\
Examples:
  block-stm                                    run all workloads on all cores
  block-stm run --workload amm --pools 1       one pair, where all trades meet
  block-stm run --threads 1,2,4,8 --json       how it scales, as JSON
  block-stm replay blocks/17034870             a real block, with its header
  block-stm replay blocks --json-file out.json a folder of blocks
  block-stm replay blocks --bal                what access lists bring
  block-stm run --scenario load.yaml           a load of one's own
  block-stm fetch --rpc URL --out blocks       the newest block of a node
  block-stm explain --workload amm             what keeps a block serial
  block-stm timeline --workload amm --out t.json what each worker does when
  block-stm report blocks --out report.html    all of it as one page
  block-stm forecast --workload mixed          how it would scale to 64 workers
  block-stm sweep --svg sweep.svg              the Block-STM paper's experiment
  block-stm compare before.json after.json     what changed between two runs
  block-stm sim --minutes 5                    seek a schedule that breaks it
  block-stm bal build blocks/17034870          a block's access list (EIP-7928)
  block-stm trace-block blocks/17034870        its traces, in parallel
  block-stm chain run --workload erc20         blocks made durable, under load
  block-stm chain serve --genesis genesis.json --store store  JSON-RPC over it
  block-stm db check store                     whether a store is whole
  block-stm t8n --state.fork Prague            alloc, env and txs to a result
  block-stm batch --out batch                  the same with a witness
  block-stm verify-batch batch                 checked from the witness alone

Exit codes:
  0    every check holds
  1    a check failed: a result differs from sequential execution or a header;
       or there was nothing to check
  2    bad usage, input that can't be read, or output that can't be written
  130  interrupted, after what was done was printed
t8n has those of geth's, see `block-stm t8n --help`.

--json prints results as JSON, --json-file FILE writes them. A file is written whole or not at \
all, and never over an input.";

/// Execute blocks of Ethereum transactions in parallel, and measure what that brings
///
/// Transactions run on all cores, and the result is exactly the one of executing them one after
/// another. `run` measures generated blocks of DeFi transactions, `replay` real ones.
#[derive(Debug, Parser)]
#[command(name = "block-stm", version, propagate_version = true, after_help = EXAMPLES)]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    /// Tell on standard error what is done meanwhile; -vv and -vvv tell more
    ///
    /// BLOCK_STM_LOG has a finer filter, as info,block_stm::fetch=debug. A -v alone, without a
    /// command, prints the version in the form of geth's `evm`, by which test fillers tell what
    /// they drive.
    #[arg(short = 'v', long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do; `run` if nothing is said.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate DeFi blocks and execute them sequentially and in parallel (the default command)
    #[command(after_help = run::RUN_EXAMPLES)]
    Run(RunArgs),
    /// Replay real blocks sequentially and in parallel, and check the results against their headers
    #[command(after_help = replay::REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Measure the throughput of payments over accounts, block sizes and threads, as the Block-STM
    /// paper does
    #[command(after_help = sweep::SWEEP_EXAMPLES)]
    Sweep(SweepArgs),
    /// Write a workload as a scenario that can be changed, and say what a scenario makes
    #[command(after_help = scenario::SCENARIO_EXAMPLES)]
    Scenario(ScenarioArgs),
    /// Execute drawn blocks under drawn schedules, step by step, and look for a difference
    #[command(after_help = sim::SIM_EXAMPLES)]
    Sim(SimArgs),
    /// Say what changed between two runs, beyond noise
    #[command(after_help = compare::COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Say what keeps blocks from running in parallel: where transactions wait for each other, by
    /// name
    #[command(after_help = explain::EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Fetch blocks from a node, with the state that they read, as folders for the other commands
    #[command(after_help = fetch::FETCH_EXAMPLES)]
    Fetch(FetchArgs),
    /// Show what each worker does when, as a trace for Perfetto
    #[command(after_help = timeline::TIMELINE_EXAMPLES)]
    Timeline(TimelineArgs),
    /// Measure blocks, and write all that is known of them as one page
    #[command(after_help = page::REPORT_EXAMPLES)]
    Report(PageArgs),
    /// Forecast how blocks scale to more workers than there are cores, by simulation with measured
    /// costs
    #[command(after_help = forecast::FORECAST_EXAMPLES)]
    Forecast(ForecastArgs),
    /// Build, verify and compare block access lists (EIP-7928), of blocks of any fork
    #[command(after_help = bal::BAL_EXAMPLES)]
    Bal(BalArgs),
    /// Trace all transactions of blocks in parallel, as geth's debug_traceBlockByNumber does
    #[command(after_help = trace_block::TRACE_BLOCK_EXAMPLES)]
    TraceBlock(TraceBlockArgs),
    /// Import a chain from its genesis, and check every block in full
    #[command(after_help = import::IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Import blocks into a store, several at the same time, and answer JSON-RPC for it
    #[command(after_help = chain::CHAIN_EXAMPLES)]
    Chain(ChainArgs),
    /// Check, describe, compact and export stores of chains
    #[command(after_help = db::DB_EXAMPLES)]
    Db(DbArgs),
    /// Execute official state tests (GeneralStateTests) with the parallel engine
    #[command(after_help = official_tests::STATETEST_EXAMPLES)]
    Statetest(StateTestArgs),
    /// Import the blocks of official blockchain tests, valid and invalid ones, with the parallel
    /// engine
    #[command(after_help = official_tests::BLOCKTEST_EXAMPLES)]
    Blocktest(TestArgs),
    /// Make a state transition from JSON to JSON, as geth's `evm t8n` does, in parallel
    #[command(after_help = crate::t8n::after_help())]
    T8n(Box<T8nArgs>),
    /// Execute a rollup's batch in parallel, and write what comes out with a witness of it
    #[command(after_help = batch::BATCH_EXAMPLES)]
    Batch(Box<BatchArgs>),
    /// Check a batch from its witness alone, without any other state
    #[command(after_help = batch::VERIFY_BATCH_EXAMPLES)]
    VerifyBatch(VerifyBatchArgs),
    /// Write generated blocks as inputs of `t8n`: alloc.json, env.json and txs.json
    #[command(after_help = t8n_input::T8N_INPUT_EXAMPLES)]
    T8nInput(T8nInputArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

impl Cli {
    /// Whether `-v` is all that was said.
    pub(crate) fn asks_for_evm_version(&self) -> bool {
        self.command.is_none() && self.verbose == 1
    }
}

impl Command {
    /// What a bare `block-stm` does.
    pub(crate) fn default_run() -> Self {
        Cli::parse_from(["block-stm", "run"]).command.expect("a subcommand was given")
    }
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use block_stm_workloads::{Params, Workload};
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Prose is wrapped at any width; what is indented stands as it is.
    #[test]
    fn indented_lines_of_help_texts_fit_eighty_columns() {
        let cli = Cli::command();
        let mut commands: Vec<_> = cli.get_subcommands().collect();
        commands.extend(cli.get_subcommands().flat_map(clap::Command::get_subcommands));
        commands.push(&cli);
        let mut lines = 0;
        for command in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.starts_with(' ')) {
                lines += 1;
                let (name, length) = (command.get_name(), line.chars().count());
                assert!(length <= 80, "{name}: {length} columns: {line}");
            }
        }
        assert!(lines > 100, "only {lines} lines were found");
    }

    #[test]
    fn nothing_means_run_with_the_defaults() {
        let Command::Run(args) = Command::default_run() else {
            panic!("the default is run");
        };
        assert_eq!(args.blocks.workloads(), Workload::ALL);
        assert_eq!(args.blocks.params(), Params::default());
        assert_eq!(args.common.threads, [default_threads()]);
    }
}

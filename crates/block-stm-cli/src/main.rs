//! `block-stm`: replays real blocks in parallel and measures what that brings.
#![forbid(unsafe_code)]

mod allocator;
mod args;
mod bal;
mod batch;
mod blake2f;
mod blocks;
mod bounds;
mod chain;
mod check;
mod command;
mod compare;
mod completions;
mod conformance;
mod db;
mod delivery;
mod difference;
mod discover;
mod error;
mod escape;
mod exit;
mod explain;
mod fetch;
mod files;
mod forecast;
mod given;
mod import;
mod interrupt;
mod latency;
mod list_times;
mod load;
mod log;
mod machine;
mod measure;
mod medians;
mod memory;
mod notes;
mod output;
mod page;
mod plot;
mod progress;
mod replay;
mod report;
mod run;
mod scenario;
mod sim;
mod sweep;
mod t8n;
mod t8n_input;
mod tables;
mod timeline;
mod trace_block;
mod units;
mod version;

use std::process::ExitCode;

use args::Command;
use exit::Exit;

fn main() -> ExitCode {
    files::end_in_order();
    let cli = args::parse();
    if cli.asks_for_evm_version() {
        return version::print_as_evm().into();
    }
    if let Err(error) = log::start(cli.verbose) {
        output::error(error);
        return Exit::BadInput.into();
    }
    blake2f::choose();
    let command = cli.command.unwrap_or_else(Command::default_run);
    let exit = match command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Bal(args) => bal::bal(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Scenario(args) => scenario::scenario(&args),
        Command::Sim(args) => sim::sim(&args),
        Command::Import(args) => import::import(&args),
        Command::Blocktest(args) => conformance::blocktest(&args),
        Command::Statetest(args) => conformance::statetest(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Fetch(args) => fetch::fetch(&args),
        Command::Report(args) => page::page(&args),
        Command::Forecast(args) => forecast::forecast(&args),
        Command::Timeline(args) => timeline::timeline(&args),
        Command::TraceBlock(args) => trace_block::trace_block(&args),
        Command::Chain(args) => chain::chain(&args),
        Command::Db(args) => db::db(&args),
        Command::T8n(args) => Ok(t8n::t8n(&args)),
        Command::Batch(args) => batch::batch(&args),
        Command::VerifyBatch(args) => batch::verify_batch(&args),
        Command::T8nInput(args) => t8n_input::t8n_input(&args),
        Command::Completions(args) => completions::print(args.shell),
    };
    let exit = exit.unwrap_or_else(|error| {
        output::error(error);
        Exit::BadInput
    });
    // Whatever it would have come to.
    if interrupt::came() { Exit::Interrupted.into() } else { exit.into() }
}

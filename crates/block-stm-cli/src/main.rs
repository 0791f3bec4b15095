//! `block-stm`: replays real blocks in parallel and measures what that brings.
#![forbid(unsafe_code)]

mod args;
mod check;
mod command;
mod completions;
mod delivery;
mod difference;
mod discover;
mod error;
mod exit;
mod forecast;
mod json_target;
mod latency;
mod measure;
mod notes;
mod output;
mod progress;
mod replay;
mod report;
mod run;
mod sim;
mod t8n;
mod t8n_input;
mod units;
mod version;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.evm_version {
        return version::print_as_evm().into();
    }
    let command = cli.command.unwrap_or_else(Command::default_run);
    let exit = match command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Sim(args) => sim::sim(&args),
        Command::Forecast(args) => forecast::forecast(&args),
        Command::T8n(args) => Ok(t8n::t8n(&args)),
        Command::T8nInput(args) => t8n_input::t8n_input(&args),
        Command::Completions(args) => completions::print(args.shell),
    };
    exit.unwrap_or_else(|error| {
        output::error(error);
        Exit::BadInput
    })
    .into()
}

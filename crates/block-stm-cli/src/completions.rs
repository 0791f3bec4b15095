//! `block-stm completions`: the script that lets a shell complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, error::CliError, exit::Exit, output};

/// Prints the completion script of `shell`.
pub(crate) fn print(shell: Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "block-stm", &mut script);
    output::print(&script)?;
    Ok(Exit::Success)
}

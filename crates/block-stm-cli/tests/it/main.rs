//! The built binary, from the outside: what it prints, writes and returns.

mod cli;
mod fixtures;
mod output;
mod replay;
mod run;
mod usage;

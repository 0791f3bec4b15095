//! The built binary, from the outside: what it prints, writes and returns.

mod cli;
mod fixtures;
mod forecast;
mod oracle;
mod output;
mod replay;
mod run;
mod sim;
mod t8n;
mod usage;

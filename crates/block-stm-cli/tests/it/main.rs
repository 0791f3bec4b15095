//! The built binary, from the outside: what it prints, writes and returns.

mod bal;
mod cli;
mod compare;
mod conformance;
mod db;
mod explain;
mod fetch;
mod files;
mod fixtures;
mod forecast;
mod import;
mod layouts;
mod log;
mod oracle;
mod output;
mod page;
mod replay;
mod run;
mod scenario;
mod sim;
mod sweep;
mod t8n;
mod t8n_lists;
mod timeline;
mod usage;

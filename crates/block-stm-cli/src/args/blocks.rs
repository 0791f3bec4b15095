//! Which blocks a command goes through, and with how many threads.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use super::parsers::{default_threads, threads_parser};

/// Which blocks, and how.
#[derive(Debug, Args)]
pub(crate) struct BlocksArgs {
    /// Block folders, chain folders, or folders of these
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Threads that execute a block [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
}

//! Why a command could not do what it was asked.

use std::{
    io,
    path::{Path, PathBuf},
};

use block_stm::BuildError;
use block_stm_chain::{import::ImportError, t8n::T8nError};
use block_stm_pipeline::{OpenError, WorkersError};
use block_stm_store::StoreError;
use block_stm_trace::TracerError;
use block_stm_workloads::ParamsError;

/// Bad usage or a world that does not play along; a failed check is not an error but a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// A file of a block or a chain is missing or wrong.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The input of a batch is wrong, or its fork unknown.
    #[error(transparent)]
    Transition(Box<T8nError>),
    /// A path on the command line can't be read.
    #[error("{}: {source}", path.display())]
    Path {
        /// Which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder given to `replay` has no block.
    #[error(
        "{}: no block here; a block folder has block.json and prestate.json, a chain folder has \
         genesis.json and chain.rlp",
        path.display()
    )]
    NoBlock {
        /// Which folder.
        path: PathBuf,
    },
    /// A file where a folder of a block is wanted.
    #[error("{}: this is a file: pass the folder that it is in", path.display())]
    NotAFolder {
        /// Which file.
        path: PathBuf,
    },
    /// A file of blocks holds something else.
    #[error("{place}: {message}")]
    Malformed {
        /// File, block and byte.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// An output would take the place of an input.
    #[error("cannot write {}: {why}", path.display())]
    OutputIsInput {
        /// Which output.
        path: PathBuf,
        /// What makes it an input.
        why: &'static str,
    },
    /// Two outputs go to one file.
    #[error("cannot write {}: another output goes there", path.display())]
    OutputTwice {
        /// The later one.
        path: PathBuf,
    },
    /// A folder of tests has none.
    #[error("{}: no .json file here", path.display())]
    NoTests {
        /// Which folder.
        path: PathBuf,
    },
    /// A block can't be executed, sequentially or in parallel: it is invalid, or its pre-state is
    /// incomplete.
    #[error("{}: block {number} can't be executed: {message}", path.display())]
    Execution {
        /// Where the block comes from.
        path: PathBuf,
        /// The block's number.
        number: u64,
        /// What both executions said.
        message: String,
    },
    /// A generated block can't be executed.
    #[error("{name} can't be executed: {message}")]
    Workload {
        /// Which workload.
        name: String,
        /// What both executions said.
        message: String,
    },
    /// A store can't be opened, or its disk fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store that a chain can't go on from.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The threads of the stages could not be started.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// The address of a server.
    #[error("can't listen on {addr}: {source}")]
    Listen {
        /// Which address.
        addr: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Options that do not go together, beyond what the parser of the command line knows.
    #[error("{0}")]
    Usage(&'static str),
    /// There is not enough memory.
    #[error(
        "{txns} txns of {accounts} accounts take {wanted}B of memory at the least, of which \
         there is {available}B"
    )]
    Memory {
        /// How many.
        txns: usize,
        /// How many.
        accounts: usize,
        /// Bytes.
        wanted: String,
        /// Bytes.
        available: String,
    },
    /// The parameters of a workload are out of their range.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// There is no such tracer, or it has no such option.
    #[error(transparent)]
    Tracer(#[from] TracerError),
    /// The threads could not be started.
    #[error(transparent)]
    Engine(#[from] BuildError),
    /// The threads without coordination could not be started.
    #[error("could not start threads: {0}")]
    Threads(rayon::ThreadPoolBuildError),
    /// The threads of the jobs could not be started.
    #[error("could not start the threads of --jobs: {source}")]
    Jobs {
        /// What the system said.
        source: rayon::ThreadPoolBuildError,
    },
    /// A node does not give what is needed.
    #[error("{0}")]
    Node(String),
    /// A result can't be written.
    #[error("cannot write {target}: {source}")]
    Write {
        /// Where to.
        target: String,
        /// What the system said.
        source: io::Error,
    },
}

impl CliError {
    /// The error of an output that can't be written.
    pub(crate) fn not_written(path: &Path, source: io::Error) -> Self {
        Self::Write { target: path.display().to_string(), source }
    }
}

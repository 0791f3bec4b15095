//! Why no transition was made, with the exit codes of geth.

use std::{
    io,
    path::{Path, PathBuf},
};

use block_stm::BuildError;
use block_stm_chain::{
    import::ImportError,
    t8n::{T8nError, TraceError},
};

use crate::error::CliError;

/// Why no transition was made, or its outcome could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The input is wrong, or its block can't be executed.
    #[error(transparent)]
    Transition(#[from] T8nError),
    /// An input can't be read.
    #[error(transparent)]
    Input(#[from] ImportError),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A trace can't be written.
    #[error("{0}")]
    Trace(TraceError),
    /// Standard output can't be written.
    #[error(transparent)]
    Output(#[from] CliError),
    /// The threads could not be started.
    #[error(transparent)]
    Engine(#[from] BuildError),
}

impl Failure {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// The code that geth ends with for the same reason.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Transition(error) => match error {
                T8nError::Config(_) => 3,
                T8nError::MissingBlockHash { .. } => 4,
                T8nError::Json(_) => 10,
                T8nError::Rlp { .. } => 12,
                _ => 2,
            },
            Self::Input(_) | Self::Io { .. } | Self::Output(_) | Self::Trace(_) => 11,
            Self::Engine(_) => 2,
        }
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Transition(error) => Self::Transition(error),
            error => Self::Trace(error),
        }
    }
}

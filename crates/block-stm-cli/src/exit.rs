//! What the process tells its caller.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked is done, and every check holds.
    Success,
    /// A result is not what it must be.
    CheckFailed,
    /// Bad usage, input that can't be read or output that can't be written.
    BadInput,
    /// The user interrupted it, and was told what was done.
    Interrupted,
    /// What another program, whose place this one takes, would end with.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::CheckFailed => Self::from(1),
            Exit::BadInput => Self::from(2),
            Exit::Interrupted => Self::from(130),
            Exit::Code(code) => Self::from(code),
        }
    }
}

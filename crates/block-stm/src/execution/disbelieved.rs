//! Why a run is not believed.

/// Why a run cannot be committed as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disbelieved {
    /// It ended in a storage error, a panic, a failure of the VM.
    Failure,
    /// It took something for granted that is false.
    Assumption,
    /// What it saw is not what a sequential execution would have seen.
    Stale,
}

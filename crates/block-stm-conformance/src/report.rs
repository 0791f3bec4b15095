//! What became of one case.

use std::fmt;

use alloy_primitives::B256;

use crate::Watched;

/// One case of a test file, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseReport {
    /// The test's name.
    pub name: String,
    /// Which variant of the test it is, where tests have variants: indexes, as `d0g1v0`, or `joined`.
    pub variant: Option<String>,
    /// The fork, or the transition, as the test calls it.
    pub fork: String,
    /// The state root that execution came to, where it came to one.
    pub state_root: Option<B256>,
    /// Whether that is right.
    pub verdict: Verdict,
    /// What else was wanted of it.
    pub watched: Watched,
}

/// Whether a case came out as it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Passed,
    /// It didn't, and this is the difference.
    Failed(String),
    /// It was not run.
    Skipped(SkipReason),
}

/// Why a case is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// A contract is created where there is storage, but neither nonce nor code, which EIP-7610 forbids. revm does
    /// not see the storage. No such place can come into being on a real chain.
    CreateOverStorage,
    /// Prague as it was in early 2024, with EOF and with EIP-2537's nine precompiles. It never went live.
    PragueDraft,
    /// The seal, the proof of work, must be right, which is not checked.
    Seal,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateOverStorage => "creation where there is storage (EIP-7610 is not in revm)",
            Self::PragueDraft => {
                "a draft of Prague that never went live (EOF, nine BLS precompiles)"
            }
            Self::Seal => "proof of work is not checked",
        })
    }
}

impl CaseReport {
    /// A case that was not run.
    pub(crate) fn skipped(name: &str, fork: &str, reason: SkipReason) -> Self {
        Self::new(name, fork, Verdict::Skipped(reason))
    }

    /// A case that was run, and is right unless a difference is given.
    pub(crate) fn ran(name: &str, fork: &str, result: Result<(), String>) -> Self {
        Self::new(name, fork, result.err().map_or(Verdict::Passed, Verdict::Failed))
    }

    fn new(name: &str, fork: &str, verdict: Verdict) -> Self {
        let (name, fork) = (name.to_owned(), fork.to_owned());
        Self { name, variant: None, fork, state_root: None, verdict, watched: Watched::default() }
    }

    /// The same report on a variant.
    pub(crate) fn of_variant(mut self, variant: &str) -> Self {
        self.variant = Some(variant.to_owned());
        self
    }

    /// The same report with what else was wanted.
    pub(crate) fn with_watched(mut self, watched: Watched) -> Self {
        self.watched = watched;
        self
    }

    /// The same report with the state root.
    pub(crate) fn with_state_root(mut self, state_root: Option<B256>) -> Self {
        self.state_root = state_root;
        self
    }
}

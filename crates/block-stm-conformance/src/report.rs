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
    /// Which variant of the test it is, where tests have variants: indexes, as `d0g1v0`, or
    /// `joined`.
    pub variant: Option<String>,
    /// The fork, or the transition, as the test calls it.
    pub fork: String,
    /// The state root that execution came to, where it came to one.
    pub state_root: Option<B256>,
    /// Whether that is right.
    pub verdict: Verdict,
    /// The exceptions of what was refused, as it must be, without a word on the reason: the test's
    /// names for it are unknown.
    pub not_compared: Vec<String>,
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
    /// Prague as it was in early 2024, with EOF and with EIP-2537's nine precompiles. It never went
    /// live.
    PragueDraft,
    /// The seal, the proof of work, must be right, which is not checked.
    Seal,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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

    /// A case that is right unless a difference is given. What is right comes with exceptions that
    /// were not compared.
    pub(crate) fn ran(name: &str, fork: &str, result: Result<Vec<String>, String>) -> Self {
        match result {
            Ok(not_compared) => Self { not_compared, ..Self::new(name, fork, Verdict::Passed) },
            Err(difference) => Self::new(name, fork, Verdict::Failed(difference)),
        }
    }

    fn new(name: &str, fork: &str, verdict: Verdict) -> Self {
        let (name, fork) = (name.to_owned(), fork.to_owned());
        let (state_root, not_compared) = (None, Vec::new());
        let watched = Watched::default();
        Self { name, variant: None, fork, state_root, verdict, not_compared, watched }
    }

    /// The same report on a variant.
    pub(crate) fn of_variant(mut self, variant: &str) -> Self {
        self.variant = Some(variant.to_owned());
        self
    }

    /// The same report with what else was wanted.
    pub(crate) fn watched(mut self, watched: Watched) -> Self {
        self.watched = watched;
        self
    }

    /// The same report with the state root.
    pub(crate) fn state_root(mut self, state_root: Option<B256>) -> Self {
        self.state_root = state_root;
        self
    }
}

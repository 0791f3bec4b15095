//! Which tests a file has, where it is not those that were asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

/// A kind of official tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    State,
    Blockchain,
}

/// What tells the kinds apart.
#[derive(Deserialize)]
struct Test {
    blocks: Option<IgnoredAny>,
    post: Option<IgnoredAny>,
}

impl Kind {
    /// The kind of the tests in a file, as far as their fields tell it.
    pub(super) fn of(json: &[u8]) -> Option<Self> {
        let tests: BTreeMap<String, Test> = serde_json::from_slice(json).ok()?;
        let (_, first) = tests.first_key_value()?;
        match (&first.blocks, &first.post) {
            (Some(_), _) => Some(Self::Blockchain),
            (None, Some(_)) => Some(Self::State),
            (None, None) => None,
        }
    }

    /// What such tests are called, and the command that runs them.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::State => ("state", "statetest"),
            Self::Blockchain => ("blockchain", "blocktest"),
        }
    }
}

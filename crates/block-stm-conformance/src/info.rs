//! Where a test comes from.

use serde::Deserialize;

/// The `_info` of a test, as far as it matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(crate) struct JsonInfo {
    generated_test_hash: Option<String>,
}

impl JsonInfo {
    /// Whether retesteth filled the test. It was given up before Prague took its final form.
    pub(crate) fn is_by_retesteth(&self) -> bool {
        self.generated_test_hash.is_some()
    }
}

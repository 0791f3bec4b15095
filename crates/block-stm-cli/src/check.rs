//! One claim about a result, and what came of checking it.

use block_stm_chain::{CheckOutcome, HeaderChecks};
use block_stm_evm::BlockResult;

use crate::difference::Difference;

/// One claim about a result, by its name in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
}

/// What came of checking a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds.
    Holds,
    /// It doesn't.
    Fails(Difference),
    /// It can't be checked, for this reason; it is neither right nor wrong.
    NotCheckable(&'static str),
}

impl Check {
    /// All executions gave the same, unless there is a difference.
    pub(crate) fn equal(difference: Option<Difference>) -> Self {
        let outcome = difference.map_or(Outcome::Holds, Outcome::Fails);
        Self { name: "equal", outcome }
    }

    /// A header's value against the computed one.
    pub(crate) fn header<T: PartialEq + ToString>(
        name: &'static str,
        header: T,
        result: T,
    ) -> Self {
        if header == result {
            return Self { name, outcome: Outcome::Holds };
        }
        Self { name, outcome: differs(header.to_string(), result.to_string()) }
    }

    /// All that `header` says about `result`.
    pub(crate) fn all_of_header(header: &HeaderChecks, result: &BlockResult) -> Vec<Self> {
        let checks = header.check(result).into_iter();
        checks
            .map(|check| Self { name: snake_case(check.field), outcome: check.outcome.into() })
            .collect()
    }

    /// Whether it fails.
    pub(crate) fn fails(&self) -> bool {
        matches!(self.outcome, Outcome::Fails(_))
    }
}

impl From<CheckOutcome> for Outcome {
    fn from(outcome: CheckOutcome) -> Self {
        match outcome {
            CheckOutcome::Agrees => Self::Holds,
            CheckOutcome::Differs { header, result } => differs(header, result),
            CheckOutcome::NotCheckable(reason) => Self::NotCheckable(reason),
        }
    }
}

fn differs(header: String, result: String) -> Outcome {
    Outcome::Fails(Difference::new("the header's value", header, result))
}

/// The name of a header field in this program's JSON, which has its own case throughout.
fn snake_case(field: &'static str) -> &'static str {
    match field {
        "gasUsed" => "gas_used",
        "blobGasUsed" => "blob_gas_used",
        "receiptsRoot" => "receipts_root",
        "logsBloom" => "logs_bloom",
        "requestsHash" => "requests_hash",
        "blockAccessListHash" => "block_access_list_hash",
        other => other,
    }
}

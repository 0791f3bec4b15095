//! What became of each case, as geth's `evm` prints it.

use block_stm_conformance::{CaseReport, StateDump, Stats, Verdict};
use serde::Serialize;

use crate::files::rendered;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    pass: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_root: Option<String>,
    fork: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skipped: bool,
    /// The exceptions of what was refused without a comparison of the reason.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reason_not_compared: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a StateDump>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bench_stats: Option<JsonStats>,
}

/// What a transaction takes; geth counts allocations, too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonStats {
    /// In nanoseconds.
    time: u64,
    gas_used: u64,
}

impl From<Stats> for JsonStats {
    fn from(stats: Stats) -> Self {
        let time = u64::try_from(stats.time.as_nanos()).unwrap_or(u64::MAX);
        Self { time, gas_used: stats.gas_used }
    }
}

impl<'a> From<&'a CaseReport> for Json<'a> {
    fn from(case: &'a CaseReport) -> Self {
        let (pass, skipped, error) = match &case.verdict {
            Verdict::Passed => (true, false, None),
            Verdict::Failed(difference) => (false, false, Some(difference.clone())),
            Verdict::Skipped(reason) => (false, true, Some(format!("skipped: {reason}"))),
        };
        Self {
            name: &case.name,
            variant: case.variant.as_deref(),
            pass,
            state_root: case.state_root.map(|root| root.to_string()),
            fork: &case.fork,
            error,
            skipped,
            reason_not_compared: &case.not_compared,
            state: case.watched.state.as_ref(),
            bench_stats: case.watched.stats.map(Into::into),
        }
    }
}

/// A list with an object for each case.
pub(super) fn render(cases: &[CaseReport]) -> Vec<u8> {
    let cases: Vec<_> = cases.iter().map(Json::from).collect();
    rendered(&cases)
}

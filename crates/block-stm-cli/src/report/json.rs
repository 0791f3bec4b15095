//! Reports as JSON, for programs.

use std::collections::BTreeMap;

use block_stm_evm::revm::primitives::hex;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Kind, Report, Row, Totals};
use crate::{
    allocator, check::Outcome, command, difference::Difference, files::rendered, machine::Machine,
    units::millis,
};

#[derive(Serialize)]
struct JsonReport<'a> {
    version: &'static str,
    allocator: String,
    command: String,
    machine: &'a Machine,
    threads: usize,
    repeat: usize,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    workloads: Option<Vec<JsonRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<JsonRow<'a>>>,
    totals: JsonTotals,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [String],
}

#[derive(Serialize)]
struct JsonRow<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    rules: &'a str,
    txns: usize,
    gas_used: u64,
    ok: bool,
    checks: BTreeMap<&'static str, Option<bool>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    differences: BTreeMap<&'static str, JsonDifference<'a>>,
    sequential_ms: f64,
    parallel_ms: f64,
    speedup: f64,
    sequential_samples_ms: Vec<f64>,
    parallel_samples_ms: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_list_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_list_speedup: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_building_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_building_in_order_ms: Option<f64>,
    executions: u64,
    aborts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounds: Option<JsonBounds>,
    state_digest: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    unknown_ommers: usize,
    command: &'a str,
}

/// What the speed-up can be held against.
#[derive(Serialize)]
struct JsonBounds {
    hardware_ms: f64,
    hardware_speedup: f64,
    hardware_failed_txns: usize,
    hardware_gas_share: f64,
    graph_speedup: f64,
}

/// Why a check failed.
#[derive(Serialize)]
struct JsonDifference<'a> {
    place: &'a str,
    expected: &'a str,
    found: &'a str,
}

#[derive(Serialize)]
struct JsonTotals {
    txns: usize,
    gas_used: u64,
    sequential_ms: f64,
    parallel_ms: f64,
    speedup: f64,
    geometric_mean: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_list_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_list_speedup: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_building_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_building_in_order_ms: Option<f64>,
    executions: u64,
    aborts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hardware_speedup: Option<f64>,
    slower: usize,
    failed: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl<'a> From<&'a Report> for JsonReport<'a> {
    fn from(report: &'a Report) -> Self {
        let rows = || Some(report.rows.iter().map(JsonRow::from).collect());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            allocator: allocator::name(),
            command: command::of_process(),
            machine: &report.machine,
            threads: report.threads,
            repeat: report.repeat,
            ok: report.ok() && report.errors.is_empty(),
            workloads: if report.kind == Kind::Workloads { rows() } else { None },
            blocks: if report.kind == Kind::Blocks { rows() } else { None },
            totals: report.totals().into(),
            errors: &report.errors,
        }
    }
}

impl<'a> From<&'a Row> for JsonRow<'a> {
    fn from(row: &'a Row) -> Self {
        let checks = row.checks.iter().map(|check| {
            let outcome = match check.outcome {
                Outcome::Holds => Some(true),
                Outcome::Fails(_) => Some(false),
                Outcome::NotCheckable(_) => None,
            };
            (check.name, outcome)
        });
        let differences = row.checks.iter().filter_map(|check| match &check.outcome {
            Outcome::Fails(difference) => Some((check.name, difference.into())),
            _ => None,
        });
        Self {
            name: &row.name,
            number: row.number,
            rules: &row.rules,
            txns: row.txns,
            gas_used: row.gas_used,
            ok: row.ok(),
            checks: checks.collect(),
            differences: differences.collect(),
            sequential_ms: millis(row.sequential),
            parallel_ms: millis(row.parallel),
            speedup: row.speedup(),
            sequential_samples_ms: row.samples.sequential.iter().copied().map(millis).collect(),
            parallel_samples_ms: row.samples.parallel.iter().copied().map(millis).collect(),
            with_list_ms: row.lists.map(|times| millis(times.used)),
            list_building_ms: row.lists.map(|times| millis(times.built)),
            list_building_in_order_ms: row.lists.map(|times| millis(times.built_in_order)),
            with_list_speedup: row.list_speedup(),
            executions: row.executions,
            aborts: row.aborts,
            bounds: row.bounds.zip(row.hardware_bound()).map(|(bounds, speedup)| JsonBounds {
                hardware_ms: millis(bounds.hardware),
                hardware_speedup: speedup,
                hardware_failed_txns: bounds.failed,
                hardware_gas_share: bounds.gas_share,
                graph_speedup: bounds.graph,
            }),
            state_digest: row.state_digest.map(hex::encode),
            unknown_ommers: row.unknown_ommers,
            command: &row.command,
        }
    }
}

impl<'a> From<&'a Difference> for JsonDifference<'a> {
    fn from(difference: &'a Difference) -> Self {
        let Difference { place, expected, found } = difference;
        Self { place, expected, found }
    }
}

impl From<Totals> for JsonTotals {
    fn from(totals: Totals) -> Self {
        Self {
            txns: totals.txns,
            gas_used: totals.gas_used,
            sequential_ms: millis(totals.sequential),
            parallel_ms: millis(totals.parallel),
            speedup: totals.speedup,
            geometric_mean: totals.geometric_mean,
            with_list_ms: totals.lists.map(|times| millis(times.used)),
            list_building_ms: totals.lists.map(|times| millis(times.built)),
            list_building_in_order_ms: totals.lists.map(|times| millis(times.built_in_order)),
            with_list_speedup: totals.list_speedup(),
            executions: totals.executions,
            aborts: totals.aborts,
            hardware_speedup: totals.hardware_bound,
            slower: totals.slower,
            failed: totals.failed,
        }
    }
}

/// All rows of all reports, each with its number of threads.
pub(crate) fn rows(reports: &[Report]) -> Vec<Value> {
    let rows = reports.iter().flat_map(|report| report.rows.iter().map(move |row| (report, row)));
    rows.map(|(report, row)| {
        let mut value = json!(JsonRow::from(row));
        value["threads"] = json!(report.threads);
        value
    })
    .collect()
}

/// What a report's rows come to together.
pub(crate) fn totals(report: &Report) -> Value {
    json!(JsonTotals::from(report.totals()))
}

/// One report as an object, several as an array of objects.
pub(crate) fn render(reports: &[Report]) -> Vec<u8> {
    let reports: Vec<_> = reports.iter().map(JsonReport::from).collect();
    match reports.as_slice() {
        [one] => rendered(one),
        many => rendered(&many),
    }
}

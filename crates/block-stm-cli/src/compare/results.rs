//! Results of `run`, `replay`, `sweep` and `forecast`, read back.

use std::{collections::BTreeMap, path::Path};

use block_stm_chain::import::json::{Document, read_file};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::noise::Samples;
use crate::{error::CliError, machine::Machine};

/// What is compared with what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Key {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
    pub(super) threads: usize,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Results {
    pub(super) rows: BTreeMap<Key, Samples>,
    version: String,
    allocator: String,
    machine: Option<Machine>,
}

/// What tells which command wrote a file.
#[derive(Deserialize)]
struct Probe {
    series: Option<IgnoredAny>,
    workers: Option<IgnoredAny>,
}

/// What is compared, whichever command wrote it.
struct Measured {
    version: String,
    allocator: String,
    machine: Option<Machine>,
    rows: Vec<(Key, Samples)>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "the results of `sweep`")]
struct JsonSweep {
    version: String,
    allocator: String,
    machine: Option<Machine>,
    vm: String,
    scenario: Option<String>,
    series: Vec<JsonSeries>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a block of a sweep")]
struct JsonSeries {
    txns: usize,
    accounts: usize,
    #[serde(default)]
    sequential_samples_ms: Vec<f64>,
    cells: Vec<JsonCell>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a cell of a sweep")]
struct JsonCell {
    threads: usize,
    speedup: f64,
    #[serde(default)]
    parallel_samples_ms: Vec<f64>,
}

/// A forecast is computed, so that there are no turns.
#[derive(Debug, Deserialize)]
#[serde(expecting = "the results of `forecast`")]
struct JsonForecast {
    #[serde(default)]
    version: String,
    title: String,
    allocator: String,
    machine: Option<Machine>,
    workers: Vec<JsonSum>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "what a number of workers comes to")]
struct JsonSum {
    workers: usize,
    speedup_over_plain: f64,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "the results of `run`, `replay`, `sweep` or `forecast`")]
struct JsonReport {
    version: String,
    allocator: String,
    machine: Option<Machine>,
    threads: usize,
    #[serde(default)]
    workloads: Vec<JsonRow>,
    #[serde(default)]
    blocks: Vec<JsonRow>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a workload or a block")]
struct JsonRow {
    name: String,
    number: Option<u64>,
    speedup: f64,
    #[serde(default)]
    sequential_samples_ms: Vec<f64>,
    #[serde(default)]
    parallel_samples_ms: Vec<f64>,
}

/// The reports in a file: one, or a list of them.
fn parse_all<T: DeserializeOwned>(document: Document<'_>, json: &[u8]) -> Result<Vec<T>, CliError> {
    Ok(match json.trim_ascii_start().first() {
        Some(b'[') => document.parse()?,
        _ => vec![document.parse()?],
    })
}

/// The speed-ups, turn by turn.
fn samples(speedup: f64, sequential: &[f64], parallel: &[f64]) -> Samples {
    let turns = sequential.iter().zip(parallel);
    Samples { speedup, turns: turns.map(|(sequential, parallel)| sequential / parallel).collect() }
}

impl From<JsonReport> for Measured {
    fn from(report: JsonReport) -> Self {
        let JsonReport { version, allocator, machine, threads, workloads, blocks } = report;
        let row = |row: JsonRow| {
            let JsonRow { name, number, speedup, sequential_samples_ms, parallel_samples_ms } = row;
            let samples = samples(speedup, &sequential_samples_ms, &parallel_samples_ms);
            (Key { name, number, threads }, samples)
        };
        let rows = workloads.into_iter().chain(blocks).map(row).collect();
        Self { version, allocator, machine, rows }
    }
}

impl From<JsonSweep> for Measured {
    fn from(sweep: JsonSweep) -> Self {
        let JsonSweep { version, allocator, machine, vm, scenario, series } = sweep;
        let vm = scenario.unwrap_or(vm);
        let rows = series.into_iter().flat_map(|series| {
            let JsonSeries { txns, accounts, sequential_samples_ms, cells } = series;
            let name = format!("{vm}: {txns} txns of {accounts} accounts");
            cells.into_iter().map(move |cell| {
                let JsonCell { threads, speedup, parallel_samples_ms } = cell;
                let samples = samples(speedup, &sequential_samples_ms, &parallel_samples_ms);
                (Key { name: name.clone(), number: None, threads }, samples)
            })
        });
        Self { version, allocator, machine, rows: rows.collect() }
    }
}

impl From<JsonForecast> for Measured {
    fn from(forecast: JsonForecast) -> Self {
        let JsonForecast { version, title, allocator, machine, workers } = forecast;
        let row = |sum: JsonSum| {
            let key = Key { name: title.clone(), number: None, threads: sum.workers };
            (key, samples(sum.speedup_over_plain, &[], &[]))
        };
        let rows = workers.into_iter().map(row).collect();
        Self { version, allocator, machine, rows }
    }
}

impl Results {
    /// Reads the results in `file`.
    ///
    /// # Errors
    ///
    /// A file that can't be read, or holds something else.
    pub(super) fn read(file: &Path) -> Result<Self, CliError> {
        Self::parse(file, &read_file(file)?)
    }

    fn parse(file: &Path, json: &[u8]) -> Result<Self, CliError> {
        let document = Document::bare(file, json);
        let probes: Vec<Probe> = parse_all(document, json).unwrap_or_default();
        let is = |part: fn(&Probe) -> bool| probes.first().is_some_and(part);
        let reports: Vec<Measured> = if is(|probe| probe.series.is_some()) {
            parse_all(document, json)?.into_iter().map(JsonSweep::into).collect()
        } else if is(|probe| probe.workers.is_some()) {
            parse_all(document, json)?.into_iter().map(JsonForecast::into).collect()
        } else {
            parse_all(document, json)?.into_iter().map(JsonReport::into).collect()
        };
        let mut results: Option<Self> = None;
        for Measured { version, allocator, machine, rows } in reports {
            let none = BTreeMap::new();
            let all = results.get_or_insert(Self { rows: none, version, allocator, machine });
            for (key, samples) in rows {
                let is_speedup = |speedup: &f64| speedup.is_finite() && *speedup > 0.0;
                if !is_speedup(&samples.speedup) || !samples.turns.iter().all(is_speedup) {
                    let message = "a time or a speed-up is no positive number";
                    return Err(document.wrong(&key.name, message).into());
                }
                if all.rows.contains_key(&key) {
                    return Err(document
                        .wrong(&key.name, "there twice with the same threads")
                        .into());
                }
                all.rows.insert(key, samples);
            }
        }
        results.filter(|results| !results.rows.is_empty()).ok_or_else(|| {
            document
                .wrong(
                    ".",
                    "no workload and no block in it; give results of run, replay, sweep, forecast",
                )
                .into()
        })
    }

    /// In what the runs differ beside their times, in words.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, one: String, two: String| {
            if one != two {
                differences.push(format!("{what}: {one}, then {two}"));
            }
        };
        compare("version", self.version.clone(), other.version.clone());
        compare("allocator", self.allocator.clone(), other.allocator.clone());
        let machine = |results: &Self| match &results.machine {
            Some(Machine { processor, cores, .. }) => {
                format!(
                    "{cores} cores of {}",
                    processor.as_deref().unwrap_or("an unknown processor")
                )
            }
            None => "unknown".to_owned(),
        };
        compare("machine", machine(self), machine(other));
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Results, String> {
        Results::parse(Path::new("a.json"), json.as_bytes()).map_err(|error| error.to_string())
    }

    fn report(rows: &str) -> String {
        format!(r#"{{"version": "1", "allocator": "x", "threads": 2, "blocks": [{rows}]}}"#)
    }

    #[test]
    fn turns_come_from_both_sides() -> Result<(), String> {
        let row = r#"{"name": "a", "number": 7, "speedup": 2.0,
            "sequential_samples_ms": [4, 6], "parallel_samples_ms": [2, 2]}"#;
        let results = parse(&format!("[{}]", report(row)))?;
        let key = Key { name: "a".to_owned(), number: Some(7), threads: 2 };
        assert_eq!(results.rows.get(&key), Some(&Samples { speedup: 2.0, turns: vec![2.0, 3.0] }));
        Ok(())
    }

    #[test]
    fn what_is_no_result_is_said() {
        let row = r#"{"name": "a", "speedup": 1.0}"#;
        for (json, part) in [
            ("[]".to_owned(), "no workload and no block"),
            ("{}".to_owned(), "missing field"),
            (report(&[row, row].join(",")), "there twice"),
            (report(r#"{"name": "a", "speedup": 0.0}"#), "no positive number"),
        ] {
            let error = parse(&json).expect_err(&json);
            assert!(error.starts_with("a.json: ") && error.contains(part), "{error}");
        }
    }
}

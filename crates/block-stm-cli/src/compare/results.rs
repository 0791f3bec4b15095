//! Results of `run` and `replay`, read back.

use std::{collections::BTreeMap, path::Path};

use block_stm_chain::import::json::{Document, read_file};
use serde::{Deserialize, Serialize};

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

#[derive(Debug, Deserialize)]
#[serde(expecting = "the results of `run` or `replay`")]
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
        let reports: Vec<JsonReport> = match json.trim_ascii_start().first() {
            Some(b'[') => document.parse()?,
            _ => vec![document.parse()?],
        };
        let mut results: Option<Self> = None;
        for report in reports {
            let JsonReport { version, allocator, machine, threads, workloads, blocks } = report;
            let rows = BTreeMap::new();
            let all = results.get_or_insert(Self { rows, version, allocator, machine });
            for row in workloads.into_iter().chain(blocks) {
                let JsonRow { name, number, speedup, sequential_samples_ms, parallel_samples_ms } =
                    row;
                let turns = sequential_samples_ms.iter().zip(&parallel_samples_ms);
                let turns: Vec<_> =
                    turns.map(|(sequential, parallel)| sequential / parallel).collect();
                let key = Key { name, number, threads };
                if !turns
                    .iter()
                    .chain([&speedup])
                    .all(|speedup| speedup.is_finite() && *speedup > 0.0)
                {
                    let message = "a time or a speed-up is no positive number";
                    return Err(document.wrong(&key.name, message).into());
                }
                if all.rows.contains_key(&key) {
                    return Err(document
                        .wrong(&key.name, "there twice with the same threads")
                        .into());
                }
                all.rows.insert(key, Samples { speedup, turns });
            }
        }
        results.filter(|results| !results.rows.is_empty()).ok_or_else(|| {
            document
                .wrong(".", "no workload and no block in it; give results of run or replay")
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

//! A sweep as a table, as JSON and as CSV.

use std::{fmt::Write, time::Duration};

use anstyle::{AnsiColor, Style};
use block_stm_workloads::p2p::Kind;
use comfy_table::Table;
use serde::Serialize;

use crate::{
    allocator,
    args::{Latency, SweepVm},
    command,
    difference::Difference,
    files::{csv_cell, rendered},
    machine::Machine,
    notes::cores,
    report::{executions_per_txn, per_second},
    tables,
    units::{count, grouped, millis, speedup},
};

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// All cells of a sweep.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) vm: SweepVm,
    /// What the scenario is called, if it is one that is swept.
    pub(super) scenario: Option<String>,
    /// Beside reads and writes, where it is set.
    pub(super) work: Option<Duration>,
    pub(super) seed: u64,
    pub(super) repeat: usize,
    pub(super) threads: Vec<usize>,
    /// Block sizes, and within them numbers of accounts, in ascending order.
    pub(super) series: Vec<Series>,
}

/// One block with every number of threads.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) txns: usize,
    /// Those of all blocks in a row.
    pub(super) all_txns: usize,
    pub(super) accounts: usize,
    /// The plain loop's time.
    pub(super) sequential: Duration,
    /// Turn by turn.
    pub(super) sequential_samples: Vec<Duration>,
    pub(super) sequential_difference: Option<Difference>,
    pub(super) cells: Vec<Cell>,
}

/// One block with one number of threads.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) threads: usize,
    pub(super) time: Duration,
    /// Turn by turn, as those of the plain loop.
    pub(super) samples: Vec<Duration>,
    pub(super) executions: u64,
    pub(super) aborts: u64,
    pub(super) difference: Option<Difference>,
    /// The command that measures this cell again.
    pub(super) command: String,
}

impl Series {
    /// Transactions a second of the plain loop.
    pub(super) fn sequential_rate(&self) -> f64 {
        per_second(self.all_txns as u64, self.sequential)
    }

    /// Transactions a second in `cell`.
    pub(super) fn rate(&self, cell: &Cell) -> f64 {
        per_second(self.all_txns as u64, cell.time)
    }

    fn speedup(&self, cell: &Cell) -> f64 {
        self.rate(cell) / self.sequential_rate()
    }

    fn executions_per_txn(&self, cell: &Cell) -> f64 {
        executions_per_txn(cell.executions, self.all_txns)
    }
}

impl SweepVm {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Diem => Kind::Diem.name(),
            Self::Aptos => Kind::Aptos.name(),
            Self::Evm => "evm",
        }
    }

    const fn kind(self) -> Option<Kind> {
        match self {
            Self::Diem => Some(Kind::Diem),
            Self::Aptos => Some(Kind::Aptos),
            Self::Evm => None,
        }
    }
}

impl Report {
    /// Whether all executions agree.
    pub(super) fn ok(&self) -> bool {
        self.differences().next().is_none()
    }

    /// What was measured, in one line.
    pub(super) fn title(&self) -> String {
        let Self { vm, scenario, work, seed, .. } = self;
        let payments = match (vm.kind(), work) {
            _ if scenario.is_some() => {
                format!("scenario {}", scenario.as_deref().unwrap_or_default())
            }
            (Some(kind), Some(work)) => format!(
                "{} payments: {} reads, {} writes, {} of work",
                vm.name(),
                kind.reads(),
                kind.writes(),
                Latency(*work)
            ),
            _ => format!("{} transfers", vm.name()),
        };
        format!("{payments}; seed {seed}; {}", count(cores(), "core"))
    }

    fn differences(&self) -> impl Iterator<Item = (&Series, Option<&Cell>, &Difference)> {
        self.series.iter().flat_map(|series| {
            let sequential = series.sequential_difference.as_ref();
            let sequential = sequential.map(|difference| (series, None, difference));
            let cells = series.cells.iter().filter_map(move |cell| {
                cell.difference.as_ref().map(|difference| (series, Some(cell), difference))
            });
            sequential.into_iter().chain(cells)
        })
    }

    /// Title and one table for each size of blocks, with escape codes.
    pub(super) fn text(&self) -> String {
        let runs = grouped(self.repeat as u64);
        let mut text = format!(
            "{BOLD}{}{BOLD:#}\nRates are of medians of {runs}; allocator: {}.\n",
            self.title(),
            allocator::name()
        );
        for group in self.series.chunk_by(|a, b| a.txns == b.txns) {
            let txns = group.first().map_or(0, |series| series.txns);
            // Writing to a string can't fail.
            let _ = writeln!(text, "\n{BOLD}Blocks of {}{BOLD:#}\n", count(txns, "txn"));
            text.push_str(&tables::render(&table(group)));
        }
        let agreement = if self.ok() {
            "Receipts and state were the same in every execution."
        } else {
            "CHECKS FAILED."
        };
        let _ = writeln!(text, "\n{agreement}");
        text
    }

    /// Every cell whose executions differ: where, what, and how to see it again.
    pub(super) fn failures(&self) -> String {
        let mut text = String::new();
        for (series, cell, difference) in self.differences() {
            let Series { txns, accounts, .. } = series;
            let side =
                cell.map_or_else(|| "sequential".to_owned(), |cell| count(cell.threads, "thread"));
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "{BAD}check failed{BAD:#}: {txns} txns, {accounts} accounts, {side}: {}",
                difference.place
            );
            let _ = writeln!(text, "  expected  {}", difference.expected);
            let _ = writeln!(text, "  found     {}", difference.found);
            if let Some(cell) = cell {
                let _ = writeln!(text, "  repeat    {}", cell.command);
            }
        }
        text
    }

    /// One line for each cell; the plain loop is a cell of one thread.
    pub(super) fn csv(&self) -> String {
        let work = self.work.map_or_else(String::new, |work| work.as_nanos().to_string());
        let scenario = self.scenario.as_deref();
        let mut text = if scenario.is_some() { "scenario," } else { "" }.to_owned();
        text += "vm,work_ns,txns,accounts,side,threads,ms,txns_per_second,speedup,\
                 executions_per_txn,aborts,equal\n";
        let scenario = scenario.map_or_else(String::new, |name| format!("{},", csv_cell(name)));
        for series in &self.series {
            let Series { txns, accounts, sequential, .. } = series;
            let start = format!("{scenario}{},{work},{txns},{accounts}", self.vm.name());
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "{start},sequential,1,{},{},1,1,0,{}",
                millis(*sequential),
                series.sequential_rate(),
                series.sequential_difference.is_none()
            );
            for cell in &series.cells {
                let _ = writeln!(
                    text,
                    "{start},parallel,{},{},{},{},{},{},{}",
                    cell.threads,
                    millis(cell.time),
                    series.rate(cell),
                    series.speedup(cell),
                    series.executions_per_txn(cell),
                    cell.aborts,
                    cell.difference.is_none()
                );
            }
        }
        text
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Vec<u8> {
        let report = JsonReport {
            version: env!("CARGO_PKG_VERSION"),
            allocator: allocator::name(),
            command: command::of_process(),
            machine: Machine::look(),
            cores: cores(),
            vm: self.vm.name(),
            scenario: self.scenario.as_deref(),
            work_ns: self.work.map(|work| work.as_nanos() as u64),
            seed: self.seed,
            repeat: self.repeat,
            threads: &self.threads,
            ok: self.ok(),
            series: self.series.iter().map(JsonSeries::from).collect(),
        };
        rendered(&report)
    }
}

fn table(group: &[Series]) -> Table {
    let header = ["accounts", "threads", "txns/s", "speed-up", "exec/txn", "aborts", "equal"];
    let mut table = tables::table(&header, &[]);
    let equal = |difference: &Option<Difference>| {
        if difference.is_none() { "yes" } else { "NO" }.to_owned()
    };
    let rate = |rate: f64| grouped(rate.round() as u64);
    for series in group {
        let accounts = grouped(series.accounts as u64);
        table.add_row([
            accounts.clone(),
            "sequential".to_owned(),
            rate(series.sequential_rate()),
            speedup(1.0),
            "1.00".to_owned(),
            "0".to_owned(),
            equal(&series.sequential_difference),
        ]);
        for cell in &series.cells {
            table.add_row([
                accounts.clone(),
                grouped(cell.threads as u64),
                rate(series.rate(cell)),
                speedup(series.speedup(cell)),
                format!("{:.2}", series.executions_per_txn(cell)),
                grouped(cell.aborts),
                equal(&cell.difference),
            ]);
        }
    }
    table
}

#[derive(Serialize)]
struct JsonReport<'a> {
    version: &'static str,
    allocator: String,
    command: String,
    machine: Machine,
    cores: usize,
    vm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'a str>,
    work_ns: Option<u64>,
    seed: u64,
    repeat: usize,
    threads: &'a [usize],
    ok: bool,
    series: Vec<JsonSeries<'a>>,
}

#[derive(Serialize)]
struct JsonSeries<'a> {
    txns: usize,
    accounts: usize,
    sequential_ms: f64,
    sequential_samples_ms: Vec<f64>,
    sequential_txns_per_second: f64,
    equal: bool,
    cells: Vec<JsonCell<'a>>,
}

#[derive(Serialize)]
struct JsonCell<'a> {
    threads: usize,
    parallel_ms: f64,
    parallel_samples_ms: Vec<f64>,
    txns_per_second: f64,
    speedup: f64,
    executions: u64,
    executions_per_txn: f64,
    aborts: u64,
    equal: bool,
    command: &'a str,
}

impl<'a> From<&'a Series> for JsonSeries<'a> {
    fn from(series: &'a Series) -> Self {
        let cell = |cell: &'a Cell| JsonCell {
            threads: cell.threads,
            parallel_ms: millis(cell.time),
            parallel_samples_ms: cell.samples.iter().copied().map(millis).collect(),
            txns_per_second: series.rate(cell),
            speedup: series.speedup(cell),
            executions: cell.executions,
            executions_per_txn: series.executions_per_txn(cell),
            aborts: cell.aborts,
            equal: cell.difference.is_none(),
            command: &cell.command,
        };
        Self {
            txns: series.txns,
            accounts: series.accounts,
            sequential_ms: millis(series.sequential),
            sequential_samples_ms: series.sequential_samples.iter().copied().map(millis).collect(),
            sequential_txns_per_second: series.sequential_rate(),
            equal: series.sequential_difference.is_none(),
            cells: series.cells.iter().map(cell).collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;

    /// Two block sizes, two numbers of accounts, two numbers of threads.
    pub(in crate::sweep) fn report(difference: Option<Difference>) -> Report {
        let cell = |threads, millis| Cell {
            threads,
            time: Duration::from_millis(millis),
            samples: vec![Duration::from_millis(millis)],
            executions: 1_500,
            aborts: 500,
            difference: None,
            command: "again".to_owned(),
        };
        let series = |txns, accounts| Series {
            txns,
            all_txns: txns,
            accounts,
            sequential: Duration::from_millis(100),
            sequential_samples: vec![Duration::from_millis(100)],
            sequential_difference: None,
            cells: vec![cell(1, 200), cell(4, 25)],
        };
        let mut series =
            vec![series(1_000, 2), series(1_000, 10), series(3_000, 2), series(3_000, 10)];
        series[2].cells[1].difference = difference;
        Report {
            vm: SweepVm::Aptos,
            scenario: None,
            work: Some(Duration::from_micros(100)),
            seed: 5,
            repeat: 3,
            threads: vec![1, 4],
            series,
        }
    }

    #[test]
    fn all_forms_tell_the_same() -> serde_json::Result<()> {
        let report = report(None);
        let text = report.text();
        for part in
            ["aptos payments: 8 reads, 5 writes, 100us of work; seed 5", "Blocks of 3,000 txns"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json: Value = serde_json::from_slice(&report.json())?;
        assert_eq!(json["series"][0]["sequential_txns_per_second"], 10_000.0);
        let cell = &json["series"][0]["cells"][1];
        assert_eq!((&cell["txns_per_second"], &cell["speedup"]), (&40_000.0.into(), &4.0.into()));
        assert_eq!(cell["executions_per_txn"], 1.5);
        let csv = report.csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + 4 * 3);
        assert_eq!(lines[1], "aptos,100000,1000,2,sequential,1,100,10000,1,1,0,true");
        assert_eq!(lines[3], "aptos,100000,1000,2,parallel,4,25,40000,4,1.5,500,true");
        assert!(report.ok() && report.failures().is_empty());
        Ok(())
    }

    /// The canary: a cell that differs is seen in every form.
    #[test]
    fn a_difference_fails_the_report() -> serde_json::Result<()> {
        let difference = Difference::new("execution 2: receipt of txn 7", "1".into(), "2".into());
        let report = report(Some(difference));
        assert!(!report.ok());
        assert!(report.text().contains("CHECKS FAILED") && report.text().contains("NO"));
        let failures = report.failures();
        for part in ["3000 txns, 2 accounts, 4 threads: execution 2", "repeat    again"] {
            assert!(failures.contains(part), "{part}: {failures}");
        }
        let json: Value = serde_json::from_slice(&report.json())?;
        assert_eq!(
            (&json["ok"], &json["series"][2]["cells"][1]["equal"]),
            (&false.into(), &false.into())
        );
        assert_eq!(report.csv().lines().filter(|line| line.ends_with("false")).count(), 1);
        Ok(())
    }
}

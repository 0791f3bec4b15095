//! Forecasts as tables and as JSON.

use std::time::Duration;

use anstyle::Style;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    allocator, command,
    files::rendered,
    machine::Machine,
    report::ratio,
    tables,
    units::{speedup, time},
};

const BOLD: Style = Style::new().bold();

/// One block with one number of workers.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) workers: usize,
    /// The plain sequential loop, measured.
    pub(super) plain: Duration,
    /// What executing each transaction once takes, all together.
    pub(super) executions_time: Duration,
    pub(super) simulated: Duration,
    /// The least that any schedule takes.
    pub(super) bound: Duration,
    /// Measured, where there are enough cores.
    pub(super) real: Option<Duration>,
    /// Turn by turn.
    pub(super) real_samples: Vec<Duration>,
    pub(super) txns: usize,
    pub(super) executions: u64,
}

/// Blocks that are reported together.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) title: String,
    /// All with the same numbers of workers.
    pub(super) blocks: Vec<Study>,
}

/// One block with each number of workers.
#[derive(Clone, Debug)]
pub(super) struct Study {
    /// The number of a real block.
    pub(super) number: Option<u64>,
    pub(super) lines: Vec<Line>,
}

/// What the blocks' lines for one number of workers come to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sum {
    /// The number of a real block, where it is one block alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    pub(super) workers: usize,
    simulated_ns: u64,
    /// Geometric mean over blocks of the plain loop's time over the simulated one.
    pub(super) speedup_over_plain: f64,
    /// Geometric mean over blocks of the executions' time over the bound.
    bound_speedup: f64,
    /// Geometric mean over blocks of the bound over the simulated time.
    share_of_bound: f64,
    executions_per_txn: f64,
    real_ns: Option<u64>,
    /// The simulated time over the real one, both summed up.
    simulated_over_real: Option<f64>,
}

impl Report {
    pub(super) const fn new(title: String, blocks: Vec<Study>) -> Self {
        Self { title, blocks }
    }

    pub(super) fn sums(&self) -> Vec<Sum> {
        let places = self.blocks.iter().map(|block| block.lines.len()).max().unwrap_or(0);
        (0..places)
            .map(|place| sum(self.blocks.iter().filter_map(|block| block.lines.get(place))))
            .collect()
    }

    /// Title and table, with escape codes: the stream takes them out where they don't belong.
    pub(super) fn text(&self) -> String {
        let header = [
            "workers",
            "simulated",
            "over plain",
            "bound",
            "of bound",
            "exec/txn",
            "real",
            "sim/real",
        ];
        let mut table = tables::table(&header, &[]);
        for sum in self.sums() {
            let nanos = |ns| time(Duration::from_nanos(ns));
            table.add_row([
                sum.workers.to_string(),
                nanos(sum.simulated_ns),
                speedup(sum.speedup_over_plain),
                speedup(sum.bound_speedup),
                format!("{:.0} %", 100.0 * sum.share_of_bound),
                format!("{:.2}", sum.executions_per_txn),
                sum.real_ns.map_or_else(String::new, nanos),
                sum.simulated_over_real.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            ]);
        }
        format!(
            "{BOLD}{}{BOLD:#}, simulated on virtual workers; allocator: {}\n\n{}",
            self.title,
            allocator::name(),
            tables::render(&table)
        )
    }
}

impl Study {
    /// What each line comes to by itself.
    fn sums(&self) -> impl Iterator<Item = Sum> {
        self.lines.iter().map(|line| Sum { number: self.number, ..sum(std::iter::once(line)) })
    }
}

fn sum<'l>(lines: impl Iterator<Item = &'l Line> + Clone) -> Sum {
    let nanos =
        |time: fn(&Line) -> Duration| lines.clone().map(time).sum::<Duration>().as_nanos() as u64;
    let mean = |ratio: fn(&Line) -> f64| {
        let (sum, count) =
            lines.clone().fold((0.0, 0), |(sum, count), line| (sum + ratio(line).ln(), count + 1));
        (sum / f64::from(count.max(1))).exp()
    };
    let simulated_ns = nanos(|line| line.simulated);
    let real = lines.clone().map(|line| line.real).collect::<Option<Vec<_>>>();
    let real_ns = real.map(|times| times.into_iter().sum::<Duration>().as_nanos() as u64);
    let txns: usize = lines.clone().map(|line| line.txns).sum();
    let executions: u64 = lines.clone().map(|line| line.executions).sum();
    Sum {
        number: None,
        workers: lines.clone().next().map_or(0, |line| line.workers),
        simulated_ns,
        speedup_over_plain: mean(|line| ratio(line.plain, line.simulated)),
        bound_speedup: mean(|line| ratio(line.executions_time, line.bound)),
        share_of_bound: mean(|line| ratio(line.bound, line.simulated)),
        executions_per_txn: executions as f64 / txns.max(1) as f64,
        real_ns,
        simulated_over_real: real_ns.map(|real| simulated_ns as f64 / real.max(1) as f64),
    }
}

#[derive(Serialize)]
struct Json {
    version: &'static str,
    title: String,
    allocator: String,
    command: String,
    machine: Machine,
    workers: Vec<Sum>,
    blocks: Vec<Vec<Sum>>,
}

/// A row for each block with each number of workers.
pub(super) fn rows(reports: &[Report]) -> Vec<Value> {
    let blocks =
        reports.iter().flat_map(|report| report.blocks.iter().map(move |block| (report, block)));
    let rows = blocks.flat_map(|(report, block)| {
        block.sums().map(|sum| {
            let mut row = json!(sum);
            row["name"] = json!(report.title);
            row
        })
    });
    rows.collect()
}

/// All reports as JSON, with each block apart.
pub(super) fn json(reports: &[Report]) -> Vec<u8> {
    let machine = Machine::look();
    let one = |report: &Report| Json {
        version: env!("CARGO_PKG_VERSION"),
        title: report.title.clone(),
        allocator: allocator::name(),
        command: command::of_process(),
        machine: machine.clone(),
        workers: report.sums(),
        blocks: report.blocks.iter().map(|block| block.sums().collect()).collect(),
    };
    rendered(&reports.iter().map(one).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(workers: usize, simulated: u64, real: Option<u64>) -> Line {
        let millis = Duration::from_millis;
        Line {
            workers,
            plain: millis(80),
            executions_time: millis(60),
            simulated: millis(simulated),
            bound: millis(20),
            real: real.map(millis),
            real_samples: Vec::new(),
            txns: 10,
            executions: 15,
        }
    }

    #[test]
    fn blocks_come_to_sums_and_geometric_means() {
        let report = Report::new(
            "two blocks".to_owned(),
            [
                vec![line(2, 40, Some(50)), line(4, 20, None)],
                vec![line(2, 160, Some(150)), line(4, 80, Some(1))],
            ]
            .map(|lines| Study { number: Some(7), lines })
            .to_vec(),
        );
        let sums = report.sums();
        assert_eq!((sums[0].workers, sums[0].simulated_ns), (2, 200_000_000));
        assert!((sums[0].speedup_over_plain - 1.0).abs() < 1e-9);
        assert!((sums[0].bound_speedup - 3.0).abs() < 1e-9);
        assert!((sums[0].share_of_bound - 0.25).abs() < 1e-9);
        assert_eq!(sums[0].simulated_over_real, Some(1.0));
        assert_eq!(sums[1].real_ns, None, "not every block has a real time");
        let rows = rows(std::slice::from_ref(&report));
        assert_eq!(
            (rows.len(), &rows[3]["number"], &rows[3]["workers"]),
            (4, &json!(7), &json!(4))
        );
        let text = report.text();
        for part in ["two blocks", "simulated", "25 %", "3.00x", "1.50"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

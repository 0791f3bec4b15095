//! What was measured, ready to be shown.

pub(crate) mod json;
pub(crate) mod plot;
mod summary;
pub(crate) mod table;

use std::time::Duration;

use block_stm_evm::Block;

use crate::{
    bounds::Bounds,
    check::{Check, Outcome},
    escape::escaped,
    list_times::ListTimes,
    machine::Machine,
    measure::{Measured, Samples},
};

/// The rows of one command under one number of threads.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    /// What was done, in one line.
    pub(crate) title: String,
    pub(crate) machine: Machine,
    pub(crate) threads: usize,
    pub(crate) repeat: usize,
    pub(crate) rows: Vec<Row>,
    /// Inputs that could not be read or executed.
    pub(crate) errors: Vec<String>,
}

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Generated blocks.
    Workloads,
    /// Real blocks.
    Blocks,
}

/// One measured block.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The number of a real block.
    pub(crate) number: Option<u64>,
    /// The fork whose rules hold.
    pub(crate) rules: String,
    pub(crate) txns: usize,
    pub(crate) gas_used: u64,
    pub(crate) sequential: Duration,
    pub(crate) parallel: Duration,
    /// All times of both sides, turn by turn.
    pub(crate) samples: Samples,
    /// The times of building and using the block's access list, where that was measured.
    pub(crate) lists: Option<ListTimes>,
    pub(crate) executions: u64,
    pub(crate) aborts: u64,
    /// What the speed-up can be held against, where that was measured.
    pub(crate) bounds: Option<Bounds>,
    /// Blake3 of the state changes, unless the sequential side failed.
    pub(crate) state_digest: Option<[u8; 32]>,
    pub(crate) checks: Vec<Check>,
    /// How many ommers' rewards are missing from the state changes.
    pub(crate) unknown_ommers: usize,
    /// The command that measures this block again.
    pub(crate) command: String,
}

impl Kind {
    /// The word for one of the rows.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Workloads => "workload",
            Self::Blocks => "block",
        }
    }
}

impl Row {
    /// A row of what was measured; `checks` are those beside the equality of all executions.
    pub(crate) fn new(name: String, block: &Block, measured: Measured, checks: Vec<Check>) -> Self {
        let reference = measured.reference.as_ref().ok();
        let mut all = vec![Check::equal(measured.difference)];
        all.extend(checks);
        Self {
            name,
            number: None,
            rules: block.spec.to_string(),
            txns: block.txns.len(),
            gas_used: reference.map_or(0, |result| result.gas_used),
            sequential: measured.sequential,
            parallel: measured.parallel,
            samples: measured.samples,
            lists: measured.lists,
            executions: measured.executions,
            aborts: measured.aborts,
            bounds: None,
            state_digest: reference.map(|result| result.state.digest()),
            checks: all,
            unknown_ommers: 0,
            command: String::new(),
        }
    }

    /// The same row of the block `number` of a real chain.
    pub(crate) fn with_number(mut self, number: u64) -> Self {
        self.number = Some(number);
        self
    }

    /// The same row with bounds.
    pub(crate) fn with_bounds(mut self, bounds: Option<Bounds>) -> Self {
        self.bounds = bounds;
        self
    }

    /// How fast the threads are without any coordination, over the sequential side.
    pub(crate) fn hardware_bound(&self) -> Option<f64> {
        self.bounds.map(|bounds| ratio(self.sequential, bounds.hardware))
    }

    /// The same row, measured again by `command`.
    pub(crate) fn repeated_by(mut self, command: String) -> Self {
        self.command = command;
        self
    }

    /// The name as it is shown, with the number where the name does not tell it.
    pub(crate) fn label(&self) -> String {
        let name = escaped(&self.name);
        match self.number {
            Some(number) if name != number.to_string() => format!("{name} {number}"),
            _ => name.into_owned(),
        }
    }

    /// How many times as fast the execution with the access list is.
    pub(crate) fn list_speedup(&self) -> Option<f64> {
        self.lists.map(|times| ratio(self.sequential, times.used))
    }

    /// How many times as fast the parallel side is.
    pub(crate) fn speedup(&self) -> f64 {
        ratio(self.sequential, self.parallel)
    }

    /// Whether no check fails.
    pub(crate) fn ok(&self) -> bool {
        !self.checks.iter().any(Check::fails)
    }

    /// The checks that could not be made, with the reasons.
    pub(crate) fn unchecked(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.checks.iter().filter_map(|check| match check.outcome {
            Outcome::NotCheckable(reason) => Some((check.name, reason)),
            _ => None,
        })
    }
}

/// What a report's rows come to together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) txns: usize,
    pub(crate) gas_used: u64,
    pub(crate) sequential: Duration,
    pub(crate) parallel: Duration,
    /// Building and using access lists, if all rows have that.
    pub(crate) lists: Option<ListTimes>,
    pub(crate) executions: u64,
    pub(crate) aborts: u64,
    /// Ratio of the summed times.
    pub(crate) speedup: f64,
    /// Geometric mean of the rows' speed-ups.
    pub(crate) geometric_mean: f64,
    /// The summed times of the sequential side over those without coordination, if all rows have
    /// them.
    pub(crate) hardware_bound: Option<f64>,
    /// Rows that are slower in parallel.
    pub(crate) slower: usize,
    pub(crate) failed: usize,
}

impl Totals {
    /// Ratio of the summed times of the sequential side and with access lists.
    pub(crate) fn list_speedup(&self) -> Option<f64> {
        self.lists.map(|times| ratio(self.sequential, times.used))
    }
}

impl Report {
    /// Whether no check fails.
    pub(crate) fn ok(&self) -> bool {
        self.rows.iter().all(Row::ok)
    }

    /// The sums and means over all rows.
    pub(crate) fn totals(&self) -> Totals {
        let sum = |time: fn(&Row) -> Duration| self.rows.iter().map(time).sum::<Duration>();
        let (sequential, parallel) = (sum(|row| row.sequential), sum(|row| row.parallel));
        let hardware = self.rows.iter().map(|row| row.bounds.map(|bounds| bounds.hardware));
        let hardware: Option<Duration> = hardware.sum();
        let lists: Option<ListTimes> = self.rows.iter().map(|row| row.lists).sum();
        let logarithms: f64 = self.rows.iter().map(|row| row.speedup().ln()).sum();
        Totals {
            txns: self.rows.iter().map(|row| row.txns).sum(),
            gas_used: self.rows.iter().map(|row| row.gas_used).sum(),
            sequential,
            parallel,
            lists: lists.filter(|_| !self.rows.is_empty()),
            executions: self.rows.iter().map(|row| row.executions).sum(),
            aborts: self.rows.iter().map(|row| row.aborts).sum(),
            speedup: ratio(sequential, parallel),
            geometric_mean: (logarithms / self.rows.len().max(1) as f64).exp(),
            hardware_bound: hardware
                .filter(|_| !self.rows.is_empty())
                .map(|hardware| ratio(sequential, hardware)),
            slower: self.rows.iter().filter(|row| row.parallel > row.sequential).count(),
            failed: self.rows.iter().filter(|row| !row.ok()).count(),
        }
    }

    /// The row with the largest speed-up.
    pub(crate) fn best(&self) -> Option<&Row> {
        self.rows.iter().max_by(|a, b| a.speedup().total_cmp(&b.speedup()))
    }

    /// The row with the smallest speed-up.
    pub(crate) fn worst(&self) -> Option<&Row> {
        self.rows.iter().min_by(|a, b| a.speedup().total_cmp(&b.speedup()))
    }
}

/// `sequential / parallel`, also where the clock saw nothing pass.
pub(crate) fn ratio(sequential: Duration, parallel: Duration) -> f64 {
    let nanos = |time: Duration| time.as_nanos().max(1) as f64;
    nanos(sequential) / nanos(parallel)
}

/// `count` per second of `time`, also where the clock saw nothing pass.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.max(Duration::from_nanos(1)).as_secs_f64()
}

/// Executions per transaction; 0 for no transactions.
pub(crate) fn executions_per_txn(executions: u64, txns: usize) -> f64 {
    if txns == 0 { 0.0 } else { executions as f64 / txns as f64 }
}

#[cfg(test)]
mod tests {
    use block_stm_evm::{
        InvalidTxn, PreState, execute_sequential,
        revm::{context::BlockEnv, primitives::hardfork::SpecId},
    };
    use serde_json::Value;

    use super::*;
    use crate::difference::Difference;

    fn row(name: &str, millis: (u64, u64), difference: Option<Difference>) -> Row {
        let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
        let result = execute_sequential(&block, &PreState::new(), InvalidTxn::Reject);
        let measured = Measured {
            sequential: Duration::from_millis(millis.0),
            parallel: Duration::from_millis(millis.1),
            samples: Samples::default(),
            lists: None,
            list: None,
            executions: 0,
            aborts: 0,
            reference: Ok(result.expect("an empty block")),
            difference,
        };
        Row::new(name.to_owned(), &block, measured, Vec::new()).repeated_by("again".to_owned())
    }

    fn report(rows: Vec<Row>) -> Report {
        let kind = Kind::Workloads;
        Report {
            kind,
            title: String::new(),
            machine: Machine::look(),
            threads: 2,
            repeat: 1,
            rows,
            errors: Vec::new(),
        }
    }

    #[test]
    fn totals_are_ratios_of_sums_and_means_of_ratios() {
        let report = report(vec![row("a", (8, 2), None), row("b", (1, 1), None)]);
        let totals = report.totals();
        assert!((totals.speedup - 3.0).abs() < 1e-9);
        assert!((totals.geometric_mean - 2.0).abs() < 1e-9);
        assert_eq!((totals.slower, totals.failed), (0, 0));
        assert_eq!(report.best().map(Row::label), Some("a".to_owned()));
        assert_eq!(report.worst().map(Row::label), Some("b".to_owned()));
    }

    /// The canary: executions that differ are seen in every form of the report.
    #[test]
    fn a_difference_between_executions_fails_the_report() -> serde_json::Result<()> {
        let difference = Difference::new("parallel execution 3: gas used", "7".into(), "8".into());
        let report = report(vec![row("a", (1, 2), None), row("b", (1, 1), Some(difference))]);
        assert!(!report.ok());
        let table = table::render(&report);
        assert!(table.contains("FAILED: equal") && table.contains("CHECKS FAILED in 1 of 2"));
        let failures = table::failures(&report);
        for part in ["workload b: equal", "parallel execution 3: gas used", "7", "8", "again"] {
            assert!(failures.contains(part), "{part}: {failures}");
        }
        let json: Value = serde_json::from_slice(&json::render(&[report]))?;
        assert_eq!(json["ok"], false);
        assert_eq!(json["workloads"][1]["checks"]["equal"], false);
        assert_eq!(json["workloads"][1]["differences"]["equal"]["found"], "8");
        Ok(())
    }

    #[test]
    fn bounds_of_other_work_than_the_blocks_are_told() {
        let bounds = |failed, gas_share| {
            let hardware = Duration::from_millis(2);
            Some(Bounds { hardware, failed, gas_share, graph: 3.0 })
        };
        let rows = vec![
            row("same", (8, 4), None).with_bounds(bounds(0, 1.02)),
            row("less", (8, 4), None).with_bounds(bounds(0, 0.7)),
            row("fails", (8, 4), None).with_bounds(bounds(1, 1.0)),
        ];
        let report = report(rows);
        assert_eq!(report.totals().hardware_bound, Some(4.0));
        let table = table::render(&report);
        for part in ["hw bound", "graph bound", "4.00x", "less 70 %, fails 100 %, 1 txn failed."] {
            assert!(table.contains(part), "{part}: {table}");
        }
        assert!(!table.contains("same 102 %"), "{table}");
    }

    /// With everything in it, and names as long as real blocks have them.
    #[test]
    fn the_widest_table_fits_a_narrow_terminal() {
        let bounds = Bounds {
            hardware: Duration::from_millis(1_234),
            failed: 0,
            gas_share: 1.0,
            graph: 1_234.5,
        };
        let times = Duration::from_micros(1_234_567);
        let mut widest = row("a chain of blocks", (12_345, 12_345), None)
            .with_number(23_456_789)
            .with_bounds(Some(bounds));
        widest.lists = Some(ListTimes { built_in_order: times, built: times, used: times });
        widest.gas_used = 123_456_789;
        let report = report(vec![widest.clone(), widest]);
        let width = |table: comfy_table::Table| {
            let plain = anstream::adapter::strip_str(&crate::tables::render(&table)).to_string();
            plain.lines().map(|line| line.chars().count()).max()
        };
        assert!(width(table::fitting(&report, None)) > Some(80));
        assert!(width(table::fitting(&report, Some(80))) <= Some(80));
        // No more goes than must.
        let some = width(table::fitting(&report, Some(110)));
        assert!(some > Some(80) && some <= Some(110), "{some:?}");
    }
}

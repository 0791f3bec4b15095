//! What a comparison says, as text and as JSON.

use std::time::Duration;

use anstyle::Style;
use comfy_table::{Cell, Table};
use serde::Serialize;
use serde_json::{Value, json};

use super::compare::Compared;
use crate::{
    allocator,
    args::TraceBlockArgs,
    command,
    escape::escaped,
    files::rendered,
    machine::Machine,
    tables::{self, bold},
    units::{count, grouped, si, speedup, time},
};

const BOLD: Style = Style::new().bold();

/// All blocks that were compared.
pub(super) struct Report {
    tracer: &'static str,
    machine: Machine,
    threads: usize,
    repeat: usize,
    blocks: Vec<Compared>,
}

/// The form of `replay`, so that `compare` reads it.
#[derive(Serialize)]
struct JsonReport {
    version: &'static str,
    allocator: String,
    command: String,
    machine: Value,
    threads: usize,
    repeat: usize,
    tracer: &'static str,
    ok: bool,
    blocks: Vec<JsonBlock>,
}

#[derive(Serialize)]
struct JsonBlock {
    name: String,
    number: u64,
    rules: String,
    txns: usize,
    gas_used: u64,
    trace_bytes: u64,
    ok: bool,
    first_difference: Option<usize>,
    sequential_ms: f64,
    parallel_ms: f64,
    speedup: f64,
    sequential_samples_ms: Vec<f64>,
    parallel_samples_ms: Vec<f64>,
}

/// Milliseconds to the nanosecond.
fn millis(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

impl From<&Compared> for JsonBlock {
    fn from(block: &Compared) -> Self {
        Self {
            name: block.name.clone(),
            number: block.number,
            rules: block.rules.clone(),
            txns: block.txns,
            gas_used: block.gas_used,
            trace_bytes: block.bytes,
            ok: block.ok(),
            first_difference: block.differs,
            sequential_ms: millis(block.sequential_time()),
            parallel_ms: millis(block.parallel_time()),
            speedup: block.speedup(),
            sequential_samples_ms: block.sequential.iter().copied().map(millis).collect(),
            parallel_samples_ms: block.parallel.iter().copied().map(millis).collect(),
        }
    }
}

impl Report {
    pub(super) fn new(
        args: &TraceBlockArgs,
        tracer: &block_stm_trace::Tracer,
        blocks: Vec<Compared>,
    ) -> Self {
        Self {
            tracer: tracer.name(),
            machine: Machine::look(),
            threads: args.blocks.threads.get(),
            repeat: args.repeat.get(),
            blocks,
        }
    }

    /// Title and table, with escape codes.
    pub(super) fn text(&self) -> String {
        let title = format!(
            "{} of {}; {}",
            self.tracer,
            count(self.blocks.len(), "block"),
            count(self.threads, "thread"),
        );
        format!(
            "{BOLD}{title}{BOLD:#}\nTimes are medians of {}; allocator: {}.\nMachine: {}.\n\n{}",
            grouped(self.repeat as u64),
            allocator::name(),
            escaped(&self.machine.in_words()),
            tables::render(&self.table()),
        )
    }

    fn table(&self) -> Table {
        let header = ["block", "txns", "bytes", "in order", "in parallel", "ratio", "traces"];
        let mut table = tables::table(&header, &[0, 6]);
        for block in &self.blocks {
            table.add_row([
                grouped(block.number),
                grouped(block.txns as u64),
                si(block.bytes as f64),
                time(block.sequential_time()),
                time(block.parallel_time()),
                speedup(block.speedup()),
                if block.differs.is_none() { "same" } else { "differ" }.to_owned(),
            ]);
        }
        if self.blocks.len() > 1 {
            let total =
                |of: fn(&Compared) -> Duration| self.blocks.iter().map(of).sum::<Duration>();
            let (one, other) = (total(Compared::sequential_time), total(Compared::parallel_time));
            let sum = |of: fn(&Compared) -> u64| self.blocks.iter().map(of).sum::<u64>();
            let cells = [
                "total".to_owned(),
                grouped(sum(|block| block.txns as u64)),
                si(sum(|block| block.bytes) as f64),
                time(one),
                time(other),
                speedup(one.as_secs_f64() / other.as_secs_f64().max(1e-9)),
                String::new(),
            ];
            table.add_row(cells.map(|cell| bold(Cell::new(cell))));
        }
        table
    }

    /// A sentence for each block whose traces differ.
    pub(super) fn differences(&self) -> impl Iterator<Item = String> {
        self.blocks.iter().filter_map(|block| {
            let txn = block.differs?;
            let Compared { name, number, .. } = block;
            Some(format!("{name}: block {number}: the traces of txn {txn} are not the same"))
        })
    }

    /// A row for each block.
    pub(super) fn rows(&self) -> Vec<Value> {
        let rows = self.blocks.iter().map(|block| {
            let mut row = json!(JsonBlock::from(block));
            row["threads"] = json!(self.threads);
            row["tracer"] = json!(self.tracer);
            row
        });
        rows.collect()
    }

    pub(super) fn json(&self) -> Vec<u8> {
        rendered(&JsonReport {
            version: env!("CARGO_PKG_VERSION"),
            allocator: allocator::name(),
            command: command::of_process(),
            machine: json!(self.machine),
            threads: self.threads,
            repeat: self.repeat,
            tracer: self.tracer,
            ok: self.blocks.iter().all(Compared::ok),
            blocks: self.blocks.iter().map(JsonBlock::from).collect(),
        })
    }
}

//! What a run came to.

use std::{path::Path, time::Duration};

use alloy_primitives::B256;
use block_stm_pipeline::{Outcome, PipelineError, Stage};
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::{
    args::ChainRunArgs,
    tables,
    units::{count, grouped, millis, si, speedup, time},
};

/// All that is known of a run.
pub(super) struct Report<'a> {
    pub(super) args: &'a ChainRunArgs,
    /// The store that stays.
    pub(super) folder: Option<&'a Path>,
    pub(super) outcome: Outcome,
    /// The same stages one after another.
    pub(super) alone: Outcome,
    pub(super) durable: u64,
    pub(super) head: (u64, B256),
    /// Time of all cores, in seconds.
    pub(super) cpu: Option<f64>,
    pub(super) error: Option<PipelineError>,
}

/// Transactions a second.
pub(super) fn rate(outcome: &Outcome) -> f64 {
    per_second(outcome.txns, outcome.elapsed)
}

fn per_second(number: u64, time: Duration) -> f64 {
    if number == 0 { 0.0 } else { number as f64 / time.as_secs_f64().max(1e-9) }
}

/// Microseconds of each transaction.
fn micros_each(time: Duration, txns: u64) -> f64 {
    time.as_secs_f64() * 1e6 / txns.max(1) as f64
}

impl Report<'_> {
    /// Transactions a second, if the cores did nothing but what the stages take alone.
    fn bound(&self) -> f64 {
        let all = self.alone.stages.iter().map(|stage| stage.busy).sum::<Duration>();
        self.args.threads.get() as f64 * per_second(self.alone.txns, all)
    }

    /// The share of the cores that were busy.
    fn cores(&self) -> Option<f64> {
        Some(self.cpu? / self.outcome.elapsed.as_secs_f64().max(1e-9))
    }

    /// What the others wait for.
    fn limit(&self) -> Stage {
        let busy = |stage: &Stage| self.outcome.stage(*stage).busy;
        Stage::ALL.into_iter().max_by_key(busy).expect("there are stages")
    }

    pub(super) fn text(&self) -> String {
        let header = ["stage", "alone", "busy", "share", "starved", "blocked", "queue"];
        let mut table = tables::table(&header, &[0]);
        let elapsed = self.outcome.elapsed.as_secs_f64().max(1e-9);
        for stage in Stage::ALL {
            let (now, alone) = (self.outcome.stage(stage), self.alone.stage(stage));
            let each = |micros: f64| Cell::new(format!("{micros:.2} us/txn"));
            table.add_row([
                Cell::new(stage.name()),
                each(micros_each(alone.busy, self.alone.txns)),
                each(micros_each(now.busy, self.outcome.txns)),
                Cell::new(format!("{:.0} %", 100.0 * now.busy.as_secs_f64() / elapsed)),
                Cell::new(time(now.starved)),
                Cell::new(time(now.blocked)),
                Cell::new(now.queue_max),
            ]);
        }
        let Outcome { blocks, txns, gas_used, elapsed, syncs, .. } = self.outcome;
        let cores = self.cores().map_or_else(String::new, |cores| {
            format!("; {cores:.2} of {} busy", count(self.args.threads.get(), "core"))
        });
        let mut text = format!(
            "{} of {} durable in {}: {} txns/s, {} gas/s; {}.\n\n{}\nLimit: {}{cores}.\nBound: {} \
             txns/s, what the stages take alone over {}.\n",
            count(blocks as usize, "block"),
            count(txns as usize, "txn"),
            time(elapsed),
            grouped(rate(&self.outcome) as u64),
            si(per_second(gas_used, elapsed)),
            count(syncs as usize, "synchronisation"),
            tables::render(&table),
            self.limit(),
            grouped(self.bound() as u64),
            count(self.args.threads.get(), "thread"),
        );
        if self.args.compare {
            text += &format!(
                "One stage after another on one thread: {} txns/s; the pipeline is {}.\n",
                grouped(rate(&self.alone) as u64),
                speedup(rate(&self.outcome) / rate(&self.alone).max(1e-9)),
            );
        }
        let (number, hash) = self.head;
        text += &format!("Head: block {} {hash}\n", grouped(number));
        if let Some(folder) = self.folder {
            let durable = grouped(self.durable);
            text += &format!("In {}: all up to block {durable}\n", folder.display());
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let stages = Stage::ALL.map(|stage| {
            let (now, alone) = (self.outcome.stage(stage), self.alone.stage(stage));
            json!({
                "stage": stage.name(),
                "blocks": now.blocks,
                "alone_us_per_txn": micros_each(alone.busy, self.alone.txns),
                "busy_us_per_txn": micros_each(now.busy, self.outcome.txns),
                "busy_ms": millis(now.busy),
                "starved_ms": millis(now.starved),
                "blocked_ms": millis(now.blocked),
                "queue_max": now.queue_max,
            })
        });
        let compared = self.args.compare.then(|| rate(&self.alone));
        json!({
            "workload": self.args.workload.name(),
            "threads": self.args.threads,
            "recover": self.args.recover,
            "blocks": self.outcome.blocks,
            "txns": self.outcome.txns,
            "gas_used": self.outcome.gas_used,
            "seconds": self.outcome.elapsed.as_secs_f64(),
            "txns_per_second": rate(&self.outcome),
            "gas_per_second": per_second(self.outcome.gas_used, self.outcome.elapsed),
            "bound_txns_per_second": self.bound(),
            "one_by_one_txns_per_second": compared,
            "cores_busy": self.cores(),
            "limit": self.limit().name(),
            "syncs": self.outcome.syncs,
            "stages": stages,
            "durable": self.durable,
            "number": self.head.0,
            "hash": self.head.1.to_string(),
            "ok": self.error.is_none(),
            "error": self.error.as_ref().map(ToString::to_string),
        })
    }
}

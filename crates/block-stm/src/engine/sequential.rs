//! The oracle: executes a block one transaction after another, and so *defines* the right answer.
//!
//! No speculation, no versions, no threads: a map of what was written so far over the storage, and
//! the transaction's own writes over that map. It runs tiny blocks in production, and every test of
//! the parallel execution compares with it.

use super::executed::Executed;
use crate::contract::block::Block;
use crate::contract::conflicts::ConflictGraph;
use crate::contract::error::Error;
use crate::contract::sink::CommitSink;
use crate::contract::stats::Stats;
use crate::execution::backend::Backend;
use crate::execution::machine::{Executable, Machine};
use crate::execution::overlay::Overlay;
use crate::judge::ledger::{Ledger, Tally};
use crate::judge::step::{overlay, step};
use crate::mvmemory::final_state::FinalState;
use crate::primitives::conductor::{self, Position, Step};
use crate::primitives::ids::TxnIndex;

/// Executes `block` on the caller's thread.
pub(crate) fn execute<V: Executable>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let txns = block.check_length()?;
    let mut ledger = Ledger::new(block, sink, Tally::default());
    let mut machine = V::Machine::new(block.vm, Backend::Sequential(Overlay::new(block)));
    let mut stats = Stats { workers: u64::from(txns > 0), ..Stats::default() };
    let mut cut = None;
    let conductor = conductor::present();
    for index in (0..txns as u32).map(TxnIndex::new) {
        if let Some(conductor) = &conductor {
            conductor.step(Step::Execute(index, Position::Head));
        }
        match step(block, &mut ledger, &mut machine, &mut stats, index) {
            Ok(_) => {}
            Err(end) => {
                cut = Some(end.cut()?);
                break;
            }
        }
    }
    stats.committed = ledger.committed() as u64;
    let overlay = overlay(&mut machine).expect("every step leaves the view whole");
    stats.base_reads = overlay.base_reads;
    Ok(Executed {
        committed: ledger.committed(),
        cut,
        conflict_graph: overlay.edges.take().map(|edges| ConflictGraph { edges }),
        state: FinalState::in_layer(overlay.take_layer()),
        stats,
    })
}

//! The oracle: executes a block one transaction after another, and so *defines* the right answer.
//!
//! No speculation, no versions, no threads: a map of what was written so far over the storage, and
//! the transaction's own writes over that map. It runs tiny blocks in production, and every test of
//! the parallel execution compares with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::executed::Executed;
use crate::contract::block::Block;
use crate::contract::conflicts::ConflictGraph;
use crate::contract::error::{Error, Failure};
use crate::contract::execution::{ExecutionOf, Interrupt};
use crate::contract::sink::{CommitSink, Writes};
use crate::contract::stats::Stats;
use crate::contract::types::Types;
use crate::execution::backend::Backend;
use crate::execution::machine::{Executable, Machine};
use crate::execution::overlay::Overlay;
use crate::judge::ledger::{EndOf, Ledger};
use crate::primitives::conductor::{self, Position, Step};
use crate::primitives::ids::TxnIndex;

/// Executes `block` on the caller's thread.
pub(crate) fn execute<V: Executable>(
    block: &Block<'_, V>,
    sink: &mut dyn CommitSink<V>,
) -> Result<Executed<V>, Error<V::Invalid>> {
    let txns = block.check_length()?;
    let mut ledger = Ledger::new(block, sink);
    let mut machine = V::Machine::new(block.vm, Backend::Sequential(Overlay::new(block)));
    let mut stats = Stats { workers: u64::from(txns > 0), ..Stats::default() };
    let mut cut = None;
    let conductor = conductor::present();
    for index in (0..txns as u32).map(TxnIndex::new) {
        if let Some(conductor) = &conductor {
            conductor.step(Step::Execute(index, Position::Head));
        }
        match step(block, &mut ledger, &mut machine, &mut stats, index) {
            Ok(()) => {}
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
        state: overlay.final_state(),
        stats,
    })
}

/// Takes the block one transaction further.
fn step<'a, V: Types>(
    block: &'a Block<'a, V>,
    ledger: &mut Ledger<'a, V>,
    machine: &mut impl Machine<'a, V>,
    stats: &mut Stats,
    index: TxnIndex,
) -> Result<(), EndOf<V>> {
    ledger.poll()?;
    if !ledger.admit(index)? {
        return Ok(());
    }
    stats.executions += 1;
    stats.head_executions += 1;
    overlay(machine).expect("every step leaves the view whole").txn = index;
    let execution = run(&block.txns[index.as_usize()], machine)
        .map_err(|failure| ledger.fail(index, failure))?;
    let settled = ledger.settle(index, execution);
    // Thrown away, unless the sink took it and then ended the block.
    let refused = settled.is_err() && ledger.committed() == index.as_usize();
    stats.aborts.refused += u64::from(refused);
    let overlay = overlay(machine).expect("a run with a result leaves the view whole");
    match settled? {
        None => ledger.contain(index, || overlay.discard()),
        Some(output) => {
            let writes = overlay.own_writes();
            let committed = ledger.commit(index, output, Writes { entries: &writes });
            drop(writes);
            ledger.contain(index, || overlay.absorb(index)).and(committed)
        }
    }
}

/// Executes `txn` once, containing panics and seeing through swallowed interrupts.
fn run<'a, V: Types>(
    txn: &V::Txn,
    machine: &mut impl Machine<'a, V>,
) -> Result<ExecutionOf<V>, Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| machine.execute(txn)));
    let result = result.map_err(Failure::panicked)?;
    if machine.is_broken() {
        return Err(Failure::caught_by_the_vm());
    }
    let Some(overlay) = overlay(machine) else {
        return Err(Failure::Vm("the VM did not put the view back".into()));
    };
    match (overlay.failure.take(), result) {
        (Some(failure), _) => Err(failure),
        (None, Ok(execution)) => Ok(execution),
        (None, Err(Interrupt { .. })) => {
            Err(Failure::Vm("the VM returned an interrupt that its view never gave".into()))
        }
    }
}

fn overlay<'m, 'a, V: Types>(
    machine: &'m mut impl Machine<'a, V>,
) -> Option<&'m mut Overlay<'a, V>> {
    machine.backend().and_then(Backend::overlay)
}

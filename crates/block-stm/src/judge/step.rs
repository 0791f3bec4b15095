//! One transaction after another: the step that the sequential execution repeats, and the judge
//! where each transaction needs the one before.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ledger::{EndOf, Ledger};
use crate::contract::block::Block;
use crate::contract::error::Failure;
use crate::contract::execution::{ExecutionOf, Interrupt};
use crate::contract::sink::Writes;
use crate::contract::stats::Stats;
use crate::contract::types::Types;
use crate::execution::backend::Backend;
use crate::execution::interruption::Interruption;
use crate::execution::machine::Machine;
use crate::execution::overlay::Overlay;
use crate::primitives::canary::{Canary, sings};
use crate::primitives::ids::TxnIndex;
use crate::primitives::speculating::discard;

/// Takes the block one transaction further. How far below it the nearest transaction is whose write
/// it came to know, `u32::MAX` if there is none; `None` if it was not executed.
pub(crate) fn step<'a, V: Types>(
    block: &'a Block<'a, V>,
    ledger: &mut Ledger<'a, V>,
    machine: &mut impl Machine<'a, V>,
    stats: &mut Stats,
    index: TxnIndex,
) -> Result<Option<u32>, EndOf<V>> {
    ledger.poll()?;
    if !ledger.admit(index)? {
        return Ok(None);
    }
    stats.executions += 1;
    stats.head_executions += 1;
    stats.alone_executions += 1;
    overlay(machine).expect("every step leaves the view whole").begin(index);
    let execution = run(&block.txns[index.as_usize()], machine).map_err(|interruption| {
        stats.aborts.refused += u64::from(matches!(interruption, Interruption::Stopped));
        ledger.interrupted(index, interruption)
    })?;
    let settled = ledger.settle(index, execution);
    // Thrown away, unless the sink took it and then ended the block.
    let refused = settled.is_err() && ledger.committed() == index.as_usize();
    stats.aborts.refused += u64::from(refused);
    let overlay = overlay(machine).expect("a run with a result leaves the view whole");
    match settled? {
        None => ledger.contain(index, || overlay.discard())?,
        Some(output) => {
            let writes = overlay.own_writes();
            let committed = ledger.commit(index, output, Writes { entries: &writes });
            drop(writes);
            ledger.contain(index, || overlay.absorb(index)).and(committed)?;
        }
    }
    Ok(Some(overlay.distance()))
}

/// Executes `txn` once, containing panics and seeing through swallowed interrupts.
fn run<'a, V: Types>(
    txn: &V::Txn,
    machine: &mut impl Machine<'a, V>,
) -> Result<ExecutionOf<V>, Interruption> {
    let result = catch_unwind(AssertUnwindSafe(|| machine.execute(txn)));
    let is_broken = machine.is_broken();
    match (result, overlay(machine)) {
        (Ok(Ok(execution)), Some(overlay)) if !is_broken && overlay.interruption.is_none() => {
            Ok(execution)
        }
        (result, overlay) => {
            let is_fit = result.is_ok() && overlay.is_some() && !is_broken;
            let interruption = conclude::<V>(result, is_broken, overlay);
            // The worker may go on for a moment, with what others wait for.
            if !is_fit && !sings(Canary::KeepContextAlone) {
                machine.drop_context();
            }
            Err(interruption)
        }
    }
}

/// Why an execution came to nothing.
#[cold]
fn conclude<V: Types>(
    result: std::thread::Result<Result<ExecutionOf<V>, Interrupt>>,
    is_broken: bool,
    overlay: Option<&mut Overlay<'_, V>>,
) -> Interruption {
    let is_lost = overlay.is_none();
    let interruption = overlay.and_then(|overlay| overlay.interruption.take());
    let failure = match (result, interruption) {
        // The block was stopped, and the VM could not take it.
        (Err(payload), Some(Interruption::Stopped)) => {
            discard(payload);
            return Interruption::Stopped;
        }
        (Err(payload), _) => Failure::panicked(payload),
        (Ok(_), _) if is_broken => Failure::caught_by_the_vm(),
        (Ok(_), _) if is_lost => Failure::Vm("the VM did not put the view back".into()),
        (Ok(_), Some(interruption)) => return interruption,
        (Ok(_), None) => {
            Failure::Vm("the VM returned an interrupt that its view never gave".into())
        }
    };
    Interruption::Failure(failure)
}

/// What the machine sees, unless the VM has lost it.
pub(crate) fn overlay<'m, 'a, V: Types>(
    machine: &'m mut impl Machine<'a, V>,
) -> Option<&'m mut Overlay<'a, V>> {
    machine.backend().and_then(Backend::overlay)
}

//! The beginning of a block that is executed one transaction after another, before there is a
//! memory.
//!
//! To prepare a block for several workers takes some 20 ns a transaction, which is much where
//! transactions take no longer themselves. So where the last block ended with the head alone, and
//! its transactions were short, the next one begins so, too: as the sequential execution does it.
//! If the window opens, the rest of the block is prepared for, and what the prologue left goes into
//! the memory as the layer of a [stretch](super::alone) does.

use super::ledger::{EndOf, Ledger, Tally};
use super::step::{overlay, step};
use crate::contract::block::Block;
use crate::contract::conflicts::Conflict;
use crate::contract::stats::Stats;
use crate::contract::types::Types;
use crate::execution::backend::Backend;
use crate::execution::machine::{Executable, Machine};
use crate::execution::overlay::Overlay;
use crate::mvmemory::final_state::Layer;
use crate::primitives::conductor::{self, Position, Step};
use crate::primitives::ids::TxnIndex;
use crate::primitives::observer;
use crate::scheduler::gain::Gain;
use crate::scheduler::window::WindowControl;

/// What a prologue leaves.
pub(crate) struct Prologue<V: Types> {
    /// The first transaction that is left.
    pub(crate) next: TxnIndex,
    pub(crate) tally: Tally,
    pub(crate) layer: Layer<V::Location, V::Value>,
    pub(crate) edges: Option<Vec<Conflict<V::Location>>>,
    pub(crate) stats: Stats,
    /// Why the block is over, if it is before its last transaction.
    pub(crate) end: Option<EndOf<V>>,
}

impl<V: Types> Prologue<V> {
    /// None.
    pub(crate) fn empty(block: &Block<'_, V>) -> Self {
        Self {
            next: TxnIndex::new(0),
            tally: Tally::default(),
            layer: Layer::default(),
            edges: block.conflict_graph.then(Vec::new),
            stats: Stats::default(),
            end: None,
        }
    }
}

/// Executes `block` from its beginning, as long as the window is shut, or a conductor likes.
pub(crate) fn execute<'b, V: Executable>(
    block: &'b Block<'b, V>,
    mut ledger: Ledger<'b, V>,
    window: &mut WindowControl,
    gain: &mut Gain,
    room: u32,
) -> Prologue<V> {
    let mut machine = V::Machine::new(block.vm, Backend::Sequential(Overlay::before_memory(block)));
    let (mut stats, mut end) = (Stats::default(), None);
    let (conductor, observer) = (conductor::present(), observer::present());
    let is_told = observer.is_some() || conductor.is_some();
    let tell = |step| {
        if is_told {
            observer.iter().for_each(|observer| observer.step(step));
            conductor.iter().for_each(|conductor| conductor.step(step));
        }
    };
    let shown = window.window();
    let mut next = TxnIndex::new(0);
    while next.as_usize() < block.txns.len() {
        let advised = window.is_shut() && !gain.is_long();
        if !conductor.as_ref().map_or(advised, |conductor| conductor.goes_alone(advised)) {
            break;
        }
        tell(Step::Execute(next, Position::Head));
        match step(block, &mut ledger, &mut machine, &mut stats, next) {
            Ok(Some(distance)) if next.get() > 0 => window.report(None, distance, room, &shown),
            Ok(_) => {}
            Err(reason) => {
                end = Some(reason);
                break;
            }
        }
        gain.note_alone();
        next = next.next();
        tell(Step::Advance(next));
    }
    let (layer, edges) = match overlay(&mut machine) {
        Some(overlay) => {
            stats.base_reads = overlay.base_reads;
            (overlay.take_layer(), overlay.edges.take())
        }
        None => (Layer::default(), None),
    };
    Prologue { next, tally: ledger.tally(), layer, edges, stats, end }
}

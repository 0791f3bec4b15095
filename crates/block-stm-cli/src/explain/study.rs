//! One block, taken apart: what its transactions cost, and what they pass to each other where.

use std::collections::{BTreeMap, HashMap};

use block_stm::Engine;
use block_stm_evm::{
    Block, Location, ParallelOptions, StateRef, execute_parallel, revm::primitives::Address,
};

use super::{
    analysis::{Edge, Graph},
    names::{Call, Names},
    preimages::Preimages,
};
use crate::bounds::costs;

/// A place where transactions meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What a person calls it.
    pub(super) name: String,
    /// The contract.
    pub(super) account: Address,
    /// The place itself, in full.
    pub(super) location: Location,
}

/// A block and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Study {
    /// `block 17034870`, or the workload.
    pub(super) title: String,
    pub(super) calls: Vec<Call>,
    /// What each transaction calls, in words.
    pub(super) call_names: Vec<String>,
    pub(super) places: Vec<Place>,
    pub(super) graph: Graph,
}

impl Study {
    /// Executes `block` on the state `state`: in order for the costs, with an eye on its hashes for
    /// the names, and once by the engine for the conflict graph.
    ///
    /// # Errors
    ///
    /// The block can't be executed, or a layout does not fit, for this reason.
    pub(super) fn new<DB: StateRef + Sync>(
        title: String,
        (block, state): (&Block, &DB),
        engine: &Engine,
        repeat: usize,
        names: &mut Names,
    ) -> Result<Self, String> {
        let (costs, _) = costs(block, state, repeat)?;
        let preimages = Preimages::of_block(block, state)?;
        let options = ParallelOptions::default().conflict_graph();
        let executed = execute_parallel(engine, block, state, &options);
        let executed = executed.map_err(|error| error.to_string())?;
        let conflicts = executed.conflict_graph.ok_or("no conflict graph")?;
        let mut numbers = HashMap::new();
        let mut locations = Vec::new();
        let edges = conflicts.edges.iter().map(|conflict| {
            let place = *numbers.entry(conflict.location).or_insert_with(|| {
                locations.push(conflict.location);
                locations.len() - 1
            });
            Edge { writer: conflict.writer.as_usize(), reader: conflict.reader.as_usize(), place }
        });
        let edges = edges.collect();
        let calls: Vec<_> = block.txns.iter().map(Call::of).collect();
        let accounts = locations.iter().map(Location::address);
        for address in accounts.chain(calls.iter().filter_map(|call| call.to.as_ref())) {
            names.learn(*address, state)?;
        }
        let places = locations.into_iter().map(|location| Place {
            name: names.location(&location, &preimages),
            account: *location.address(),
            location,
        });
        Ok(Self {
            title,
            call_names: calls.iter().map(|call| names.call(call)).collect(),
            places: places.collect(),
            calls,
            graph: Graph { costs, edges },
        })
    }

    /// The graph with all places of a contract as one, and the contracts in the order of their
    /// numbers there.
    pub(super) fn by_account(&self) -> (Graph, Vec<Address>) {
        let mut numbers = BTreeMap::new();
        let mut accounts = Vec::new();
        let merged = self.places.iter().map(|place| {
            *numbers.entry(place.account).or_insert_with(|| {
                accounts.push(place.account);
                accounts.len() - 1
            })
        });
        let merged: Vec<_> = merged.collect();
        (self.graph.merged(&merged), accounts)
    }
}

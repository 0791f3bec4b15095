//! One block in all its parts, for charts.

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use block_stm_evm::{Block, PreState};
use serde::Serialize;

use super::{
    findings::{Burdened, Findings},
    names::Names,
    study::Study,
};
use crate::{args::NameArgs, error::CliError};

/// Places that are told apart.
const PLACES: usize = 20;

/// The most dependencies that a chart can show.
const EDGES: usize = 6_000;

/// Takes blocks apart.
pub(crate) struct Explorer {
    engine: Engine,
    names: Names,
    repeat: usize,
}

/// What a block's transactions cost, and who waits for whom where.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    block: String,
    costs_ns: Vec<u64>,
    calls: Vec<String>,
    /// The most costly ones first.
    places: Vec<Burdened>,
    /// Writer, reader, and the number of the place among the places, where it is one of them.
    edges: Vec<(usize, usize, Option<usize>)>,
    /// The number of the place, and who waited there.
    waits: Vec<(usize, usize)>,
    /// The transactions of the most costly chain.
    critical: Vec<usize>,
    /// What dependencies allow to any number of workers.
    allowed: f64,
    /// Whether there are more dependencies.
    edges_cut: bool,
}

impl Explorer {
    /// One that knows the names of `args`.
    ///
    /// # Errors
    ///
    /// A file that can't be read or is wrong, threads that can't be started.
    pub(crate) fn new(args: &NameArgs, repeat: usize) -> Result<Self, CliError> {
        let engine = Engine::new(Config::default().threads(NonZeroUsize::MIN))?;
        Ok(Self { engine, names: Names::new(args)?, repeat })
    }

    /// Takes `block` apart, which is called `title`.
    ///
    /// # Errors
    ///
    /// The block can't be executed, or a layout does not fit, for this reason.
    pub(crate) fn detail(
        &mut self,
        title: String,
        block: &Block,
        state: &PreState,
    ) -> Result<Detail, String> {
        let study = Study::new(title, (block, state), &self.engine, self.repeat, &mut self.names)?;
        let findings = Findings::new(&study, &self.names, PLACES);
        // Not by name: labels may give two contracts the same.
        let number =
            |place: usize| findings.locations.iter().position(|location| location.place == place);
        let numbers: Vec<_> = (0..study.places.len()).map(number).collect();
        let mut waits: Vec<_> = study
            .graph
            .edges
            .iter()
            .filter_map(|edge| Some((numbers[edge.place]?, edge.reader)))
            .collect();
        waits.sort_unstable();
        waits.dedup();
        let mut edges: Vec<_> = study
            .graph
            .edges
            .iter()
            .map(|edge| (edge.writer, edge.reader, numbers[edge.place]))
            .collect();
        // One for each pair, at its most costly place.
        edges.sort_unstable_by_key(|(writer, reader, place)| {
            (*reader, *writer, place.unwrap_or(usize::MAX))
        });
        edges.dedup_by_key(|(writer, reader, _)| (*writer, *reader));
        let edges_cut = edges.len() > EDGES;
        edges.truncate(EDGES);
        Ok(Detail {
            allowed: findings.unbounded(),
            critical: findings.critical_path.iter().map(|passing| passing.txn).collect(),
            places: findings.locations,
            block: study.title,
            costs_ns: study.graph.costs,
            calls: study.call_names,
            edges,
            waits,
            edges_cut,
        })
    }
}

//! What a study says, as it is shown and written.

use std::{cmp::Reverse, collections::BTreeMap};

use block_stm_evm::Location;
use serde::Serialize;

use super::{
    names::Names,
    study::{Place, Study},
};

/// For which numbers of workers the speed-up is told; then for any number.
pub(super) const WORKERS: [u64; 6] = [2, 4, 8, 16, 32, 64];

/// What holds one block back.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Findings {
    pub(super) block: String,
    pub(super) txns: usize,
    /// What all transactions take one after another, in nanoseconds.
    pub(super) total_ns: u64,
    /// What the most costly chain of dependencies takes, in nanoseconds.
    pub(super) critical_ns: u64,
    pub(super) dependencies: usize,
    /// By number of workers.
    pub(super) speedup: Vec<Bound>,
    /// The most costly ones first.
    pub(super) locations: Vec<Burdened>,
    /// The same for whole contracts.
    pub(super) contracts: Vec<Burdened>,
    pub(super) critical_path: Vec<Passing>,
    /// Transactions that call the same method of the same contract, the most costly ones first.
    pub(super) calls: Vec<Group>,
}

/// The most that dependencies allow to so many workers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bound {
    /// Nothing stands for any number.
    pub(super) workers: Option<u64>,
    pub(super) speedup: f64,
}

/// A location or a contract, and what it costs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Burdened {
    /// Its number in the graph.
    #[serde(skip)]
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) address: String,
    /// In hexadecimal; nothing for an account's own fields, and for whole contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slot: Option<String>,
    pub(super) lost_ns: u64,
    pub(super) readers: usize,
    pub(super) writers: usize,
    /// What dependencies allow to any number of workers if this one were not there.
    pub(super) speedup_without: f64,
    /// The same without this one and all before it.
    pub(super) speedup_without_all_so_far: f64,
}

/// A transaction of the critical path.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Passing {
    pub(super) txn: usize,
    pub(super) call: String,
    pub(super) cost_ns: u64,
    /// Where the next one reads from it.
    pub(super) passes_on: Vec<String>,
}

/// Transactions that call the same.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Group {
    pub(super) call: String,
    pub(super) txns: usize,
    pub(super) cost_ns: u64,
    /// How many of them are on the critical path.
    pub(super) critical: usize,
    /// How many read what another transaction wrote.
    pub(super) dependent: usize,
}

impl Findings {
    /// What `study` says, with up to `top` locations, contracts and groups.
    pub(super) fn new(study: &Study, names: &Names, top: usize) -> Self {
        let graph = &study.graph;
        let bound = |workers| Bound { workers, speedup: graph.speedup(workers, |_| false) };
        let path = graph.critical_path();
        let locations = burdened(graph, study.places.len(), top, |place| {
            let Place { name, account, location } = &study.places[place];
            let slot = match location {
                Location::Slot { key, .. } => Some(format!("{key:#066x}")),
                Location::Account(_) => None,
            };
            (name.clone(), account.to_string(), slot)
        });
        let (by_account, accounts) = study.by_account();
        let contracts = burdened(&by_account, accounts.len(), top, |place| {
            (names.account(&accounts[place]), accounts[place].to_string(), None)
        });
        let mut is_critical = vec![false; study.calls.len()];
        path.iter().for_each(|link| is_critical[link.txn] = true);
        let critical_path = path.iter().map(|link| Passing {
            txn: link.txn,
            call: study.call_names[link.txn].clone(),
            cost_ns: graph.costs[link.txn],
            passes_on: link
                .passes_on
                .iter()
                .map(|place| study.places[*place].name.clone())
                .collect(),
        });
        Self {
            block: study.title.clone(),
            txns: study.calls.len(),
            total_ns: graph.total(),
            critical_ns: graph.critical_without(|_| false),
            dependencies: graph.edges.len(),
            speedup: WORKERS.map(Some).into_iter().chain([None]).map(bound).collect(),
            locations,
            contracts,
            critical_path: critical_path.collect(),
            calls: groups(study, &is_critical, top),
        }
    }

    /// What dependencies allow to any number of workers.
    pub(super) fn unbounded(&self) -> f64 {
        self.speedup.last().map_or(1.0, |bound| bound.speedup)
    }
}

/// The most costly places of `graph`: those at which most is lost, and among these those with most
/// readers.
fn burdened(
    graph: &super::analysis::Graph,
    places: usize,
    top: usize,
    describe: impl Fn(usize) -> (String, String, Option<String>),
) -> Vec<Burdened> {
    let burdens = graph.burdens(places);
    let mut order: Vec<_> = (0..places).collect();
    order.sort_by_key(|place| Reverse((burdens[*place].lost_ns, burdens[*place].readers)));
    order.truncate(top);
    let mut gone = vec![false; places];
    let one = |place: usize| {
        gone[place] = true;
        let (name, address, slot) = describe(place);
        let burden = burdens[place];
        Burdened {
            place,
            name,
            address,
            slot,
            lost_ns: burden.lost_ns,
            readers: burden.readers,
            writers: burden.writers,
            speedup_without: graph.speedup(None, |other| other == place),
            speedup_without_all_so_far: graph.speedup(None, |other| gone[other]),
        }
    };
    order.into_iter().map(one).collect()
}

fn groups(study: &Study, is_critical: &[bool], top: usize) -> Vec<Group> {
    let mut dependent = vec![false; study.calls.len()];
    study.graph.edges.iter().for_each(|edge| dependent[edge.reader] = true);
    let mut groups = BTreeMap::new();
    for (txn, call) in study.calls.iter().enumerate() {
        let group = groups.entry(*call).or_insert_with(|| Group {
            call: study.call_names[txn].clone(),
            txns: 0,
            cost_ns: 0,
            critical: 0,
            dependent: 0,
        });
        group.txns += 1;
        group.cost_ns += study.graph.costs[txn];
        group.critical += usize::from(is_critical[txn]);
        group.dependent += usize::from(dependent[txn]);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| Reverse(group.cost_ns));
    groups.truncate(top);
    groups
}

/// A contract over many blocks.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Brake {
    pub(super) name: String,
    pub(super) address: String,
    /// In how many blocks it is among the most costly ones.
    pub(super) blocks: usize,
    pub(super) lost_ns: u64,
    pub(super) readers: usize,
}

/// Which contracts hold back the blocks together, the most costly ones first.
pub(super) fn brakes(all: &[Findings], top: usize) -> Vec<Brake> {
    let mut brakes = BTreeMap::<&str, Brake>::new();
    for contract in all.iter().flat_map(|findings| &findings.contracts) {
        let brake = brakes.entry(&contract.address).or_insert_with(|| Brake {
            name: contract.name.clone(),
            address: contract.address.clone(),
            blocks: 0,
            lost_ns: 0,
            readers: 0,
        });
        brake.blocks += 1;
        brake.lost_ns += contract.lost_ns;
        brake.readers += contract.readers;
    }
    let mut brakes: Vec<_> = brakes.into_values().collect();
    brakes.sort_by_key(|brake| Reverse((brake.lost_ns, brake.readers)));
    brakes.truncate(top);
    brakes
}

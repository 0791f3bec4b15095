//! What a conflict graph says: chains, waits, and what would be without a place.
//!
//! All times are those of an execution in order, and there are as many workers as it takes: a
//! transaction starts when the last of those that it reads from has ended.

/// A dependency between two transactions, at a place known by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) writer: usize,
    pub(super) reader: usize,
    pub(super) place: usize,
}

/// Transactions by what they cost, and who reads from whom; edges come in the order of their
/// readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) costs: Vec<u64>,
    pub(super) edges: Vec<Edge>,
}

/// What a place costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Burden {
    /// By how much its readers would start earlier, all together, without this place and those
    /// at which they wait as long. What one transaction passes on at several places is lost at
    /// each of them.
    pub(super) lost_ns: u64,
    /// The transactions that read there what another one had written.
    pub(super) readers: usize,
    /// The transactions that wrote what others read.
    pub(super) writers: usize,
}

/// A transaction of the critical path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) txn: usize,
    /// Where the next transaction of the path reads from this one.
    pub(super) passes_on: Vec<usize>,
}

impl Graph {
    /// What all transactions cost together.
    pub(super) fn total(&self) -> u64 {
        self.costs.iter().sum()
    }

    /// When each transaction ends, if the places are not there of which `gone` says so.
    fn ends(&self, gone: impl Fn(usize) -> bool) -> Vec<u64> {
        let mut ends = self.costs.clone();
        for edge in self.edges.iter().filter(|edge| !gone(edge.place)) {
            let end = ends[edge.writer] + self.costs[edge.reader];
            ends[edge.reader] = ends[edge.reader].max(end);
        }
        ends
    }

    /// The cost of the most costly chain, without the places of which `gone` says so.
    pub(super) fn critical_without(&self, gone: impl Fn(usize) -> bool) -> u64 {
        self.ends(gone).into_iter().max().unwrap_or(0)
    }

    /// By how much `workers` can shorten the block at the most, or any number of them: they share
    /// all transactions evenly, or take as long as the most costly chain.
    pub(super) fn speedup(&self, workers: Option<u64>, gone: impl Fn(usize) -> bool) -> f64 {
        let total = self.total();
        let share = workers.map_or(0, |workers| total.div_ceil(workers.max(1)));
        let least = self.critical_without(gone).max(share);
        total.max(1) as f64 / least.max(1) as f64
    }

    /// The most costly chain, from its first transaction on.
    pub(super) fn critical_path(&self) -> Vec<Link> {
        let ends = self.ends(|_| false);
        let Some(last) = (0..ends.len()).rev().max_by_key(|txn| ends[*txn]) else {
            return Vec::new();
        };
        let mut path = vec![Link { txn: last, passes_on: Vec::new() }];
        let mut edges = self.edges.as_slice();
        while let Some(next) = path.last() {
            let reader = next.txn;
            edges = &edges[..edges.partition_point(|edge| edge.reader <= reader)];
            let first = edges.partition_point(|edge| edge.reader < reader);
            let start = ends[reader] - self.costs[reader];
            let holds = |edge: &&Edge| ends[edge.writer] == start;
            let Some(writer) = edges[first..].iter().find(holds).map(|edge| edge.writer) else {
                break;
            };
            let from_writer = edges[first..].iter().filter(|edge| edge.writer == writer);
            let mut passes_on: Vec<_> = from_writer.map(|edge| edge.place).collect();
            passes_on.sort_unstable();
            passes_on.dedup();
            path.push(Link { txn: writer, passes_on });
        }
        path.reverse();
        path
    }

    /// What each of `places` places costs.
    pub(super) fn burdens(&self, places: usize) -> Vec<Burden> {
        let ends = self.ends(|_| false);
        let mut burdens = vec![Burden::default(); places];
        for edges in self.edges.chunk_by(|a, b| a.reader == b.reader) {
            let mut latest: Vec<(usize, u64)> = Vec::new();
            let mut edges = edges.to_vec();
            edges.sort_unstable_by_key(|edge| edge.place);
            for edges in edges.chunk_by(|a, b| a.place == b.place) {
                let end = edges.iter().map(|edge| ends[edge.writer]).max();
                latest.push((edges[0].place, end.unwrap_or(0)));
                burdens[edges[0].place].readers += 1;
            }
            let last = latest.iter().map(|(_, end)| *end).max().unwrap_or(0);
            let before = latest.iter().map(|(_, end)| *end).filter(|end| *end < last).max();
            for (place, _) in latest.iter().filter(|(_, end)| *end == last) {
                burdens[*place].lost_ns += last - before.unwrap_or(0);
            }
        }
        let mut writes: Vec<_> = self.edges.iter().map(|edge| (edge.place, edge.writer)).collect();
        writes.sort_unstable();
        writes.dedup();
        writes.iter().for_each(|(place, _)| burdens[*place].writers += 1);
        burdens
    }

    /// The same transactions, with places that are merged: `merged` has the new number of each.
    pub(super) fn merged(&self, merged: &[usize]) -> Self {
        let edge = |edge: &Edge| Edge { place: merged[edge.place], ..*edge };
        Self { costs: self.costs.clone(), edges: self.edges.iter().map(edge).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(costs: &[u64], edges: &[(usize, usize, usize)]) -> Graph {
        let edge = |&(writer, reader, place)| Edge { writer, reader, place };
        Graph { costs: costs.to_vec(), edges: edges.iter().map(edge).collect() }
    }

    /// 0 → 1 → 3 at place 0, 2 → 3 at place 1.
    fn fork() -> Graph {
        graph(&[10, 20, 25, 5], &[(0, 1, 0), (1, 3, 0), (2, 3, 1)])
    }

    #[test]
    fn a_chain_bounds_the_speedup_and_falls_with_its_place() {
        let fork = fork();
        assert_eq!((fork.total(), fork.critical_without(|_| false)), (60, 35));
        assert_eq!(fork.critical_without(|place| place == 0), 30);
        assert_eq!(fork.critical_without(|_| true), 25);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(fork.speedup(None, |_| false), 60.0 / 35.0);
        close(fork.speedup(Some(1), |_| false), 1.0);
        close(fork.speedup(Some(2), |place| place == 0), 2.0);
        close(Graph::default().speedup(Some(4), |_| false), 1.0);
    }

    #[test]
    fn the_critical_path_says_who_passes_what_to_whom() {
        let path: Vec<_> =
            fork().critical_path().into_iter().map(|link| (link.txn, link.passes_on)).collect();
        assert_eq!(path, [(0, vec![0]), (1, vec![0]), (3, vec![])]);
        assert_eq!(Graph::default().critical_path(), []);
        let lone = graph(&[1, 9, 2], &[]).critical_path();
        assert_eq!(lone.iter().map(|link| link.txn).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_place_is_charged_with_what_its_readers_wait_for_there() {
        let burdens = fork().burdens(2);
        // 1 waits 10 for 0. 3 could start at 25 instead of 30, if it did not wait for 1.
        assert_eq!(burdens[0], Burden { lost_ns: 10 + 5, readers: 2, writers: 2 });
        assert_eq!(burdens[1], Burden { lost_ns: 0, readers: 1, writers: 1 });
        // What 0 passes on to 1 at two places is lost at both.
        let both = graph(&[10, 20, 25, 5], &[(0, 1, 0), (0, 1, 2), (1, 3, 0), (2, 3, 1)]);
        let lost: Vec<_> = both.burdens(3).iter().map(|burden| burden.lost_ns).collect();
        assert_eq!(lost, [15, 0, 10]);
        let merged = fork().merged(&[0, 0]).burdens(1);
        assert_eq!(merged[0], Burden { lost_ns: 10 + 30, readers: 2, writers: 3 });
    }

    /// Every chain by itself, as a definition.
    fn longest(graph: &Graph, txn: usize) -> u64 {
        let from = graph.edges.iter().filter(|edge| edge.reader == txn);
        let before = from.map(|edge| longest(graph, edge.writer)).max();
        before.unwrap_or(0) + graph.costs[txn]
    }

    #[test]
    fn chains_are_those_of_the_definition() {
        let mut seed = 1_u64;
        let mut draw = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..50 {
            let costs: Vec<_> = (0..12).map(|_| 1 + draw(9)).collect();
            let mut edges = Vec::new();
            for reader in 1..12 {
                for _ in 0..draw(3) {
                    edges.push((draw(reader as u64) as usize, reader, draw(4) as usize));
                }
            }
            let graph = graph(&costs, &edges);
            let definition = (0..12).map(|txn| longest(&graph, txn)).max().expect("12");
            assert_eq!(graph.critical_without(|_| false), definition);
            let path = graph.critical_path();
            assert_eq!(path.iter().map(|link| costs[link.txn]).sum::<u64>(), definition);
            for pair in path.windows(2) {
                let has = |place: &usize| edges.contains(&(pair[0].txn, pair[1].txn, *place));
                assert!(!pair[0].passes_on.is_empty() && pair[0].passes_on.iter().all(has));
            }
        }
    }
}

//! Who read what from whom: the block's dependencies as they really were.

use crate::primitives::ids::TxnIndex;

/// One dependency: `reader` observed at `location` what `writer` had written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict<L> {
    /// The transaction that wrote.
    pub writer: TxnIndex,
    /// The transaction that read it.
    pub reader: TxnIndex,
    /// Where.
    pub location: L,
}

/// The read-from edges of a block's committed transactions, in the order of the readers.
///
/// A scan reads what it visits, and what was deleted on its way. Deltas and predicate reads are not
/// in it unless a predicate's location was also read: they make no order. The same block gives the
/// same graph, whatever the number of threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictGraph<L> {
    /// The edges; `writer < reader` in each.
    pub edges: Vec<Conflict<L>>,
}

impl<L> ConflictGraph<L> {
    /// The number of transactions on the longest chain of dependencies, out of `txns`: with unit
    /// costs and any number of workers, no schedule is faster.
    #[must_use]
    pub fn critical_path(&self, txns: usize) -> usize {
        self.critical_path_of(&vec![1; txns]) as usize
    }

    /// The cost of the most costly chain of dependencies, where `costs` has each transaction's.
    ///
    /// # Panics
    /// If an edge names a transaction beyond `costs`.
    #[must_use]
    pub fn critical_path_of(&self, costs: &[u64]) -> u64 {
        // When each can end at the earliest. Edges come in the order of their readers, so writers
        // are done with.
        let mut ends = costs.to_vec();
        for edge in &self.edges {
            let reader = edge.reader.as_usize();
            ends[reader] = ends[reader].max(ends[edge.writer.as_usize()] + costs[reader]);
        }
        ends.into_iter().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_path_counts_transactions() {
        let edge = |writer, reader| Conflict {
            writer: TxnIndex::new(writer),
            reader: TxnIndex::new(reader),
            location: (),
        };
        let graph = ConflictGraph { edges: vec![edge(0, 1), edge(0, 2), edge(2, 3), edge(1, 3)] };
        assert_eq!(graph.critical_path(5), 3);
        assert_eq!(graph.critical_path_of(&[5, 100, 7, 1, 90]), 106);
        assert_eq!(ConflictGraph::<()> { edges: vec![] }.critical_path(4), 1);
        assert_eq!(ConflictGraph::<()> { edges: vec![] }.critical_path(0), 0);
    }
}

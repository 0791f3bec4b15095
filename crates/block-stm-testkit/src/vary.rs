//! The same block under other circumstances: hints, policies, limits.

use block_stm::{Block, Hints, InvalidPolicy, Limits, Outcome, TxnIndex, Vm};

use crate::check::{Checker, Mismatch, Trial, oracle};
use crate::compare::Comparable;
use crate::record::{Event, Record};

/// Up to so many transactions, the block is cut after each one; a longer block in so many places.
const CUTS: usize = 12;

impl Checker {
    /// Proves that `block` has the same result on every engine as in sequential execution, as it is
    /// and under the other circumstances that [`check`](crate::check()) lists.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn vary<V, T>(&self, block: &Block<'_, V>, trial: &T) -> Result<(), Mismatch>
    where
        V: Comparable,
        T: Trial<V>,
    {
        let expected = oracle(block, trial)?;
        self.hold(&expected, block, trial)?;
        let under = |circumstances: String| {
            move |mismatch| Mismatch::Under { circumstances, mismatch: Box::new(mismatch) }
        };
        for (name, hints) in learn(&expected, block.txns().len()) {
            let hinted = block.clone().hints(&hints);
            self.hold(&expected, &hinted, trial).map_err(under(format!("with {name} hints")))?;
        }
        for policy in [InvalidPolicy::Reject, InvalidPolicy::Skip] {
            let other = block.clone().policy(policy);
            self.check(&other, trial).map_err(under(format!("with policy {policy:?}")))?;
        }
        for limits in cuts(block, &expected) {
            let Limits { max_txns, max_weight, .. } = &limits;
            let words = format!("with at most {max_txns:?} txns and a weight of {max_weight:?}");
            self.check(&block.clone().limits(limits), trial).map_err(under(words))?;
        }
        Ok(())
    }
}

/// Declared writes of each transaction.
#[derive(Clone, Debug)]
struct LearntHints<L>(Vec<Vec<L>>);

impl<V: Vm> Hints<V> for LearntHints<V::Location> {
    fn declare(&self, index: TxnIndex, _txn: &V::Txn, declare: &mut dyn FnMut(V::Location)) {
        let locations = self.0.get(index.as_usize());
        locations.into_iter().flatten().cloned().for_each(declare);
    }
}

/// Hints of many kinds, made of what transactions really write.
fn learn<V: Vm>(
    expected: &Record<V>,
    txns: usize,
) -> [(&'static str, LearntHints<V::Location>); 4] {
    let mut right = vec![Vec::new(); txns];
    for event in &expected.events {
        if let Event::Commit { txn, writes, .. } = event {
            right[txn.as_usize()] = writes.iter().map(|(location, _)| location.clone()).collect();
        }
    }
    let half = |locations: &Vec<V::Location>| locations.iter().step_by(2).cloned().collect();
    let partial = right.iter().map(half).collect();
    let mut shifted = right.clone();
    shifted.rotate_left(txns.min(1));
    let everything: Vec<_> = right.iter().take(CUTS).flatten().cloned().collect();
    [
        ("partial", LearntHints(partial)),
        ("wrong", LearntHints(shifted)),
        ("exaggerated", LearntHints(vec![everything; txns])),
        ("right", LearntHints(right)),
    ]
}

/// The block's limits with tighter ones.
fn cuts<V: Vm>(block: &Block<'_, V>, expected: &Record<V>) -> Vec<Limits> {
    let txns = block.txns().len();
    let counts = (0..=txns).step_by(txns.div_ceil(CUTS).max(1)).map(|max| (Some(max), None));
    let weights = expected.events.iter().map(|event| match event {
        Event::Commit { txn, outcome: Outcome::Done(output), .. } => {
            block.vm().weight(&block.txns()[txn.as_usize()], output)
        }
        _ => 0,
    });
    let total = weights.fold(0, u64::saturating_add);
    let weights = [total / 3, total.saturating_sub(1)].map(|max| (None, Some(max)));
    let limits = |(max_txns, max_weight): (Option<usize>, Option<u64>)| {
        let set = block.limits_set().clone();
        Limits {
            max_txns: max_txns.or(set.max_txns),
            max_weight: max_weight.or(set.max_weight),
            ..set
        }
    };
    counts.chain(weights).map(limits).collect()
}

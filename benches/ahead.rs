//! Commits alone: of transactions that were all executed ahead of their turn.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use block_stm::{Block, CommitSink, Config, Engine, Flow, Outcome, TxnIndex, Writes};

use crate::{Gate, Step, Steps, opening};

/// The location that only the first transaction reads, and the one that only the last does.
const FIRST: u64 = u64::MAX - 1;
const LAST: u64 = u64::MAX;

/// Two workers, of whom one executes a block ahead and the other commits it.
#[derive(Debug)]
pub struct Ahead {
    engine: Engine,
}

impl Ahead {
    /// Workers for blocks of up to `txns` transactions.
    ///
    /// # Panics
    /// If the thread can't be started, or there is no transaction.
    #[must_use]
    pub fn new(txns: usize) -> Self {
        let number = |n| NonZeroUsize::new(n).expect("not zero");
        let config = Config::default().threads(number(2)).cores(number(2));
        let config = config.window(number(txns)).inline_below(0);
        Self { engine: Engine::new(config).expect("a thread starts") }
    }

    /// The time that it takes to commit all transactions but the first, each executed once, ahead
    /// of its turn.
    ///
    /// `None` if some were not executed ahead, as the helper came late.
    ///
    /// # Panics
    /// If there are fewer than two transactions.
    #[must_use]
    pub fn commit_time(&self, mut txns: Vec<Vec<Step>>) -> Option<Duration> {
        let last = txns.len() - 1;
        assert!(last > 0, "the last transaction is another one than the first");
        txns[0].push(Step::Read(FIRST..FIRST + 1));
        txns[last].push(Step::Reread { location: LAST, times: 1 });
        let gate = Gate::new(FIRST, LAST);
        let gated = |location: &u64| {
            gate.pass(location);
            opening(location)
        };
        let mut watch = Stopwatch { last, first_at: None, last_at: None };
        let executed = self.engine.execute(&Block::new(&Steps, &txns, &gated), &mut watch);
        let stats = executed.expect("no errors").stats;
        let as_planned = stats.executions == txns.len() as u64 && stats.head_executions <= 1;
        as_planned.then(|| watch.last_at.zip(watch.first_at).map(|(end, start)| end - start))?
    }
}

/// Notes when the first and the last transaction become final.
struct Stopwatch {
    last: usize,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
}

impl CommitSink<Steps> for Stopwatch {
    fn commit(
        &mut self,
        index: TxnIndex,
        _: Outcome<u64, std::convert::Infallible>,
        _: Writes<'_, Steps>,
    ) -> Flow {
        match index.as_usize() {
            0 => self.first_at = Some(Instant::now()),
            txn if txn == self.last => self.last_at = Some(Instant::now()),
            _ => {}
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_executed_ahead_and_then_committed() {
        let ahead = Ahead::new(500);
        let txns = || (0..500).map(|n| vec![Step::Write(n..n + 1)]).collect();
        // On a busy machine, the helper may come late, but hardly every time.
        assert!((0..20).find_map(|_| ahead.commit_time(txns())).is_some());
    }
}

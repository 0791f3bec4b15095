//! A worker whose helper never comes: the same work on every run.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use block_stm::{Config, Engine};
use rayon::ThreadPoolBuilder;

/// An engine whose caller finds a helper's place taken, on a pool that is busy for as long as this
/// lives.
///
/// An engine of one thread executes sequentially. This one goes through the multi-version memory
/// and the scheduler as with helpers, but no other worker interferes: each transaction is executed
/// once, as the lowest. What it costs more than sequential execution is what concurrency costs
/// where there is none.
#[derive(Debug)]
pub struct Lone {
    engine: Engine,
    /// The pool's one thread waits until this is dropped.
    _busy: Sender<()>,
}

impl Lone {
    /// Starts the pool, and keeps it busy.
    ///
    /// # Panics
    /// If the thread can't be started.
    #[must_use]
    pub fn new() -> Self {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("a thread starts");
        let ((busy, released), (ready, is_ready)) = (mpsc::channel::<()>(), mpsc::channel());
        pool.spawn(move || {
            let waiting = ready.send(());
            // An error is what ends the wait: the other side was dropped.
            let _ = waiting.is_ok() && released.recv().is_ok();
        });
        is_ready.recv().expect("the task says that it runs");
        let two = const { NonZeroUsize::new(2).expect("not zero") };
        let config = Config::default().threads(two).cores(two).pool(Arc::new(pool)).inline_below(0);
        Self { engine: Engine::new(config).expect("the pool is there"), _busy: busy }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Default for Lone {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use block_stm::Block;

    use super::*;
    use crate::{Discard, Step, Steps, opening};

    #[test]
    fn the_lone_worker_executes_each_transaction_as_the_lowest() {
        let txns: Vec<_> = (0..2_000).map(|n| vec![Step::Write(n..n + 1)]).collect();
        let block = Block::new(&Steps, &txns, &opening);
        let lone = Lone::new();
        for _ in 0..3 {
            let stats = lone.engine().execute(&block, &mut Discard).expect("no errors").stats;
            assert_eq!((stats.workers, stats.executions, stats.head_executions), (1, 2_000, 2_000));
        }
    }
}

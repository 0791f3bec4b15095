//! Observers are told what real workers do, and change nothing.

use std::sync::{Arc, Mutex};

use block_stm::conductor::Step;
use block_stm::observer::{Observer, observe};

use crate::support::{engine, oracle, parallel, tangle, timely};

/// Takes down every step.
#[derive(Default)]
struct Notes(Mutex<Vec<Step>>);

impl Observer for Notes {
    fn step(&self, step: Step) {
        self.0.lock().expect("no test panics in it").push(step);
    }
}

#[test]
fn every_execution_and_every_commit_is_told_in_order() {
    timely(|| {
        for threads in [2, 4] {
            let (block, notes) = (tangle(120), Arc::new(Notes::default()));
            let observer: Arc<dyn Observer> = Arc::<Notes>::clone(&notes);
            let engine = engine(threads);
            let observed = observe(observer, || parallel(&engine, &block.stage()));
            let stats = observed.stats.expect("the block has a result");
            let steps = std::mem::take(&mut *notes.0.lock().expect("no test panics in it"));
            let executions = steps.iter().filter(|step| matches!(step, Step::Execute(..)));
            assert_eq!(executions.count() as u64, stats.executions);
            let heads = steps.iter().filter_map(|step| match step {
                Step::Advance(txn) => Some(txn.get()),
                _ => None,
            });
            assert_eq!(heads.collect::<Vec<_>>(), (1..=120).collect::<Vec<_>>());
            assert!(steps.iter().all(|step| !matches!(step, Step::Access(_))), "too many to tell");

            // Who does not ask is not told, and the results are the same.
            let alone = parallel(&engine, &block.stage());
            assert!(notes.0.lock().expect("no test panics in it").is_empty());
            assert_eq!(oracle(&block.stage()).stats.map(|stats| stats.committed), Some(120));
            assert_eq!(alone.stats.map(|stats| stats.committed), Some(stats.committed));
        }
    });
}

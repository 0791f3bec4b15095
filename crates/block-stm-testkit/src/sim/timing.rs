//! Virtual time: what steps cost.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use block_stm::conductor::{Conductor, Position, Step};

/// How time passes in a simulation.
#[derive(Clone, Debug)]
pub enum Pace {
    /// The schedule decides who acts, and each step takes the same time.
    Even {
        /// Nanoseconds for each step.
        step_ns: u64,
    },
    /// Each worker has a core of its own: whoever is earliest acts. A step takes the time that it really took,
    /// which is added to the measures.
    Measured(Rc<RefCell<Measures>>, Latency),
    /// As measured, but a step takes the time that is written here, so that the run is the same each time.
    Charged(Rc<Costs>, Latency),
}

/// What the machine beneath takes for its part, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From notifying a sleeping worker to its going on.
    pub wake_ns: u64,
    /// From calling for a helper to its beginning.
    pub spawn_ns: u64,
    /// For each read of the storage, beside what the storage itself takes.
    pub read_ns: u64,
    /// For a spin of a worker that waits awake.
    pub spin_ns: u64,
}

impl Pace {
    fn latency(&self) -> Latency {
        match self {
            Self::Even { .. } => Latency::default(),
            Self::Measured(_, latency) | Self::Charged(_, latency) => *latency,
        }
    }

    pub(super) fn wake_ns(&self) -> u64 {
        self.latency().wake_ns
    }

    pub(super) fn spawn_ns(&self) -> u64 {
        self.latency().spawn_ns
    }
}

/// What a step is counted under: its kind, and its transaction if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The kind, by a number of its own.
    kind: u8,
    txn: Option<u32>,
}

impl Item {
    /// Of a step; `None` is a worker's beginning.
    #[must_use]
    pub fn of(step: Option<Step>) -> Self {
        let kind = match step {
            None => 0,
            Some(step) => match step {
                Step::Turn => 1,
                Step::TakeBaton => 2,
                Step::GiveBaton => 3,
                Step::Head(_) => 4,
                Step::Judge(_) => 5,
                Step::Commit(_) => 6,
                Step::Advance(_) => 7,
                Step::Claim => 8,
                Step::Execute(_, Position::Head) => 9,
                Step::Execute(_, Position::Ahead) => 10,
                Step::Access(_) => 11,
                Step::Storage(_) => 12,
                Step::Publish(_) => 13,
                Step::Finish(_) => 14,
                Step::Release(_) => 15,
                Step::Enqueue(_) => 16,
                Step::Validate(_) => 17,
                Step::Hire => 18,
                Step::Wake => 19,
                Step::Spin => 20,
                Step::Park => 21,
                Step::Blocked => 22,
                Step::LookAgain => 23,
                _ => 24,
            },
        };
        Self { kind, txn: step.and_then(Step::txn).map(block_stm::TxnIndex::get) }
    }

    const fn of_any_txn(self) -> Self {
        Self { txn: None, ..self }
    }

    /// Whether it is a part of an execution by the VM.
    #[must_use]
    pub const fn is_execution(self) -> bool {
        matches!(self.kind, 9..=12)
    }
}

/// What steps took, summed up.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    items: HashMap<Item, (u64, u64)>,
    overhead_ns: u64,
}

impl Measures {
    /// No measures yet. Finds out what looking at the clock takes, so that it can be left out.
    #[must_use]
    pub fn new() -> Self {
        let look = |_| {
            let start = Instant::now();
            start.elapsed().as_nanos() as u64
        };
        let mut looks: Vec<_> = (0..1_001).map(look).collect();
        looks.sort_unstable();
        Self { items: HashMap::new(), overhead_ns: looks[looks.len() / 2] }
    }

    fn add(&mut self, item: Item, ns: u64) {
        let (sum, count) = self.items.entry(item).or_default();
        *sum += ns;
        *count += 1;
    }
}

/// What steps are charged, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    items: HashMap<Item, u64>,
}

impl Costs {
    /// The median over several measured runs of what each step took on average, by transaction where it has one.
    #[must_use]
    pub fn of(runs: &[Measures]) -> Self {
        let mut all: HashMap<Item, Vec<u64>> = HashMap::new();
        for run in runs {
            let mut kinds: HashMap<Item, (u64, u64)> = HashMap::new();
            for (item, (sum, count)) in &run.items {
                all.entry(*item).or_default().push(sum / count);
                if item.txn.is_some() {
                    let (sums, counts) = kinds.entry(item.of_any_txn()).or_default();
                    *sums += sum;
                    *counts += count;
                }
            }
            for (item, (sum, count)) in kinds {
                all.entry(item).or_default().push(sum / count);
            }
        }
        let median = |mut values: Vec<u64>| {
            values.sort_unstable();
            values[values.len() / 2]
        };
        Self { items: all.into_iter().map(|(item, values)| (item, median(values))).collect() }
    }

    /// What a step costs: that of its transaction if it was measured, else the mean of its kind.
    #[must_use]
    pub fn cost(&self, item: Item) -> u64 {
        let known = self.items.get(&item).or_else(|| self.items.get(&item.of_any_txn()));
        known.copied().unwrap_or(0)
    }

    /// Sets what a step costs.
    pub fn set(&mut self, item: Item, ns: u64) {
        self.items.insert(item, ns);
    }
}

/// A worker's clock, in nanoseconds since the simulation began.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The time.
    pub now_ns: u64,
    /// How much of it went into executions by the VM.
    pub executing_ns: u64,
    /// How much of it went into waiting, awake or asleep.
    pub waiting_ns: u64,
    started: Option<Instant>,
}

impl Clock {
    pub(super) fn starting_at(now_ns: u64) -> Self {
        Self { now_ns, ..Self::default() }
    }

    /// The clock of a worker that was away.
    pub(super) fn resumed_at(mut self, now_ns: u64) -> Self {
        self.sleep_until(now_ns);
        self
    }

    pub(super) fn sleep_until(&mut self, time_ns: u64) {
        let slept_ns = time_ns.saturating_sub(self.now_ns);
        self.waiting_ns += slept_ns;
        self.now_ns += slept_ns;
    }

    /// The worker goes on.
    pub(super) fn start(&mut self, pace: &Pace) {
        self.started = matches!(pace, Pace::Measured(..)).then(Instant::now);
    }

    /// The worker has done what it was about to do.
    pub(super) fn stop(&mut self, done: Option<Step>, pace: &mut Pace) {
        let item = Item::of(done);
        let latency = pace.latency();
        let mut ns = match pace {
            Pace::Even { .. } => return,
            Pace::Measured(measures, _) => {
                let taken = self.started.map_or(0, |start| start.elapsed().as_nanos() as u64);
                let mut measures = measures.borrow_mut();
                let ns = taken.saturating_sub(measures.overhead_ns);
                measures.add(item, ns);
                ns
            }
            Pace::Charged(costs, _) => costs.cost(item),
        };
        ns += match done {
            Some(Step::Spin) => u64::from(<dyn Conductor>::SPINS_PER_STEP) * latency.spin_ns,
            // Never nothing: who waits for a lock must not be the earliest for ever.
            Some(Step::Blocked) => latency.spin_ns.max(20),
            Some(Step::Storage(_)) => latency.read_ns,
            _ => 0,
        };
        self.now_ns += ns;
        if item.is_execution() {
            self.executing_ns += ns;
        }
        if matches!(done, Some(Step::Spin | Step::Blocked)) {
            self.waiting_ns += ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use block_stm::TxnIndex;

    use super::*;

    #[test]
    fn costs_are_medians_by_txn_or_else_by_kind() {
        let judge = |txn| Item::of(Some(Step::Judge(TxnIndex::new(txn))));
        let measures = |ns| {
            let mut measures = Measures::default();
            measures.add(judge(1), ns);
            measures.add(judge(1), ns + 2);
            measures.add(judge(2), 100);
            measures
        };
        let costs = Costs::of(&[10, 20, 5_000].map(measures));
        assert_eq!(costs.cost(judge(1)), 21);
        assert_eq!(costs.cost(judge(7)), (20 + 22 + 100) / 3);
        assert_eq!(costs.cost(Item::of(None)), 0);
    }

    #[test]
    fn a_clock_charges_what_was_done() {
        let mut costs = Costs::default();
        let access = Some(Step::Access(TxnIndex::new(3)));
        costs.set(Item::of(access), 40);
        let latency = Latency { spin_ns: 2, read_ns: 50_000, ..Latency::default() };
        let mut pace = Pace::Charged(Rc::new(costs), latency);
        let mut clock = Clock::default();
        clock.stop(access, &mut pace);
        clock.stop(Some(Step::Storage(TxnIndex::new(3))), &mut pace);
        clock.stop(Some(Step::Spin), &mut pace);
        clock.sleep_until(60_000);
        assert_eq!((clock.now_ns, clock.executing_ns), (60_000, 50_040));
        assert_eq!(clock.waiting_ns, 50 + 60_000 - 50_090);
    }
}

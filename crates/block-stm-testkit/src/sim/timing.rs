//! Virtual time: what steps cost.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use block_stm::TxnIndex;
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
    kind: Kind,
    txn: Option<TxnIndex>,
}

/// The kinds of steps, as far as they differ in costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// What the caller does before its first step.
    Opening,
    /// What the caller does after its last step.
    Ending,
    /// What a helper does before its first step, and whoever slept after that.
    Waking,
    Turn,
    TakeBaton,
    GiveBaton,
    LookAgain,
    Head,
    Judge,
    Commit,
    Advance,
    Claim,
    ExecuteHead,
    ExecuteAhead,
    Access,
    Storage,
    Publish,
    Finish,
    Release,
    Enqueue,
    Validate,
    Hire,
    Wake,
    Spin,
    Park,
    Blocked,
    Unknown,
}

impl Item {
    /// Of a step; `None` is the beginning of a worker, of the caller if it `opens`, and of one that slept.
    #[must_use]
    pub fn of(step: Option<Step>, opens: bool) -> Self {
        let kind = match step {
            None if opens => Kind::Opening,
            None => Kind::Waking,
            Some(step) => match step {
                Step::Turn => Kind::Turn,
                Step::TakeBaton => Kind::TakeBaton,
                Step::GiveBaton => Kind::GiveBaton,
                Step::LookAgain => Kind::LookAgain,
                Step::Head(_) => Kind::Head,
                Step::Judge(_) => Kind::Judge,
                Step::Commit(_) => Kind::Commit,
                Step::Advance(_) => Kind::Advance,
                Step::Claim => Kind::Claim,
                Step::Execute(_, Position::Head) => Kind::ExecuteHead,
                Step::Execute(_, Position::Ahead) => Kind::ExecuteAhead,
                Step::Access(_) => Kind::Access,
                Step::Storage(_) => Kind::Storage,
                Step::Publish(_) => Kind::Publish,
                Step::Finish(_) => Kind::Finish,
                Step::Release(_) => Kind::Release,
                Step::Enqueue(_) => Kind::Enqueue,
                Step::Validate(_) => Kind::Validate,
                Step::Hire => Kind::Hire,
                Step::Wake => Kind::Wake,
                Step::Spin => Kind::Spin,
                Step::Park => Kind::Park,
                Step::Blocked => Kind::Blocked,
                _ => Kind::Unknown,
            },
        };
        Self { kind, txn: step.and_then(Step::txn) }
    }

    const ENDING: Self = Self { kind: Kind::Ending, txn: None };

    const fn of_any_txn(self) -> Self {
        Self { txn: None, ..self }
    }

    const fn begins_execution(self) -> bool {
        matches!(self.kind, Kind::ExecuteHead | Kind::ExecuteAhead)
    }

    /// Whether it is a part of an execution by the VM.
    const fn is_execution(self) -> bool {
        self.begins_execution() || matches!(self.kind, Kind::Access | Kind::Storage)
    }

    const fn is_waiting(self) -> bool {
        matches!(self.kind, Kind::Spin | Kind::Blocked)
    }
}

/// What steps took, summed up.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    items: HashMap<Item, (u64, u64)>,
    /// By transaction: the time in executions, and their number.
    executions: HashMap<TxnIndex, (u64, u64)>,
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
        Self { overhead_ns: looks[looks.len() / 2], ..Self::default() }
    }

    fn add(&mut self, item: Item, ns: u64) {
        if let Some(txn) = item.txn.filter(|_| item.is_execution()) {
            let (sum, count) = self.executions.entry(txn).or_default();
            *sum += ns;
            *count += u64::from(item.begins_execution());
        }
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

    /// What an execution of each of `txns` transactions took on average, interrupted ones included.
    #[must_use]
    pub fn executions(runs: &[Measures], txns: usize) -> Vec<u64> {
        let of_txn = |txn: TxnIndex| {
            let means = runs.iter().filter_map(|run| run.executions.get(&txn));
            let mut means: Vec<_> = means.map(|(sum, count)| sum / (*count).max(1)).collect();
            means.sort_unstable();
            means.get(means.len() / 2).copied().unwrap_or(0)
        };
        (0..txns as u32).map(|txn| of_txn(TxnIndex::new(txn))).collect()
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

    /// The caller has done what remained to be done.
    pub(super) fn stop_at_end(&mut self, pace: &mut Pace) {
        self.stop(Item::ENDING, pace);
    }

    /// The worker has done what it was about to do.
    pub(super) fn stop(&mut self, done: Item, pace: &mut Pace) {
        let latency = pace.latency();
        let mut ns = match pace {
            Pace::Even { .. } => return,
            Pace::Measured(measures, _) => {
                let taken = self.started.map_or(0, |start| start.elapsed().as_nanos() as u64);
                let mut measures = measures.borrow_mut();
                let ns = taken.saturating_sub(measures.overhead_ns);
                measures.add(done, ns);
                ns
            }
            Pace::Charged(costs, _) => costs.cost(done),
        };
        ns += match done.kind {
            Kind::Spin => u64::from(<dyn Conductor>::SPINS_PER_STEP) * latency.spin_ns,
            // Never nothing: who waits for a lock must not be the earliest for ever.
            Kind::Blocked => latency.spin_ns.max(20),
            Kind::Storage => latency.read_ns,
            _ => 0,
        };
        self.now_ns += ns;
        if done.is_execution() {
            self.executing_ns += ns;
        }
        if done.is_waiting() {
            self.waiting_ns += ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_medians_by_txn_or_else_by_kind() {
        let judge = |txn| Item::of(Some(Step::Judge(TxnIndex::new(txn))), true);
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
        assert_eq!(costs.cost(Item::of(None, false)), 0);
    }

    #[test]
    fn a_clock_charges_what_was_done() {
        let mut costs = Costs::default();
        let item = |step| Item::of(Some(step), true);
        let access = item(Step::Access(TxnIndex::new(3)));
        costs.set(access, 40);
        let latency = Latency { spin_ns: 2, read_ns: 50_000, ..Latency::default() };
        let mut pace = Pace::Charged(Rc::new(costs), latency);
        let mut clock = Clock::default();
        clock.stop(access, &mut pace);
        clock.stop(item(Step::Storage(TxnIndex::new(3))), &mut pace);
        clock.stop(item(Step::Spin), &mut pace);
        clock.sleep_until(60_000);
        assert_eq!((clock.now_ns, clock.executing_ns), (60_000, 50_040));
        assert_eq!(clock.waiting_ns, 50 + 60_000 - 50_090);
    }
}

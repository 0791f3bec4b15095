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
    /// The schedule decides which worker acts, and each step takes the same time.
    Even {
        /// Nanoseconds for each step.
        step_ns: u64,
    },
    /// Each worker has a core of its own: the earliest worker acts. A step takes the time that it
    /// really took, which is added to the measures.
    Measured(Rc<RefCell<Measures>>, Latency),
    /// As measured, but a step takes the time that is written here, so that the run is the same
    /// each time.
    Charged(Rc<Costs>, Latency),
}

/// What the machine beneath takes for its part, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From notifying a sleeping worker to its going on.
    pub wake_ns: u64,
    /// From calling for a helper to its beginning.
    pub spawn_ns: u64,
    /// Of the worker that wakes another or calls for a helper.
    pub call_ns: u64,
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

    pub(super) fn call_ns(&self) -> u64 {
        self.latency().call_ns
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
    /// What a helper does before its first step, and a sleeper after it is woken.
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
    /// Of a step; `None` is the beginning of a worker, of the caller if it `opens`, and of one that
    /// slept.
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

    pub(crate) const fn of_any_txn(self) -> Self {
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

/// What steps took, one after another.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Each step with its nanoseconds. A list, since whatever is done between two steps disturbs
    /// the caches of the next.
    steps: Vec<(Item, u32)>,
    /// What taking a step takes by itself, which is left out.
    overhead_ns: u64,
}

impl Measures {
    /// No measures yet, of steps that take `overhead_ns` by themselves.
    #[must_use]
    pub fn new(overhead_ns: u64) -> Self {
        Self { steps: Vec::new(), overhead_ns }
    }

    fn add(&mut self, item: Item, ns: u64) {
        self.steps.push((item, u32::try_from(ns).unwrap_or(u32::MAX)));
    }

    /// What a step takes by itself, where nothing is done between steps.
    #[must_use]
    pub fn median_ns(&self) -> u64 {
        median(self.steps.iter().map(|(_, ns)| u64::from(*ns)).collect())
    }

    /// What the steps of each item took on average, of each transaction and of all of the same
    /// kind.
    fn means(&self) -> HashMap<Item, u64> {
        let mut sums: HashMap<Item, (u64, u64)> = HashMap::new();
        for (item, ns) in &self.steps {
            let both = [Some(*item), item.txn.map(|_| item.of_any_txn())];
            for item in both.into_iter().flatten() {
                let (sum, count) = sums.entry(item).or_default();
                *sum += u64::from(*ns);
                *count += 1;
            }
        }
        let mean = |(sum, count): (u64, u64)| (sum / count).saturating_sub(self.overhead_ns);
        sums.into_iter().map(|(item, sum)| (item, mean(sum))).collect()
    }

    /// What an execution of each transaction took on average, where the storage takes `read_ns` for
    /// each of its reads.
    fn executions(&self, read_ns: u64) -> HashMap<TxnIndex, u64> {
        let mut sums: HashMap<TxnIndex, (u64, u64)> = HashMap::new();
        for (item, ns) in self.steps.iter().filter(|(item, _)| item.is_execution()) {
            let Some(txn) = item.txn else { continue };
            let (sum, count) = sums.entry(txn).or_default();
            *sum += u64::from(*ns).saturating_sub(self.overhead_ns);
            *sum += if item.kind == Kind::Storage { read_ns } else { 0 };
            *count += u64::from(item.begins_execution());
        }
        sums.into_iter().map(|(txn, (sum, count))| (txn, sum / count.max(1))).collect()
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// What steps are charged, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Of any transaction, or none.
    by_kind: Row,
    /// Of each transaction; `UNKNOWN` where it was not measured.
    by_txn: Vec<Row>,
}

/// One cost for each kind.
type Row = [u32; Kind::Unknown as usize + 1];

const UNKNOWN: u32 = u32::MAX;

impl Costs {
    /// The median over several measured runs of what each step took on average, by transaction
    /// where it has one.
    #[must_use]
    pub fn of(runs: &[Measures]) -> Self {
        let mut all: HashMap<Item, Vec<u64>> = HashMap::new();
        for (item, mean) in runs.iter().flat_map(Measures::means) {
            all.entry(item).or_default().push(mean);
        }
        let mut costs = Self::default();
        all.into_iter().for_each(|(item, means)| costs.set(item, median(means)));
        costs
    }

    /// What a step costs: that of its transaction if it was measured, else the mean of its kind.
    #[must_use]
    pub fn cost(&self, item: Item) -> u64 {
        let kind = item.kind as usize;
        let own = item.txn.and_then(|txn| self.by_txn.get(txn.as_usize()));
        let known = own.map(|row| row[kind]).filter(|cost| *cost != UNKNOWN);
        u64::from(known.unwrap_or(self.by_kind[kind]))
    }

    /// Sets what a step costs, at most some seconds.
    pub fn set(&mut self, item: Item, ns: u64) {
        let kind = item.kind as usize;
        let row = match item.txn.map(TxnIndex::as_usize) {
            None => &mut self.by_kind,
            Some(txn) => {
                if txn >= self.by_txn.len() {
                    self.by_txn.resize(txn + 1, [UNKNOWN; Kind::Unknown as usize + 1]);
                }
                &mut self.by_txn[txn]
            }
        };
        row[kind] = u32::try_from(ns).unwrap_or(UNKNOWN).min(UNKNOWN - 1);
    }

    /// The same proportions, with all costs multiplied.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        let rows = std::iter::once(&mut self.by_kind).chain(&mut self.by_txn);
        for cost in rows.flatten().filter(|cost| **cost != UNKNOWN) {
            *cost = ((f64::from(*cost) * factor) as u32).min(UNKNOWN - 1);
        }
        self
    }

    /// What an execution of each of `txns` transactions took on average, interrupted ones included,
    /// where the storage takes `read_ns` for each of its reads.
    #[must_use]
    pub fn executions(runs: &[Measures], txns: usize, read_ns: u64) -> Vec<u64> {
        let runs: Vec<_> = runs.iter().map(|run| run.executions(read_ns)).collect();
        let of_txn =
            |txn: TxnIndex| median(runs.iter().filter_map(|run| run.get(&txn).copied()).collect());
        (0..txns as u32).map(|txn| of_txn(TxnIndex::new(txn))).collect()
    }
}

/// A worker's clock, in nanoseconds since the simulation began.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The time.
    pub now_ns: u64,
    /// How much of it went into steps that the pace measured or charged.
    pub working_ns: u64,
    /// How much of that went into executions by the VM.
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

    /// The worker executes, beside what its steps are charged.
    pub(super) fn execute_for(&mut self, time_ns: u64) {
        self.now_ns += time_ns;
        self.working_ns += time_ns;
        self.executing_ns += time_ns;
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
                measures.add(done, taken);
                taken.saturating_sub(measures.overhead_ns)
            }
            Pace::Charged(costs, _) => costs.cost(done),
        };
        self.working_ns += ns;
        ns += match done.kind {
            Kind::Spin => u64::from(<dyn Conductor>::SPINS_PER_STEP) * latency.spin_ns,
            // Never zero: a worker that waits for a lock must not be the earliest for ever.
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
            let mut measures = Measures::new(2);
            measures.add(judge(1), ns);
            measures.add(judge(1), ns + 2);
            measures.add(judge(2), 100);
            measures
        };
        let costs = Costs::of(&[10, 20, 5_000].map(measures));
        assert_eq!(costs.cost(judge(1)), 19);
        assert_eq!(costs.cost(judge(7)), (20 + 22 + 100) / 3 - 2);
        assert_eq!(measures(10).median_ns(), 12);
        assert_eq!(costs.cost(Item::of(None, false)), 0);
        assert_eq!(costs.scaled(2.0).cost(judge(1)), 38);
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

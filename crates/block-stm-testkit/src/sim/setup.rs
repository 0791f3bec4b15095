//! How a simulated execution is set up: workers, window, schedule, faults; drawn from a seed.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use block_stm::{Config, Engine};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::schedule::{Pct, Random, RoundRobin, Schedule};
use super::simulator::Stall;
use crate::strategies::{Mix, Shape};

/// How one simulated execution is set up.
///
/// The drawing is in the manner of swarm testing (Groce et al., ISSTA 2012): each set-up leaves
/// most disturbances out, so that the others can unfold.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// The number of virtual workers, the caller included.
    pub workers: usize,
    /// The look-ahead window; `None` for the engine's own choice.
    pub window: Option<usize>,
    /// Whether deltas and assumptions are taken for granted until commit.
    pub deltas: bool,
    /// Which worker acts next.
    pub order: Order,
    /// What goes wrong.
    pub faults: Faults,
    /// Virtual nanoseconds for each step; the more, the earlier a sleep is over.
    pub step_ns: u64,
}

/// A schedule that can be made anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// [`Random`].
    Random {
        /// Its seed.
        seed: u64,
        /// The probability of staying with a worker.
        stay: f64,
    },
    /// [`Pct`].
    Pct {
        /// Its seed.
        seed: u64,
        /// The number of priority changes.
        changes: usize,
        /// The number of moments that they are spread over.
        length: u64,
    },
    /// [`RoundRobin`].
    RoundRobin {
        /// Steps for each turn.
        quantum: u32,
    },
}

impl Order {
    /// The schedule, at its beginning.
    #[must_use]
    pub fn schedule(self) -> Box<dyn Schedule> {
        match self {
            Self::Random { seed, stay } => Box::new(Random::new(seed, stay)),
            Self::Pct { seed, changes, length } => Box::new(Pct::new(seed, changes, length)),
            Self::RoundRobin { quantum } => Box::new(RoundRobin::new(quantum)),
        }
    }

    /// The same kind of schedule with another seed.
    #[must_use]
    pub fn reseeded(self, seed: u64) -> Self {
        match self {
            Self::Random { stay, .. } => Self::Random { seed, stay },
            Self::Pct { changes, length, .. } => Self::Pct { seed, changes, length },
            // It has none; another schedule says more than the same again.
            Self::RoundRobin { .. } => Self::Random { seed, stay: 0.5 },
        }
    }
}

/// What goes wrong in a simulated execution. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Chooses among the moments at which something may go wrong.
    pub seed: u64,
    /// A worker that does nothing for a while.
    pub stall: Option<Stall>,
    /// Of 64 operations of executions ahead of their turn, so many panic.
    pub panics_ahead: u8,
    /// Of 64 storage reads of executions ahead of their turn, so many fail.
    pub failures_ahead: u8,
    /// Each storage read lets others go first so many times.
    pub slow_reads: u32,
    /// Of 64 moments at which the user's code runs, so many wait as a job on a pool does, with a
    /// helper on top.
    pub nested: u8,
    /// Of 64 times that the judge asks whether to go alone, so many get another answer than it
    /// would give itself.
    pub contrary: u8,
    /// The block is cancelled at this step.
    pub cancel_at: Option<u64>,
    /// The block's deadline, in virtual nanoseconds after its beginning.
    pub deadline_ns: Option<u64>,
    /// So many helpers find room at once, if there is not room for all.
    pub room: Option<usize>,
}

impl Faults {
    /// The deadline after the beginning.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline_ns.map(Duration::from_nanos)
    }
}

impl Setup {
    /// So many workers in turns of one step each, the engine's own choices, and nothing goes wrong.
    #[must_use]
    pub fn calm(workers: usize) -> Self {
        Self {
            workers,
            window: None,
            deltas: true,
            order: Order::RoundRobin { quantum: 1 },
            faults: Faults::default(),
            step_ns: 100,
        }
    }

    /// The set-up that `seed` stands for, for a block of `txns` transactions.
    #[must_use]
    pub fn draw(seed: u64, txns: usize) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let workers = [2, 2, 2, 3, 3, 4, 5, 8][rng.random_range(0..8)];
        let window = [None, None, None, None, Some(1), Some(2), Some(3), Some(txns.max(1))];
        // A rough guess at the number of moments at which there is a choice.
        let length = 1 + txns as u64 * 30;
        let seed = rng.random();
        let order = match rng.random_range(0..8) {
            0..=3 => {
                let stay = [0.0, 0.5, 0.8, 0.95][rng.random_range(0..4)];
                Order::Random { seed, stay }
            }
            4..=6 => Order::Pct { seed, changes: rng.random_range(1..6), length },
            _ => Order::RoundRobin { quantum: rng.random_range(1..20) },
        };
        let faults = Faults::draw(rng, workers, length);
        Self {
            workers,
            window: window[rng.random_range(0..window.len())],
            deltas: !rng.random_bool(0.15),
            order,
            faults: if faults == Faults::default() { faults } else { Faults { seed, ..faults } },
            step_ns: [100, 100, 1_000, 20_000][rng.random_range(0..4)],
        }
    }

    /// An engine like this. It has no threads of its own: it only works in simulations.
    ///
    /// # Panics
    /// If the one thread that all such engines share cannot be started.
    #[must_use]
    pub fn engine(&self) -> Engine {
        let threads = NonZeroUsize::new(self.workers).unwrap_or(NonZeroUsize::MIN);
        let config = Config::default().threads(threads).inline_below(0).deltas(self.deltas);
        let config = match self.window.and_then(NonZeroUsize::new) {
            Some(window) => config.window(window),
            None => config,
        };
        borrow_pool(config)
    }
}

/// An engine that only works in simulations: it has no threads of its own.
pub(crate) fn borrow_pool(config: Config) -> Engine {
    static POOL: OnceLock<Arc<rayon::ThreadPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(1);
        Arc::new(builder.build().expect("a thread can be started"))
    });
    Engine::new(config.pool(Arc::clone(pool))).expect("a borrowed pool needs no threads")
}

/// What blocks a number stands for: few or many conflicts, with or without deltas, checks, rules,
/// failures.
#[must_use]
pub fn shape(number: u64) -> Shape {
    // A stream of its own: a block's number is also a seed of some set-up.
    let rng = &mut ChaCha8Rng::seed_from_u64(number);
    rng.set_stream(1);
    let mut weight = |most| if rng.random_bool(0.7) { rng.random_range(0..=most) } else { 0 };
    let mix = Mix {
        reads: 1 + weight(6),
        writes: 1 + weight(6),
        scans: weight(5),
        deltas: weight(8),
        checks: weight(5),
        control: weight(5),
        attempts: weight(2),
        invalid: weight(2) / 2,
        failures: weight(2) / 2,
    };
    Shape {
        slots: rng.random_range(1..6),
        zipf: rng.random_bool(0.3),
        // Blocks of less than two are executed in order.
        txns: if rng.random_bool(0.05) { 0..=1 } else { 2..=[3, 6, 6, 12][rng.random_range(0..4)] },
        ops: 1..=rng.random_range(2..8),
        rules: rng.random_bool(0.25),
        unreadable: rng.random_bool(0.15),
        ..Shape::new(mix)
    }
}

impl Faults {
    fn draw(rng: &mut ChaCha8Rng, workers: usize, length: u64) -> Self {
        let at = |rng: &mut ChaCha8Rng, chance| {
            rng.random_bool(chance).then(|| rng.random_range(0..4 * length))
        };
        let stall = at(rng, 0.15).map(|from| Stall {
            worker: rng.random_range(0..workers),
            from,
            to: from + length,
        });
        let some = |rng: &mut ChaCha8Rng, chance, most| {
            if rng.random_bool(chance) { rng.random_range(1..=most) } else { 0 }
        };
        Self {
            seed: 0,
            stall,
            panics_ahead: some(rng, 0.1, 32),
            failures_ahead: some(rng, 0.1, 32),
            slow_reads: u32::from(some(rng, 0.25, 12)),
            cancel_at: at(rng, 0.06),
            deadline_ns: at(rng, 0.04).map(|steps| steps * 100),
            room: rng.random_bool(0.1).then(|| rng.random_range(0..workers)),
            nested: some(rng, 0.2, 24),
            contrary: some(rng, 0.3, 24),
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} workers, ", self.workers)?;
        match self.window {
            Some(window) => write!(f, "window {window}, ")?,
            None => f.write_str("the engine's own window, ")?,
        }
        if !self.deltas {
            f.write_str("deltas off, ")?;
        }
        write!(f, "{}", self.order)?;
        if self.faults != Faults::default() {
            write!(f, ", {:?}", self.faults)?;
        }
        Ok(())
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { stay, .. } => write!(f, "random order that stays with {stay}"),
            Self::Pct { changes, .. } => write!(f, "priorities that change {changes} times"),
            Self::RoundRobin { quantum } => write!(f, "turns of {quantum} steps"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_reach_every_corner() {
        let setups: Vec<_> = (0..2_000).map(|seed| Setup::draw(seed, 5)).collect();
        let count = |fits: fn(&Setup) -> bool| setups.iter().filter(|setup| fits(setup)).count();
        assert_eq!(Setup::draw(17, 5), setups[17]);
        for (what, count) in [
            ("calm", count(|setup| setup.faults == Faults::default())),
            ("stalled", count(|setup| setup.faults.stall.is_some())),
            ("panicking", count(|setup| setup.faults.panics_ahead > 0)),
            ("failing", count(|setup| setup.faults.failures_ahead > 0)),
            ("slow", count(|setup| setup.faults.slow_reads > 0)),
            ("nested", count(|setup| setup.faults.nested > 0)),
            ("cancelled", count(|setup| setup.faults.cancel_at.is_some())),
            ("late", count(|setup| setup.faults.deadline_ns.is_some())),
            ("crowded", count(|setup| setup.faults.room.is_some())),
            ("exact", count(|setup| !setup.deltas)),
            ("tight", count(|setup| setup.window == Some(1))),
            ("by priority", count(|setup| matches!(setup.order, Order::Pct { .. }))),
            ("in turns", count(|setup| matches!(setup.order, Order::RoundRobin { .. }))),
        ] {
            assert!(count > 40, "{what}: {count} of 2000");
        }
    }
}

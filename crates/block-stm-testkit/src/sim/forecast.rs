//! How an execution would go with other numbers of workers, from what its steps cost here.
//!
//! Three passes. The *measuring* ones run the real work in a simulation in which each worker's clock goes on by the time that its
//! steps really take: the engine's own code and the VM's, on one thread, in the order of two workers with a core each. Then
//! the *simulated* one charges each step its median, so that it is the same each time.
//!
//! What it cannot know: caches and memory that cores share, cache lines that travel between them, locks that are contended within a
//! step, a scheduler of the operating system that has other plans. So it is a forecast of the schedule, and an upper bound
//! of the speed. Where there are enough cores, print the real time beside it.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use block_stm::{Config, ConflictGraph, Engine};

use super::schedule::RoundRobin;
use super::simulator::{Circumstances, Simulator, Stopped};
use super::timing::{Clock, Costs, Latency, Measures, Pace};

/// What the steps of one piece of work cost.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Of the engine that executes alone and in order.
    alone: Rc<Costs>,
    /// Of workers that speculate.
    together: Rc<Costs>,
    /// Of each transaction: what executing it takes, in nanoseconds.
    pub executions_ns: Vec<u64>,
    latency: Latency,
}

/// How the work goes with a number of workers.
#[derive(Clone, Debug)]
pub struct Forecast<T> {
    /// The number of workers, the caller included.
    pub workers: usize,
    /// When the caller is done, in virtual nanoseconds.
    pub makespan_ns: u64,
    /// What the workers' time went into.
    pub clocks: Vec<Clock>,
    /// What the work returned.
    pub result: T,
}

/// Work that is to be forecast: executes a block of `txns` transactions on the engine that it is given.
pub trait Work {
    /// What is returned.
    type Output;

    /// Does it once; the same each time.
    fn run(&self, engine: &Engine) -> Self::Output;
}

impl<T, F: Fn(&Engine) -> T> Work for F {
    type Output = T;

    fn run(&self, engine: &Engine) -> T {
        self(engine)
    }
}

impl Profile {
    /// Measures `work` over a block of `txns` transactions, `repeat` times.
    ///
    /// # Errors
    /// [`Stopped`] if it panics.
    pub fn measure(
        work: &impl Work,
        txns: usize,
        latency: Latency,
        repeat: NonZeroUsize,
    ) -> Result<Self, Stopped> {
        let alone = measure(work, 1, latency, repeat)?;
        let together = measure(work, 2, latency, repeat)?;
        Ok(Self {
            alone: Rc::new(Costs::of(&alone)),
            together: Rc::new(Costs::of(&together)),
            executions_ns: Costs::executions(&together, txns),
            latency,
        })
    }

    /// The virtual time that `work` takes with so many workers.
    ///
    /// # Errors
    /// [`Stopped`] if it panics.
    pub fn forecast<W: Work>(
        &self,
        work: &W,
        workers: usize,
    ) -> Result<Forecast<W::Output>, Stopped> {
        let costs = if workers == 1 { &self.alone } else { &self.together };
        let pace = Pace::Charged(Rc::clone(costs), self.latency);
        let (result, clocks) = run(&Simulator::default(), work, workers, pace)?;
        Ok(Forecast { workers, makespan_ns: clocks[0].now_ns, clocks, result })
    }

    /// No schedule of the executions takes less time, in nanoseconds: all of them shared evenly by the workers, or the
    /// most costly chain of dependencies.
    #[must_use]
    pub fn bound_ns<L>(&self, conflicts: &ConflictGraph<L>, workers: usize) -> u64 {
        let total: u64 = self.executions_ns.iter().sum();
        let shared = total.div_ceil(workers.max(1) as u64);
        shared.max(conflicts.critical_path_of(&self.executions_ns))
    }
}

fn measure(
    work: &impl Work,
    workers: usize,
    latency: Latency,
    repeat: NonZeroUsize,
) -> Result<Vec<Measures>, Stopped> {
    let simulator = Simulator::default();
    // The first one fills caches, and does not count.
    (0..=repeat.get())
        .map(|_| {
            let measures = Rc::new(RefCell::new(Measures::new()));
            run(&simulator, work, workers, Pace::Measured(Rc::clone(&measures), latency))?;
            Ok(measures.take())
        })
        .skip(1)
        .collect()
}

fn run<W: Work>(
    simulator: &Simulator,
    work: &W,
    workers: usize,
    pace: Pace,
) -> Result<(W::Output, Vec<Clock>), Stopped> {
    let engine = engine(workers);
    let circumstances = Circumstances { pace, max_steps: u64::MAX, ..Circumstances::default() };
    let run = simulator.run(Box::new(RoundRobin::new(1)), circumstances, || work.run(&engine));
    Ok((run.result?, run.clocks))
}

/// An engine with so many workers, as a user would set it up.
fn engine(workers: usize) -> Engine {
    let threads = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
    super::setup::borrow_pool(Config::default().threads(threads))
}

impl Latency {
    /// What this machine takes, as medians. Storage is not slowed down.
    ///
    /// # Cost
    /// Some 50 ms.
    ///
    /// # Panics
    /// If a thread cannot be started.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(1);
        let pool = Arc::new(builder.build().expect("a thread can be started"));
        let nap = || std::thread::sleep(Duration::from_micros(300));
        let spawn = median(100, || {
            let (here, there) = mpsc::channel();
            // The thread must be asleep, as between blocks.
            nap();
            let start = Instant::now();
            pool.spawn(move || here.send(start.elapsed()).expect("somebody listens"));
            there.recv().expect("the task sends")
        });
        let spin = median(100, || {
            let start = Instant::now();
            (0..1_000).for_each(|_| std::hint::spin_loop());
            start.elapsed() / 1_000
        });
        // Both come to one thread waking another one.
        Self { wake_ns: spawn, spawn_ns: spawn, read_ns: 0, spin_ns: spin.max(1) }
    }
}

fn median(times: usize, take: impl Fn() -> Duration) -> u64 {
    let mut taken: Vec<_> = (0..times).map(|_| take()).collect();
    taken.sort_unstable();
    taken[times / 2].as_nanos() as u64
}

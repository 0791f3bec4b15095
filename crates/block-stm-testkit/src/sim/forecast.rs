//! How an execution would go with other numbers of workers, from what its steps cost here.
//!
//! The *measuring* passes run the real work in a simulation in which each worker's clock goes on by
//! the time that its steps really take: the engine's own code and the VM's, on one thread, in the
//! order of two workers with a core each. Looking at the clock between steps makes them slower, the
//! short ones most. So a *calibrating* pass runs the same steps without looking, and all costs are
//! scaled to what the whole took. Then the *simulated* pass charges each step its cost, so that it
//! is the same each time.
//!
//! What it cannot know: caches and memory that cores share, or have each for itself; cache lines
//! that travel between them; locks that are contended within a step; an operating system with other
//! plans. So it is a forecast of the schedule. Where there are enough cores, print the real time
//! beside it.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use block_stm::{Config, ConflictGraph, Engine};

use super::schedule::RoundRobin;
use super::simulator::{Circumstances, Simulator, Stopped};
use super::stage::mark_time;
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

impl Profile {
    /// Measures `work`, `repeat` times: it executes a block of `txns` transactions on the engine
    /// that it is given, and does the same each time.
    ///
    /// # Errors
    /// [`Stopped`] if it panics.
    pub fn measure<T>(
        work: &impl Fn(&Engine) -> T,
        txns: usize,
        latency: Latency,
        repeat: NonZeroUsize,
    ) -> Result<Self, Stopped> {
        let (alone, _) = measure(work, 1, 0, latency, repeat)?;
        let (together, executions_ns) = measure(work, 2, txns, latency, repeat)?;
        Ok(Self { alone: Rc::new(alone), together: Rc::new(together), executions_ns, latency })
    }

    /// One in which executing a transaction takes what is written here, and all that the engine
    /// does for itself takes no time: the schedule alone decides. The VM of the work must
    /// [`spend`](super::spend) these times.
    ///
    /// Nothing is measured, so forecasts of the same work are the same each time.
    #[must_use]
    pub fn given(executions_ns: Vec<u64>) -> Self {
        let nothing = Rc::new(Costs::default());
        let latency = Latency { spin_ns: 1, ..Latency::default() };
        Self { alone: Rc::clone(&nothing), together: nothing, executions_ns, latency }
    }

    /// The virtual time that `work` takes with so many workers.
    ///
    /// # Errors
    /// [`Stopped`] if it panics.
    pub fn forecast<T>(
        &self,
        work: &impl Fn(&Engine) -> T,
        workers: usize,
    ) -> Result<Forecast<T>, Stopped> {
        let costs = if workers == 1 { &self.alone } else { &self.together };
        let pace = Pace::Charged(Rc::clone(costs), self.latency);
        let Done { output, clocks, .. } = run(&Simulator::default(), work, workers, pace)?;
        Ok(Forecast { workers, makespan_ns: clocks[0].now_ns, clocks, result: output })
    }

    /// No schedule of the executions takes less time, in nanoseconds: all of them shared evenly by
    /// the workers, or the most costly chain of dependencies.
    #[must_use]
    pub fn bound_ns<L>(&self, conflicts: &ConflictGraph<L>, workers: usize) -> u64 {
        let total: u64 = self.executions_ns.iter().sum();
        let shared = total.div_ceil(workers.max(1) as u64);
        shared.max(conflicts.critical_path_of(&self.executions_ns))
    }
}

/// The costs of all steps, and of an execution of each of `txns` transactions.
fn measure<T>(
    work: &impl Fn(&Engine) -> T,
    workers: usize,
    txns: usize,
    latency: Latency,
    repeat: NonZeroUsize,
) -> Result<(Costs, Vec<u64>), Stopped> {
    let simulator = Simulator::default();
    let overhead_ns = {
        let measures = Rc::new(RefCell::new(Measures::new(0)));
        march(&simulator, Pace::Measured(Rc::clone(&measures), latency));
        measures.take().median_ns()
    };
    // The first run fills caches, and does not count.
    let runs: Result<Vec<_>, _> = (0..=repeat.get())
        .map(|_| {
            let measures = Rc::new(RefCell::new(Measures::new(overhead_ns)));
            run(&simulator, work, workers, Pace::Measured(Rc::clone(&measures), latency))?;
            Ok(measures.take())
        })
        .skip(1)
        .collect();
    let runs = runs?;
    let costs = Rc::new(Costs::of(&runs));
    let factor = calibrate(&simulator, work, workers, &costs, latency, repeat)?;
    let executions = Costs::executions(&runs, txns, 0);
    let with_reads = Costs::executions(&runs, txns, latency.read_ns);
    let executions = executions.into_iter().zip(with_reads);
    let executions = executions
        .map(|(ns, with_reads)| (ns as f64 * factor) as u64 + (with_reads - ns))
        .collect();
    Ok((Rc::unwrap_or_clone(costs).scaled(factor), executions))
}

/// The time that the steps take without a look at the clock in between, over what they are
/// charged.
fn calibrate<T>(
    simulator: &Simulator,
    work: &impl Fn(&Engine) -> T,
    workers: usize,
    costs: &Rc<Costs>,
    latency: Latency,
    repeat: NonZeroUsize,
) -> Result<f64, Stopped> {
    let pace = || Pace::Charged(Rc::clone(costs), latency);
    let step_ns = march(simulator, pace()) / f64::from(MARCH);
    let mut factors = Vec::new();
    for _ in 0..repeat.get() {
        let start = Instant::now();
        let run = run(simulator, work, workers, pace())?;
        let taken_ns = run.taken_until(start) - run.steps as f64 * step_ns;
        let charged_ns: u64 = run.clocks.iter().map(|clock| clock.working_ns).sum();
        factors.push(taken_ns / charged_ns.max(1) as f64);
    }
    factors.sort_unstable_by(f64::total_cmp);
    // Beyond these bounds something else went wrong, and a forecast without correction is the more
    // honest one.
    Ok(Some(factors[factors.len() / 2]).filter(|factor| (0.2..2.0).contains(factor)).unwrap_or(1.0))
}

/// How many steps are taken to find out what a step takes by itself.
const MARCH: u32 = 20_000;

/// The nanoseconds that many steps take with nothing in between.
fn march(simulator: &Simulator, pace: Pace) -> f64 {
    let circumstances = Circumstances { pace, max_steps: u64::MAX, ..Circumstances::default() };
    let start = Instant::now();
    simulator.run(Box::new(RoundRobin::new(1)), circumstances, || mark_time(MARCH));
    start.elapsed().as_nanos() as f64
}

/// One run of the work.
struct Done<T> {
    output: T,
    end: Instant,
    steps: u64,
    clocks: Vec<Clock>,
}

impl<T> Done<T> {
    /// The real nanoseconds from `start` to the end of the work.
    fn taken_until(&self, start: Instant) -> f64 {
        self.end.duration_since(start).as_nanos() as f64
    }
}

fn run<T>(
    simulator: &Simulator,
    work: &impl Fn(&Engine) -> T,
    workers: usize,
    pace: Pace,
) -> Result<Done<T>, Stopped> {
    let engine = engine(workers);
    let circumstances = Circumstances { pace, max_steps: u64::MAX, ..Circumstances::default() };
    let run = simulator.run(Box::new(RoundRobin::new(1)), circumstances, || {
        let output = work(&engine);
        (output, Instant::now())
    });
    let (output, end) = run.result?;
    Ok(Done { output, end, steps: run.steps, clocks: run.clocks })
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
    /// Some 100 ms.
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
        let call = median(100, || {
            nap();
            let start = Instant::now();
            pool.spawn(|| {});
            start.elapsed()
        });
        let spin = median(100, || {
            let start = Instant::now();
            (0..1_000).for_each(|_| std::hint::spin_loop());
            start.elapsed() / 1_000
        });
        // Both come to one thread waking another one.
        Self { wake_ns: spawn, spawn_ns: spawn, call_ns: call, read_ns: 0, spin_ns: spin.max(1) }
    }
}

fn median(times: usize, take: impl Fn() -> Duration) -> u64 {
    let mut taken: Vec<_> = (0..times).map(|_| take()).collect();
    taken.sort_unstable();
    taken[times / 2].as_nanos() as u64
}

//! Deterministic simulation: the production workers, stepped under a schedule, in virtual time.
//!
//! # The problem
//!
//! Bugs of parallel engines hide in interleavings that real threads meet once in a million blocks,
//! and never again.
//!
//! # The idea
//!
//! All workers of a block run on the calling thread, as coroutines. Wherever the engine takes a
//! [`Step`](block_stm::conductor::Step), the [`Simulator`] asks a [`Schedule`] which worker acts
//! next:
//!
//! ```text
//! worker 0   --turn--baton--head--execute--.            .--publish--commit--> ...
//! worker 1                                  `--claim--.'
//! worker 2                                             (asleep)
//! ```
//!
//! So an execution is a function of its block, its [`Setup`] and its schedule. [`Explorer`] draws
//! all three from a seed, holds what came of it against the sequential oracle, and shrinks what
//! fails. [`exhaust`] tries every schedule of a tiny block.
//!
//! Time is virtual. When exploring, each step takes the same time, so that deadlines and patience
//! mean something. For a [`Profile`], steps are measured, and then each worker's clock goes on by
//! the cost of what it does: a forecast.
//!
//! # What it does not do
//!
//! It explores what happens between whole steps, not what happens within one: the memory model, the
//! locks and the atomics are the concern of loom and shuttle in the core's own tests. And it runs
//! on one thread, so a VM that waits for another thread of its own waits for real.
//!
//! # Examples
//! An engine under two schedules, with a block of one's own:
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use block_stm::{Block, Collect, Config, Engine};
//! use block_stm_testkit::bank::{Balance, Bank, Style, Transfer};
//! use block_stm_testkit::sim::{Circumstances, Random, Simulator};
//!
//! let bank = Bank::new(Style::Deltas);
//! let transfers: Vec<_> = (0..9).map(|n| Transfer::new(n % 3, 3 + n % 4, 5)).collect();
//! let opening = |_account: &u32| Ok(Balance(12));
//! let block = Block::new(&bank, &transfers, &opening);
//! let engine = Engine::new(Config::default().threads(NonZeroUsize::new(3).unwrap()))?;
//! for seed in [1, 2] {
//!     let schedule = Box::new(Random::new(seed, 0.5));
//!     let run = Simulator::default().run(schedule, Circumstances::default(), || {
//!         engine.execute(&block, &mut Collect::default())
//!     });
//!     assert_eq!(run.result.expect("it ends")?.committed, 9);
//! }
//! # Ok::<(), block_stm::BoxError>(())
//! ```

mod cast;
mod explore;
mod fiber;
mod forecast;
mod nuisance;
mod schedule;
mod setup;
mod shrink;
mod simulator;
mod stage;
mod timing;

pub use explore::{Exhausted, Explorer, Failure, Finding, Passed, SEEDS_PER_BLOCK, Scene, exhaust};
pub use forecast::{Forecast, Profile};
pub use schedule::{Exhaustive, Moment, Pct, Random, Replay, RoundRobin, Schedule, WorkerId};
pub(crate) use setup::borrow_pool;
pub use setup::{Faults, Order, Setup, shape};
pub use simulator::{Circumstances, Run, Simulator, Stall, Stopped, Verdict};
pub(crate) use stage::user_code;
pub use stage::{dawdle, is_running, now, position, spend};
pub use timing::{Clock, Costs, Item, Latency, Measures, Pace};

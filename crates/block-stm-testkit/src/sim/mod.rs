//! Deterministic simulation: the production workers, stepped under a schedule, in virtual time.

mod explore;
mod fiber;
mod forecast;
mod nuisance;
mod schedule;
mod setup;
mod shrink;
mod simulator;
mod timing;

pub use explore::{Exhausted, Explorer, Failure, Finding, Passed, SEEDS_PER_BLOCK, Scene, exhaust};
pub use forecast::{Forecast, Profile, Work};
pub use schedule::{Exhaustive, Moment, Pct, Random, Replay, RoundRobin, Schedule, WorkerId};
pub use setup::{Faults, Order, Setup, shape};
pub use simulator::{
    Circumstances, Run, Simulator, Stall, Stopped, Verdict, dawdle, pass, position,
};
pub use timing::{Clock, Costs, Item, Latency, Measures, Pace};

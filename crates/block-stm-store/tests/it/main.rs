//! The store from the outside: what it keeps, through crashes, faults and damage.

mod basics;
mod crash;
mod damage;
mod faults;
mod kill;
mod memory_flat;
mod refusals;
mod script;
mod threads;
mod world;

/// What tests return.
type TestResult = Result<(), Box<dyn std::error::Error>>;

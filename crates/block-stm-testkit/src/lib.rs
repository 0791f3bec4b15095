//! Proof that a virtual machine on the `block-stm` engine gives exactly the sequential result.
//!
//! [`check()`] executes a block sequentially and then in parallel, with many numbers of threads,
//! look-ahead windows, hints, policies and limits, and compares everything that a host can see: the
//! calls that the sink received, the outcome and the writes of every transaction, the error or the
//! cut, the final state with its order, the conflict graph and the statistics. An author of a VM
//! adapter calls it with blocks of their own:
//!
//! ```
//! use block_stm::Block;
//! use block_stm_testkit::bank::{Balance, Bank, Style, Transfer};
//! use block_stm_testkit::check;
//!
//! let bank = Bank::new(Style::Deltas);
//! let transfers: Vec<_> = (0..20).map(|n| Transfer::new(n % 3, 3 + n % 4, 5)).collect();
//! let opening = |_account: &u32| Ok(Balance(12));
//! check(&Block::new(&bank, &transfers, &opening)).expect("parallel is sequential");
//! ```
//!
//! The rest of the crate makes such blocks and disturbs them: [`language`] is a tiny transaction
//! language whose control flow depends on what it reads, [`strategies`] draws programs and blocks
//! of it for `proptest`, [`shapes`] has hard ones, [`decode`] makes blocks of it from a fuzzer's
//! [`bytes`], [`faults`] fails, panics, cancels, delays and shakes interleavings at chosen moments,
//! and [`watchdog`] turns a hang into a failure with a message.
//!
//! [`sim`] executes blocks step by step under schedules, on virtual workers: to explore
//! interleavings, which repeat from a seed, and to forecast how a block scales. [`chaos`] shakes
//! real threads by user code that waits, and [`wild`] has hosts that keep no contract.

pub mod bank;
pub mod bytes;
pub mod chaos;
pub mod check;
pub mod compare;
pub mod decode;
pub mod faults;
pub mod language;
pub mod record;
pub mod shapes;
pub mod sim;
pub mod strategies;
mod vary;
pub mod waste;
pub mod watchdog;
pub mod wild;

pub use check::{Arm, Checker, Mismatch, Trial, check};

/// The example of the crate's README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Parallel execution of ordered blocks of transactions, with exactly the sequential result.
//!
//! An [`Engine`] takes an ordered [`Block`] of transactions for a virtual machine of yours,
//! executes it optimistically on all cores (in the manner of Block-STM: Gelashvili et al., PPoPP
//! 2023), and hands every transaction to a [`CommitSink`] in order, as it becomes final. The
//! outcome is that of executing the transactions one after another: outputs, final state, errors,
//! panics and all.
//!
//! The engine knows no chain, file, clock (but for a deadline that you set) or environment
//! variable. A VM implements [`Vm`], which comes to two methods, and reads and writes through a
//! [`View`]:
//!
//! | operation | conflicts with |
//! |---|---|
//! | [`read`](View::read) | a lower transaction that changes the value |
//! | [`check`](View::check) a predicate | a lower transaction that changes the predicate's answer |
//! | [`assume`](View::assume) a predicate | nothing, as long as the predicate holds in the end |
//! | [`add`](View::add) a delta | nothing, as long as the delta applies in the end |
//! | [`peek`](View::peek), [`glimpse`](View::glimpse) | nothing; the execution relies on the value through checks and assumptions alone |
//! | [`write`](View::write) | nothing by itself |
//! | [`scan`](View::scan) a range | a lower transaction that changes, adds or removes something up to where the scan ended |
//!
//! # Examples
//! A bank whose transfers are executed in parallel:
//!
//! ```
//! use block_stm::{
//!     Block, BoxError, Collect, Config, Engine, Execution, Interrupt, Value, View, Vm,
//! };
//!
//! #[derive(Clone, Debug, PartialEq, Eq)]
//! struct Balance(u64);
//!
//! impl Value for Balance {
//!     type Delta = i64;
//!     type Predicate = std::convert::Infallible;
//!     fn apply(&self, delta: &i64) -> Option<Self> {
//!         self.0.checked_add_signed(*delta).map(Balance)
//!     }
//!     fn satisfies(&self, never: &Self::Predicate) -> bool {
//!         match *never {}
//!     }
//! }
//!
//! struct Transfer { from: u32, to: u32, amount: i64 }
//! struct Bank;
//!
//! impl Vm for Bank {
//!     type Txn = Transfer;
//!     type Location = u32;
//!     type Value = Balance;
//!     type Output = bool;
//!     type Invalid = std::convert::Infallible;
//!     type Context<'b> = ();
//!     fn context(&self) {}
//!     fn execute<'b>(&'b self, _: &mut (), txn: &Transfer, view: &mut View<'b, Self>)
//!         -> Result<Execution<bool, Self::Invalid>, Interrupt> {
//!         // Withdraws only if the money is there, and observes nothing else of the account.
//!         let paid = view.add(&txn.from, -txn.amount)? && view.add(&txn.to, txn.amount)?;
//!         Ok(Execution::Done(paid))
//!     }
//! }
//!
//! let opening = |_: &u32| Ok::<_, BoxError>(Balance(100));
//! let txns: Vec<_> = (0..1_000).map(|n| Transfer { from: n, to: 7, amount: 60 }).collect();
//! let mut sink = Collect::default();
//! let engine = Engine::new(Config::default())?;
//! let executed = engine.execute(&Block::new(&Bank, &txns, &opening), &mut sink)?;
//! assert_eq!(executed.committed, 1_000);
//! assert_eq!(executed.state.value(&7), Some(&Balance(100 + 999 * 60)));
//! # Ok::<(), BoxError>(())
//! ```
//!
//! # How it is built
//! Folders are layers, listed in `ARCHITECTURE.md`; imports go down only. A transaction's way to
//! its commit:
//!
//! 1. `seam/execute.rs` hands the block to `engine/mod.rs`, which executes a short one alone
//!    (`engine/sequential.rs`) and calls for helpers otherwise (`engine/helpers.rs`).
//! 2. `engine/parallel.rs` makes what all workers share: memory, scheduler, judge. Each thread then
//!    takes turns (`engine/worker.rs`).
//! 3. A worker claims a transaction from `scheduler/mod.rs`. `execution/executor.rs` executes it:
//!    through `seam/host.rs` on the VM, which asks its view (`seam/view.rs`), whose inside is
//!    `execution/speculation.rs`.
//! 4. The inside finds versions in `mvmemory`, and writes down in `execution/run.rs` what the VM
//!    saw and wrote.
//! 5. The writes are published (`mvmemory/memory.rs`). The run waits for its judge
//!    (`execution/waiting_runs.rs`).
//! 6. When the transaction is the lowest one, the worker with the baton judges it
//!    (`judge/commit.rs`): `execution/validate.rs` compares, `judge/ledger.rs` hands it to the
//!    sink.
//!
//! Two calls stand on this way without doing any of it. `step(Step::..)` lets a simulator decide
//! which worker acts next (`primitives/conductor.rs`). `sings(Canary::..)` is a deliberate fault,
//! and `false` in every normal build (`primitives/canary.rs`). `docs/glossary.md` has each word
//! once.
//!
//! `engine/sequential.rs` defines the right answer; `judge/commit.rs` is the one place that decides
//! what is right in a parallel execution; `mvmemory` keeps the versions; `scheduler` chooses what
//! is worth speculating on, and can be wrong. Unsafe code is confined to `mvmemory`,
//! `engine/parallel.rs`, `engine/helpers.rs`, `engine/scope.rs`, `scheduler/baton.rs`,
//! `primitives/sync/handover.rs` and `primitives/sync/set_once.rs`.

mod contract;
mod engine;
mod execution;
mod judge;
mod mvmemory;
mod primitives;
mod proofs;
mod scheduler;
mod seam;

pub use contract::block::{Block, InvalidPolicy};
pub use contract::conflicts::{Conflict, ConflictGraph};
pub use contract::error::Error;
pub use contract::execution::{Execution, Interrupt};
pub use contract::hints::Hints;
pub use contract::limits::{CancelToken, Cut, Limits};
pub use contract::sink::{Admission, Collect, CommitSink, Flow, Outcome, Writes};
pub use contract::stats::{Aborts, Stats};
pub use contract::storage::{BoxError, OrderedStorage, Storage};
pub use contract::types::Types;
pub use contract::value::Value;
pub use engine::Engine;
pub use engine::config::{BuildError, Config};
pub use engine::executed::Executed;
pub use mvmemory::final_state::{Change, FinalState};
#[cfg(block_stm_canaries)]
pub use primitives::canary::{Canary, let_out};
pub use primitives::conductor;
pub use primitives::ids::TxnIndex;
pub use primitives::observer;
pub use primitives::speculating::{is_speculating, quiet_speculation};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use proofs::fuzzing;
pub use seam::execute::execute_sequential;
pub use seam::view::View;
pub use seam::vm::Vm;

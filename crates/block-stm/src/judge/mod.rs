//! The judge: what makes transactions final.
//!
//! [`commit`] judges the *head*, the lowest uncommitted transaction, and [`ledger`] has the rules
//! by which the block grows. Where each transaction needs the one before, the judge executes them
//! itself ([`alone`]), by the [`step`] that the sequential execution repeats. [`watch`] looks on,
//! in debug builds.
//!
//! # An example
//!
//! The block of the [memory](crate::mvmemory)'s example. Before it, `x` holds 2:
//!
//! ```text
//! txn 0:  x := 5
//! txn 1:  y := x
//! txn 2:  if x >= 1, x += 1
//! ```
//!
//! Worker 0 holds the baton and executes txn 0. Worker 1 executes txn 1 and txn 2 before txn 0 has
//! published, so both see `x` as it was before the block. Each execution leaves a run, the record
//! of what it saw and wrote:
//!
//! ```text
//!         saw                        relies on       wrote     is judged against   verdict
//! txn 0   -                          -               x := 5    -                   executed here
//! txn 1   x = 2, the base            the value       y := 2    x = 5, version 0.0  stale
//! txn 2   x = 2, the base            x >= 1: true    x += 1    x = 5, version 0.0  stands
//! ```
//!
//! 1. *Txn 0* was not executed ahead: the judge executes it, on the state before the block. No
//!    lower transaction can change that, so there is nothing to check. Its write is committed.
//! 2. *Txn 1* saw the base of `x`, and version 0.0 is committed now. Versions differ, and so do the
//!    values, 2 and 5: the run is stale. The judge throws it away and executes txn 1 at once, on
//!    committed values alone. It reads 5 and writes `y := 5`. That is what the sequential execution
//!    does, so it is committed unchecked.
//! 3. *Txn 2* saw the base, too. But it relies on one answer alone, that `x` is at least 1. The
//!    judge asks the committed 5, and the answer is the same: the run stands. Its delta is summed
//!    up on the committed value, 5 + 1 = 6, which applies. So it is committed without another
//!    execution.
//!
//! The sink is handed `x := 5`, then `y := 5`, then `x := 6`: as if the three had been executed one
//! after another. Of four executions one was wasted.
//!
//! The order of commits alone makes this right: each transaction is judged, or executed, on top of
//! the final writes of all lower ones. When worker 1 executed what, and what it saw meanwhile,
//! changes the cost and nothing else.
//!
//! The test kit has a script that plays this example step by step (`tests/scripts/example`).

pub(crate) mod alone;
pub(crate) mod commit;
pub(crate) mod ledger;
pub(crate) mod prologue;
pub(crate) mod step;
pub(crate) mod watch;

//! A tiny transaction language whose control flow depends on the values that it reads.
//!
//! A [`Program`] is a flat list of [`Op`]s on three registers: the accumulator, a kept copy of it,
//! and the flag that the last delta or check left. Values lie in `0..=`[`MAX`], so that different
//! executions often write the same value, deltas often do not apply, and checks change their answer
//! all the time. Locations may be computed from what was read, so a stale read changes what is read
//! and written next. Everything that a program observed is in its [`Trace`], hence one wrong answer
//! of the engine shows in the outcome of the transaction that got it.
//!
//! A slot that holds [`ABSENT`], one value in eight, is absent for scans, so that slots appear and
//! disappear all the time.
//!
//! Programs also misbehave: they panic, fail, ignore interrupts, lose their view, and do so
//! depending on values that may exist in doomed executions only.
//!
//! A [`LanguageBlock`] is such a block with its rules as a value; its `Display` is Rust code that
//! rebuilds it.

mod block;
mod location;
mod program;
mod promises;
mod rules;
mod run;
mod value;
mod vm;

pub use block::{LanguageBlock, LanguageStorage, Stage};
pub use location::{Colliding, Place, Slot};
pub use program::{At, Expr, Guess, Op, Program, Seen, Trace};
pub use rules::{LanguageHints, Refusal, RuledSink, Rules};
pub(crate) use value::shifted;
pub use value::{ABSENT, Counted, MAX, Number, Small, Test};
pub use vm::{Interpreter, LanguageVm, Locked, Probe, Site};

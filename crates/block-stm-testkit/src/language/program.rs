//! Programs: what one transaction of the language does, and what it leaves behind.

use std::fmt;

use super::value::{MAX, Test};

/// A value that a program computes; larger ones are taken modulo [`MAX`]` + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expr {
    /// This number.
    Const(u8),
    /// The accumulator.
    Acc,
    /// What [`Op::Keep`] kept.
    Kept,
    /// 1 if the last delta applied or the last check held, else 0.
    Flag,
    /// The accumulator plus this.
    Plus(u8),
}

/// The slot that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// This one.
    Slot(u16),
    /// The accumulator's number of slots after this one: a stale read leads elsewhere.
    Beyond(u16),
}

/// One step of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Loads a slot into the accumulator.
    Read(At),
    /// Visits the slots from the first to the second one, both included, that hold something, at
    /// most this many (0: all). The accumulator becomes the last one's number, 0 if there is none:
    /// what came before decides what comes next.
    Scan(At, At, u8),
    /// Stores a value.
    Write(At, Expr),
    /// Adds to a slot by a delta. Sets the flag.
    Gain(At, Expr),
    /// Subtracts from a slot by a delta. Sets the flag.
    Lose(At, Expr),
    /// Asks a predicate. Sets the flag.
    Check(At, Test<Expr>),
    /// Asks a predicate that is believed to hold. Sets the flag.
    Assume(At, Test<Expr>),
    /// Looks at a slot without observing it, and forgets what it saw.
    Peek(At),
    /// Looks at some value that a slot may have, and asks for the right one.
    Glimpse(At, Guess),
    /// Sets the accumulator.
    Set(Expr),
    /// Keeps a copy of the accumulator.
    Keep,
    /// Skips this many operations unless the test holds for the value.
    SkipUnless(Expr, Test<Expr>, u8),
    /// Goes back this many operations, this many times.
    Again(u8, u8),
    /// Adds to the transaction's weight.
    Weigh(Expr),
    /// Computes for a moment, in units of about 100 ns.
    Spin(u8),
    /// Lets the engine end an execution that is doomed.
    Checkpoint,
    /// From here on, the program ignores interrupts.
    Swallow,
    /// From here on, writes are kept back, and deltas are made to what is read: the program may
    /// revert.
    Attempt,
    /// Forgets what was kept back.
    Revert,
    /// Ends the program; what it wrote stands.
    Stop,
    /// The transaction may not stand in the block.
    Invalid,
    /// Fails through the view.
    Fail,
    /// Panics.
    Panic,
    /// Takes the inside of the view and never puts it back.
    LoseView,
}

/// How a program copes with a glimpsed value, which may be any: it comes to the same whatever the
/// value is, and asks of the same slot alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It forgets the value.
    Forgotten,
    /// It checks whether the slot has the value, then all others, and loads the one that it has
    /// into the accumulator.
    Checked,
    /// The same, by assumptions.
    Assumed,
}

/// One transaction of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its place in the block.
    pub id: u32,
    /// What it does.
    pub ops: Vec<Op>,
}

/// What a program observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// This value in this slot.
    Value(u16, u8),
    /// A scan ended after this many values.
    Scanned(u8),
    /// Whether the delta on this slot applied.
    Applied(u16, bool),
    /// Whether the predicate held at this slot.
    Held(u16, bool),
}

/// A transaction's output: everything that it observed, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The observations.
    pub seen: Vec<Seen>,
    /// What it counts towards the block's weight.
    pub weight: u64,
}

/// What a program computes with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Registers {
    pub(super) acc: u8,
    pub(super) kept: u8,
    pub(super) flag: bool,
}

impl Registers {
    pub(super) fn value(self, expr: Expr) -> u8 {
        let value = match expr {
            Expr::Const(value) => value,
            Expr::Acc => self.acc,
            Expr::Kept => self.kept,
            Expr::Flag => u8::from(self.flag),
            Expr::Plus(value) => self.acc.wrapping_add(value),
        };
        value % (MAX + 1)
    }

    pub(super) fn test(self, test: Test<Expr>) -> Test {
        test.map(|operand| self.value(operand))
    }

    pub(super) fn slot(self, at: At) -> u16 {
        match at {
            At::Slot(slot) => slot,
            At::Beyond(slot) => slot.saturating_add(u16::from(self.acc)),
        }
    }
}

impl fmt::Display for Program {
    /// The operations as a Rust array.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.ops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_stay_in_the_domain() {
        let registers = Registers { acc: 6, kept: 2, flag: true };
        let exprs = [Expr::Const(9), Expr::Acc, Expr::Kept, Expr::Flag, Expr::Plus(3)];
        assert_eq!(exprs.map(|expr| registers.value(expr)), [1, 6, 2, 1, 1]);
    }

    #[test]
    fn slots_follow_the_accumulator() {
        let registers = Registers { acc: 3, ..Registers::default() };
        assert_eq!(registers.slot(At::Slot(9)), 9);
        assert_eq!(registers.slot(At::Beyond(9)), 12);
        assert_eq!(registers.slot(At::Beyond(u16::MAX)), u16::MAX);
    }
}

//! Strategies that draw programs and blocks of the language for `proptest`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use block_stm::InvalidPolicy;
use proptest::collection::{btree_set, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::{BoxedStrategy, Union};
use proptest::{option, prop_oneof};

use crate::faults::Jitter;
use crate::language::{
    ABSENT, At, Expr, Guess, LanguageBlock, LanguageHints, MAX, Op, Program, Rules, Test,
};

/// What blocks are drawn.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The number of slots that programs name; few make conflicts.
    pub slots: u16,
    /// Whether low slots are named more often than high ones, by Zipf's law.
    pub zipf: bool,
    /// The number of transactions.
    pub txns: RangeInclusive<usize>,
    /// The number of operations of each.
    pub ops: RangeInclusive<usize>,
    /// How often each kind of operation is drawn.
    pub mix: Mix,
    /// Whether the sink refuses and cuts, and limits are set.
    pub rules: bool,
    /// Whether some slots cannot be read, or passed by a scan.
    pub unreadable: bool,
    /// Whether executions are delayed at random.
    pub jitter: bool,
}

/// Weights of the kinds of operations.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// [`Op::Read`].
    pub reads: u32,
    /// [`Op::Write`].
    pub writes: u32,
    /// [`Op::Scan`], and now and then an [`Op::Write`] that empties a slot.
    pub scans: u32,
    /// [`Op::Gain`] and [`Op::Lose`].
    pub deltas: u32,
    /// [`Op::Check`], [`Op::Assume`], [`Op::Peek`] and [`Op::Glimpse`].
    pub checks: u32,
    /// Registers, jumps, weight, delays, early ends.
    pub control: u32,
    /// [`Op::Attempt`], and an [`Op::Revert`] that may come to it.
    pub attempts: u32,
    /// [`Op::Invalid`] behind a condition.
    pub invalid: u32,
    /// [`Op::Fail`], [`Op::Panic`] and [`Op::LoseView`] behind a condition, and [`Op::Swallow`].
    pub failures: u32,
}

impl Mix {
    /// Reads, writes, scans, deltas and checks alike; no failures.
    pub const ALL: Self = Self {
        reads: 6,
        writes: 6,
        scans: 2,
        deltas: 4,
        checks: 3,
        control: 4,
        attempts: 1,
        invalid: 1,
        failures: 0,
    };
    /// Reads and writes alone.
    pub const READS_AND_WRITES: Self =
        Self { scans: 0, deltas: 0, checks: 0, control: 2, attempts: 0, invalid: 0, ..Self::ALL };
    /// Mostly deltas and checks, with now and then a read or a write that pins a value.
    pub const DELTAS: Self = Self {
        reads: 2,
        writes: 1,
        scans: 0,
        deltas: 10,
        checks: 6,
        control: 3,
        attempts: 0,
        invalid: 0,
        failures: 0,
    };
    /// Mostly scans, over slots that are written and changed by deltas.
    pub const SCANS: Self = Self {
        reads: 2,
        writes: 5,
        scans: 8,
        deltas: 3,
        checks: 1,
        control: 3,
        attempts: 1,
        invalid: 1,
        failures: 0,
    };
    /// With misbehaviour.
    pub const FAILURES: Self = Self { failures: 1, ..Self::ALL };
}

impl Shape {
    /// Blocks of up to 40 short transactions over a handful of slots.
    #[must_use]
    pub const fn new(mix: Mix) -> Self {
        let (rules, unreadable, jitter) = (false, false, false);
        Self { slots: 5, zipf: false, txns: 0..=40, ops: 1..=8, mix, rules, unreadable, jitter }
    }

    /// With a delay here and there.
    #[must_use]
    pub const fn jitter(mut self) -> Self {
        self.jitter = true;
        self
    }
}

/// A block of the language.
pub fn block(shape: &Shape) -> BoxedStrategy<LanguageBlock> {
    let programs = vec(program(shape), shape.txns.clone());
    let value = prop_oneof![1 => Just(ABSENT), 3 => 0..=MAX];
    let state = vec(value, usize::from(shape.slots));
    let policy = prop_oneof![1 => Just(InvalidPolicy::Reject), 3 => Just(InvalidPolicy::Skip)];
    let bad = if shape.unreadable { 1 } else { 0 };
    let bad = || btree_set(0..shape.slots + u16::from(MAX), 0..=bad);
    let unreadable = prop_oneof![
        3 => bad().prop_map(|bad| (bad, BTreeSet::new())),
        1 => bad().prop_map(|bad| (BTreeSet::new(), bad)),
    ];
    let (longest, slots) = (*shape.txns.end(), shape.slots);
    let rules = if shape.rules { rules(longest).boxed() } else { Just(Rules::default()).boxed() };
    let limits = if shape.rules { limits(longest).boxed() } else { Just((None, None)).boxed() };
    let jitter =
        if shape.jitter { option::weighted(0.7, jitter()).boxed() } else { Just(None).boxed() };
    (programs, state, policy, unreadable, rules, limits, hints(longest, slots), jitter)
        .prop_map(
            |(programs, state, policy, (unreadable, impassable), rules, limits, hints, jitter)| {
                let block = LanguageBlock::new(programs).state(state);
                let (max_weight, max_txns) = limits;
                let block = match hints {
                    Declared::Nothing => block,
                    Declared::Guesses(slots) => {
                        LanguageBlock { hints: Some(LanguageHints(slots)), ..block }
                    }
                    Declared::Truth => block.with_true_hints(),
                };
                let bad = LanguageBlock { unreadable, impassable, ..block };
                let mut block = LanguageBlock { policy, rules, max_weight, max_txns, ..bad };
                if block.rules.unsettled.is_some() {
                    // Few programs weigh anything by themselves.
                    block.programs.iter_mut().for_each(weigh);
                }
                match jitter {
                    Some(jitter) => block.probe(jitter),
                    None => block,
                }
            },
        )
        .boxed()
}

/// Lets a program weigh something, each another number.
fn weigh(program: &mut Program) {
    program.ops.insert(0, Op::Weigh(Expr::Const((program.id % u32::from(MAX)) as u8 + 1)));
}

/// A schedule of delays.
pub fn jitter() -> impl Strategy<Value = Jitter> {
    (any::<u64>(), 1..24_u8).prop_map(|(seed, often)| Jitter { seed, often })
}

/// A program's operations.
pub fn program(shape: &Shape) -> impl Strategy<Value = Vec<Op>> + use<> {
    let slots = Slots { count: shape.slots, zipf: shape.zipf };
    let ops = vec(ops(slots, shape.mix), shape.ops.clone());
    ops.prop_map(|ops| ops.into_iter().flatten().collect())
}

/// One operation, or a few that belong together.
fn ops(slots: Slots, mix: Mix) -> impl Strategy<Value = Vec<Op>> {
    let one = |op: BoxedStrategy<Op>| op.prop_map(|op| vec![op]).boxed();
    let kinds = [
        (mix.reads, one(at(slots).prop_map(Op::Read).boxed())),
        (mix.writes, one((at(slots), expr()).prop_map(|(at, e)| Op::Write(at, e)).boxed())),
        (mix.scans, one(scan(slots).boxed())),
        (mix.deltas, one(delta(slots).boxed())),
        (mix.checks, one(question(slots).boxed())),
        (mix.control, one(control().boxed())),
        (mix.attempts, attempt().boxed()),
        (mix.invalid, rarely(Just(Op::Invalid)).boxed()),
        (mix.failures, misbehaviour().boxed()),
    ];
    Union::new_weighted(kinds.into_iter().filter(|(weight, _)| *weight > 0).collect())
}

/// Which slots are named.
#[derive(Clone, Copy)]
struct Slots {
    count: u16,
    zipf: bool,
}

impl Slots {
    fn draw(self) -> BoxedStrategy<u16> {
        if !self.zipf {
            return (0..self.count).boxed();
        }
        // Zipf's law with exponent 1: the slot of rank k is named 1/k times as often as the first.
        let weight = |slot| u32::from(self.count).max(100) / (u32::from(slot) + 1);
        let slot = |slot| (weight(slot).max(1), Just(slot));
        Union::new_weighted((0..self.count).map(slot).collect()).boxed()
    }
}

fn at(slots: Slots) -> impl Strategy<Value = At> {
    prop_oneof![3 => slots.draw().prop_map(At::Slot), 1 => slots.draw().prop_map(At::Beyond)]
}

/// The beginning of an attempt, or its end if it is to be reverted.
fn attempt() -> impl Strategy<Value = Vec<Op>> {
    prop_oneof![
        1 => Just(vec![Op::Attempt]),
        1 => Just(vec![Op::Revert]),
        2 => rarely(Just(Op::Revert)),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    prop_oneof![
        2 => (0..=MAX).prop_map(Expr::Const),
        3 => Just(Expr::Acc),
        1 => Just(Expr::Kept),
        1 => Just(Expr::Flag),
        3 => (1..=MAX).prop_map(Expr::Plus),
    ]
}

fn test() -> impl Strategy<Value = Test<Expr>> {
    prop_oneof![
        expr().prop_map(Test::AtLeast),
        expr().prop_map(Test::AtMost),
        expr().prop_map(Test::Is),
        Just(Test::Even),
    ]
}

fn scan(slots: Slots) -> impl Strategy<Value = Op> {
    let most = prop_oneof![2 => Just(0), 3 => 1..=3_u8];
    let first = prop_oneof![1 => Just(At::Slot(0)), 2 => at(slots)];
    let last = prop_oneof![2 => Just(At::Slot(slots.count + u16::from(MAX))), 2 => at(slots)];
    prop_oneof![
        4 => (first, last, most).prop_map(|(first, last, most)| Op::Scan(first, last, most)),
        1 => at(slots).prop_map(|at| Op::Write(at, Expr::Const(ABSENT))),
    ]
}

fn delta(slots: Slots) -> impl Strategy<Value = Op> {
    let amount = || prop_oneof![4 => (0..=2_u8).prop_map(Expr::Const), 1 => expr()];
    prop_oneof![
        (at(slots), amount()).prop_map(|(at, e)| Op::Gain(at, e)),
        (at(slots), amount()).prop_map(|(at, e)| Op::Lose(at, e)),
    ]
}

fn question(slots: Slots) -> impl Strategy<Value = Op> {
    let guess = prop_oneof![Just(Guess::Forgotten), Just(Guess::Checked), Just(Guess::Assumed)];
    prop_oneof![
        6 => (at(slots), test()).prop_map(|(at, test)| Op::Check(at, test)),
        4 => (at(slots), test()).prop_map(|(at, test)| Op::Assume(at, test)),
        2 => at(slots).prop_map(Op::Peek),
        3 => (at(slots), guess).prop_map(|(at, guess)| Op::Glimpse(at, guess)),
    ]
}

fn control() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => expr().prop_map(Op::Set),
        2 => Just(Op::Keep),
        4 => (expr(), test(), 1..4_u8).prop_map(|(e, test, ops)| Op::SkipUnless(e, test, ops)),
        1 => (1..4_u8, 1..4_u8).prop_map(|(back, times)| Op::Again(back, times)),
        1 => expr().prop_map(Op::Weigh),
        1 => any::<u8>().prop_map(Op::Spin),
        1 => Just(Op::Checkpoint),
        1 => Just(Op::Stop),
    ]
}

/// The operation behind a condition that holds for one value of the accumulator, or of the flag.
fn rarely(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Vec<Op>> {
    let condition = prop_oneof![
        2 => (Just(Expr::Acc), 1..=MAX),
        1 => (Just(Expr::Flag), 0..=1_u8),
    ];
    (op, condition).prop_map(|(op, (what, value))| {
        vec![Op::SkipUnless(what, Test::Is(Expr::Const(value)), 1), op]
    })
}

fn misbehaviour() -> impl Strategy<Value = Vec<Op>> {
    prop_oneof![
        1 => rarely(prop_oneof![Just(Op::Fail), Just(Op::Panic), Just(Op::LoseView)]),
        2 => Just(vec![Op::Swallow]),
    ]
}

fn place(txns: usize) -> impl Strategy<Value = Option<u32>> {
    option::weighted(0.15, 0..txns as u32 + 1)
}

/// What a sink decides about a block of up to `txns` transactions; it never panics.
pub fn rules(txns: usize) -> impl Strategy<Value = Rules> {
    let refuse = btree_set(0..txns as u32 + 1, 0..=3);
    let refuse = prop_oneof![2 => Just(BTreeSet::new()), 1 => refuse];
    let budget = option::weighted(0.3, 0..txns as u64 * 2 + 8);
    let unsettled = option::weighted(0.3, 1..8_u64);
    (refuse, budget, unsettled, place(txns), place(txns), place(txns)).prop_map(
        |(refuse, budget, unsettled, cut_before, cut_at, cut_after)| Rules {
            refuse,
            budget,
            unsettled,
            cut_before,
            cut_at,
            cut_after,
            panic_at: None,
        },
    )
}

fn limits(txns: usize) -> impl Strategy<Value = (Option<u64>, Option<usize>)> {
    (option::weighted(0.3, 0..txns as u64), option::weighted(0.3, 0..=txns))
}

#[derive(Clone, Debug)]
enum Declared {
    Nothing,
    Guesses(Vec<Vec<u16>>),
    Truth,
}

fn hints(txns: usize, slots: u16) -> impl Strategy<Value = Declared> {
    let guesses = vec(vec(0..slots + u16::from(MAX), 0..4), 0..=txns);
    prop_oneof![
        2 => Just(Declared::Nothing),
        1 => guesses.prop_map(Declared::Guesses),
        1 => Just(Declared::Truth),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::check::Trial;
    use crate::record::{Ending, record_sequential};

    /// How many of 200 sequential executions of drawn blocks fit.
    fn count(
        shape: &Shape,
        fits: impl Fn(&Ending<crate::language::Slot, crate::language::Small>) -> bool,
    ) -> usize {
        let mut runner = TestRunner::deterministic();
        let strategy = block(shape);
        let draw = |_: &usize| {
            let block = strategy.new_tree(&mut runner).expect("a block can be drawn").current();
            let stage = block.stage();
            fits(&record_sequential(&stage.block(), stage.sink(None)).ending)
        };
        (0..200).filter(draw).count()
    }

    #[test]
    fn drawn_blocks_reach_all_kinds_of_endings() {
        let failing = Shape { rules: true, unreadable: true, ..Shape::new(Mix::FAILURES) };
        let kinds = ["invalid", "storage", "vm", "panicked"];
        for kind in kinds {
            let failed = |ending: &Ending<_, _>| match ending {
                Ending::Failed { kind: found, .. } => *found == kind,
                _ => false,
            };
            assert!(count(&failing, failed) > 0, "no block ends with {kind}");
        }
        let cut = |ending: &Ending<_, _>| matches!(ending, Ending::Finished { cut: Some(_), .. });
        assert!(count(&failing, cut) > 10);
        let deep = |ending: &Ending<_, _>| {
            matches!(ending, Ending::Finished { committed, edges: Some(edges), .. }
                if *committed > 20 && edges.len() > 20)
        };
        assert!(count(&Shape::new(Mix::ALL), deep) > 20);
    }
}

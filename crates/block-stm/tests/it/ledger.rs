//! How a block grows, against answers worked out by hand.
//!
//! Oracle and engine share these rules (`ledger.rs`), so a comparison of the two says nothing about
//! them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Instant;

use block_stm::{
    Admission, Block, CancelToken, Collect, Cut, Execution, Interrupt, InvalidPolicy, Limits,
    Outcome, Value, View, Vm, execute_sequential,
};
use block_stm_testkit::language::{LanguageBlock, Op, Refusal, Rules};
use block_stm_testkit::record::{
    Ending, Event, EventOf, Record, record_parallel, record_sequential,
};
use block_stm_testkit::{Checker, Trial};

use crate::support::{Language, oracle, slot, timely, value};

/// A transaction that writes its own slot and has a weight.
fn weighing(n: u16, weight: u8) -> Vec<Op> {
    vec![Op::Write(slot(n), value(1)), Op::Weigh(value(weight))]
}

/// The same, but it finds itself invalid at last.
fn invalid(n: u16, weight: u8) -> Vec<Op> {
    [weighing(n, weight), vec![Op::Invalid]].concat()
}

/// The calls to the sink with what came of them, and the end.
fn story(record: &Record<Language>) -> Vec<String> {
    let answer = |answer: &Admission<Refusal>| match answer {
        Admission::Admit => "yes".to_owned(),
        Admission::Refuse(reason) => reason.to_string(),
        Admission::Cut => "cut".to_owned(),
    };
    let tell = |event: &EventOf<Language>| match event {
        Event::Admit { txn, answer: said } => format!("admit {txn}? {}", answer(said)),
        Event::Settle { txn, output, answer: said } => {
            format!("settle {txn} of weight {}? {}", output.weight, answer(said))
        }
        Event::Commit { txn, outcome: Outcome::Done(_), writes, .. } => {
            format!("{txn} is in, with {} writes", writes.len())
        }
        Event::Commit { txn, outcome: Outcome::Invalid(reason), writes, .. } => {
            format!("{txn} is out, with {} writes: {reason}", writes.len())
        }
    };
    let end = match &record.ending {
        Ending::Finished { committed, cut, .. } => format!("{committed} committed, cut: {cut:?}"),
        Ending::Failed { message, .. } => message.clone(),
        Ending::Panicked { message } => format!("panic: {message}"),
    };
    record.events.iter().map(tell).chain([end]).collect()
}

/// Sequentially and on every engine, the block's story is this one, calls that were answered with
/// yes apart.
fn assert_story<const N: usize>(block: &LanguageBlock, limits: &Limits, expected: [&str; N]) {
    let Limits { deadline, cancel, .. } = limits.clone();
    let (block, expected) = (block.clone(), expected.map(str::to_owned));
    timely(move || {
        let stage = block.stage();
        let limits = Limits { deadline, cancel, ..stage.limits() };
        let told = |record: &Record<Language>| {
            let odd = |line: &String| !line.ends_with("? yes");
            story(record).into_iter().filter(odd).collect::<Vec<_>>()
        };
        let block = stage.block().limits(limits);
        let sequential = record_sequential(&block, stage.sink(None));
        assert_eq!(told(&sequential), expected, "sequentially");
        for (arm, engine) in Checker::few().engines() {
            let found = record_parallel(engine, &block, stage.sink(Some(arm)));
            assert_eq!(told(&found), expected, "with {arm}");
        }
    });
}

fn assert_told<const N: usize>(block: &LanguageBlock, expected: [&str; N]) {
    assert_story(block, &Limits::default(), expected);
}

#[test]
fn a_block_is_cut_before_the_weight_that_exceeds_the_limit() {
    let programs = [weighing(0, 2), weighing(1, 0), weighing(2, 3), weighing(3, 0)];
    let block = LanguageBlock::new(programs);
    let with = |max| LanguageBlock { max_weight: Some(max), ..block.clone() };
    let (first, second) = ("0 is in, with 1 writes", "1 is in, with 1 writes");
    let (third, last) = ("2 is in, with 1 writes", "3 is in, with 1 writes");
    assert_told(&with(0), ["0 committed, cut: Some(Weight)"]);
    assert_told(&with(1), ["0 committed, cut: Some(Weight)"]);
    assert_told(&with(2), [first, second, "2 committed, cut: Some(Weight)"]);
    assert_told(&with(4), [first, second, "2 committed, cut: Some(Weight)"]);
    assert_told(&with(5), [first, second, third, last, "4 committed, cut: None"]);
}

#[test]
pub(crate) fn what_is_left_out_weighs_nothing() {
    // Left out are one for each reason that there is. The weight of either that is executed would
    // leave no room for the last one.
    let programs = [weighing(0, 3), weighing(1, 5), invalid(2, 3), weighing(3, 1), weighing(4, 4)];
    let rules = Rules { refuse: BTreeSet::from([3]), unsettled: Some(5), ..Rules::default() };
    let block = LanguageBlock { rules, max_weight: Some(8), ..LanguageBlock::new(programs) };
    assert_told(
        &block.clone().skip_invalid(),
        [
            "0 is in, with 1 writes",
            "settle 1 of weight 5? a weight of 5 cannot be settled",
            "1 is out, with 0 writes: a weight of 5 cannot be settled",
            "2 is out, with 0 writes: the program refuses itself at 0",
            "admit 3? not admitted after 4 were spent",
            "3 is out, with 0 writes: not admitted after 4 were spent",
            "4 is in, with 1 writes",
            "5 committed, cut: None",
        ],
    );
    // A weight that exceeds the limit is not even brought to the sink.
    assert_told(
        &LanguageBlock { max_weight: Some(7), ..block }.skip_invalid(),
        ["0 is in, with 1 writes", "1 committed, cut: Some(Weight)"],
    );
}

#[test]
fn weights_that_add_up_to_more_than_a_number_holds_exceed_every_limit() {
    timely(|| {
        let txns = [1, u64::MAX];
        let limits = Limits { max_weight: Some(u64::MAX - 1), ..Limits::default() };
        let storage = |_: &u8| Ok(Nothing);
        let block = Block::new(&Heavy, &txns, &storage).limits(limits);
        let sequential = execute_sequential(&block, &mut Collect::default());
        let engine = crate::support::engine(2);
        for executed in [sequential, engine.execute(&block, &mut Collect::default())] {
            let executed = executed.expect("no failures");
            assert_eq!((executed.committed, executed.cut), (1, Some(Cut::Weight)));
        }
    });
}

/// Its transactions are their weights.
struct Heavy;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Nothing;

impl Value for Nothing {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

impl Vm for Heavy {
    type Txn = u64;
    type Location = u8;
    type Value = Nothing;
    type Output = ();
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        _: &u64,
        _: &mut View<'b, Self>,
    ) -> Result<Execution<(), Infallible>, Interrupt> {
        Ok(Execution::Done(()))
    }

    fn weight(&self, txn: &u64, (): &()) -> u64 {
        *txn
    }
}

#[test]
pub(crate) fn only_those_that_take_effect_are_counted() {
    let programs = [
        invalid(0, 0),
        weighing(1, 0),
        weighing(2, 1),
        weighing(3, 0),
        weighing(4, 0),
        invalid(5, 0),
        weighing(6, 0),
    ];
    let rules = Rules { refuse: BTreeSet::from([3]), unsettled: Some(1), ..Rules::default() };
    let block = LanguageBlock { rules, ..LanguageBlock::new(programs).skip_invalid() };
    let with = |max| LanguageBlock { max_txns: Some(max), ..block.clone() };
    let (first, one) =
        ("0 is out, with 0 writes: the program refuses itself at 0", "1 is in, with 1 writes");
    let unsettled = [
        "settle 2 of weight 1? a weight of 1 cannot be settled",
        "2 is out, with 0 writes: a weight of 1 cannot be settled",
    ];
    let refused = [
        "admit 3? not admitted after 1 were spent",
        "3 is out, with 0 writes: not admitted after 1 were spent",
    ];
    let two = "4 is in, with 1 writes";
    assert_told(&with(0), ["0 committed, cut: Some(Count)"]);
    assert_told(&with(1), [first, one, "2 committed, cut: Some(Count)"]);
    let until_two = [first, one, unsettled[0], unsettled[1], refused[0], refused[1], two];
    let [a, b, c, d, e, f, g] = until_two;
    assert_told(&with(2), [a, b, c, d, e, f, g, "5 committed, cut: Some(Count)"]);
    let invalid = "5 is out, with 0 writes: the program refuses itself at 0";
    let three = "6 is in, with 1 writes";
    // The last one is the last that may: nothing is cut.
    assert_told(&with(3), [a, b, c, d, e, f, g, invalid, three, "7 committed, cut: None"]);
}

#[test]
fn a_txn_that_must_not_be_left_out_fails_the_block() {
    let rejecting = |program: Vec<Op>, rules: Rules| LanguageBlock {
        rules,
        policy: InvalidPolicy::Reject,
        ..LanguageBlock::new([weighing(0, 1), program, weighing(2, 1)])
    };
    let first = "0 is in, with 1 writes";
    let itself = rejecting(invalid(1, 1), Rules::default());
    assert_told(&itself, [first, "txn 1 is invalid: the program refuses itself at 0"]);
    let refuse = Rules { refuse: BTreeSet::from([1]), ..Rules::default() };
    let refused = "txn 1 is invalid: not admitted after 2 were spent";
    assert_told(
        &rejecting(weighing(1, 1), refuse),
        [first, "admit 1? not admitted after 2 were spent", refused],
    );
    let unsettled = Rules { unsettled: Some(2), ..Rules::default() };
    let settled = "txn 1 is invalid: a weight of 2 cannot be settled";
    assert_told(
        &rejecting(weighing(1, 2), unsettled),
        [first, "settle 1 of weight 2? a weight of 2 cannot be settled", settled],
    );
}

#[test]
fn the_sink_cuts_before_at_and_after_a_txn() {
    let block = LanguageBlock::new((0..3).map(|n| weighing(n, 1)));
    let with = |rules| LanguageBlock { rules, ..block.clone() };
    let (first, second) = ("0 is in, with 1 writes", "1 is in, with 1 writes");
    let before = Rules { cut_before: Some(1), ..Rules::default() };
    assert_told(&with(before), [first, "admit 1? cut", "1 committed, cut: Some(Sink)"]);
    let at = Rules { cut_at: Some(1), ..Rules::default() };
    let settled = "settle 1 of weight 1? cut";
    assert_told(&with(at), [first, settled, "1 committed, cut: Some(Sink)"]);
    let after = Rules { cut_after: Some(1), ..Rules::default() };
    assert_told(&with(after), [first, second, "2 committed, cut: Some(Sink)"]);
    // One that is left out can be the last one, too.
    let out = Rules { refuse: BTreeSet::from([1]), cut_after: Some(1), ..Rules::default() };
    let refused = "1 is out, with 0 writes: not admitted after 2 were spent";
    assert_told(
        &with(out).skip_invalid(),
        [
            first,
            "admit 1? not admitted after 2 were spent",
            refused,
            "2 committed, cut: Some(Sink)",
        ],
    );
}

#[test]
fn a_block_that_is_stopped_before_it_begins_commits_nothing() {
    let block = LanguageBlock::new([weighing(0, 1)]);
    let late = Limits { deadline: Some(Instant::now()), ..Limits::default() };
    assert_story(&block, &late, ["0 committed, cut: Some(Deadline)"]);
    let token = CancelToken::new();
    token.cancel();
    let cancelled = Limits { cancel: Some(token.clone()), ..Limits::default() };
    assert_story(&block, &cancelled, ["cancelled after 0 txns"]);
    // The token wins over the clock: an error is not taken for a block.
    let both = Limits { cancel: Some(token), ..late };
    assert_story(&block, &both, ["cancelled after 0 txns"]);
}

#[test]
fn every_call_comes_in_its_order() {
    let block = LanguageBlock::new([weighing(0, 1), invalid(1, 2), weighing(2, 3)]).skip_invalid();
    let expected = [
        "admit 0? yes",
        "settle 0 of weight 1? yes",
        "0 is in, with 1 writes",
        "admit 1? yes",
        "1 is out, with 0 writes: the program refuses itself at 0",
        "admit 2? yes",
        "settle 2 of weight 3? yes",
        "2 is in, with 1 writes",
        "3 committed, cut: None",
    ];
    assert_eq!(story(&oracle(&block.stage())), expected);
}

//! Where blocks end early: by weight, count, clock, token and sink.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use block_stm::{CancelToken, Cut, InvalidPolicy, Limits};
use block_stm_testkit::compare::{begins, keeps_books, keeps_protocol};
use block_stm_testkit::faults::{CancelAt, Hold, Jitter};
use block_stm_testkit::language::{
    Expr, LanguageBlock, Op, Probe, Rules, Site, Slot, Small, Stage,
};
use block_stm_testkit::record::{Ending, Event, Record, record_parallel};
use block_stm_testkit::{Arm, Checker, Trial};

use crate::support::{
    Language, increment, oracle, prove, prove_quickly, slot, tangle, timely, value,
};

#[test]
fn weight_cuts_before_the_txn_that_exceeds_it() {
    let program = |n: u8| {
        let mut ops = increment(u16::from(n % 4));
        ops.push(Op::Weigh(value(n % 4)));
        ops
    };
    let block = LanguageBlock::new((0..16).map(program));
    for max_weight in 0..26 {
        prove_quickly(&LanguageBlock { max_weight: Some(max_weight), ..block.clone() });
    }
    let stage = LanguageBlock { max_weight: Some(6), ..block }.stage();
    let Ending::Finished { committed, cut, .. } = oracle(&stage).ending else {
        panic!("the block has a result");
    };
    // Weights 0, 1, 2, 3, 0 fit; the fifth txn's 1 does not.
    assert_eq!((committed, cut), (5, Some(Cut::Weight)));
}

#[test]
fn count_does_not_count_the_invalid() {
    let program = |n: u16| if n % 3 == 1 { vec![Op::Invalid] } else { increment(n % 2) };
    let block = LanguageBlock::new((0..20).map(program)).skip_invalid();
    for max_txns in 0..16 {
        prove_quickly(&LanguageBlock { max_txns: Some(max_txns), ..block.clone() });
    }
}

#[test]
fn a_weight_that_only_a_stale_execution_has_cuts_nothing() {
    // Txn 0 writes 0 over 7; whoever reads ahead of it weighs 7.
    let mut programs = vec![vec![Op::Write(slot(0), value(0))]];
    let heavy = vec![Op::Read(slot(0)), Op::Weigh(Expr::Acc)];
    programs.extend((0..20).map(|_| heavy.clone()));
    let block = LanguageBlock { max_weight: Some(3), ..LanguageBlock::new(programs).state([7]) };
    prove(&block.probe(Hold::new(0, 6)));
}

/// The record of one execution on one engine, with limits beside those of the block.
fn stopped(
    stage: &Stage<Slot, Small>,
    limits: &Limits,
    arm: Arm,
    engine: &block_stm::Engine,
) -> Record<Language> {
    let block = stage.block().limits(limits.clone());
    record_parallel(engine, &block, stage.sink(Some(arm)))
}

/// Whether what was stopped from outside is whole as far as it goes.
fn assert_prefix(whole: &Record<Language>, found: &Record<Language>, arm: Arm) {
    if let Err(difference) = begins(whole, found) {
        panic!("with {arm}: {difference}");
    }
    let kept =
        keeps_protocol::<Language>(&found.events).and_then(|()| keeps_books(found, arm.threads));
    if let Err(breach) = kept {
        panic!("with {arm}: {breach}");
    }
    let count = found.committed();
    match &found.ending {
        Ending::Finished { committed, state, cut, .. } => {
            assert_eq!(*committed, count, "with {arm}");
            assert_eq!(*state, state_after(found), "with {arm}");
            assert!(cut.is_some() || count == whole.committed(), "with {arm}");
        }
        Ending::Failed { kind: "cancelled", message } => {
            assert_eq!(*message, format!("cancelled after {count} txns"), "with {arm}");
        }
        other => panic!("with {arm}: ended with {other:?}"),
    }
}

/// The final state, folded from the committed writes.
fn state_after(record: &Record<Language>) -> Vec<(Slot, Small)> {
    let mut state: Vec<(Slot, Small)> = Vec::new();
    for event in &record.events {
        let Event::Commit { writes, .. } = event else { continue };
        for (location, value) in writes {
            match state.iter_mut().find(|(known, _)| known == location) {
                Some((_, known)) => *known = *value,
                None => state.push((*location, *value)),
            }
        }
    }
    state
}

#[test]
fn a_deadline_in_the_past_commits_nothing() {
    timely(|| {
        let stage = tangle(30).stage();
        let limits = Limits { deadline: Some(Instant::now()), ..Limits::default() };
        for (arm, engine) in Checker::all().engines() {
            let record = stopped(&stage, &limits, arm, engine);
            let expected = Ending::Finished {
                committed: 0,
                cut: Some(Cut::Deadline),
                state: vec![],
                before: vec![],
                edges: Some(vec![]),
            };
            assert_eq!((record.events.len(), record.ending), (0, expected), "with {arm}");
        }
    });
}

#[test]
fn a_deadline_in_the_future_changes_nothing() {
    timely(|| {
        let stage = tangle(30).stage();
        let whole = oracle(&stage);
        let deadline = Some(Instant::now() + Duration::from_secs(3_600));
        let limits = Limits { deadline, ..Limits::default() };
        for (arm, engine) in Checker::all().engines() {
            let record = stopped(&stage, &limits, arm, engine);
            assert_prefix(&whole, &record, arm);
            assert_eq!(record.ending, whole.ending, "with {arm}");
        }
    });
}

#[test]
fn a_deadline_at_any_moment_leaves_a_prefix() {
    timely(|| {
        let stage = tangle(60).probe(Jitter { seed: 1, often: 20 }).stage();
        let whole = oracle(&stage);
        let mut cuts = 0;
        for micros in (0..1_200).step_by(60) {
            for (arm, engine) in Checker::few().engines() {
                let deadline = Some(Instant::now() + Duration::from_micros(micros));
                let limits = Limits { deadline, ..Limits::default() };
                let record = stopped(&stage, &limits, arm, engine);
                assert_prefix(&whole, &record, arm);
                cuts += usize::from(record.committed() < whole.committed());
            }
        }
        assert!(cuts > 0, "no deadline was early enough");
    });
}

/// Counts the operations that are begun after an instant.
#[derive(Debug)]
struct Late {
    after: Instant,
    begun: Arc<AtomicUsize>,
}

impl Probe for Late {
    fn operation(&self, _: Site) {
        self.begun.fetch_add(usize::from(Instant::now() >= self.after), Ordering::SeqCst);
    }
}

#[test]
fn a_deadline_interrupts_executions_under_way() {
    timely(|| {
        // Many milliseconds each, with reads all along: 195 of them, three times what is between
        // two looks at the clock. However fast the machine is, some transaction is under way at the
        // deadline, and 30 are not over by then.
        let slow = |n: u16| [Op::Read(slot(n % 2)), Op::Spin(100)].repeat(195);
        let block = LanguageBlock::new((0..30).map(slow));
        let whole = oracle(&block.stage());
        for (arm, engine) in Checker::few().engines() {
            let after = Instant::now() + Duration::from_millis(3);
            let begun = Arc::new(AtomicUsize::new(0));
            let stage = block.clone().probe(Late { after, begun: Arc::clone(&begun) }).stage();
            let limits = Limits { deadline: Some(after), ..Limits::default() };
            let record = stopped(&stage, &limits, arm, engine);
            assert_prefix(&whole, &record, arm);
            assert!(record.committed() < 30, "with {arm}: the deadline came too late");
            // Each worker looks at the clock every so many reads, not only between transactions.
            let late = begun.load(Ordering::SeqCst);
            assert!(late <= 70 * arm.threads, "with {arm}: {late} operations after the deadline");
        }
    });
}

#[test]
fn a_block_cancelled_before_it_starts_commits_nothing() {
    timely(|| {
        let token = CancelToken::new();
        token.cancel();
        let limits = Limits { cancel: Some(token), ..Limits::default() };
        let stage = tangle(30).stage();
        for (arm, engine) in Checker::all().engines() {
            let record = stopped(&stage, &limits, arm, engine);
            let message = "cancelled after 0 txns".to_owned();
            let expected = Ending::Failed { kind: "cancelled", message };
            assert_eq!((record.events.len(), record.ending), (0, expected), "with {arm}");
        }
    });
}

#[test]
fn cancelling_at_any_operation_leaves_a_prefix() {
    timely(|| {
        let whole = oracle(&tangle(24).stage());
        let mut cancelled = 0;
        for op in 0..130 {
            for (arm, engine) in Checker::few().engines() {
                let token = CancelToken::new();
                let probe = (CancelAt::new(token.clone(), op), Jitter { seed: op, often: 4 });
                let stage = tangle(24).probe(probe).stage();
                let limits = Limits { cancel: Some(token), ..Limits::default() };
                let record = stopped(&stage, &limits, arm, engine);
                assert_prefix(&whole, &record, arm);
                cancelled += usize::from(matches!(record.ending, Ending::Failed { .. }));
            }
        }
        assert!(cancelled > 300, "only {cancelled} blocks were cancelled");
    });
}

#[test]
fn cutting_at_any_operation_keeps_a_prefix() {
    timely(|| {
        let whole = oracle(&tangle(24).stage());
        let mut cuts = 0;
        for op in 0..130 {
            for (arm, engine) in Checker::few().engines() {
                let token = CancelToken::new();
                let probe = (CancelAt::cutting(token.clone(), op), Jitter { seed: op, often: 4 });
                let stage = tangle(24).probe(probe).stage();
                let limits = Limits { cancel: Some(token), ..Limits::default() };
                let record = stopped(&stage, &limits, arm, engine);
                assert_prefix(&whole, &record, arm);
                let Ending::Finished { cut, .. } = record.ending else {
                    panic!("with {arm}: what is committed was dropped");
                };
                assert!(cut.is_none_or(|cut| cut == Cut::Token), "with {arm}: {cut:?}");
                cuts += usize::from(cut.is_some());
            }
        }
        assert!(cuts > 300, "only {cuts} blocks were cut");
    });
}

#[test]
fn to_cancel_counts_for_more_than_to_cut() {
    timely(|| {
        let stage = tangle(30).stage();
        for (cancels, (arm, engine)) in
            [false, true].into_iter().flat_map(|c| Checker::all().engines().map(move |e| (c, e)))
        {
            let token = CancelToken::new();
            if cancels {
                token.cancel();
            }
            token.cut();
            let limits = Limits { cancel: Some(token), ..Limits::default() };
            let record = stopped(&stage, &limits, arm, engine);
            assert_eq!(record.events.len(), 0, "with {arm}");
            let failed = matches!(record.ending, Ending::Failed { kind: "cancelled", .. });
            let cut = matches!(record.ending, Ending::Finished { cut: Some(Cut::Token), .. });
            assert_eq!((failed, cut), (cancels, !cancels), "with {arm}");
        }
    });
}

#[test]
fn cancelling_from_another_thread_wakes_everybody() {
    timely(|| {
        let whole = oracle(&tangle(200).stage());
        for (round, (arm, engine)) in
            (0..8).flat_map(|n| Checker::few().engines().map(move |e| (n, e)))
        {
            let token = CancelToken::new();
            let stage = tangle(200).probe(Jitter { seed: round, often: 24 }).stage();
            let limits = Limits { cancel: Some(token.clone()), ..Limits::default() };
            let record = thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_micros(round * 120));
                    token.cancel();
                });
                stopped(&stage, &limits, arm, engine)
            });
            assert_prefix(&whole, &record, arm);
        }
    });
}

#[test]
fn a_token_that_nobody_uses_changes_nothing() {
    timely(|| {
        let stage = tangle(40).stage();
        let whole = oracle(&stage);
        let limits = Limits { cancel: Some(CancelToken::new()), ..Limits::default() };
        for (arm, engine) in Checker::all().engines() {
            assert_eq!(stopped(&stage, &limits, arm, engine).ending, whole.ending, "with {arm}");
        }
    });
}

#[test]
fn the_sink_cuts_anywhere() {
    let block = tangle(10).probe(Hold::new(2, 3));
    for at in 0..10 {
        let cuts = [
            Rules { cut_before: Some(at), ..Rules::default() },
            Rules { cut_at: Some(at), ..Rules::default() },
            Rules { cut_after: Some(at), ..Rules::default() },
        ];
        for rules in cuts {
            prove_quickly(&LanguageBlock { rules, ..block.clone() });
        }
    }
}

#[test]
fn the_sink_may_panic_anywhere() {
    for at in 0..8 {
        let rules = Rules { panic_at: Some(at), ..Rules::default() };
        prove_quickly(&LanguageBlock { rules, ..tangle(8) });
    }
}

#[test]
fn refused_txns_leave_nothing_behind() {
    for refused in [vec![0], vec![9], vec![0, 1, 2], vec![3, 5, 7], (0..10).collect()] {
        for policy in [InvalidPolicy::Reject, InvalidPolicy::Skip] {
            let refuse: BTreeSet<u32> = refused.iter().copied().collect();
            let rules = Rules { refuse, ..Rules::default() };
            // The refused ones are executed ahead of the held one, and their writes must go again.
            let block = LanguageBlock { policy, rules, ..tangle(10).probe(Hold::new(0, 8)) };
            prove_quickly(&block);
            prove_quickly(&LanguageBlock { probe: None, ..block });
        }
    }
}

#[test]
fn admission_depends_on_what_was_committed() {
    for budget in (0..60).step_by(3) {
        let rules = Rules { budget: Some(budget), ..Rules::default() };
        prove_quickly(&LanguageBlock { rules, ..tangle(20).skip_invalid() });
    }
}

#[test]
fn settlement_refuses_by_what_was_done() {
    let program = |n: u16| {
        let mut ops = increment(n % 3);
        ops.push(Op::Weigh(Expr::Acc));
        ops
    };
    let block = LanguageBlock::new((0..24).map(program)).skip_invalid();
    for step in 1..6 {
        let rules = Rules { unsettled: Some(step), ..Rules::default() };
        prove(&LanguageBlock { rules: rules.clone(), ..block.clone() });
        let rejecting = LanguageBlock { policy: InvalidPolicy::Reject, rules, ..block.clone() };
        prove_quickly(&rejecting);
    }
}

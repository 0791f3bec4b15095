//! Which transactions are started, waited for, and left to the head.

use super::window::WindowControl;
use super::*;

#[test]
fn starts_in_order_within_the_window_and_leaves_the_head_to_the_committer() {
    let limits = Limits::default();
    let scheduler = Scheduler::of(10, 4, 1, &limits);
    let (stride, mut passed) = (&mut (0..0), Vec::new());
    let claims: Vec<_> =
        std::iter::from_fn(|| scheduler.claim_for_execution(stride, |txn| passed.push(txn.get())))
            .collect();
    assert_eq!(claims.iter().map(|claim| claim.txn.get()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(passed, [0, 1, 2, 3]);
    scheduler.advance(TxnIndex::new(1));
    assert_eq!(scheduler.claim_for_execution(stride, |_| {}).map(|claim| claim.txn.get()), Some(4));
    assert!(!scheduler.has_executions());
}

#[test]
fn strides_are_shorter_towards_the_end() {
    const TXNS: u32 = 60;
    let limits = Limits::default();
    let scheduler = Scheduler::of(TXNS, TXNS, 2, &limits);
    let mut control = WindowControl::new(TXNS, 1, 1);
    (0..1_000).for_each(|_| control.report(Some(true), u32::MAX, 1, &scheduler.window));
    let first = |left: u32| scheduler.stride_at(TXNS - left);
    assert_eq!((first(60), first(20), first(7), first(3)), (15, 5, 1, 0));
    // No worker is left without.
    scheduler.advance(TxnIndex::new(TXNS - 3));
    let claim = || scheduler.claim_for_execution(&mut (0..0), |_| {});
    assert_eq!(claim().map(|claim| claim.txn.get()), Some(TXNS - 2));
}

#[test]
fn a_waiter_comes_back_when_its_writer_has_come_far_enough() {
    let limits = Limits::default();
    let scheduler = Scheduler::of(4, 4, 1, &limits);
    let claim = || scheduler.claim_for_execution(&mut (0..0), |_| {});
    let writer = claim().expect("txn 1");
    let reader = claim().expect("txn 2");
    let until = |until| Some(Awaited { writer: writer.txn, until });
    scheduler.release(reader, until(State::Executed));
    assert_eq!(claim().map(|claim| claim.txn.get()), Some(3));
    scheduler.finish(writer);
    let second = Claim { txn: reader.txn, incarnation: 1 };
    assert_eq!(claim(), Some(second));
    scheduler.release(second, until(State::Executed));
    let third = Claim { txn: reader.txn, incarnation: 2 };
    assert_eq!(claim(), Some(third), "the writer was executed already");
    scheduler.release(third, until(State::Committed));
    assert_eq!(claim(), None);
    assert_eq!(scheduler.status(writer.txn).claim(State::Executed), Some(0));
    scheduler.finish_commit(writer);
    assert_eq!(claim().map(|claim| claim.txn), Some(reader.txn));
}

#[test]
fn what_was_tried_often_is_left_to_the_committer() {
    let limits = Limits::default();
    let scheduler = Scheduler::of(4, 4, 1, &limits);
    let claim = || scheduler.claim_for_execution(&mut (0..0), |_| {});
    let tries = std::iter::from_fn(|| {
        let claim = claim().filter(|claim| claim.txn.get() == 1)?;
        scheduler.release(claim, None);
        Some(claim.incarnation)
    });
    assert!(tries.eq(0..=LAST_AHEAD));
    assert!(scheduler.retry_set.is_empty());
    let claim = Claim { txn: TxnIndex::new(1), incarnation: LAST_AHEAD + 1 };
    assert_eq!(scheduler.status(claim.txn).claim(State::Ready), Some(claim.incarnation));
}

#[test]
fn the_head_that_is_given_back_is_the_committers() {
    let limits = Limits::default();
    let scheduler = Scheduler::of(4, 4, 1, &limits);
    let claim = scheduler.claim_for_execution(&mut (0..0), |_| {}).expect("txn 1");
    scheduler.want_head();
    assert!(!scheduler.is_head_wanted(), "no worker executes it");
    scheduler.advance(claim.txn);
    scheduler.want_head();
    assert!(scheduler.is_head_wanted() && !scheduler.is_undisturbed());
    scheduler.release(claim, None);
    assert!(scheduler.retry_set.is_empty() && scheduler.head_is_waiting());
    scheduler.advance(claim.txn.next());
    assert!(scheduler.is_undisturbed());
}

#[test]
fn nothing_is_started_once_the_block_is_to_stop() {
    let limits = Limits::default();
    let scheduler = Scheduler::of(4, 4, 1, &limits);
    scheduler.stop();
    assert_eq!(scheduler.claim_for_execution(&mut (0..0), |_| {}), None);
    assert!(!scheduler.has_executions());
}

#[test]
fn the_example_of_the_essay() {
    use State::{Claimed, Committed, Executed, Ready};

    let limits = Limits::default();
    let scheduler = Scheduler::of(3, 3, 2, &limits);
    let is_at = |step, head, next, expected: [(State, u32); 3]| {
        assert_eq!((scheduler.head().get(), scheduler.next()), (head, next), "step {step}");
        let statuses = [0, 1, 2].map(|txn| scheduler.status(TxnIndex::new(txn)).read());
        assert_eq!(statuses, expected, "step {step}");
    };
    let claim_head = |state| {
        let txn = scheduler.head();
        let incarnation = scheduler.status(txn).claim(state).expect("it is ready");
        Claim { txn, incarnation }
    };
    let commit = |claim: Claim| {
        scheduler.finish_commit(claim);
        scheduler.advance(claim.txn.next());
    };
    let stride = &mut (0..0);
    let mut claim = || scheduler.claim_for_execution(stride, |_| {});
    let awaited = Awaited { writer: TxnIndex::new(0), until: Executed };

    let head = claim_head(Ready);
    is_at(1, 0, 0, [(Claimed, 0), (Ready, 0), (Ready, 0)]);
    let first = claim().expect("txn 1");
    is_at(2, 0, 2, [(Claimed, 0), (Claimed, 0), (Ready, 0)]);
    scheduler.release(first, Some(awaited));
    is_at(3, 0, 2, [(Claimed, 0), (Ready, 1), (Ready, 0)]);
    let second = claim().expect("txn 2");
    scheduler.release(second, Some(awaited));
    is_at(4, 0, 3, [(Claimed, 0), (Ready, 1), (Ready, 1)]);
    assert!(claim().is_none() && !scheduler.has_executions(), "worker 1 parks");
    commit(head);
    is_at(5, 1, 3, [(Committed, 0), (Ready, 1), (Ready, 1)]);
    assert!(scheduler.has_executions(), "worker 1 does not park now");
    let head = claim_head(Ready);
    is_at(6, 1, 3, [(Committed, 0), (Claimed, 1), (Ready, 1)]);
    let second = claim().expect("txn 2");
    is_at(7, 1, 3, [(Committed, 0), (Claimed, 1), (Claimed, 1)]);
    assert!(scheduler.retry_set.is_empty(), "the bit of txn 1 was taken for nothing");
    scheduler.finish(second);
    is_at(8, 1, 3, [(Committed, 0), (Claimed, 1), (Executed, 1)]);
    commit(head);
    is_at(9, 2, 3, [(Committed, 0), (Committed, 1), (Executed, 1)]);
    assert!(scheduler.head_is_waiting());
}

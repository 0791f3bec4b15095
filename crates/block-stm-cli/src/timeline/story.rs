//! From steps to spans: what each worker did from when to when, and what became of it.

use std::collections::HashMap;

use block_stm::{
    TxnIndex,
    conductor::{Position, Step},
};
use serde::Serialize;

use super::recorder::{Moment, Recorded};

/// What a worker does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Doing {
    Execute,
    Publish,
    Validate,
    Judge,
    Commit,
    Idle,
    Sleep,
}

/// What became of an execution or a look at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// An execution that stood, or of which nothing else is known.
    Stood,
    /// It met a write that a lower transaction was about to make.
    MetEstimate,
    /// Its reads were stale, or the block was over.
    Interrupted,
    /// What it read was found stale before its turn.
    StaleEarly,
    /// What it read or took for granted did not hold at its turn.
    StaleAtCommit,
}

/// A worker does something with, or without, a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) doing: Doing,
    pub(super) txn: Option<TxnIndex>,
    /// Of an execution, or of that which is looked at: which one of the transaction's it is, from
    /// 0.
    pub(super) incarnation: u32,
    pub(super) fate: Fate,
    /// Whether an execution was that of the head.
    pub(super) head: bool,
    /// Nanoseconds since the block began.
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A number at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) at: u64,
    pub(super) head: u32,
    /// Transactions that were started beyond the head.
    pub(super) started: u32,
    pub(super) executions: u32,
}

/// One execution of a block.
#[derive(Debug)]
pub(super) struct Story {
    /// For each worker, in the order of time, none over another.
    pub(super) workers: Vec<Vec<Span>>,
    pub(super) counts: Vec<Count>,
    pub(super) cut: bool,
}

impl Story {
    /// What the steps tell of an execution that took `length` nanoseconds.
    pub(super) fn of(recorded: &Recorded, length: u64) -> Self {
        let mut workers: Vec<_> = recorded.lanes.iter().map(|lane| spans(lane, length)).collect();
        number(&mut workers);
        Self { counts: counts(&recorded.lanes), workers, cut: recorded.cut }
    }
}

/// The spans of one worker; incarnations are not known yet.
fn spans(lane: &[Moment], length: u64) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (place, moment) in lane.iter().enumerate() {
        let next = lane.get(place + 1);
        let to = next.map_or(length, |next| next.at).max(moment.at);
        let following = next.map(|next| next.step);
        let fate = match (moment.step, following) {
            (Step::Validate(txn), Some(Step::Execute(again, Position::Ahead))) if txn == again => {
                Fate::StaleEarly
            }
            (Step::Judge(txn), Some(Step::Execute(again, Position::Head))) if txn == again => {
                Fate::StaleAtCommit
            }
            _ => Fate::Stood,
        };
        let (doing, head) = match moment.step {
            Step::Execute(_, position) => (Doing::Execute, position == Position::Head),
            Step::Publish(_) => (Doing::Publish, false),
            Step::Validate(_) => (Doing::Validate, false),
            Step::Judge(_) => (Doing::Judge, false),
            Step::Commit(_) => (Doing::Commit, false),
            Step::Park => (Doing::Sleep, false),
            Step::Release(txn) => {
                let waits = following == Some(Step::Enqueue(txn));
                let last = spans.iter_mut().rev().find(|span| span.doing == Doing::Execute);
                if let Some(span) = last.filter(|span| span.txn == Some(txn)) {
                    span.fate = if waits { Fate::MetEstimate } else { Fate::Interrupted };
                }
                continue;
            }
            // Between two turns without work, and after the last one.
            Step::Claim | Step::LookAgain | Step::GiveBaton | Step::TakeBaton | Step::Head(_)
                if matches!(following, Some(Step::Turn) | None) =>
            {
                (Doing::Idle, false)
            }
            _ => continue,
        };
        let txn = moment.step.txn();
        spans.push(Span { doing, txn, incarnation: 0, fate, head, from: moment.at, to });
    }
    spans
}

/// Counts the executions of each transaction through, and tells those that did not stand.
fn number(workers: &mut [Vec<Span>]) {
    let mut order: Vec<_> = workers
        .iter()
        .enumerate()
        .flat_map(|(worker, spans)| {
            spans.iter().enumerate().map(move |(place, span)| (span.from, worker, place))
        })
        .collect();
    order.sort_unstable();
    // The newest execution of each transaction: where it is, and which one.
    let mut newest: HashMap<TxnIndex, ((usize, usize), u32)> = HashMap::new();
    for (_, worker, place) in order {
        let span = workers[worker][place];
        let Some(txn) = span.txn else { continue };
        match span.doing {
            Doing::Execute => {
                let incarnation = newest.get(&txn).map_or(0, |(_, last)| last + 1);
                newest.insert(txn, ((worker, place), incarnation));
                workers[worker][place].incarnation = incarnation;
            }
            _ => {
                let Some(((by, at), incarnation)) = newest.get(&txn).copied() else { continue };
                workers[worker][place].incarnation = incarnation;
                if span.fate != Fate::Stood {
                    workers[by][at].fate = span.fate;
                }
            }
        }
    }
}

/// Head, transactions beyond it, and executions, whenever one of them changes.
fn counts(lanes: &[Vec<Moment>]) -> Vec<Count> {
    let mut moments: Vec<_> = lanes.iter().flatten().copied().collect();
    moments.sort_by_key(|moment| moment.at);
    let mut counts = Vec::new();
    let (mut head, mut next, mut executions) = (0, 0, 0);
    for Moment { at, step } in moments {
        match step {
            Step::Execute(txn, _) => {
                executions += 1;
                next = next.max(txn.get() + 1);
            }
            Step::Advance(txn) => head = txn.get(),
            _ => continue,
        }
        counts.push(Count { at, head, started: next.saturating_sub(head), executions });
    }
    counts
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two workers: the second one's execution of txn 1 is stale at its turn.
    pub(in crate::timeline) fn sample() -> Story {
        let txn = TxnIndex::new;
        let lane = |steps: &[(u64, Step)]| -> Vec<Moment> {
            steps.iter().map(|(at, step)| Moment { at: *at, step: *step }).collect()
        };
        let first = lane(&[
            (0, Step::Turn),
            (5, Step::Claim),
            (10, Step::Execute(txn(0), Position::Ahead)),
            (30, Step::Publish(txn(0))),
            (40, Step::Finish(txn(0))),
            (45, Step::Judge(txn(0))),
            (50, Step::Commit(txn(0))),
            (60, Step::Advance(txn(1))),
            (65, Step::Judge(txn(1))),
            (70, Step::Execute(txn(1), Position::Head)),
            (90, Step::Commit(txn(1))),
            (95, Step::Advance(txn(2))),
        ]);
        let second = lane(&[
            (12, Step::Execute(txn(1), Position::Ahead)),
            (20, Step::Release(txn(1))),
            (21, Step::Enqueue(txn(1))),
            (22, Step::Turn),
            (23, Step::Claim),
            (41, Step::Turn),
            (42, Step::Execute(txn(1), Position::Ahead)),
            (55, Step::Publish(txn(1))),
            (60, Step::Finish(txn(1))),
            (61, Step::Park),
        ]);
        Story::of(&Recorded { lanes: vec![first, second], cut: false }, 100)
    }

    #[test]
    fn spans_tell_what_became_of_each_execution() {
        let story = sample();
        let executions = |worker: usize| -> Vec<_> {
            let spans = story.workers[worker].iter().filter(|span| span.doing == Doing::Execute);
            spans.map(|span| (span.txn.map(TxnIndex::get), span.incarnation, span.fate)).collect()
        };
        assert_eq!(
            executions(0),
            [(Some(0), 0, Fate::Stood), (Some(1), 2, Fate::Stood)],
            "the head's execution stands"
        );
        assert_eq!(
            executions(1),
            [(Some(1), 0, Fate::MetEstimate), (Some(1), 1, Fate::StaleAtCommit)]
        );
        let idle = |span: &&Span| span.doing == Doing::Idle;
        assert_eq!(
            story.workers[1].iter().find(idle).map(|span| (span.from, span.to)),
            Some((23, 41))
        );
        assert_eq!(
            story.workers[1].last().map(|span| (span.doing, span.to)),
            Some((Doing::Sleep, 100))
        );
        let last = story.counts.last().map(|count| (count.head, count.started, count.executions));
        assert_eq!(last, Some((2, 0, 4)));
        for spans in &story.workers {
            assert!(spans.windows(2).all(|pair| pair[0].to <= pair[1].from), "{spans:?}");
        }
    }
}

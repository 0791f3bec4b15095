//! Finds the first difference between two executions, and breaches of the sink's protocol.

use std::collections::HashMap;
use std::fmt::{self, Debug};

use block_stm::{Admission, Conflict, Flow, Outcome, Stats, TxnIndex, Vm};

use crate::record::{Ending, Event, EventOf, Record};

/// How many calls before a difference are shown.
const CONTEXT: usize = 3;

/// Where two executions part ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub place: String,
    /// What was expected there.
    pub expected: String,
    /// What was found there.
    pub found: String,
    /// The last calls on which both agree.
    pub before: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  at: {}", self.place)?;
        self.before.iter().try_for_each(|call| writeln!(f, "    both: {call}"))?;
        writeln!(f, "  - expected: {}", self.expected)?;
        write!(f, "  + found:    {}", self.found)
    }
}

/// What must be comparable and printable about a VM. Implemented for every VM for which it can be.
pub trait Comparable:
    Vm<Output: Clone + PartialEq + Debug, Invalid: Clone + PartialEq, Value: Debug>
{
}

impl<V> Comparable for V where
    V: Vm<Output: Clone + PartialEq + Debug, Invalid: Clone + PartialEq, Value: Debug>
{
}

/// Whether `found` is exactly `expected`, statistics apart.
///
/// # Errors
/// The first difference, in the order in which a host would see it.
pub fn same<V: Comparable>(expected: &Record<V>, found: &Record<V>) -> Result<(), Difference> {
    same_items("call to the sink", &expected.events, &found.events)?;
    same_endings::<V>(&expected.ending, &found.ending)
}

/// Whether what the sink received in `found` is how `whole` begins: `found` was stopped from
/// outside.
///
/// # Errors
/// The first difference.
pub fn begins<V: Comparable>(whole: &Record<V>, found: &Record<V>) -> Result<(), Difference> {
    let shared = whole.events.len().min(found.events.len());
    same_items("call to the sink", &whole.events[..shared], &found.events)?;
    let committed = found.committed();
    let said = match &found.ending {
        Ending::Finished { committed, .. } => *committed,
        // Its message ends with the number.
        Ending::Failed { kind: "cancelled", message } => {
            let number =
                message.split(|c: char| !c.is_ascii_digit()).rfind(|word| !word.is_empty());
            number.and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
        }
        _ => committed,
    };
    same_items("number of committed txns", &[committed], &[said])?;
    let (Ending::Finished { edges: all, .. }, Ending::Finished { edges: Some(edges), .. }) =
        (&whole.ending, &found.ending)
    else {
        return Ok(());
    };
    let before = |edge: &&Conflict<V::Location>| edge.reader.as_usize() < committed;
    let expected: Vec<_> = all.iter().flatten().filter(before).collect();
    same_items("conflict graph", &expected, &edges.iter().collect::<Vec<_>>())
}

fn same_endings<V: Comparable>(
    expected: &Ending<V::Location, V::Value>,
    found: &Ending<V::Location, V::Value>,
) -> Result<(), Difference> {
    let (
        Ending::Finished { committed, cut, state, before, edges },
        Ending::Finished {
            committed: found_committed,
            cut: found_cut,
            state: found_state,
            before: found_before,
            edges: found_edges,
        },
    ) = (expected, found)
    else {
        return same_items("ending", std::slice::from_ref(expected), std::slice::from_ref(found));
    };
    same_items("number of committed txns", &[committed], &[found_committed])?;
    same_items("cut", &[cut], &[found_cut])?;
    same_items("final state", state, found_state)?;
    same_items("value before the block", before, found_before)?;
    let none = Vec::new();
    let (edges, found_edges) = (edges.as_ref(), found_edges.as_ref());
    same_items("conflict graph", edges.unwrap_or(&none), found_edges.unwrap_or(&none))?;
    same_items("conflict graph given", &[edges.is_some()], &[found_edges.is_some()])
}

fn same_items<T: PartialEq + Debug>(
    what: &str,
    expected: &[T],
    found: &[T],
) -> Result<(), Difference> {
    if expected == found {
        return Ok(());
    }
    let agree = expected.iter().zip(found).take_while(|(expected, found)| expected == found);
    let index = agree.count();
    let show = |item: Option<&T>| item.map_or("nothing".to_owned(), |item| format!("{item:?}"));
    let before = &expected[index.saturating_sub(CONTEXT)..index];
    Err(Difference {
        place: format!("{what} {index}"),
        expected: show(expected.get(index)),
        found: show(found.get(index)),
        before: before.iter().map(|item| format!("{item:?}")).collect(),
    })
}

/// Whether a sink was called as its contract says: transactions in order, each exactly once,
/// admitted before settled before committed, and nothing after the end.
///
/// # Errors
/// The first breach, in words.
pub fn keeps_protocol<V: Vm>(events: &[EventOf<V>]) -> Result<(), String> {
    let mut due = Due::Admission(0);
    for (place, event) in events.iter().enumerate() {
        let breach = |what: &str| Err(format!("call {place} to the sink: {what}, due was {due:?}"));
        due = match (event, due) {
            (Event::Admit { txn, answer }, Due::Admission(next)) if is(*txn, next) => {
                match answer {
                    Admission::Admit => Due::Settlement(next),
                    Admission::Refuse(_) => Due::Refusal(next),
                    Admission::Cut => Due::Nothing,
                }
            }
            (Event::Settle { txn, answer, .. }, Due::Settlement(next)) if is(*txn, next) => {
                match answer {
                    Admission::Admit => Due::Inclusion(next),
                    Admission::Refuse(_) => Due::Refusal(next),
                    Admission::Cut => Due::Nothing,
                }
            }
            (Event::Commit { txn, outcome, writes, answer }, due) => {
                let fits = match (due, outcome) {
                    (Due::Inclusion(next), Outcome::Done(_)) => is(*txn, next),
                    // The VM itself may find an admitted transaction invalid.
                    (Due::Settlement(next) | Due::Refusal(next), Outcome::Invalid(_)) => {
                        is(*txn, next) && writes.is_empty()
                    }
                    _ => false,
                };
                match answer {
                    _ if !fits => return breach(&format!("txn {txn} was committed")),
                    Some(Flow::Continue) => Due::Admission(txn.get() + 1),
                    Some(Flow::Cut) | None => Due::Nothing,
                }
            }
            (Event::Admit { txn, .. }, _) => {
                return breach(&format!("txn {txn} was to be admitted"));
            }
            (Event::Settle { txn, .. }, _) => {
                return breach(&format!("txn {txn} was to be settled"));
            }
        };
    }
    Ok(())
}

/// Whether the final state is what was committed, location by location, in the order of the first
/// write.
///
/// As the writes of each transaction are compared one by one, this makes the state after every
/// prefix the right one.
///
/// # Errors
/// What does not fit, in words.
pub fn keeps_state<V: Vm>(record: &Record<V>) -> Result<(), String> {
    let Ending::Finished { state, .. } = &record.ending else { return Ok(()) };
    let mut order = Vec::new();
    let mut written = HashMap::new();
    for event in &record.events {
        let Event::Commit { writes, .. } = event else { continue };
        for (location, value) in writes {
            if written.insert(location, value).is_none() {
                order.push(location);
            }
        }
    }
    let place = order
        .iter()
        .zip(state)
        .position(|(location, (found, value))| *location != found || written[location] != value);
    match place {
        None if order.len() == state.len() => Ok(()),
        None => Err(format!(
            "{} locations were committed, the final state has {}",
            order.len(),
            state.len()
        )),
        Some(place) => {
            Err(format!("the final state of {:?} is not what was committed", order[place]))
        }
    }
}

fn is(txn: TxnIndex, number: u32) -> bool {
    txn.get() == number
}

/// The calls that may come next; the number is the transaction's.
#[derive(Clone, Copy, Debug)]
enum Due {
    Admission(u32),
    /// Or its commit as invalid.
    Settlement(u32),
    Inclusion(u32),
    Refusal(u32),
    Nothing,
}

/// Whether the statistics of an execution with a result are consistent with what the sink received.
///
/// # Errors
/// What does not fit, in words.
pub fn keeps_books<V: Vm>(record: &Record<V>, threads: usize) -> Result<(), String> {
    let Some(stats) = record.stats else { return Ok(()) };
    let committed = record.committed() as u64;
    let refused_unexecuted = record
        .events
        .iter()
        .filter(|event| matches!(event, Event::Admit { answer: Admission::Refuse(_), .. }));
    let executed = committed - refused_unexecuted.count() as u64;
    let Stats { executions, head_executions, aborts, commit_lag_sum, commit_lag_max, .. } = stats;
    let rules = [
        (stats.committed == committed, "committed counts what the sink was given"),
        (executions == executed + aborts.total(), "executions are committed or aborted"),
        (head_executions <= executions, "head executions are executions"),
        (stats.workers <= threads as u64, "there are no more workers than threads"),
        (stats.workers > 0 || executions == 0, "somebody executed"),
        (commit_lag_sum <= commit_lag_max * (committed + 1), "the lag's sum fits its maximum"),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, rule)) => {
            Err(format!("statistics broken: {rule} ({executed} executed): {stats:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use block_stm::Cut;

    use super::*;
    use crate::check::Trial;
    use crate::language::{At, Expr, LanguageBlock, LanguageVm, Number, Op, Slot, Small};
    use crate::record::record_sequential;

    type Language = LanguageVm<Slot, Small>;

    /// Three transactions, of which the last one is invalid, executed sequentially.
    fn honest() -> Record<Language> {
        let increment = vec![
            Op::Read(At::Slot(0)),
            Op::Write(At::Slot(0), Expr::Plus(1)),
            Op::Gain(At::Slot(1), Expr::Const(1)),
        ];
        let block = LanguageBlock::new([increment.clone(), increment, vec![Op::Invalid]]);
        let stage = block.skip_invalid().stage();
        let record = record_sequential(&stage.block(), stage.sink(None));
        keeps_protocol::<Language>(&record.events).expect("the oracle keeps the protocol");
        keeps_books(&record, 1).expect("the oracle keeps its books");
        record
    }

    /// Where the comparer sees that the record was tampered with.
    fn caught(tamper: impl FnOnce(&mut Record<Language>)) -> String {
        let mut record = honest();
        tamper(&mut record);
        same(&honest(), &record).expect_err("tampering is caught").place
    }

    fn finished(record: &mut Record<Language>, change: impl FnOnce(&mut EndingParts<'_>)) {
        let Ending::Finished { committed, cut, state, before, edges } = &mut record.ending else {
            panic!("the record has a result");
        };
        change(&mut EndingParts { committed, cut, state, before, edges });
    }

    struct EndingParts<'a> {
        committed: &'a mut usize,
        cut: &'a mut Option<Cut>,
        state: &'a mut Vec<(Slot, Small)>,
        before: &'a mut Vec<Option<Small>>,
        edges: &'a mut Option<Vec<block_stm::Conflict<Slot>>>,
    }

    #[test]
    fn equal_records_are_the_same() {
        assert_eq!(same(&honest(), &honest()), Ok(()));
        assert_eq!(begins(&honest(), &honest()), Ok(()));
    }

    #[test]
    fn tampered_calls_are_caught() {
        assert_eq!(caught(|record| drop(record.events.remove(4))), "call to the sink 4");
        assert_eq!(caught(|record| record.events.truncate(5)), "call to the sink 5");
        assert_eq!(caught(|record| record.events.swap(0, 3)), "call to the sink 0");
        let tamper = |event: &mut EventOf<Language>| match event {
            Event::Commit { writes, outcome: Outcome::Done(_), .. } => writes.reverse(),
            Event::Commit { outcome, .. } => *outcome = Outcome::Done(Default::default()),
            Event::Settle { output, .. } => output.weight += 1,
            Event::Admit { answer, .. } => *answer = Admission::Cut,
        };
        for place in 0..8 {
            let caught = caught(|record| tamper(&mut record.events[place]));
            assert_eq!(caught, format!("call to the sink {place}"));
        }
    }

    #[test]
    fn tampered_endings_are_caught() {
        let caught = |change: fn(&mut EndingParts<'_>)| caught(|record| finished(record, change));
        assert_eq!(caught(|end| *end.committed += 1), "number of committed txns 0");
        assert_eq!(caught(|end| *end.cut = Some(Cut::Sink)), "cut 0");
        assert_eq!(caught(|end| end.state.reverse()), "final state 0");
        assert_eq!(caught(|end| end.state.truncate(1)), "final state 1");
        assert_eq!(
            caught(|end| end.before[1] = Some(Small::mint(&(), 3))),
            "value before the block 1"
        );
        assert_eq!(caught(|end| *end.edges = None), "conflict graph 0");
        let other = |record: &mut Record<Language>| {
            record.ending = Ending::Failed { kind: "vm", message: "boo".to_owned() };
        };
        assert_eq!(super::tests::caught(other), "ending 0");
    }

    #[test]
    fn a_prefix_must_agree_and_be_no_longer() {
        let mut cancelled = honest();
        cancelled.events.truncate(4);
        cancelled.ending = Ending::Panicked { message: "stopped".to_owned() };
        assert_eq!(begins(&honest(), &cancelled), Ok(()));
        assert!(begins(&cancelled, &honest()).is_err());
        cancelled.events.remove(0);
        assert!(begins(&honest(), &cancelled).is_err());
        let ending = |message: &str| {
            let mut record = honest();
            record.events.truncate(3);
            record.ending = Ending::Failed { kind: "cancelled", message: message.to_owned() };
            begins(&honest(), &record)
        };
        let said = |committed: usize| {
            ending(&block_stm::Error::<String>::Cancelled { committed }.to_string())
        };
        assert_eq!(said(1), Ok(()));
        assert!(said(2).is_err() && ending("cancelled").is_err());
    }

    #[test]
    fn breaches_of_the_protocol_are_caught() {
        let events = honest().events;
        for place in 0..events.len() - 1 {
            let mut missing = events.clone();
            missing.remove(place);
            assert!(keeps_protocol::<Language>(&missing).is_err(), "call {place} is missing");
        }
        for place in 0..events.len() {
            let mut twice = events.clone();
            twice.insert(place, events[place].clone());
            assert!(keeps_protocol::<Language>(&twice).is_err(), "call {place} comes twice");
        }
        let mut after_the_end = events;
        if let Event::Commit { answer, .. } = &mut after_the_end[2] {
            *answer = Some(Flow::Cut);
        }
        assert!(keeps_protocol::<Language>(&after_the_end).is_err());
    }

    #[test]
    fn a_state_that_was_not_committed_is_caught() {
        keeps_state(&honest()).expect("the oracle's state is what it committed");
        let tampers: [fn(&mut EndingParts<'_>); 3] = [
            |end| end.state.reverse(),
            |end| end.state.truncate(1),
            |end| {
                end.state[0].1 = Number::mint(&(), 7);
            },
        ];
        for tamper in tampers {
            let mut record = honest();
            finished(&mut record, tamper);
            assert!(keeps_state(&record).is_err());
        }
    }

    #[test]
    fn false_statistics_are_caught() {
        let tampers: [fn(&mut Stats); 6] = [
            |stats| stats.committed += 1,
            |stats| stats.executions += 1,
            |stats| stats.aborts.failure += 1,
            |stats| stats.head_executions += 1,
            |stats| stats.workers = 2,
            |stats| stats.commit_lag_sum += 1,
        ];
        for (number, tamper) in tampers.into_iter().enumerate() {
            let mut record = honest();
            tamper(record.stats.as_mut().expect("the record has statistics"));
            assert!(keeps_books(&record, 1).is_err(), "tampering {number}");
        }
    }
}

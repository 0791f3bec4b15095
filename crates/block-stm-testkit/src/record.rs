//! Everything that a host sees of one execution of a block, as a value.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use block_stm::{
    Admission, Block, Change, CommitSink, Conflict, Cut, Engine, Error, Executed, Flow, Outcome,
    Stats, TxnIndex, Vm, Writes, execute_sequential,
};

/// One call that a sink received, with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<O, I, L, T> {
    /// [`CommitSink::admit`].
    Admit {
        /// The transaction.
        txn: TxnIndex,
        /// What the sink answered.
        answer: Admission<I>,
    },
    /// [`CommitSink::settle`].
    Settle {
        /// The transaction.
        txn: TxnIndex,
        /// What it did.
        output: O,
        /// What the sink answered.
        answer: Admission<I>,
    },
    /// [`CommitSink::commit`].
    Commit {
        /// The transaction.
        txn: TxnIndex,
        /// What it came to.
        outcome: Outcome<O, I>,
        /// What it wrote, in order.
        writes: Vec<(L, T)>,
        /// What the sink answered; `None` if it panicked.
        answer: Option<Flow>,
    },
}

/// How an execution of a block ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending<L, T> {
    /// With a result.
    Finished {
        /// How many transactions the sink was given.
        committed: usize,
        /// Why the block ended early, if it did.
        cut: Option<Cut>,
        /// The final values, in order.
        state: Vec<(L, T)>,
        /// For each of them the value before the block, where the first transaction that wrote it
        /// had asked.
        before: Vec<Option<T>>,
        /// The conflict graph's edges, if the block asked for it.
        edges: Option<Vec<Conflict<L>>>,
    },
    /// With an error.
    Failed {
        /// The error's variant.
        kind: &'static str,
        /// Its message, which names the transaction.
        message: String,
    },
    /// With a panic.
    Panicked {
        /// The panic's message.
        message: String,
    },
}

/// [`Event`] of a VM.
pub type EventOf<V> =
    Event<<V as Vm>::Output, <V as Vm>::Invalid, <V as Vm>::Location, <V as Vm>::Value>;

/// [`Ending`] of a VM.
pub type EndingOf<V> = Ending<<V as Vm>::Location, <V as Vm>::Value>;

/// What a host sees of one execution of a block.
pub struct Record<V: Vm> {
    /// The calls that the sink received.
    pub events: Vec<EventOf<V>>,
    /// How it ended.
    pub ending: EndingOf<V>,
    /// What it cost, if it has a result.
    pub stats: Option<Stats>,
}

impl<V: Vm> Debug for Record<V>
where
    EventOf<V>: Debug,
    EndingOf<V>: Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("events", &self.events)
            .field("ending", &self.ending)
            .field("stats", &self.stats)
            .finish()
    }
}

impl<V: Vm> Record<V> {
    /// How many transactions the sink was given.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Commit { .. })).count()
    }
}

/// Executes `block` with the sequential oracle and records what `sink` received.
pub fn record_sequential<V, S>(block: &Block<'_, V>, sink: S) -> Record<V>
where
    V: Vm<Output: Clone, Invalid: Clone>,
    S: CommitSink<V>,
{
    record(sink, |sink| execute_sequential(block, sink))
}

/// Executes `block` with `engine` and records what `sink` received.
pub fn record_parallel<V, S>(engine: &Engine, block: &Block<'_, V>, sink: S) -> Record<V>
where
    V: Vm<Output: Clone, Invalid: Clone>,
    S: CommitSink<V>,
{
    record(sink, |sink| engine.execute(block, sink))
}

fn record<V, S>(
    sink: S,
    execute: impl FnOnce(&mut dyn CommitSink<V>) -> Result<Executed<V>, Error<V::Invalid>>,
) -> Record<V>
where
    V: Vm<Output: Clone, Invalid: Clone>,
    S: CommitSink<V>,
{
    let mut recorder = Recorder { inner: sink, events: Vec::new() };
    let result = catch_unwind(AssertUnwindSafe(|| execute(&mut recorder)));
    let (ending, stats) = match result {
        Err(payload) => (Ending::Panicked { message: text_of(&*payload) }, None),
        Ok(Err(error)) => {
            (Ending::Failed { kind: kind_of(&error), message: error.to_string() }, None)
        }
        Ok(Ok(Executed { committed, cut, state, conflict_graph, stats, .. })) => {
            let edges = conflict_graph.map(|graph| graph.edges);
            // The same ones; whether values equal themselves is theirs to say.
            let is_same = |a: Option<&V::Value>, b| a.map(ptr::from_ref) == b;
            let found_again = |change: Change<'_, _, _>| {
                is_same(state.value(change.location), Some(ptr::from_ref(change.after)))
                    && is_same(state.before(change.location), change.before.map(ptr::from_ref))
            };
            assert!(state.iter().all(found_again), "the final state contradicts itself");
            let before = state.iter().map(|change| change.before.cloned()).collect();
            let state = state.to_vec();
            (Ending::Finished { committed, cut, state, before, edges }, Some(stats))
        }
    };
    Record { events: recorder.events, ending, stats }
}

fn kind_of<I: Debug + std::fmt::Display>(error: &Error<I>) -> &'static str {
    match error {
        Error::Invalid { .. } => "invalid",
        Error::Storage { .. } => "storage",
        Error::Vm { .. } => "vm",
        Error::Panicked { .. } => "panicked",
        Error::Cancelled { .. } => "cancelled",
        Error::TooLong { .. } => "too long",
        _ => "an error unknown to the test kit",
    }
}

pub(crate) fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is not text".to_owned())
}

/// Writes down what it hands on to another sink.
struct Recorder<V: Vm, S> {
    inner: S,
    events: Vec<EventOf<V>>,
}

impl<V, S> CommitSink<V> for Recorder<V, S>
where
    V: Vm<Output: Clone, Invalid: Clone>,
    S: CommitSink<V>,
{
    fn admit(&mut self, txn: TxnIndex, entry: &V::Txn) -> Admission<V::Invalid> {
        let answer = self.inner.admit(txn, entry);
        self.events.push(Event::Admit { txn, answer: answer.clone() });
        answer
    }

    fn settle(
        &mut self,
        txn: TxnIndex,
        entry: &V::Txn,
        output: &V::Output,
    ) -> Admission<V::Invalid> {
        let answer = self.inner.settle(txn, entry, output);
        let output = output.clone();
        self.events.push(Event::Settle { txn, output, answer: answer.clone() });
        answer
    }

    fn commit(
        &mut self,
        txn: TxnIndex,
        outcome: Outcome<V::Output, V::Invalid>,
        writes: Writes<'_, V>,
    ) -> Flow {
        let written = writes.iter().map(|(location, value)| (location.clone(), value.clone()));
        let written = written.collect();
        // Written down before the inner sink is asked, which may panic.
        let event = Event::Commit { txn, outcome: outcome.clone(), writes: written, answer: None };
        self.events.push(event);
        let flow = self.inner.commit(txn, outcome, writes);
        if let Some(Event::Commit { answer, .. }) = self.events.last_mut() {
            *answer = Some(flow);
        }
        flow
    }
}

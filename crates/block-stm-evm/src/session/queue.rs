//! What hosts and the session's thread share: what was pushed, and what became of it.
//!
//! Pushes are numbered, and no number is used twice. What is executed, under way and waiting are
//! three stretches of these numbers, in this order, with gaps where something was rolled back. A
//! mark is the number that the next push will have.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use block_stm::{CancelToken, Cut};

use super::{
    error::{PushError, RollBackError, UnsettledError},
    options::SessionOptions,
    push::{Push, Settled},
};

/// The number of a push.
pub(super) type Number = u64;

#[derive(Debug)]
pub(super) struct Queue {
    options: SessionOptions,
    state: Mutex<State>,
    /// Something for the session's thread.
    work: Condvar,
    /// Something for hosts that wait.
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: Number,
    waiting: VecDeque<(Number, Push)>,
    /// Transactions that wait, and those under way.
    txns: usize,
    /// The batch under way: its first and last push, its transactions, and what stops it.
    running: Option<(Number, Number, usize, CancelToken)>,
    settled: Vec<(Number, Settled)>,
    /// In ascending order.
    marks: Vec<Number>,
    roll_back: Option<Number>,
    /// Why nothing is taken any more.
    closed: Option<PushError>,
    finishing: bool,
    dropped: bool,
    /// The session's thread is gone, or will do nothing more.
    over: bool,
    /// Why pushes were dropped that were not rolled back.
    cut: Option<Cut>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    Execute(Work),
    RollBack(Number),
    /// All is done: the steps after the transactions come.
    Finish(Option<Cut>),
    /// The session was dropped.
    Leave,
}

/// A batch that was taken from the queue.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) pushes: Vec<(Number, Push)>,
    pub(super) stop: CancelToken,
    /// The marks below it.
    pub(super) marks: Vec<Number>,
}

impl State {
    fn close(&mut self, why: PushError) {
        self.closed.get_or_insert(why);
    }

    /// Drops what waits, because the block ends here.
    fn cut(&mut self, why: Cut) {
        self.close(if why == Cut::Deadline { PushError::Deadline } else { PushError::Cut });
        if !self.waiting.is_empty() {
            self.cut.get_or_insert(why);
        }
        self.drop_waiting(0);
    }

    /// Drops what waits from the push `first` on.
    fn drop_waiting(&mut self, first: Number) {
        while let Some((number, push)) = self.waiting.pop_back() {
            if number < first {
                self.waiting.push_back((number, push));
                break;
            }
            self.txns -= push.len();
        }
    }

    fn batch(&mut self, most: usize) -> Option<Work> {
        let (first, _) = self.waiting.front()?;
        let split = self.marks.partition_point(|mark| mark <= first);
        let end = self.marks.get(split).copied().unwrap_or(Number::MAX);
        let marks = self.marks[..split].to_vec();
        let (mut pushes, mut txns) = (Vec::new(), 0);
        while let Some((number, push)) = self.waiting.pop_front() {
            if number >= end || (txns > 0 && txns + push.len() > most) {
                self.waiting.push_front((number, push));
                break;
            }
            txns += push.len();
            pushes.push((number, push));
        }
        let (first, last) = (pushes.first()?.0, pushes.last()?.0);
        let stop = CancelToken::new();
        self.running = Some((first, last, txns, stop.clone()));
        Some(Work { pushes, stop, marks })
    }
}

impl Queue {
    pub(super) fn new(options: SessionOptions) -> Self {
        let (work, news) = (Condvar::new(), Condvar::new());
        Self { options, state: Mutex::default(), work, news }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(signal: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        signal.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a signal, or for the deadline.
    fn wait_in_time<'a>(
        &self,
        signal: &Condvar,
        state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        match self.options.deadline {
            Some(deadline) if state.closed.is_none() => {
                let rest = deadline.saturating_duration_since(Instant::now());
                let waited = signal.wait_timeout(state, rest);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            _ => Self::wait(signal, state),
        }
    }

    /// Closes the queue if the deadline has passed.
    fn look_at_the_clock(&self, state: &mut State) {
        let is_late = || self.options.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if state.closed.is_none_or(|why| why == PushError::Over) && is_late() {
            state.cut(Cut::Deadline);
            self.work.notify_one();
            self.news.notify_all();
        }
    }

    // For hosts.

    /// Appends pushes before anything else is done, with room for all.
    pub(super) fn begin_with(&self, pushes: impl Iterator<Item = Push>) {
        let mut state = self.state();
        for push in pushes {
            let number = state.next;
            state.next += 1;
            state.txns += push.len();
            state.waiting.push_back((number, push));
        }
    }

    /// Appends pushes, waiting for room if `waits`; the number of each. What was appended before a
    /// push is refused stays.
    pub(super) fn push(
        &self,
        pushes: impl IntoIterator<Item = Push>,
        waits: bool,
        mut numbers: impl FnMut(Number),
    ) -> Result<(), PushError> {
        let mut state = self.state();
        for push in pushes {
            loop {
                self.look_at_the_clock(&mut state);
                if let Some(why) = state.closed {
                    return Err(why);
                }
                if state.txns == 0 || state.txns + push.len() <= self.options.capacity.get() {
                    break;
                }
                if !waits {
                    return Err(PushError::Full);
                }
                self.work.notify_one();
                state = self.wait_in_time(&self.news, state);
            }
            let number = state.next;
            state.next += 1;
            state.txns += push.len();
            state.waiting.push_back((number, push));
            numbers(number);
        }
        self.work.notify_one();
        Ok(())
    }

    pub(super) fn mark(&self) -> Number {
        let mut state = self.state();
        let mark = state.next;
        if state.marks.last() != Some(&mark) {
            state.marks.push(mark);
        }
        mark
    }

    /// Drops all pushes from the number `mark` on, and returns when that is done.
    pub(super) fn roll_back(&self, mark: Number) -> Result<(), RollBackError> {
        let mut state = self.state();
        loop {
            if state.over || state.dropped || state.finishing {
                let why = state.closed.unwrap_or(PushError::Over);
                return Err(RollBackError::Ended(why));
            }
            if state.marks.binary_search(&mark).is_err() {
                return Err(RollBackError::Unknown);
            }
            if state.roll_back.is_none() {
                break;
            }
            state = Self::wait(&self.news, state);
        }
        state.drop_waiting(mark);
        state.marks.retain(|other| *other <= mark);
        if let Some((first, .., stop)) = &state.running
            && *first >= mark
        {
            stop.cancel();
        }
        state.roll_back = Some(mark);
        self.work.notify_one();
        while state.roll_back.is_some() && !state.over {
            state = Self::wait(&self.news, state);
        }
        match state.roll_back {
            None => Ok(()),
            Some(_) => Err(RollBackError::Ended(state.closed.unwrap_or(PushError::Over))),
        }
    }

    /// What became of a push; waits for it if `waits`.
    pub(super) fn settled(
        &self,
        number: Number,
        waits: bool,
    ) -> Result<Option<Settled>, UnsettledError> {
        let mut state = self.state();
        loop {
            if let Ok(place) = state.settled.binary_search_by_key(&number, |(number, _)| *number) {
                return Ok(Some(state.settled[place].1.clone()));
            }
            let waiting = || state.waiting.binary_search_by_key(&number, |(number, _)| *number);
            let is_running = match &state.running {
                Some((first, last, ..)) => (*first..=*last).contains(&number),
                None => false,
            };
            let is_to_come = is_running || waiting().is_ok();
            match (is_to_come && !state.over, state.closed) {
                (true, _) if !waits => return Ok(None),
                (true, _) => state = self.wait_in_time(&self.news, state),
                (false, Some(why)) if number < state.next => {
                    return Err(UnsettledError::Ended(why));
                }
                (false, _) => return Err(UnsettledError::Unknown),
            }
            self.look_at_the_clock(&mut state);
        }
    }

    /// Transactions that wait or are under way.
    pub(super) fn pending(&self) -> usize {
        self.state().txns
    }

    /// Ends the block with what is executed by now.
    pub(super) fn cut(&self) {
        let mut state = self.state();
        if let Some((.., stop)) = &state.running {
            stop.cut();
        }
        state.cut(Cut::Token);
        self.work.notify_one();
        self.news.notify_all();
    }

    /// Takes nothing more, and has the block finished once all is executed.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        state.finishing = true;
        state.close(PushError::Over);
        self.work.notify_one();
        self.news.notify_all();
    }

    /// Has the session's thread leave as soon as it can.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.dropped = true;
        state.close(PushError::Over);
        state.drop_waiting(0);
        if let Some((.., stop)) = &state.running {
            stop.cancel();
        }
        self.work.notify_one();
        self.news.notify_all();
    }

    // For the session's thread.

    /// Waits for something to do.
    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        loop {
            if state.dropped {
                return Next::Leave;
            }
            if let Some(mark) = state.roll_back {
                return Next::RollBack(mark);
            }
            self.look_at_the_clock(&mut state);
            if let Some(work) = state.batch(self.options.batch.get()) {
                return Next::Execute(work);
            }
            if state.finishing {
                return Next::Finish(state.cut);
            }
            state = self.wait_in_time(&self.work, state);
        }
    }

    /// The batch under way is over, and this became of its first pushes.
    pub(super) fn executed(&self, settled: Vec<(Number, Settled)>, cut: Option<Cut>) {
        let mut state = self.state();
        if let Some((.., txns, _)) = state.running.take() {
            state.txns -= txns;
        }
        state.settled.extend(settled);
        if let Some(why) = cut {
            state.cut.get_or_insert(why);
            state.cut(why);
        }
        self.news.notify_all();
    }

    /// All pushes from the number `mark` on are taken back.
    pub(super) fn rolled_back(&self, mark: Number) {
        let mut state = self.state();
        let kept = state.settled.partition_point(|(number, _)| *number < mark);
        state.settled.truncate(kept);
        state.roll_back = None;
        self.news.notify_all();
    }

    /// The session's thread will do nothing more.
    pub(super) fn over(&self) {
        let mut state = self.state();
        state.over = true;
        // Only a thread that failed is over while it was neither finished nor dropped.
        if !state.finishing && !state.dropped {
            state.closed = Some(PushError::Failed);
        }
        state.drop_waiting(0);
        state.running = None;
        self.news.notify_all();
    }

    /// What became of all pushes.
    pub(super) fn all_settled(&self) -> Vec<(Number, Settled)> {
        self.state().settled.clone()
    }
}

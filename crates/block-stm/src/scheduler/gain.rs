//! Whether several workers gain anything, where transactions take no longer than handing them over.
//!
//! A worker times some of its executions. The committer compares: what the last transactions would
//! have taken one after another, as far as these times say, with the time that passed. Where the
//! second is longer, the holder of the baton had better go on alone.
//!
//! Only transactions below a microsecond are looked at. To hand one over takes a part of that: its
//! versions, its record, some cache lines on their way to another core. Longer ones gain, and what
//! seems a loss is a core that was busy elsewhere.

use std::time::{Duration, Instant};

/// What takes no longer than this is short.
const SHORT: Duration = Duration::from_micros(1);
/// How many transactions are committed between two comparisons.
const PERIOD: u32 = 64;
/// How many may end a block before a comparison says anything.
const FEW: u32 = 4;
/// A worker times its first executions, and then one in so many.
const FIRST_TIMED: u32 = 8;
const ONE_IN: u32 = 16;

/// Which executions of one worker are timed, as reading the clock takes time, too.
pub(crate) struct Stopwatch {
    measures: bool,
    executions: u32,
}

impl Stopwatch {
    pub(crate) const fn new(measures: bool) -> Self {
        Self { measures, executions: 0 }
    }

    /// When the execution begins that is about to, if it is to be timed.
    pub(crate) fn start(&mut self) -> Option<Instant> {
        if !self.measures {
            return None;
        }
        let earlier = self.executions;
        self.executions = earlier.wrapping_add(1);
        (earlier < FIRST_TIMED || earlier.is_multiple_of(ONE_IN)).then(Instant::now)
    }
}

/// The committer's account.
pub(crate) struct Gain {
    /// `None` if nothing is measured.
    since: Option<Instant>,
    commits: u32,
    timed: u32,
    took: Duration,
    /// How many timed executions in a row were long, if any was timed.
    long: Option<u32>,
}

impl Gain {
    pub(crate) fn new(measures: bool) -> Self {
        let since = measures.then(Instant::now);
        Self { since, commits: 0, timed: 0, took: Duration::ZERO, long: None }
    }

    /// Begins anew, after transactions that do not count.
    pub(crate) fn restart(&mut self) {
        if self.since.is_some() {
            *self = Self { long: self.long, ..Self::new(true) };
        }
    }

    /// A transaction was committed; its execution took so long, if it was timed. From time to time
    /// it is known whether several workers gain.
    pub(crate) fn note(&mut self, took: Option<Duration>) -> Option<bool> {
        self.commits += 1;
        took.into_iter().for_each(|took| self.note_alone(took));
        if self.commits < PERIOD {
            return None;
        }
        let gains = self.since.and_then(|since| self.judge(since.elapsed()));
        self.restart();
        gains
    }

    /// An execution took so long, that of a transaction that the holder of the baton executed alone.
    pub(crate) fn note_alone(&mut self, took: Duration) {
        self.timed += 1;
        self.took += took;
        let before = self.long.unwrap_or(0);
        self.long = Some(if took > SHORT { before.saturating_add(1) } else { 0 });
    }

    /// Whether what was executed last is not short. One alone may have been disturbed.
    pub(crate) fn is_long(&self) -> bool {
        self.long.is_some_and(|long| long >= 2)
    }

    /// Whether what was executed last is short.
    pub(crate) fn is_short(&self) -> bool {
        self.long == Some(0)
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.since.is_some()
    }

    /// Whether several workers gained since the last comparison, at the end of a block.
    pub(crate) fn last(&self) -> Option<bool> {
        let since = self.since.filter(|_| self.commits >= FEW)?;
        self.judge(since.elapsed())
    }

    /// Whether they gain; `None` if the transactions are not short.
    fn judge(&self, elapsed: Duration) -> Option<bool> {
        let mean = self.took.checked_div(self.timed)?;
        let alone = mean.saturating_mul(self.commits);
        (mean <= SHORT).then_some(alone >= elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANOSECOND: Duration = Duration::from_nanos(1);

    fn account(commits: u32, took: Duration) -> Gain {
        Gain { commits, timed: 4, took: took * 4, ..Gain::new(true) }
    }

    #[test]
    fn loses_where_the_executions_alone_would_have_taken_less_time_than_passed() {
        let short = account(64, NANOSECOND * 200);
        assert_eq!(short.judge(NANOSECOND * 64 * 201), Some(false));
        assert_eq!(short.judge(NANOSECOND * 64 * 199), Some(true));
    }

    #[test]
    fn says_nothing_of_long_transactions_and_of_none() {
        assert_eq!(account(64, SHORT + NANOSECOND).judge(Duration::MAX), None);
        assert_eq!(Gain::new(true).judge(Duration::MAX), None);
        assert_eq!(account(FEW - 1, NANOSECOND).last(), None);
        assert_eq!(account(FEW, NANOSECOND).last(), Some(false));
    }

    #[test]
    fn there_is_an_answer_once_a_period() {
        let mut gain = Gain::new(true);
        for _ in 0..3 {
            assert!((1..PERIOD).all(|_| gain.note(Some(NANOSECOND)).is_none()));
            assert!(gain.note(Some(NANOSECOND)).is_some());
        }
    }

    #[test]
    fn two_long_executions_in_a_row_are_no_accident() {
        let mut gain = Gain::new(true);
        let mut note = |took| {
            gain.note_alone(took);
            gain.is_long()
        };
        assert_eq!(
            [2 * SHORT, NANOSECOND, 2 * SHORT, 2 * SHORT].map(&mut note),
            [false, false, false, true]
        );
    }

    #[test]
    fn nothing_is_timed_unless_it_is_measured() {
        let mut watch = Stopwatch::new(false);
        assert!((0..100).all(|_| watch.start().is_none()));
        let mut gain = Gain::new(false);
        assert!((0..200).all(|_| gain.note(Some(NANOSECOND)).is_none()));
        let mut watch = Stopwatch::new(true);
        let timed = (0..160).filter(|_| watch.start().is_some()).count();
        assert_eq!(timed, FIRST_TIMED as usize + 9);
    }
}

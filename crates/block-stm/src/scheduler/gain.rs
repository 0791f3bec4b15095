//! Whether several workers gain anything, where transactions take no longer than handing them over.
//!
//! A worker times some of its executions. The committer compares: what the last transactions would
//! have taken one after another, as far as these times say, with the time that passed. Where the
//! second is longer, the holder of the baton had better go on alone. Then what a transaction takes
//! is known better. If it is much more than it was with several workers, as when the storage is
//! slow now and then, going alone was wrong, and the next comparisons count with what it took.
//!
//! Only executions below a microsecond are looked at. To hand one over takes a part of that: its
//! versions, its record, some cache lines on their way to another core. Longer ones gain, and what
//! seems a loss is a core that was busy elsewhere.

use std::time::{Duration, Instant};

/// What takes no longer than this is short.
const SHORT: Duration = Duration::from_micros(1);
/// How many transactions are committed between two comparisons, and two looks at the clock alone.
const PERIOD: u32 = 64;
/// How many transactions are too few to say anything.
const FEW: u32 = 4;
/// After how many comparisons what was measured alone is too old.
const OLD: u32 = 16;
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
    /// When the period began; `None` if nothing is measured.
    since: Option<Instant>,
    /// The transactions of the period, and the executions among them that were timed.
    commits: u32,
    timed: u32,
    took: Duration,
    /// The periods since the last change between alone and together.
    periods: u32,
    /// What a transaction took, sink and all, when the head was executed alone, and when several
    /// workers were at it.
    alone: Option<Duration>,
    together: Option<Duration>,
    /// How many periods in a row were too long; `None` before the first one.
    long: Option<u32>,
}

impl Gain {
    pub(crate) fn new(measures: bool) -> Self {
        Self {
            since: measures.then(Instant::now),
            commits: 0,
            timed: 0,
            took: Duration::ZERO,
            periods: 0,
            alone: None,
            together: None,
            long: None,
        }
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.since.is_some()
    }

    /// What comes is executed alone, or by several workers again.
    pub(crate) fn restart(&mut self) {
        self.end_period();
        self.periods = 0;
    }

    fn end_period(&mut self) {
        if self.since.is_some() {
            self.since = Some(Instant::now());
        }
        (self.commits, self.timed, self.took) = (0, 0, Duration::ZERO);
        self.periods = self.periods.saturating_add(1);
    }

    /// A transaction was committed, where several workers are; its execution took so long, if it
    /// was timed. From time to time it is known whether they gain.
    pub(crate) fn note(&mut self, took: Option<Duration>) -> Option<bool> {
        self.commits += 1;
        if let Some(took) = took {
            self.timed += 1;
            self.took += took;
        }
        if self.commits < PERIOD {
            return None;
        }
        let gains = self.since.and_then(|since| self.compare(since.elapsed()));
        self.end_period();
        gains
    }

    /// Whether several workers gained since the last comparison, at the end of a block.
    pub(crate) fn last(&mut self) -> Option<bool> {
        let since = self.since.filter(|_| self.commits >= FEW)?;
        self.compare(since.elapsed())
    }

    /// Whether they gain; `None` if the transactions are not short.
    fn compare(&mut self, elapsed: Duration) -> Option<bool> {
        let mean = self.took.checked_div(self.timed)?;
        if mean > SHORT {
            return None;
        }
        self.alone = self.alone.filter(|_| self.periods < OLD);
        let together = elapsed.checked_div(self.commits)?;
        self.together = Some(together);
        self.long = Some(0);
        Some(self.alone.unwrap_or(mean) >= together)
    }

    /// A transaction was committed that the holder of the baton executed alone.
    pub(crate) fn note_alone(&mut self) {
        self.commits += 1;
        // Short periods at first: what is not short at all is to be known at once.
        if self.commits >= PERIOD || self.periods < 6 && self.commits >= 1 << self.periods {
            if let Some(since) = self.since {
                self.look(since.elapsed());
            }
            self.end_period();
        }
    }

    /// A period of transactions alone has ended.
    fn look(&mut self, elapsed: Duration) {
        let Some(alone) = elapsed.checked_div(self.commits) else { return };
        self.alone = Some(alone);
        let bound = self.together.map_or(SHORT, |together| 2 * together);
        let before = self.long.unwrap_or(0);
        self.long = Some(if alone > bound { before.saturating_add(1) } else { 0 });
    }

    /// Whether to go alone is wrong. One long period may have been disturbed.
    pub(crate) fn is_long(&self) -> bool {
        self.long.is_some_and(|long| long >= 2)
    }

    /// Whether the last transactions were short.
    pub(crate) fn is_short(&self) -> bool {
        self.long == Some(0)
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
        let mut short = account(64, NANOSECOND * 200);
        assert_eq!(short.compare(NANOSECOND * 64 * 201), Some(false));
        assert_eq!(short.compare(NANOSECOND * 64 * 199), Some(true));
    }

    #[test]
    fn says_nothing_of_long_transactions_and_of_none() {
        assert_eq!(account(64, SHORT + NANOSECOND).compare(Duration::MAX), None);
        assert_eq!(Gain::new(true).compare(Duration::MAX), None);
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

    /// Alone, each of `commits` transactions takes so long.
    fn alone(gain: &mut Gain, commits: u32, took: Duration) -> (bool, bool) {
        gain.commits = commits;
        gain.look(took * commits);
        (gain.is_long(), gain.is_short())
    }

    #[test]
    fn two_long_periods_in_a_row_are_no_accident() {
        let mut gain = Gain::new(true);
        assert_eq!(alone(&mut gain, 1, 2 * SHORT), (false, false));
        assert_eq!(alone(&mut gain, 1, NANOSECOND), (false, true));
        assert_eq!(alone(&mut gain, 64, 2 * SHORT), (false, false));
        assert_eq!(alone(&mut gain, 64, 2 * SHORT), (true, false));
    }

    #[test]
    fn what_was_measured_alone_counts_more_than_single_executions() {
        // Now and then, the storage is slow: few executions show that, but all wait for it.
        let mut gain = account(64, NANOSECOND * 100);
        assert_eq!(gain.compare(NANOSECOND * 64 * 900), Some(false));
        for long in [false, true] {
            assert_eq!(alone(&mut gain, 64, NANOSECOND * 2_600), (long, false));
        }
        (gain.commits, gain.timed, gain.took) = (64, 4, NANOSECOND * 400);
        assert_eq!(gain.compare(NANOSECOND * 64 * 900), Some(true));
        gain.periods = OLD;
        assert_eq!(gain.compare(NANOSECOND * 64 * 900), Some(false));
        // A sink that is slow takes as long either way.
        let mut gain = account(64, NANOSECOND * 100);
        assert_eq!(gain.compare(NANOSECOND * 64 * 5_300), Some(false));
        for _ in 0..3 {
            assert_eq!(alone(&mut gain, 64, NANOSECOND * 5_100), (false, true));
        }
    }

    #[test]
    fn the_first_transactions_alone_are_looked_at_soon() {
        let mut gain = Gain::new(true);
        let mut looks = Vec::new();
        for txn in 0..400_u32 {
            gain.note_alone();
            if gain.commits == 0 {
                looks.push(txn);
            }
        }
        assert_eq!(looks, [0, 2, 6, 14, 30, 62, 126, 190, 254, 318, 382]);
    }

    #[test]
    fn nothing_is_timed_unless_it_is_measured() {
        let mut watch = Stopwatch::new(false);
        assert!((0..100).all(|_| watch.start().is_none()));
        let mut gain = Gain::new(false);
        assert!((0..200).all(|_| gain.note(Some(NANOSECOND)).is_none()));
        (0..200).for_each(|_| gain.note_alone());
        assert!(!gain.is_short());
        let mut watch = Stopwatch::new(true);
        let timed = (0..160).filter(|_| watch.start().is_some()).count();
        assert_eq!(timed, FIRST_TIMED as usize + 9);
    }
}

//! How far to look ahead of the commit point, and with how many workers: as far as the block's
//! dependencies allow, not at all where each transaction needs the one before.
//!
//! The committer reports each transaction: its [distance](super::distances), and whether an
//! optimistic execution of it stood. The reports say how many workers can be fed; each of them adds
//! its part to the window. With one worker the window is 1: only the head runs. Its reports go on,
//! so the window opens again as soon as transactions are independent, without a try.
//!
//! An execution may fail for what its distance does not show: an assumption that does not hold, a
//! delta that it did not see. It counts as near. Once such failures have closed the window, it
//! stays so for a while, each time for twice as many commits.
//!
//! Where executions stand, but gain nothing (see [`gain`](super::gain)), the window closes as well,
//! for a *pause*. Pauses grow in a similar way, and last from one block to the next.
//!
//! At the beginning nothing is known. Then there are at most as many workers as transactions were
//! committed, or [`FEW`].
//!
//! Workers take on several transactions in a row, a *stride*, while nothing fails: neighbours'
//! caches, queues and locks are then left alone for longer. Transactions that depend on each other
//! had better be executed close together, so the first failure makes strides single steps again.

use super::distances::Distances;
use crate::primitives::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How many executions in a row must stand before the stride is doubled.
const CALM: u32 = 48;
const MAX_STRIDE: u32 = 16;
/// With how many workers a block begins at most.
const FEW: u32 = 8;
/// After how many reports the first impression is no longer that.
const FIRST_REPORTS: u32 = 4;
const FIRST_REST: u32 = 64;
const LAST_REST: u32 = 4096;
/// Short transactions that gain nothing hardly ever become short ones that do, and long ones end
/// every pause. To end one in vain takes as long as some thousand transactions, as the layer of the
/// stretch moves into the memory.
const FIRST_PAUSE: u32 = 1 << 13;
const LAST_PAUSE: u32 = 1 << 17;

/// For how many commits nothing is executed ahead, as that gained nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    left: u32,
    next: u32,
}

impl Pause {
    /// There is none.
    pub(crate) const NONE: Self = Self { left: 0, next: FIRST_PAUSE };

    const fn longer(self) -> Self {
        let next = 4 * self.next;
        Self { left: self.next, next: if next < LAST_PAUSE { next } else { LAST_PAUSE } }
    }

    /// As one word, which is not 0.
    pub(crate) const fn to_word(self) -> u64 {
        (self.left as u64) << 32 | self.next as u64
    }

    /// `None` for 0.
    pub(crate) const fn from_word(word: u64) -> Option<Self> {
        let (left, next) = ((word >> 32) as u32, word as u32);
        if next == 0 { None } else { Some(Self { left, next }) }
    }
}

/// Read by every worker.
pub(crate) struct Window {
    size: AtomicU32,
    stride: AtomicU32,
    workers: AtomicU32,
    cautious: AtomicBool,
}

impl Window {
    /// How many transactions in a row a worker takes on.
    pub(crate) fn stride(&self) -> u32 {
        // ORDERING: Relaxed: as below.
        self.stride.load(Ordering::Relaxed)
    }

    pub(crate) fn size(&self) -> u32 {
        // ORDERING: Relaxed: a stale size costs time only.
        self.size.load(Ordering::Relaxed)
    }

    /// How many workers have something to do.
    pub(crate) fn workers(&self) -> u32 {
        // ORDERING: Relaxed: as above.
        self.workers.load(Ordering::Relaxed)
    }

    /// Whether little is known yet, or little is to be expected of executions ahead.
    pub(crate) fn is_cautious(&self) -> bool {
        // ORDERING: Relaxed: as above.
        self.cautious.load(Ordering::Relaxed)
    }
}

/// Kept by the committer.
pub(crate) struct WindowControl {
    distances: Distances,
    workers: u32,
    most_workers: u32,
    max: u32,
    reports: u32,
    /// Failures that distances do not explain, since the window was opened.
    unexplained: u32,
    /// For how many commits the window stays closed whatever is reported.
    rest: u32,
    next_rest: u32,
    pause: Pause,
    stride: u32,
    max_stride: u32,
    /// Optimistic executions that stood, one after another.
    calm: u32,
}

impl WindowControl {
    /// A control for a window of at most `max`, served by at most `workers`, of which `room` can
    /// run at once for now.
    pub(crate) fn new(max: u32, workers: u32, room: u32) -> Self {
        let (max, workers) = (max.max(1), workers.max(1));
        Self {
            distances: Distances::new(),
            workers: workers.min(FEW).min(room.max(1)),
            most_workers: workers,
            max,
            reports: 0,
            unexplained: 0,
            rest: 0,
            next_rest: FIRST_REST,
            pause: Pause::NONE,
            stride: 1,
            // So that all have work within the window while the one that is behind catches up.
            max_stride: (max / workers / 4).clamp(1, MAX_STRIDE),
            calm: 0,
        }
    }

    /// As if a block before had ended with the head alone, and in this pause.
    pub(crate) fn shut(&mut self, pause: Pause) {
        (self.workers, self.reports, self.pause) = (1, FIRST_REPORTS, pause);
    }

    /// The window that it begins with.
    pub(crate) fn window(&self) -> Window {
        Window {
            size: AtomicU32::new(self.size()),
            stride: AtomicU32::new(1),
            workers: AtomicU32::new(self.workers),
            cautious: AtomicBool::new(true),
        }
    }

    /// Whether the head alone is worth executing, though more could be.
    pub(crate) fn is_shut(&self) -> bool {
        self.workers == 1 && self.most_workers > 1 && self.reports >= FIRST_REPORTS
    }

    /// Takes the report of one transaction; of the block's first one there is none, as it says
    /// nothing.
    ///
    /// `stood` is whether its first optimistic execution stood, if there was one. `distance` is how
    /// far below it the nearest transaction is whose write it read; `u32::MAX` if there is none. At
    /// most `room` workers can run.
    pub(crate) fn report(
        &mut self,
        stood: Option<bool>,
        distance: u32,
        room: u32,
        window: &Window,
    ) {
        self.pace(stood, window);
        self.reports = self.reports.saturating_add(1);
        let near = match stood {
            Some(true) => distance.max(self.workers),
            Some(false) if self.workers > 1 => {
                self.unexplained += u32::from(distance >= self.workers);
                distance.min(self.workers - 1)
            }
            Some(false) | None if self.rest > 0 => {
                self.rest -= u32::from(stood.is_none());
                return;
            }
            Some(false) | None => distance,
        };
        if self.pause.left > 0 {
            self.pause.left -= u32::from(stood.is_none());
            return;
        }
        self.distances.add(near);
        let most = self.most_workers.min(self.reports.max(FEW)).min(room.max(1));
        let no_news =
            if near > 1 { self.workers == most && near >= most } else { self.workers == 1 };
        if !no_news {
            self.resize(self.distances.workers(most), window);
        }
        if self.reports == FIRST_REPORTS {
            self.tell(window);
        }
    }

    /// Several workers gain, or not: then the window closes for a pause.
    pub(crate) fn weigh(&mut self, gains: bool, window: &Window) {
        if gains {
            self.pause = Pause::NONE;
        } else if self.workers > 1 {
            self.pause = self.pause.longer();
            self.workers = 1;
            self.tell(window);
        }
    }

    /// Ends the pause: transactions are not short any more.
    pub(crate) fn end_pause(&mut self) {
        self.pause.left = 0;
    }

    /// In what pause the next block begins, if it is to begin with the head alone, as this one
    /// ends, or had better have ended.
    pub(crate) fn next_pause(&self, gained: Option<bool>) -> Option<Pause> {
        match gained {
            Some(false) if self.workers > 1 => Some(self.pause.longer()),
            _ => self.is_shut().then_some(self.pause),
        }
    }

    fn resize(&mut self, workers: u32, window: &Window) {
        if workers == self.workers {
            return;
        }
        if workers == 1 && self.unexplained > 0 {
            self.rest = self.next_rest;
            self.next_rest = (2 * self.next_rest).min(LAST_REST);
            self.unexplained = 0;
        }
        self.workers = workers;
        self.tell(window);
    }

    fn tell(&self, window: &Window) {
        // ORDERING: Relaxed throughout: see `Window::size`.
        window.size.store(self.size(), Ordering::Relaxed);
        window.workers.store(self.workers, Ordering::Relaxed);
        let cautious = self.workers == 1 || self.reports < FIRST_REPORTS;
        window.cautious.store(cautious, Ordering::Relaxed);
    }

    /// Each worker's part of the largest window; the head alone for one.
    fn size(&self) -> u32 {
        if self.workers == 1 && self.most_workers > 1 {
            return 1;
        }
        let parts = u64::from(self.max) * u64::from(self.workers) / u64::from(self.most_workers);
        u32::try_from(parts).unwrap_or(self.max).max(self.workers.min(self.max))
    }

    /// Lengthens the stride while nothing fails; a failure starts over.
    fn pace(&mut self, stood: Option<bool>, window: &Window) {
        let stride = match stood {
            None => return,
            Some(false) => 1,
            Some(true) => {
                self.calm += 1;
                if self.calm < CALM {
                    return;
                }
                self.next_rest = FIRST_REST;
                if self.stride == self.max_stride {
                    return;
                }
                (self.stride * 2).min(self.max_stride)
            }
        };
        self.calm = 0;
        if stride != self.stride {
            self.stride = stride;
            // ORDERING: Relaxed: see `Window::size`.
            window.stride.store(stride, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: u32 = u32::MAX;

    /// A control of so many workers with a window of ten for each, and a way to feed it.
    struct Fed {
        control: WindowControl,
        window: Window,
    }

    impl Fed {
        fn new(workers: u32) -> Self {
            let control = WindowControl::new(10 * workers, workers, workers);
            let window = control.window();
            Self { control, window }
        }

        fn feed(&mut self, stood: Option<bool>, distance: u32, times: u32) -> (u32, u32) {
            let report = |_| self.control.report(stood, distance, u32::MAX, &self.window);
            (0..times).for_each(report);
            (self.window.workers(), self.window.size())
        }
    }

    #[test]
    fn closes_after_the_first_dependent_transactions_and_opens_without_a_try() {
        let mut fed = Fed::new(2);
        assert_eq!((fed.window.workers(), fed.window.size()), (2, 20));
        assert_eq!(fed.feed(Some(false), 1, 1), (1, 1));
        assert_eq!(fed.feed(None, 1, 1_000), (1, 1));
        assert!(fed.window.is_cautious());
        assert_eq!(fed.feed(None, FAR, 64), (2, 20));
        assert!(!fed.window.is_cautious());
    }

    #[test]
    fn grows_with_the_transactions_that_were_seen_to_be_independent() {
        let mut fed = Fed::new(64);
        assert_eq!((fed.window.workers(), fed.window.size()), (8, 80));
        assert_eq!(fed.feed(Some(true), FAR, 20), (20, 200));
        assert_eq!(fed.feed(Some(true), FAR, 100), (64, 640));
        assert_eq!(fed.feed(Some(true), 2, 1_000).0, 64, "what stands is far enough");
        assert_eq!(fed.feed(None, 2, 100), (2, 20));
    }

    #[test]
    fn no_more_workers_than_can_run() {
        let mut fed = Fed::new(64);
        (0..200).for_each(|_| fed.control.report(Some(true), FAR, 5, &fed.window));
        assert_eq!((fed.window.workers(), fed.window.size()), (5, 50));
    }

    #[test]
    fn rests_ever_longer_after_failures_that_distances_do_not_explain() {
        let mut fed = Fed::new(2);
        for rest in [FIRST_REST, 2 * FIRST_REST] {
            assert_eq!(fed.feed(Some(false), FAR, 200), (1, 1));
            assert_eq!(fed.feed(None, FAR, rest), (1, 1));
            assert_eq!(fed.feed(None, FAR, 100), (2, 20));
        }
        fed.feed(Some(true), FAR, CALM);
        assert_eq!(fed.control.next_rest, FIRST_REST);
    }

    #[test]
    fn pauses_grow_as_long_as_nothing_is_gained() {
        let mut fed = Fed::new(2);
        for pause in [FIRST_PAUSE, 4 * FIRST_PAUSE, LAST_PAUSE, LAST_PAUSE] {
            fed.control.weigh(false, &fed.window);
            assert_eq!(fed.feed(Some(true), FAR, 1_000), (1, 1), "runs of before");
            assert_eq!(fed.feed(None, FAR, pause), (1, 1));
            assert_eq!(fed.feed(None, FAR, 1), (2, 20));
        }
        fed.control.weigh(true, &fed.window);
        assert_eq!(fed.control.pause, Pause::NONE);
        fed.control.weigh(false, &fed.window);
        fed.control.end_pause();
        assert_eq!(fed.feed(None, FAR, 1), (2, 20), "long ones");
    }

    #[test]
    fn a_pause_goes_on_in_the_next_block() {
        let mut fed = Fed::new(2);
        fed.control.weigh(false, &fed.window);
        fed.feed(None, FAR, FIRST_PAUSE - 10);
        let pause = fed.control.next_pause(None).expect("the window is shut");
        let pause = Pause::from_word(pause.to_word()).expect("there is one");
        let mut next = Fed::new(2);
        next.control.shut(pause);
        next.window = next.control.window();
        assert!(next.control.is_shut());
        assert_eq!(next.feed(None, FAR, 10), (1, 1));
        assert_eq!(next.feed(None, FAR, 1), (2, 20));
    }

    #[test]
    fn a_window_of_one_stays_at_one() {
        let control = &mut WindowControl::new(1, 8, 8);
        let window = control.window();
        (0..10_000).for_each(|_| control.report(None, FAR, u32::MAX, &window));
        assert_eq!(window.size(), 1);
    }
}

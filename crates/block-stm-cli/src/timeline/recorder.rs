//! What the workers of one execution did, step by step, within a bound.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use block_stm::{conductor::Step, observer::Observer};

/// A step of a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Nanoseconds since the execution began.
    pub(super) at: u64,
    pub(super) step: Step,
}

/// All steps of one worker, in their order.
#[derive(Debug, Default)]
struct Lane(Mutex<Vec<Moment>>);

/// Takes down the steps of the workers of one execution.
#[derive(Debug)]
pub(super) struct Recorder {
    /// No other one has it.
    number: u64,
    start: Instant,
    /// The caller's comes first.
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// For each worker.
    most: usize,
}

/// What a recorder took down.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) lanes: Vec<Vec<Moment>>,
    /// Whether a worker took more steps than are kept.
    pub(super) cut: bool,
}

thread_local! {
    /// Where this thread's steps go, and whose steps these are.
    static LANE: RefCell<Option<(u64, Arc<Lane>)>> = const { RefCell::new(None) };
}

impl Recorder {
    /// Begins, with the calling thread as the first worker; keeps `most` steps of each of them.
    pub(super) fn start(most: usize) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed: only a number.
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let recorder =
            Arc::new(Self { number, start: Instant::now(), lanes: Mutex::default(), most });
        LANE.set(Some((number, recorder.lane())));
        recorder
    }

    fn lane(&self) -> Arc<Lane> {
        let lane = Arc::<Lane>::default();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.push(Arc::clone(&lane));
        lane
    }

    /// What was taken down, once the execution is over.
    pub(super) fn finish(&self) -> Recorded {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |lane: &Arc<Lane>| {
            std::mem::take(&mut *lane.0.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let lanes: Vec<_> = lanes.iter().map(taken).collect();
        let cut = lanes.iter().any(|lane| lane.len() >= self.most);
        Recorded { lanes, cut }
    }
}

impl Observer for Recorder {
    fn step(&self, step: Step) {
        // Too many, and too short.
        if matches!(step, Step::Access(_) | Step::Storage(_) | Step::Wake) {
            return;
        }
        let at = self.start.elapsed().as_nanos() as u64;
        LANE.with_borrow_mut(|lane| {
            let mine = lane.as_ref().is_some_and(|(whose, _)| *whose == self.number);
            if !mine {
                *lane = Some((self.number, self.lane()));
            }
            let Some((_, lane)) = lane else { return };
            // No one else looks before the end.
            let mut moments = lane.0.lock().unwrap_or_else(PoisonError::into_inner);
            if moments.len() < self.most {
                moments.push(Moment { at, step });
            }
        });
    }
}

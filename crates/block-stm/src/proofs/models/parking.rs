//! Nobody sleeps on work, and the end reaches everybody.
//!
//! Loom's time stands still: a worker that sleeps without a limit and is not woken is a deadlock,
//! which fails the model.

use std::sync::Arc;

use loom::thread;

use super::explore;
use crate::primitives::sync::atomic::{AtomicUsize, Ordering};
use crate::scheduler::parking::Parking;

struct Place {
    parking: Parking,
    /// Work that nobody has taken. Its accesses are weak on purpose: the parking has to do with
    /// less than the engine gives it.
    work: AtomicUsize,
}

impl Place {
    fn new() -> Arc<Self> {
        Arc::new(Self { parking: Parking::new(), work: AtomicUsize::new(0) })
    }

    fn has_work(&self) -> bool {
        // ORDERING: Relaxed throughout: whether a sleeper sees it rests on the parking alone.
        self.work.load(Ordering::Relaxed) > 0
    }

    fn make_work(&self) {
        self.work.fetch_add(1, Ordering::Relaxed);
        self.parking.wake_one();
    }

    fn take_work(&self) {
        loop {
            let work = self.work.load(Ordering::Relaxed);
            if work > 0 {
                let taken = self.work.compare_exchange(
                    work,
                    work - 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                if taken.is_ok() {
                    return;
                }
            } else {
                self.parking.park(None, || self.has_work());
            }
        }
    }
}

fn worker(place: &Arc<Place>) -> thread::JoinHandle<()> {
    let place = Arc::clone(place);
    thread::spawn(move || place.take_work())
}

#[test]
pub(crate) fn a_sleeper_is_woken_for_work() {
    // Work comes while the worker announces itself, looks, waits. In each case it does not sleep,
    // or is woken.
    //
    // Caught: the fence taken away from `park` or from `has_sleepers`; the maker of work not
    // passing through the lock; the last look taken away.
    explore(|| {
        let place = Place::new();
        let sleeper = worker(&place);
        place.make_work();
        sleeper.join().expect("no panic");
    });
}

#[test]
fn two_wakes_reach_two_sleepers() {
    // Whom a wake-up reaches that was meant for somebody who did not sleep yet: nobody is forgotten
    // all the same.
    //
    // Caught: as above.
    explore(|| {
        let place = Place::new();
        let sleepers = [worker(&place), worker(&place)];
        place.make_work();
        place.make_work();
        for sleeper in sleepers {
            sleeper.join().expect("no panic");
        }
    });
}

#[test]
fn the_end_reaches_everybody() {
    // One of the sleepers wakes others for nothing on its way out, as a worker does that releases a
    // transaction.
    //
    // Caught: `wake_all` that notifies one.
    explore(|| {
        let place = Place::new();
        let sleeper = |wakes: bool| {
            let place = Arc::clone(&place);
            thread::spawn(move || {
                while !place.has_work() {
                    place.parking.park(None, || place.has_work());
                }
                if wakes {
                    place.parking.wake_one();
                }
            })
        };
        let sleepers = [sleeper(false), sleeper(true)];
        place.work.store(1, Ordering::Relaxed);
        place.parking.wake_all();
        for sleeper in sleepers {
            sleeper.join().expect("no panic");
        }
    });
}

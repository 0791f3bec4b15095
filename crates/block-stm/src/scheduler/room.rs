//! How many workers can run at once: as many as there are cores, and more while some of them wait
//! for the storage.
//!
//! A worker without a core is worse than none: the system may stop it while it owns the head, and
//! then all others wait for it. So where there are more threads than cores, workers are let in one
//! by one, and each says under its *number* whether it runs or waits. Each looks around between its
//! transactions:
//!
//! * Fewer run than there are cores, several times in a row: there is room for twice as many
//!   workers.
//! * More run than there are cores: half of them leave.
//!
//! Where there are no more threads than cores, no worker says anything, and all of this costs a
//! look at a length.

use crate::primitives::sync::Padded;
use crate::primitives::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How often in a row a worker must see the same before it believes it: a read from memory is
/// short, and hardly met so often.
const SURE: i32 = 3;
const SURELY_CROWDED: i32 = -SURE;

pub(crate) struct Room {
    cores: u32,
    workers: AtomicU32,
    /// Whether each worker that may come runs, by its number; empty unless they are more than the
    /// cores.
    running: Box<[Padded<AtomicBool>]>,
}

impl Room {
    /// Room for `workers` workers on `cores` cores.
    pub(crate) fn new(workers: u32, cores: u32) -> Self {
        let told = if workers > cores { workers } else { 0 };
        Self {
            cores: cores.max(1),
            workers: AtomicU32::new(workers.min(cores.max(1))),
            running: (0..told).map(|_| Padded(AtomicBool::new(false))).collect(),
        }
    }

    /// How many workers there is room for.
    pub(crate) fn workers(&self) -> u32 {
        // ORDERING: Relaxed: advice only.
        self.workers.load(Ordering::Relaxed)
    }

    /// The worker with this number says whether it runs: it is there, does not sleep, and does not
    /// wait for the storage.
    #[inline]
    pub(crate) fn tell(&self, worker: usize, runs: bool) {
        if let Some(running) = self.running.get(worker) {
            // ORDERING: Relaxed: advice only.
            running.store(runs, Ordering::Relaxed);
        }
    }

    /// A running worker looks around, where all that there is room for are wanted.
    ///
    /// It keeps in `looks` how often in a row it saw the same: idle cores above zero, too many
    /// running workers below.
    pub(crate) fn look(&self, looks: &mut i32) {
        if self.running.is_empty() {
            return;
        }
        let room = self.workers();
        // ORDERING: Relaxed: advice only.
        let runs = |running: &&Padded<AtomicBool>| running.load(Ordering::Relaxed);
        let running = self.running.iter().take(room as usize).filter(runs).count() as u32;
        let crowded = running > self.cores + self.cores / 4 + 1;
        *looks = match running < self.cores {
            true => (*looks).max(0) + 1,
            false if crowded => (*looks).min(0) - 1,
            false => 0,
        };
        let change = match *looks {
            SURE => (2 * room).min(self.running.len() as u32),
            SURELY_CROWDED => (room / 2).max(self.cores),
            _ => return,
        };
        *looks = 0;
        // ORDERING: Relaxed: as above. If another worker was faster, it has been done.
        let _ = self.workers.compare_exchange(room, change, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(room: &Room, times: i32) -> u32 {
        let looks = &mut 0;
        (0..times).for_each(|_| room.look(looks));
        room.workers()
    }

    fn tell(room: &Room, workers: std::ops::Range<usize>, run: bool) {
        workers.for_each(|worker| room.tell(worker, run));
    }

    #[test]
    fn there_is_room_for_more_while_some_wait() {
        let room = Room::new(10, 2);
        assert_eq!(room.workers(), 2);
        tell(&room, 0..2, true);
        assert_eq!(look(&room, 100), 2);
        tell(&room, 1..10, false);
        assert_eq!(look(&room, SURE - 1), 2);
        assert_eq!(look(&room, SURE), 4);
        assert_eq!(look(&room, 100), 10, "no more than there are");
        tell(&room, 1..10, true);
        assert_eq!(look(&room, SURE), 5);
        assert_eq!(look(&room, 100), 2);
    }

    #[test]
    fn who_has_a_core_each_need_not_look() {
        let room = Room::new(4, 4);
        tell(&room, 0..4, false);
        assert_eq!(look(&room, 100), 4);
        assert!(room.running.is_empty());
    }
}

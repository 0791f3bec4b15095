//! How many workers can run at once: as many as there are cores, and more while some of them wait
//! for the storage.
//!
//! A worker without a core is worse than none: the system may stop it while it owns the head, and
//! then all others wait for it. So where there are more threads than cores, workers are let in one
//! by one, and each says in its *seat* whether it runs or waits. Each looks around between its
//! transactions:
//!
//! * Fewer run than there are cores, several times in a row: there is room for twice as many
//!   workers.
//! * More run than there are cores: half of them leave.
//!
//! Where there are no more threads than cores, there are no seats, and all of this costs a look at
//! a length.

use crate::primitives::sync::Padded;
use crate::primitives::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// How often in a row a worker must see the same before it believes it: a read from memory is
/// short, and hardly met so often.
const SURE: u32 = 3;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It is not there, or sleeps.
    Nothing,
    /// It waits for the storage.
    Waiting,
    Running,
}

pub(crate) struct Room {
    cores: u32,
    workers: AtomicU32,
    /// One for each worker that may come, if they are more than the cores.
    seats: Box<[Padded<AtomicU8>]>,
}

/// What a worker saw the last times that it looked around.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    idle: u32,
    crowded: u32,
}

impl Room {
    /// Room for `workers` workers on `cores` cores.
    pub(crate) fn new(workers: u32, cores: u32) -> Self {
        let seats = if workers > cores { workers } else { 0 };
        let seat = || Padded(AtomicU8::new(Doing::Nothing as u8));
        Self {
            cores: cores.max(1),
            workers: AtomicU32::new(workers.min(cores.max(1))),
            seats: (0..seats).map(|_| seat()).collect(),
        }
    }

    /// How many workers there is room for.
    pub(crate) fn workers(&self) -> u32 {
        // ORDERING: Relaxed: advice only.
        self.workers.load(Ordering::Relaxed)
    }

    /// The worker in `seat` says what it is doing.
    #[inline]
    pub(crate) fn tell(&self, seat: usize, doing: Doing) {
        if let Some(seat) = self.seats.get(seat) {
            // ORDERING: Relaxed: advice only.
            seat.store(doing as u8, Ordering::Relaxed);
        }
    }

    /// A running worker looks around, where all that there is room for are wanted.
    pub(crate) fn look(&self, looks: &mut Looks) {
        if self.seats.is_empty() {
            return;
        }
        let room = self.workers();
        // ORDERING: Relaxed: advice only.
        let runs = |seat: &&Padded<AtomicU8>| seat.load(Ordering::Relaxed) == Doing::Running as u8;
        let running = self.seats.iter().take(room as usize).filter(runs).count() as u32;
        let crowded = running > self.cores + self.cores / 4 + 1;
        looks.idle = if running < self.cores { looks.idle + 1 } else { 0 };
        looks.crowded = if crowded { looks.crowded + 1 } else { 0 };
        let change = if looks.idle == SURE {
            (2 * room).min(self.seats.len() as u32)
        } else if looks.crowded == SURE {
            (room / 2).max(self.cores)
        } else {
            return;
        };
        *looks = Looks::default();
        // ORDERING: Relaxed: as above. If somebody else was faster, it has been done.
        let _ = self.workers.compare_exchange(room, change, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(room: &Room, times: u32) -> u32 {
        let looks = &mut Looks::default();
        (0..times).for_each(|_| room.look(looks));
        room.workers()
    }

    fn tell(room: &Room, seats: std::ops::Range<usize>, doing: Doing) {
        seats.for_each(|seat| room.tell(seat, doing));
    }

    #[test]
    fn there_is_room_for_more_while_some_wait() {
        let room = Room::new(10, 2);
        assert_eq!(room.workers(), 2);
        tell(&room, 0..2, Doing::Running);
        assert_eq!(look(&room, 100), 2);
        tell(&room, 1..10, Doing::Waiting);
        assert_eq!(look(&room, SURE - 1), 2);
        assert_eq!(look(&room, SURE), 4);
        assert_eq!(look(&room, 100), 10, "no more than there are");
        tell(&room, 1..10, Doing::Running);
        assert_eq!(look(&room, SURE), 5);
        assert_eq!(look(&room, 100), 2);
    }

    #[test]
    fn who_has_a_core_each_need_not_look() {
        let room = Room::new(4, 4);
        tell(&room, 0..4, Doing::Waiting);
        assert_eq!(look(&room, 100), 4);
        assert!(room.seats.is_empty());
    }
}

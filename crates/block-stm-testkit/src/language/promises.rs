//! What the engine promises to a running program, also in executions that are thrown away: answers
//! that fit together.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use super::value::ABSENT;

/// What an execution was told so far, and what did not fit.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// An interrupt was ignored: from here on nothing is promised.
    void: bool,
    /// What the next read of a slot must answer.
    known: Vec<(u16, u8)>,
    /// What scans have shown.
    scans: Vec<Scan>,
    broken: Vec<String>,
}

/// What a scan has shown.
#[derive(Debug)]
struct Scan {
    /// The slots that it went through.
    range: RangeInclusive<u16>,
    visited: Vec<u16>,
    /// Slots that the program wrote afterwards.
    written: Vec<u16>,
}

impl Promises {
    /// Nothing is promised any more.
    pub(super) fn void(&mut self) {
        self.void = true;
    }

    /// What did not fit.
    pub(super) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// A slot was read.
    pub(super) fn read(&mut self, slot: u16, value: u8) {
        if let Some((_, known)) = self.known.iter().find(|(known, _)| *known == slot)
            && *known != value
        {
            self.complain(format!("slot {slot} is {known}, but was read as {value}"));
        }
        self.know(slot, value);
    }

    /// A slot was written.
    pub(super) fn write(&mut self, slot: u16, value: u8) {
        self.know(slot, value);
        self.change(slot);
    }

    /// A delta was applied to a slot; `sum` is what it makes of a value.
    pub(super) fn add(&mut self, slot: u16, sum: impl FnOnce(u8) -> Option<u8>) {
        if let Some(place) = self.known.iter().position(|(known, _)| *known == slot) {
            let (_, value) = self.known.swap_remove(place);
            if let Some(sum) = sum(value) {
                self.know(slot, sum);
            }
        }
        self.change(slot);
    }

    /// A location was peeked at twice.
    pub(super) fn peek(&mut self, location: &impl Debug, first: Option<u8>, second: Option<u8>) {
        if first != second {
            self.complain(format!("peeks of {location:?}: {first:?}, {second:?}"));
        }
    }

    /// Slots were scanned. Compares the scan with what is known, and with the scans before it.
    pub(super) fn scan(&mut self, range: RangeInclusive<u16>, visited: &[(u16, u8)]) {
        let slots: Vec<u16> = visited.iter().map(|(slot, _)| *slot).collect();
        let mut broken = Vec::new();
        if !slots.is_sorted_by(|a, b| a < b) || slots.iter().any(|slot| !range.contains(slot)) {
            broken.push("is out of order or range".to_owned());
        }
        if visited.iter().any(|(_, value)| *value == ABSENT) {
            broken.push("visited what holds nothing".to_owned());
        }
        let missed = self.known.iter().filter(|(slot, value)| {
            *value != ABSENT && range.contains(slot) && !slots.contains(slot)
        });
        broken.extend(missed.map(|(slot, value)| format!("missed slot {slot}, which is {value}")));
        for scan in &self.scans {
            let contradicts = |slot: &&u16| {
                scan.range.contains(slot)
                    && !scan.visited.contains(slot)
                    && !scan.written.contains(slot)
            };
            let new = slots.iter().filter(contradicts);
            broken.extend(new.map(|slot| format!("shows slot {slot}, an earlier one did not")));
        }
        for what in broken {
            self.complain(format!("a scan of {range:?} {what}"));
        }
        visited.iter().for_each(|(slot, value)| self.read(*slot, *value));
        self.scans.push(Scan { range, visited: slots, written: Vec::new() });
    }

    /// Notes that the program wrote.
    fn change(&mut self, slot: u16) {
        self.scans.iter_mut().for_each(|scan| scan.written.push(slot));
    }

    fn know(&mut self, slot: u16, value: u8) {
        match self.known.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, known)) => *known = value,
            None => self.known.push((slot, value)),
        }
    }

    fn complain(&mut self, what: String) {
        if !self.void {
            self.broken.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_contradicts_is_noticed() {
        let mut promises = Promises::default();
        promises.write(3, 5);
        promises.read(3, 5);
        assert_eq!(promises.broken(), [""; 0]);
        promises.read(3, 4);
        assert_eq!(promises.broken(), ["slot 3 is 5, but was read as 4"]);
    }

    #[test]
    fn a_scan_that_contradicts_is_noticed() {
        let mut promises = Promises::default();
        promises.read(3, 5);
        promises.scan(2..=7, &[(3, 5), (6, 1)]);
        promises.add(4, |_| None);
        promises.scan(1..=5, &[(1, 2), (3, 5), (4, 4)]);
        assert_eq!(promises.broken(), [""; 0]);
        promises.scan(0..=3, &[(0, 0), (1, 1), (2, 2)]);
        let broken = [
            "a scan of 0..=3 visited what holds nothing",
            "a scan of 0..=3 missed slot 3, which is 5",
            "a scan of 0..=3 shows slot 2, an earlier one did not",
            "a scan of 0..=3 shows slot 2, an earlier one did not",
            "slot 1 is 2, but was read as 1",
        ];
        assert_eq!(promises.broken(), broken);
    }

    #[test]
    fn nothing_is_promised_to_who_ignores_interrupts() {
        let mut promises = Promises::default();
        promises.peek(&7, Some(1), Some(2));
        promises.void();
        promises.peek(&8, Some(1), Some(2));
        assert_eq!(promises.broken(), ["peeks of 7: Some(1), Some(2)"]);
    }
}

//! The machine that times were taken on.

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::notes::{cores, load};

/// How long the distance between cores is measured.
const MEASURED: Duration = Duration::from_millis(20);

/// Handovers between two looks at the clock.
const HANDOVERS: u32 = 256;

/// No two cores are so far apart, in nanoseconds: the threads had to share one, or to wait.
const TOO_FAR: f64 = 20_000.0;

/// What times depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's name, where the system tells it as Linux does.
    pub(crate) processor: Option<String>,
    /// How many threads can run at the same time.
    pub(crate) cores: usize,
    /// What handing a cache line from one core to another takes, in nanoseconds; nothing with one
    /// core, and where other work kept the threads from running side by side.
    pub(crate) core_distance_ns: Option<f64>,
    /// The load of the last minute, where the system tells it.
    pub(crate) load: Option<f64>,
    /// Operating system and architecture.
    pub(crate) system: String,
}

impl Machine {
    /// This machine, now. Takes 20 ms.
    pub(crate) fn look() -> Self {
        Self {
            processor: processor(),
            cores: cores(),
            core_distance_ns: (cores() > 1).then(core_distance_ns).flatten(),
            load: load(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// In a few words, for a person.
    pub(crate) fn in_words(&self) -> String {
        let mut words = match self.cores {
            1 => "1 core".to_owned(),
            cores => format!("{cores} cores"),
        };
        if let Some(distance) = self.core_distance_ns {
            words.push_str(&format!(" {distance:.0} ns apart"));
        }
        if let Some(processor) = &self.processor {
            words.push_str(&format!(" of {processor}"));
        }
        if let Some(load) = self.load {
            words.push_str(&format!(", load {load}"));
        }
        words
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The shortest time of a handover that was seen: others wait for something else, too.
fn core_distance_ns() -> Option<f64> {
    const OVER: u32 = u32::MAX;
    let turn = &AtomicU32::new(0);
    // ORDERING: Relaxed: the word is all that is handed over.
    let pass = |from: u32, to: u32| {
        loop {
            match turn.load(Ordering::Relaxed) {
                OVER => return false,
                now if now == from => break,
                _ => std::hint::spin_loop(),
            }
        }
        turn.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    let mut shortest: Option<Duration> = None;
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, || while pass(1, 0) {});
        if other.is_err() {
            return;
        }
        let start = Instant::now();
        while start.elapsed() < MEASURED {
            let begin = Instant::now();
            for _ in 0..HANDOVERS {
                pass(0, 1);
            }
            let time = begin.elapsed();
            shortest = Some(shortest.map_or(time, |shortest| shortest.min(time)));
        }
        // ORDERING: Relaxed: as above.
        turn.store(OVER, Ordering::Relaxed);
    });
    shortest.and_then(distance_of)
}

/// What one handover took, if so many turns took this time; each turn is two.
fn distance_of(turns: Duration) -> Option<f64> {
    let distance = turns.as_nanos() as f64 / f64::from(2 * HANDOVERS);
    Some(distance).filter(|distance| *distance < TOO_FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_in_words() {
        let machine = Machine {
            processor: Some("Z80".to_owned()),
            cores: 2,
            core_distance_ns: Some(70.4),
            load: Some(0.5),
            system: "linux z80".to_owned(),
        };
        assert_eq!(machine.in_words(), "2 cores 70 ns apart of Z80, load 0.5");
        let bare =
            Machine { processor: None, cores: 1, core_distance_ns: None, load: None, ..machine };
        assert_eq!(bare.in_words(), "1 core");
    }

    #[test]
    fn cores_are_some_distance_apart() {
        let machine = Machine::look();
        let distance = machine.core_distance_ns;
        assert!(machine.cores > 1 || distance.is_none(), "{machine:?}");
        assert!(distance.is_none_or(|distance| distance > 1.0), "{machine:?}");
        let turns = |nanos| distance_of(Duration::from_nanos(nanos));
        assert_eq!([turns(51_200), turns(50_000_000)], [Some(100.0), None]);
    }
}

//! The stages that a block goes through, and what each took.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A stage of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Decoding, checks of header and body, senders.
    Prepare,
    /// Execution on the state after the block before.
    Execute,
    /// The state root, and all else that the header says of the result.
    Root,
    /// The record in the log, and its synchronisation.
    Log,
    /// The flat state, which is written in batches behind the log.
    Flat,
}

impl Stage {
    /// All stages, in the order in which a block goes through them.
    pub const ALL: [Self; 5] = [Self::Prepare, Self::Execute, Self::Root, Self::Log, Self::Flat];

    /// Its name: one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Execute => "execute",
            Self::Root => "root",
            Self::Log => "log",
            Self::Flat => "flat",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one stage did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageStats {
    /// The blocks that it finished.
    pub blocks: u64,
    /// The time that it worked.
    pub busy: Duration,
    /// The time that it waited for a block.
    pub starved: Duration,
    /// The time that it waited for room in the queue behind it.
    pub blocked: Duration,
    /// The most blocks that waited before it at once.
    pub queue_max: usize,
}

impl StageStats {
    /// Runs `work`, and counts its time as busy.
    pub(crate) fn work<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let done = work();
        self.busy += start.elapsed();
        done
    }

    /// Waits for a block, and counts that.
    pub(crate) fn starve<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let done = wait();
        self.starved += start.elapsed();
        done
    }

    /// Waits for room, and counts that.
    pub(crate) fn block<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let done = wait();
        self.blocked += start.elapsed();
        done
    }
}

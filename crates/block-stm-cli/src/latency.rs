//! State that takes its time, as state on a disk does.

use std::{
    hint, thread,
    time::{Duration, Instant},
};

use block_stm_evm::{
    PreState, PreStateError, StateRef,
    revm::{
        DatabaseRef,
        primitives::{Address, B256, StorageKey, StorageValue},
        state::{AccountInfo, Bytecode},
    },
};

/// The shortest wait that is slept; a shorter one is spun, as waking up would take longer than the
/// wait.
const SLEEP_MIN: Duration = Duration::from_micros(50);

/// A [`PreState`] each of whose reads takes some time more.
#[derive(Debug)]
pub(crate) struct SlowState<'a> {
    state: &'a PreState,
    latency: Duration,
}

impl<'a> SlowState<'a> {
    /// `state`, with `latency` before each read.
    pub(crate) fn new(state: &'a PreState, latency: Duration) -> Self {
        Self { state, latency }
    }

    fn wait(&self) {
        if self.latency >= SLEEP_MIN {
            return thread::sleep(self.latency);
        }
        if !self.latency.is_zero() {
            let start = Instant::now();
            while start.elapsed() < self.latency {
                hint::spin_loop();
            }
        }
    }
}

impl DatabaseRef for SlowState<'_> {
    type Error = PreStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.wait();
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.wait();
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Self::Error> {
        self.wait();
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.wait();
        self.state.block_hash_ref(number)
    }
}

impl StateRef for SlowState<'_> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Self::Error> {
        self.wait();
        self.state.has_storage_ref(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_takes_at_least_the_latency() {
        let state = PreState::new();
        for latency in [20, 200].map(Duration::from_micros) {
            let slow = SlowState::new(&state, latency);
            let start = Instant::now();
            for _ in 0..10 {
                assert_eq!(slow.basic_ref(Address::ZERO), Ok(None));
            }
            assert!(start.elapsed() >= 10 * latency);
        }
    }
}

//! Disturbances at chosen moments: failing and slow storage, panics, cancelling, shaken
//! interleavings.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use block_stm::{BoxError, CancelToken, Storage};

use crate::check::Arm;
use crate::language::{Probe, Site};
use crate::sim::{dawdle, is_running};

/// A word that looks random, from others that do not (the finaliser of SplitMix64, Steele et al.
/// 2014).
pub(crate) fn scramble(words: [u64; 3]) -> u64 {
    words.into_iter().fold(0, |state: u64, word| {
        let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Delays operations on views, reads of the storage and calls to the sink by a seeded schedule.
///
/// It shakes the interleavings of a block's executions: a poor man's schedule explorer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    /// Chooses the schedule.
    pub seed: u64,
    /// How many of 64 moments are disturbed.
    pub often: u8,
}

impl Jitter {
    fn disturb(self, kind: u64, moment: u64) {
        let word = scramble([self.seed, kind, moment]);
        if (word % 64) as u8 >= self.often {
            return;
        }
        match (word >> 8) % 16 {
            0..=7 => thread::yield_now(),
            8..=11 => spin(200),
            12..=14 => spin(3_000),
            _ => thread::sleep(Duration::from_micros(50)),
        }
    }
}

fn spin(times: u32) {
    for _ in 0..times {
        std::hint::spin_loop();
    }
}

impl Probe for Jitter {
    fn operation(&self, site: Site) {
        self.disturb(site.execution, u64::from(site.op));
    }

    fn storage(&self, slot: u16) -> Result<(), String> {
        self.disturb(u64::MAX, u64::from(slot));
        Ok(())
    }

    fn commit(&self, txn: u32) {
        self.disturb(u64::MAX - 1, u64::from(txn));
    }
}

/// Panics in one transaction, at one of its operations, in each of its executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanicAt {
    /// The transaction.
    pub txn: u32,
    /// The operation, as in [`Site::op`].
    pub op: u32,
}

impl Probe for PanicAt {
    fn operation(&self, site: Site) {
        if (site.txn, site.op) == (self.txn, self.op) {
            resume_unwind(Box::new(format!("panic in txn {} at operation {}", site.txn, site.op)));
        }
    }
}

/// Panics at one operation of every execution that began before its transaction's turn.
///
/// Such executions are never believed, so the panic must never be seen.
#[derive(Debug)]
pub struct PanicAhead {
    op: u32,
    committed: AtomicU32,
    panics: AtomicU64,
}

impl PanicAhead {
    /// Panics at this operation, as in [`Site::op`].
    #[must_use]
    pub const fn new(op: u32) -> Self {
        Self { op, committed: AtomicU32::new(0), panics: AtomicU64::new(0) }
    }

    /// How often it panicked, over all runs.
    #[must_use]
    pub fn panics(&self) -> u64 {
        // ORDERING: SeqCst throughout: what a probe saw of the schedule must fit with what all
        // others saw; speed is no matter.
        self.panics.load(Ordering::SeqCst)
    }
}

impl Probe for PanicAhead {
    fn reset(&self, _: Option<Arm>) {
        self.committed.store(0, Ordering::SeqCst);
    }

    fn operation(&self, site: Site) {
        // Fewer are committed than lie below, so fewer were when this execution began.
        if site.op == self.op && self.committed.load(Ordering::SeqCst) < site.txn {
            self.panics.fetch_add(1, Ordering::SeqCst);
            resume_unwind(Box::new(format!("txn {} was executed ahead of its turn", site.txn)));
        }
    }

    fn commit(&self, txn: u32) {
        self.committed.store(txn + 1, Ordering::SeqCst);
    }
}

/// Cancels or cuts the block at one of its operations, counted over all transactions and
/// executions.
#[derive(Debug)]
pub struct CancelAt {
    token: CancelToken,
    op: u64,
    cuts: bool,
    seen: AtomicU64,
}

impl CancelAt {
    /// Cancels through `token` at operation `op` of the block.
    #[must_use]
    pub const fn new(token: CancelToken, op: u64) -> Self {
        Self { token, op, cuts: false, seen: AtomicU64::new(0) }
    }

    /// Cuts through `token` at operation `op` of the block.
    #[must_use]
    pub const fn cutting(token: CancelToken, op: u64) -> Self {
        Self { token, op, cuts: true, seen: AtomicU64::new(0) }
    }
}

impl Probe for CancelAt {
    fn operation(&self, _site: Site) {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.op {
            match self.cuts {
                true => self.token.cut(),
                false => self.token.cancel(),
            }
        }
    }
}

/// Holds the first execution of a transaction at its start until executions of higher ones have
/// returned.
///
/// So these are executed upside down, as far as an engine's threads and window allow: ahead of the
/// one whose writes they should have seen. It waits in vain for 10 ms at most; in a simulation, for
/// 10,000 steps.
#[derive(Debug)]
pub struct Hold {
    txn: u32,
    until: u32,
    held: AtomicBool,
    returned: AtomicU32,
}

impl Hold {
    /// Holds `txn` until `executions` of higher transactions have returned.
    #[must_use]
    pub const fn new(txn: u32, executions: u32) -> Self {
        let (held, returned) = (AtomicBool::new(false), AtomicU32::new(0));
        Self { txn, until: executions, held, returned }
    }
}

impl Probe for Hold {
    fn reset(&self, arm: Option<Arm>) {
        let ahead = |arm: Arm| {
            arm.threads > 1 && arm.window.is_none_or(|window| window > self.until as usize)
        };
        self.held.store(!arm.is_some_and(ahead), Ordering::SeqCst);
        self.returned.store(0, Ordering::SeqCst);
    }

    fn operation(&self, site: Site) {
        if site.txn != self.txn || self.held.swap(true, Ordering::SeqCst) {
            return;
        }
        let (start, mut steps) = (Instant::now(), 0);
        while self.returned.load(Ordering::SeqCst) < self.until {
            if is_running() && steps < 10_000 {
                dawdle(1);
                steps += 1;
            } else if !is_running() && start.elapsed() < Duration::from_millis(10) {
                thread::yield_now();
            } else {
                return;
            }
        }
    }

    fn executed(&self, txn: u32) {
        if txn > self.txn {
            self.returned.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A probe that is shared with another reader.
impl<P: Probe + ?Sized> Probe for Arc<P> {
    fn reset(&self, arm: Option<Arm>) {
        (**self).reset(arm);
    }

    fn operation(&self, site: Site) {
        (**self).operation(site);
    }

    fn executed(&self, txn: u32) {
        (**self).executed(txn);
    }

    fn storage(&self, slot: u16) -> Result<(), String> {
        (**self).storage(slot)
    }

    fn commit(&self, txn: u32) {
        (**self).commit(txn);
    }
}

/// Two probes, one after the other.
impl<A: Probe, B: Probe> Probe for (A, B) {
    fn reset(&self, arm: Option<Arm>) {
        self.0.reset(arm);
        self.1.reset(arm);
    }

    fn operation(&self, site: Site) {
        self.0.operation(site);
        self.1.operation(site);
    }

    fn executed(&self, txn: u32) {
        self.0.executed(txn);
        self.1.executed(txn);
    }

    fn storage(&self, slot: u16) -> Result<(), String> {
        self.0.storage(slot)?;
        self.1.storage(slot)
    }

    fn commit(&self, txn: u32) {
        self.0.commit(txn);
        self.1.commit(txn);
    }
}

/// What a [`FaultyStorage`] does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<L> {
    /// One read fails, counted from 0 over all locations; asked again, it would answer.
    Once(u64),
    /// This read and all later ones fail.
    From(u64),
    /// The location cannot be read.
    At(L),
    /// Each read takes this long.
    Slow(Duration),
}

/// A storage with a fault.
pub struct FaultyStorage<'a, L, V> {
    inner: &'a dyn Storage<L, V>,
    fault: Fault<L>,
    asked: Mutex<Vec<L>>,
}

impl<L: fmt::Debug, V> fmt::Debug for FaultyStorage<'_, L, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStorage").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl<'a, L: Clone, V> FaultyStorage<'a, L, V> {
    /// Adds `fault` to `inner`.
    #[must_use]
    pub fn new(inner: &'a dyn Storage<L, V>, fault: Fault<L>) -> Self {
        Self { inner, fault, asked: Mutex::default() }
    }

    /// The locations that were asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<L> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<L: Clone + PartialEq + Send, V> Storage<L, V> for FaultyStorage<'_, L, V>
where
    L: Sync,
{
    fn read(&self, location: &L) -> Result<V, BoxError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let read = asked.len() as u64;
        asked.push(location.clone());
        drop(asked);
        let fails = match &self.fault {
            Fault::Once(fails) => read == *fails,
            Fault::From(fails) => read >= *fails,
            Fault::At(bad) => location == bad,
            Fault::Slow(time) => {
                thread::sleep(*time);
                false
            }
        };
        if fails {
            return Err(match &self.fault {
                // The number of the read depends on the interleaving; the location does not.
                Fault::At(_) => "this location is broken".into(),
                _ => format!("read {read} fails").into(),
            });
        }
        self.inner.read(location)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn faults_come_where_they_are_planned() {
        let inner = |location: &u8| Ok(*location);
        let outcomes = |fault| {
            let storage = FaultyStorage::new(&inner, fault);
            let read = |location| storage.read(&location).ok();
            ([5, 6, 7, 6].map(read), storage.asked())
        };
        let asked = vec![5, 6, 7, 6];
        assert_eq!(outcomes(Fault::Once(1)), ([Some(5), None, Some(7), Some(6)], asked.clone()));
        assert_eq!(outcomes(Fault::From(2)), ([Some(5), Some(6), None, None], asked.clone()));
        assert_eq!(outcomes(Fault::At(6)), ([Some(5), None, Some(7), None], asked.clone()));
        let slow = outcomes(Fault::Slow(Duration::from_micros(1)));
        assert_eq!(slow, ([Some(5), Some(6), Some(7), Some(6)], asked));
    }

    #[test]
    fn panics_ahead_spare_the_head() {
        let probe = PanicAhead::new(2);
        let site = |txn, op| Site { txn, execution: 0, op };
        probe.operation(site(0, 2));
        probe.operation(site(1, 1));
        assert!(catch_unwind(|| probe.operation(site(1, 2))).is_err());
        probe.commit(0);
        probe.operation(site(1, 2));
        assert_eq!(probe.panics(), 1);
    }

    #[test]
    fn cancelling_happens_at_the_operation() {
        let token = CancelToken::new();
        let probe = CancelAt::new(token.clone(), 1);
        let site = Site { txn: 0, execution: 0, op: 0 };
        probe.operation(site);
        assert!(!token.is_cancelled());
        probe.operation(site);
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_held_execution_goes_on_when_the_others_have_returned() {
        let probe = Hold::new(0, 2);
        let site = Site { txn: 0, execution: 0, op: 0 };
        probe.executed(1);
        thread::scope(|scope| {
            scope.spawn(|| probe.executed(2));
            probe.operation(site);
        });
        assert_eq!(probe.returned.load(Ordering::SeqCst), 2);
        probe.reset(Some(Arm::of(2, None)));
        // In vain, and for a short time only.
        probe.operation(site);
    }

    #[test]
    fn schedules_differ_by_seed() {
        let schedule = |seed| (0..64).map(|moment| scramble([seed, 0, moment]) % 64).collect();
        let [one, other]: [Vec<u64>; 2] = [1, 2].map(schedule);
        assert_ne!(one, other);
    }
}

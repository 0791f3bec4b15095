//! The peer-to-peer payments that the Block-STM paper measures, as a VM on the engine itself.
//!
//! Gelashvili et al. (PPoPP 2023) execute blocks of payments between accounts that are drawn
//! uniformly, under two Move VMs: Diem's, whose payment reads 21 locations and writes 4, and
//! Aptos's, which reads 8 and writes 5. What matters to an engine is how many of these locations
//! payments share, and how long a payment takes. Here both are explicit:
//!
//! | reads | Diem | Aptos | shared with |
//! |---|---|---|---|
//! | and then writes, of the sender | 2 | 3 | payments of, or to, this account |
//! | and then writes, of the receiver | 2 | 2 | payments of, or to, this account |
//! | only, of the two accounts | 6 | 1 | as above; Diem's never change |
//! | only, of the chain | 11 | 2 | all; they never change |
//!
//! All reads come first, then [`Work`] that stands for the interpreter, then the writes: no engine
//! learns of a write before the transaction is over. Nothing is a delta. Two accounts make a chain
//! of dependencies, ten thousand hardly any.

use std::collections::BTreeMap;
use std::collections::hash_map::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use block_stm::{
    Block, Collect, Engine, Error, Executed, Execution, Interrupt, Outcome, Value, View, Vm,
};
use foldhash::fast::RandomState;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Whose payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 21 reads, 4 writes.
    Diem,
    /// 8 reads, 5 writes.
    Aptos,
}

/// A field of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The account itself, with its sequence number.
    Account,
    /// What it owns.
    Balance,
    /// The counters of its events.
    Events,
    /// Facts about it that no payment changes, by number.
    Fixed(u8),
}

/// What is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A field of an account.
    Of(u32, Field),
    /// A setting of the chain, by number.
    Chain(u8),
}

/// What payments of a kind touch beside the settings of the chain.
struct Shape {
    sender_writes: &'static [Field],
    receiver_writes: &'static [Field],
    sender_reads: &'static [Field],
    receiver_reads: &'static [Field],
    chain_reads: u8,
}

const FIXED: &[Field] = &[Field::Fixed(0), Field::Fixed(1), Field::Fixed(2)];

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Diem, Self::Aptos];

    /// One lower-case word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diem => "diem",
            Self::Aptos => "aptos",
        }
    }

    /// How many locations a payment reads.
    #[must_use]
    pub const fn reads(self) -> usize {
        let shape = self.shape();
        let of_accounts = shape.sender_reads.len() + shape.receiver_reads.len();
        self.writes() + of_accounts + shape.chain_reads as usize
    }

    /// How many locations a payment writes, having read them.
    #[must_use]
    pub const fn writes(self) -> usize {
        let shape = self.shape();
        shape.sender_writes.len() + shape.receiver_writes.len()
    }

    /// What a payment takes in the paper, in order on one thread: 110,000 a second are told to be
    /// 20 times that rate for Diem, 170,000 to be 17 times for Aptos.
    #[must_use]
    pub const fn time_in_paper(self) -> Duration {
        match self {
            Self::Diem => Duration::from_micros(180),
            Self::Aptos => Duration::from_micros(100),
        }
    }

    const fn shape(self) -> Shape {
        match self {
            Self::Diem => Shape {
                sender_writes: &[Field::Account, Field::Balance],
                receiver_writes: &[Field::Account, Field::Balance],
                sender_reads: FIXED,
                receiver_reads: FIXED,
                chain_reads: 11,
            },
            Self::Aptos => Shape {
                sender_writes: &[Field::Account, Field::Balance, Field::Events],
                receiver_writes: &[Field::Balance, Field::Events],
                sender_reads: &[],
                receiver_reads: &[Field::Account],
                chain_reads: 2,
            },
        }
    }
}

/// A payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    from: u32,
    to: u32,
    amount: u64,
}

/// What a payment left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whether there was enough to pay.
    pub is_paid: bool,
    /// A number that follows from everything that was read.
    pub digest: u64,
}

/// Computation that takes a certain time on a core: it does not pass while a thread waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    rounds: u64,
}

impl Work {
    /// None at all.
    pub const NONE: Self = Self { rounds: 0 };

    /// Work that takes `time` on this machine as it runs now, within some per cent.
    ///
    /// # Cost
    /// Some milliseconds.
    #[must_use]
    pub fn lasting(time: Duration) -> Self {
        const ROUNDS: u64 = 100_000;
        const TRIES: usize = 9;
        if time.is_zero() {
            return Self::NONE;
        }
        let once = |_| {
            let start = Instant::now();
            black_box(Self { rounds: ROUNDS }.digest(black_box(1)));
            start.elapsed()
        };
        // The fastest: others were interrupted.
        let fastest = (0..TRIES).map(once).min().unwrap_or_default();
        let rounds = time.as_secs_f64() * ROUNDS as f64 / fastest.as_secs_f64().max(1e-9);
        Self { rounds: rounds as u64 }
    }

    /// Does the work: each round needs the result of the one before.
    fn digest(self, seed: u64) -> u64 {
        (0..self.rounds)
            .fold(seed, |x, _| (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }
}

/// What a location holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub u64);

impl Value for Amount {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// The state before the block.
const fn opening(location: Location) -> u64 {
    match location {
        Location::Of(_, Field::Balance) => 1_000_000_000_000,
        Location::Of(_, Field::Account | Field::Events) => 0,
        Location::Of(account, Field::Fixed(fact)) => account as u64 + fact as u64,
        Location::Chain(setting) => setting as u64,
    }
}

/// What a payment is executed on: a [`View`], or a plain map.
trait State {
    type Stop;
    fn read(&mut self, location: Location) -> Result<u64, Self::Stop>;
    fn write(&mut self, location: Location, value: u64) -> Result<(), Self::Stop>;
}

impl State for View<'_, Payments> {
    type Stop = Interrupt;

    fn read(&mut self, location: Location) -> Result<u64, Interrupt> {
        Ok(View::read(self, &location)?.0)
    }

    fn write(&mut self, location: Location, value: u64) -> Result<(), Interrupt> {
        View::write(self, &location, Amount(value))
    }
}

type Cache = HashMap<Location, u64, RandomState>;

impl State for Cache {
    type Stop = Infallible;

    fn read(&mut self, location: Location) -> Result<u64, Infallible> {
        Ok(*self.entry(location).or_insert_with(|| opening(location)))
    }

    fn write(&mut self, location: Location, value: u64) -> Result<(), Infallible> {
        self.insert(location, value);
        Ok(())
    }
}

/// The VM that executes [`Payment`]s.
#[derive(Clone, Copy, Debug)]
pub struct Payments {
    kind: Kind,
    work: Work,
}

impl Payments {
    fn pay<S: State>(self, payment: Payment, state: &mut S) -> Result<Receipt, S::Stop> {
        let Payment { from, to, amount } = payment;
        let shape = self.kind.shape();
        let of = |account, fields: &'static [Field]| {
            fields.iter().map(move |&field| Location::Of(account, field))
        };
        let only_read = (0..shape.chain_reads).map(Location::Chain);
        let only_read = only_read.chain(of(from, shape.sender_reads));
        let mut seed = 0_u64;
        for location in only_read.chain(of(to, shape.receiver_reads)) {
            seed = seed.wrapping_mul(31).wrapping_add(state.read(location)?);
        }
        // At most six, so that a payment allocates nothing.
        let mut old = [0; 6];
        let written = || of(from, shape.sender_writes).chain(of(to, shape.receiver_writes));
        for (value, location) in old.iter_mut().zip(written()) {
            *value = state.read(location)?;
            seed = seed.wrapping_mul(31).wrapping_add(*value);
        }
        let digest = self.work.digest(seed);
        let mut is_paid = true;
        for (place, (value, location)) in old.into_iter().zip(written()).enumerate() {
            let is_sender = place < shape.sender_writes.len();
            let new = match location {
                Location::Of(_, Field::Balance) if is_sender => value.checked_sub(amount),
                Location::Of(_, Field::Balance) if is_paid => value.checked_add(amount),
                Location::Of(_, Field::Balance) => Some(value),
                _ => value.checked_add(1),
            };
            is_paid &= new.is_some();
            state.write(location, new.unwrap_or(value))?;
        }
        Ok(Receipt { is_paid, digest })
    }
}

impl Vm for Payments {
    type Txn = Payment;
    type Location = Location;
    type Value = Amount;
    type Output = Receipt;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        payment: &Payment,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Receipt, Infallible>, Interrupt> {
        self.pay(*payment, view).map(Execution::Done)
    }
}

/// A block of payments.
#[derive(Clone, Debug)]
pub struct P2pBlock {
    vm: Payments,
    txns: Vec<Payment>,
}

/// What a block came to, for comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P2pResult {
    /// What each payment left behind.
    pub receipts: Vec<Receipt>,
    /// The locations whose value changed.
    pub changes: BTreeMap<Location, u64>,
}

impl P2pResult {
    fn new(receipts: Vec<Receipt>, state: impl Iterator<Item = (Location, u64)>) -> Self {
        let changes = state.filter(|(location, value)| *value != opening(*location)).collect();
        Self { receipts, changes }
    }
}

/// The plain loop's outcome: receipts, and the state in a cache, where it can't be told from what
/// was only read.
#[derive(Clone, Debug)]
pub struct Plain {
    receipts: Vec<Receipt>,
    cache: Cache,
}

impl From<Plain> for P2pResult {
    fn from(plain: Plain) -> Self {
        Self::new(plain.receipts, plain.cache.into_iter())
    }
}

/// The engine's outcome.
#[derive(Debug)]
pub struct Parallel {
    /// What the engine returned.
    pub executed: Executed<Payments>,
    outcomes: Collect<Receipt, Infallible>,
}

impl From<Parallel> for P2pResult {
    fn from(parallel: Parallel) -> Self {
        let receipts = parallel.outcomes.outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Done(receipt) => receipt,
            Outcome::Invalid(never) => match never {},
        });
        let state = parallel.executed.state.iter();
        Self::new(receipts.collect(), state.map(|change| (*change.location, change.after.0)))
    }
}

impl P2pBlock {
    /// A block of `txns` payments of 1 to 1,000 between different accounts, each drawn uniformly
    /// out of `accounts`.
    ///
    /// # Panics
    /// If there are fewer than two accounts.
    #[must_use]
    pub fn generate(kind: Kind, work: Work, txns: usize, accounts: u32, seed: u64) -> Self {
        assert!(accounts >= 2, "nobody pays themselves");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut payment = || {
            let from = rng.random_range(0..accounts);
            // Any of the others: those from the sender's place on move up by one.
            let other = rng.random_range(0..accounts - 1);
            let to = other + u32::from(other >= from);
            Payment { from, to, amount: rng.random_range(1..=1_000) }
        };
        Self { vm: Payments { kind, work }, txns: (0..txns).map(|_| payment()).collect() }
    }

    /// The number of payments.
    #[must_use]
    pub const fn txns(&self) -> usize {
        self.txns.len()
    }

    /// The loop of a host without an engine: a map over the state, one payment after
    /// another.
    #[must_use]
    pub fn execute_plain(&self) -> Plain {
        let mut cache = Cache::default();
        let pay = |payment: &Payment| match self.vm.pay(*payment, &mut cache) {
            Ok(receipt) => receipt,
            Err(never) => match never {},
        };
        let receipts = self.txns.iter().map(pay).collect();
        Plain { receipts, cache }
    }

    /// Executes the block on `engine`.
    ///
    /// # Errors
    /// Whatever the engine says; nothing in a payment can fail.
    pub fn execute_parallel(&self, engine: &Engine) -> Result<Parallel, Error<Infallible>> {
        let mut outcomes = Collect::default();
        let storage = |location: &Location| Ok(Amount(opening(*location)));
        let executed =
            engine.execute(&Block::new(&self.vm, &self.txns, &storage), &mut outcomes)?;
        Ok(Parallel { executed, outcomes })
    }
}

#[cfg(test)]
mod tests;

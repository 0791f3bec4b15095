//! Hosts that keep no contract: any result of such a block will do, but there must be one.
//!
//! Values and locations that differ from themselves, hashes and orders that change, deltas and
//! predicates that answer by chance, a VM that is not a function of what it sees, a storage that
//! lies. The engine must end, panic only where the host does, and take no more memory than the
//! executions that it is allowed.

use std::cmp;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};

use block_stm::{
    Block, BoxError, Collect, Engine, Error, Execution, Interrupt, OrderedStorage, Storage, Value,
    View, Vm, execute_sequential,
};

use crate::faults::scramble;

/// Chance, for all wild things of the process: no two answers are to be the same.
fn chance(of: u64) -> bool {
    static MOMENTS: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed: only a number that no other call has.
    scramble([7, MOMENTS.fetch_add(1, Ordering::Relaxed), 3]).is_multiple_of(of)
}

/// A number; every fifth one differs from itself, and every seventh one does so now and then.
#[derive(Clone, Debug)]
pub struct WildValue(u64);

impl PartialEq for WildValue {
    fn eq(&self, other: &Self) -> bool {
        match self.0 % 35 {
            0 | 5 | 10 | 15 | 20 | 25 | 30 => false,
            7 | 14 | 21 | 28 => chance(2),
            _ => self.0 == other.0,
        }
    }
}

impl Eq for WildValue {}

impl Value for WildValue {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        (!chance(8)).then(|| Self(self.0.wrapping_add(*delta)))
    }

    fn satisfies(&self, at_least: &u64) -> bool {
        self.0 >= *at_least || chance(4)
    }

    fn is_absent(&self) -> bool {
        self.0 == 0 || chance(16)
    }
}

/// A place; those from 4 on differ from themselves, those from 6 on have a hash that changes, and 7
/// has no order.
#[derive(Clone, Copy, Debug)]
pub struct WildPlace(u8);

impl PartialEq for WildPlace {
    fn eq(&self, other: &Self) -> bool {
        self.0 < 4 && self.0 == other.0
    }
}

impl Eq for WildPlace {}

impl Hash for WildPlace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let changes = self.0 >= 6 && chance(2);
        (self.0, changes).hash(state);
    }
}

impl PartialOrd for WildPlace {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WildPlace {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        if (self.0 == 7 || other.0 == 7) && chance(2) {
            return other.0.cmp(&self.0);
        }
        self.0.cmp(&other.0)
    }
}

/// Answers by chance, and fails now and then.
#[derive(Debug)]
pub struct WildStorage;

impl Storage<WildPlace, WildValue> for WildStorage {
    fn read(&self, place: &WildPlace) -> Result<WildValue, BoxError> {
        if chance(400) {
            return Err("not now".into());
        }
        Ok(WildValue(u64::from(place.0) * 5 + u64::from(chance(3))))
    }
}

impl OrderedStorage<WildPlace, WildValue> for WildStorage {
    fn next(
        &self,
        (from, _): (Bound<&WildPlace>, Bound<&WildPlace>),
    ) -> Result<Option<WildPlace>, BoxError> {
        let after = match from {
            Bound::Unbounded => 0,
            Bound::Included(place) => place.0,
            Bound::Excluded(place) => place.0 + 1,
        };
        Ok((after < 8 && !chance(5)).then(|| WildPlace(after + u8::from(chance(4)))))
    }
}

/// A VM whose transactions do something else each time.
#[derive(Debug)]
pub struct Wild;

impl Vm for Wild {
    /// How many operations.
    type Txn = u8;
    type Location = WildPlace;
    type Value = WildValue;
    type Output = u64;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        ops: &u8,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, &'static str>, Interrupt> {
        let mut seen = 0;
        for op in 0..*ops {
            let place = WildPlace((0..7).filter(|_| chance(2)).count() as u8);
            match (0..9).filter(|_| chance(2)).count() {
                0 => view.checkpoint()?,
                1 => seen += u64::from(view.check(&place, seen)?),
                2 => seen += u64::from(view.add(&place, u64::from(op))?),
                3 | 4 => seen += view.read(&place)?.0,
                5 => view.write(&place, WildValue(seen))?,
                6 => seen += u64::from(view.assume(&place, 3)?),
                7 => view.scan(Bound::Unbounded, Bound::Unbounded, |_, value| {
                    seen += value.0;
                    if chance(6) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?,
                8 => seen += view.peek(&place)?.0,
                _ => view.checkpoint()?,
            }
        }
        Ok(if chance(20) { Execution::Invalid("by chance") } else { Execution::Done(seen) })
    }
}

/// Executes a wild block of `txns` transactions, with `engine` or with the oracle. How often
/// transactions were executed.
///
/// # Errors
/// The block's own, which is by chance, too.
///
/// # Panics
/// Never, if the engine keeps its promise.
pub fn execute_wild(engine: Option<&Engine>, txns: usize) -> Result<u64, Error<&'static str>> {
    let txns: Vec<u8> = (0..txns).map(|n| (scramble([9, n as u64, 4]) % 9) as u8).collect();
    let block = Block::ordered(&Wild, &txns, &WildStorage);
    let block = block.policy(block_stm::InvalidPolicy::Skip).conflict_graph();
    let mut sink = Collect::default();
    let executed = match engine {
        Some(engine) => engine.execute(&block, &mut sink)?,
        None => execute_sequential(&block, &mut sink)?,
    };
    // What is left can be looked at.
    let changes = executed.state.iter().count();
    assert_eq!(changes, executed.state.len());
    Ok(executed.stats.executions)
}

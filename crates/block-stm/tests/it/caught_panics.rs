//! VMs that catch what comes out of the view's methods: the execution has failed all the same.

use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use block_stm::{
    Block, BoxError, Collect, Config, Engine, Error, Execution, Interrupt, OrderedStorage, Storage,
    Value, View, Vm, execute_sequential,
};
use block_stm_testkit::check;
use block_stm_testkit::sim::{Circumstances, Random, Simulator};

use crate::support::timely;

/// A number whose methods panic for some numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touchy(u64);

/// `apply` and `satisfies` panic for numbers from here on.
const TOO_LARGE: u64 = 100;

fn panics() -> ! {
    resume_unwind(Box::new("not with this number"))
}

impl Value for Touchy {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        if self.0 >= TOO_LARGE { panics() } else { Some(Self(self.0 + delta)) }
    }

    fn satisfies(&self, at_least: &u64) -> bool {
        if self.0 >= TOO_LARGE { panics() } else { self.0 >= *at_least }
    }

    fn is_absent(&self) -> bool {
        if self.0 >= TOO_LARGE { panics() } else { self.0 == 0 }
    }
}

/// A location that panics when it is hashed, if it is an odd one and the transaction says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u8, bool);

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.1 {
            panics()
        }
        self.0.hash(state);
    }
}

const HOT: Place = Place(0, false);

#[derive(Clone, Copy, Debug)]
enum Call {
    Read,
    ShowPanics,
    Check,
    Assume,
    Add,
    Peek,
    Glimpse,
    Scan,
    VisitPanics,
    HashPanics,
}

const CALLS: [Call; 10] = [
    Call::Read,
    Call::ShowPanics,
    Call::Check,
    Call::Assume,
    Call::Add,
    Call::Peek,
    Call::Glimpse,
    Call::Scan,
    Call::VisitPanics,
    Call::HashPanics,
];

enum Txn {
    /// Makes the hot place harmless.
    Calm,
    /// Calls, catches what comes out, and goes on to read another place and to write.
    Catch(Call),
}

struct Catcher;

impl Catcher {
    fn call(call: Call, view: &mut View<'_, Self>) -> Result<u64, Interrupt> {
        let all = (Bound::Unbounded, Bound::Unbounded);
        Ok(match call {
            Call::Read => view.read(&HOT)?.0,
            Call::ShowPanics => view.read_with(&HOT, |_| panics())?,
            Call::Check => view.check(&HOT, 3)?.into(),
            Call::Assume => view.assume(&HOT, 3)?.into(),
            Call::Add => {
                let added = view.add(&HOT, 1)?;
                // What was added may only be summed up now.
                view.read(&HOT)?.0 + u64::from(added)
            }
            // What these show must not matter.
            Call::Peek => view.peek(&HOT).map(|_| 0)?,
            Call::Glimpse => view.glimpse(&HOT).map(|_| 0)?,
            Call::Scan => {
                let mut sum = 0;
                view.scan(all.0, all.1, |_, value| {
                    sum += value.0;
                    ControlFlow::Continue(())
                })?;
                sum
            }
            Call::VisitPanics => {
                view.scan(all.0, all.1, |_, _| panics())?;
                0
            }
            Call::HashPanics => view.read(&Place(1, true))?.0,
        })
    }
}

impl Vm for Catcher {
    type Txn = Txn;
    type Location = Place;
    type Value = Touchy;
    type Output = u64;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, &'static str>, Interrupt> {
        let call = match txn {
            Txn::Calm => {
                view.write(&HOT, Touchy(5))?;
                return Ok(Execution::Done(0));
            }
            Txn::Catch(call) => *call,
        };
        let answer = match catch_unwind(AssertUnwindSafe(|| Self::call(call, view))) {
            Ok(answer) => answer?,
            // What only an execution ahead of its turn learns must not reach the output.
            Err(_) => 999,
        };
        // An interrupt is ignored here: the execution does not count.
        let _ = view.write(&Place(9, false), Touchy(answer));
        Ok(Execution::Done(answer))
    }
}

/// Everything is this number, but for what cannot be read.
struct State {
    number: u64,
    panics: bool,
}

impl Storage<Place, Touchy> for State {
    fn read(&self, place: &Place) -> Result<Touchy, BoxError> {
        if self.panics && *place == HOT {
            panics()
        }
        Ok(Touchy(if *place == HOT { self.number } else { 0 }))
    }
}

impl OrderedStorage<Place, Touchy> for State {
    fn next(&self, (from, _): (Bound<&Place>, Bound<&Place>)) -> Result<Option<Place>, BoxError> {
        Ok(matches!(from, Bound::Unbounded).then_some(HOT))
    }
}

const STATES: [State; 3] = [
    State { number: 1, panics: false },
    State { number: TOO_LARGE, panics: false },
    State { number: 1, panics: true },
];

#[test]
pub(crate) fn a_panic_that_the_vm_catches_fails_the_execution() {
    timely(|| {
        for (state, call) in STATES.iter().flat_map(|state| CALLS.map(|call| (state, call))) {
            for calmed in [false, true] {
                let mut txns = vec![Txn::Catch(call), Txn::Catch(call)];
                if calmed {
                    txns.insert(0, Txn::Calm);
                }
                let block = Block::ordered(&Catcher, &txns, state);
                check(&block).unwrap_or_else(|difference| panic!("{call:?}: {difference}"));
                let engine = Config::default().threads(3.try_into().expect("not zero"));
                let engine = Engine::new(engine.inline_below(0)).expect("it starts");
                let mut expected = Collect::default();
                let ending = execute_sequential(&block, &mut expected);
                let expected = (ending.map(|executed| executed.committed), expected.outcomes);
                for seed in 0..100 {
                    let mut sink = Collect::default();
                    let run = Simulator::default().run(
                        Box::new(Random::new(seed, 0.5)),
                        Circumstances::default(),
                        || engine.execute(&block, &mut sink).map(|executed| executed.committed),
                    );
                    let found = (run.result.expect("it ends"), sink.outcomes);
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{call:?}");
                }
            }
        }
    });
}

#[test]
fn the_oracle_names_the_transaction_whose_view_panicked() {
    for call in CALLS {
        let txns = [Txn::Catch(call)];
        // A scan asks what it finds, which panics; glimpses, peeks and reads do not mind the
        // number.
        let state = State { number: TOO_LARGE, panics: true };
        let block = Block::ordered(&Catcher, &txns, &state);
        let error = execute_sequential(&block, &mut Collect::default()).map(|_| ());
        match error {
            Err(Error::Panicked { txn, message }) => {
                assert_eq!(txn.get(), 0);
                assert_eq!(message, "the VM caught a panic that came out of its view");
            }
            other => panic!("{call:?}: {other:?}"),
        }
    }
}

/// A panic's payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panics()
        }
    }
}

/// Panics with a bomb where the sequential execution does not.
struct Bomber(AtomicU64);

impl Vm for Bomber {
    type Txn = bool;
    type Location = u8;
    type Value = Touchy;
    type Output = u64;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        first: &bool,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, &'static str>, Interrupt> {
        if *first {
            view.write(&0, Touchy(1))?;
            return Ok(Execution::Done(0));
        }
        let seen = view.read(&0)?.0;
        if seen == 0 {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic_any(Bomb);
        }
        Ok(Execution::Done(seen))
    }
}

#[test]
fn payloads_that_panic_when_they_are_dropped_are_dropped_in_peace() {
    let vm = Bomber(AtomicU64::new(0));
    let state = |_: &u8| Ok::<_, BoxError>(Touchy(0));
    let engine = Config::default().threads(3.try_into().expect("not zero")).inline_below(0);
    let engine = Engine::new(engine).expect("it starts");
    let execute = |txns: &[bool], seed| {
        let block = Block::new(&vm, txns, &state);
        let run = Simulator::default().run(
            Box::new(Random::new(seed, 0.2)),
            Circumstances::default(),
            || engine.execute(&block, &mut Collect::default()).map(|executed| executed.committed),
        );
        run.result.expect("it does not panic")
    };
    for seed in 0..200 {
        assert_eq!(execute(&[true, false, false, false], seed).expect("it succeeds"), 4);
    }
    assert!(vm.0.load(Ordering::Relaxed) > 20, "some executions panicked ahead of their turn");
    assert!(matches!(execute(&[false], 0), Err(Error::Panicked { .. })));
}

/// Panics while it sees what no sequential execution would, and does not want to be dropped in the
/// middle of something.
struct Tidy;

struct Desk(bool);

impl Drop for Desk {
    fn drop(&mut self) {
        if !self.0 && !std::thread::panicking() {
            panics()
        }
    }
}

impl Vm for Tidy {
    type Txn = bool;
    type Location = u8;
    type Value = Touchy;
    type Output = u64;
    type Invalid = &'static str;
    type Context<'b> = Desk;

    fn context(&self) -> Desk {
        Desk(true)
    }

    fn execute<'b>(
        &'b self,
        desk: &mut Desk,
        first: &bool,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<u64, &'static str>, Interrupt> {
        desk.0 = false;
        if *first {
            view.write(&0, Touchy(1))?;
        } else if view.read(&0)?.0 == 0 {
            panics()
        }
        desk.0 = true;
        Ok(Execution::Done(0))
    }
}

#[test]
fn contexts_that_panic_when_they_are_dropped_fail_no_block() {
    let state = |_: &u8| Ok::<_, BoxError>(Touchy(0));
    let engine = Config::default().threads(3.try_into().expect("not zero")).inline_below(0);
    let engine = Engine::new(engine).expect("it starts");
    let block = Block::new(&Tidy, &[true, false, false, false], &state);
    let mut failures = 0;
    for seed in 0..200 {
        let run = Simulator::default().run(
            Box::new(Random::new(seed, 0.2)),
            Circumstances::default(),
            || engine.execute(&block, &mut Collect::default()),
        );
        let executed = run.result.expect("it does not panic").expect("it succeeds");
        assert_eq!(executed.committed, 4);
        failures += executed.stats.aborts.failure;
    }
    assert!(failures > 0, "some executions panicked ahead of their turn");
}

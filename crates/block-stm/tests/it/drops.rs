//! Whatever a block makes is dropped exactly once, however the block ends.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use block_stm::{Block, Cut, Execution, Interrupt, InvalidPolicy, Limits, Value, View, Vm};
use block_stm_testkit::check::AcceptAll;
use block_stm_testkit::faults::{Hold, Jitter, PanicAhead};
use block_stm_testkit::language::{Colliding, Counted, LanguageBlock, Op, Probe, Rules};
use block_stm_testkit::{Arm, Checker, check};

use crate::support::{tangle, timely};

/// Checks the block with counted values, and that none is left.
fn prove_clean(block: &LanguageBlock) {
    let token = Arc::new(());
    let verdict = block.check_as::<Colliding, Counted>(Checker::few(), Arc::clone(&token));
    if let Err(mismatch) = verdict {
        panic!("{mismatch}");
    }
    assert_eq!(Arc::strong_count(&token), 1, "values are left over");
}

#[test]
fn values_of_good_blocks() {
    prove_clean(&tangle(40));
    prove_clean(&tangle(40).with_true_hints());
    prove_clean(&tangle(40).probe(Jitter { seed: 7, often: 16 }));
    prove_clean(&tangle(40).probe(Hold::new(0, 20)));
}

#[test]
fn values_of_failed_blocks() {
    for outrage in [Op::Panic, Op::Fail, Op::LoseView, Op::Invalid] {
        for place in [0, 3, 6] {
            let mut block = tangle(12);
            block.programs[7].ops.insert(place, outrage);
            prove_clean(&block.clone().probe(Hold::new(0, 10)));
            prove_clean(&LanguageBlock { policy: InvalidPolicy::Skip, ..block });
        }
    }
    let mut unreadable = tangle(12);
    unreadable.unreadable.insert(6);
    prove_clean(&unreadable);
}

#[test]
fn values_of_cut_blocks() {
    for at in [0, 4, 9] {
        for rules in [
            Rules { cut_before: Some(at), ..Rules::default() },
            Rules { cut_at: Some(at), ..Rules::default() },
            Rules { cut_after: Some(at), ..Rules::default() },
            Rules { panic_at: Some(at), ..Rules::default() },
            Rules { unsettled: Some(1), ..Rules::default() },
        ] {
            let block = LanguageBlock { rules, ..tangle(12).skip_invalid() };
            prove_clean(&block.probe(Hold::new(0, 8)));
        }
    }
}

#[test]
fn values_of_executions_that_panicked_ahead() {
    for op in 1..5 {
        prove_clean(&tangle(30).probe(PanicAhead::new(op)));
    }
}

/// Counts what is alive of it.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Clone for Alive {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) > 0, "dropped more often than made");
    }
}

impl PartialEq for Alive {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Alive {}

impl fmt::Debug for Alive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("alive")
    }
}

impl fmt::Display for Alive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no longer wanted")
    }
}

/// A key that is counted too.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key(u16, Alive);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// A number with counted deltas and predicates.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sum(u64, Alive);

impl Value for Sum {
    type Delta = (u64, Alive);
    type Predicate = (u64, Alive);

    fn apply(&self, (amount, _): &(u64, Alive)) -> Option<Self> {
        self.0.checked_add(*amount).filter(|sum| *sum < 200).map(|sum| Self(sum, self.1.clone()))
    }

    fn satisfies(&self, (least, _): &(u64, Alive)) -> bool {
        self.0 >= *least
    }
}

#[derive(Clone, Copy)]
enum Fate {
    Done,
    Invalid,
    Fail,
    Panic,
}

/// Everything that it makes is counted.
struct Counting {
    alive: Arc<AtomicUsize>,
}

impl Vm for Counting {
    type Txn = (u16, Fate);
    type Location = Key;
    type Value = Sum;
    type Output = (u64, Alive);
    type Invalid = Alive;
    type Context<'b> = Alive;

    fn context(&self) -> Alive {
        Alive::new(&self.alive)
    }

    fn execute<'b>(
        &'b self,
        context: &mut Alive,
        (slot, fate): &(u16, Fate),
        view: &mut View<'b, Self>,
    ) -> Result<Execution<(u64, Alive), Alive>, Interrupt> {
        let alive = || context.clone();
        let key = |slot| Key(slot, alive());
        let enough = view.check(&key(slot % 3), (5, alive()))?;
        let likely = view.assume(&key(slot % 4), (1, alive()))?;
        let Sum(sum, _) = view.read(&key(*slot))?;
        view.add(&key(8), (sum % 3, alive()))?;
        view.add(&key(8), (1, alive()))?;
        view.write(&key(slot % 5), Sum(sum + u64::from(enough) + u64::from(likely), alive()))?;
        match fate {
            Fate::Done => Ok(Execution::Done((sum, alive()))),
            Fate::Invalid => Ok(Execution::Invalid(alive())),
            Fate::Fail => Err(view.fail("on purpose")),
            Fate::Panic => resume_unwind(Box::new("on purpose")),
        }
    }

    fn weight(&self, _: &(u16, Fate), _: &(u64, Alive)) -> u64 {
        1
    }
}

#[test]
fn keys_deltas_predicates_outputs_and_contexts() {
    timely(|| {
        for fate in [Fate::Done, Fate::Invalid, Fate::Fail, Fate::Panic] {
            for (policy, max_weight) in [
                (InvalidPolicy::Skip, None),
                (InvalidPolicy::Reject, None),
                (InvalidPolicy::Skip, Some(9)),
            ] {
                let alive = Arc::new(AtomicUsize::new(0));
                let vm = Counting { alive: Arc::clone(&alive) };
                let txn = |n: u16| (n % 7, if n == 20 { fate } else { Fate::Done });
                let txns: Vec<_> = (0..40).map(txn).collect();
                let storage = |key: &Key| Ok(Sum(u64::from(key.0), Alive::new(&alive)));
                let limits = Limits { max_weight, ..Limits::default() };
                let block = Block::new(&vm, &txns, &storage).policy(policy).limits(limits);
                if let Err(mismatch) = check(&block) {
                    panic!("{mismatch}");
                }
                assert_eq!(alive.load(Ordering::SeqCst), 0, "something is left over");
            }
        }
    });
}

#[test]
fn a_result_that_is_kept_stays_whole() {
    timely(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let vm = Counting { alive: Arc::clone(&alive) };
        let txns: Vec<_> = (0..30).map(|n| (n, Fate::Done)).collect();
        let storage = |key: &Key| Ok(Sum(u64::from(key.0), Alive::new(&alive)));
        let engine = Arm::of(3, None).engine().expect("threads can be started");
        let limits = Limits { max_weight: Some(12), ..Limits::default() };
        let block = Block::new(&vm, &txns, &storage).limits(limits);
        let executed = engine.execute(&block, &mut AcceptAll).expect("no failures");
        assert_eq!(executed.cut, Some(Cut::Weight));
        let held = alive.load(Ordering::SeqCst);
        // One in each location and one in each value, of the 6 slots written.
        let copies = executed.state.to_vec();
        assert_eq!((copies.len(), alive.load(Ordering::SeqCst)), (6, held + 2 * 6));
        drop(executed);
        assert_eq!(alive.load(Ordering::SeqCst), 2 * 6);
        drop(copies);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    });
}

/// The probe of a block is let go of with the block.
#[test]
fn probes_are_dropped_with_their_block() {
    #[derive(Debug)]
    struct Quiet(Arc<()>);
    impl Probe for Quiet {
        fn commit(&self, _: u32) {
            assert!(Arc::strong_count(&self.0) > 1);
        }
    }
    let token = Arc::new(());
    let block = tangle(10).probe(Quiet(Arc::clone(&token)));
    prove_clean(&block);
    drop(block);
    assert_eq!(Arc::strong_count(&token), 1);
}

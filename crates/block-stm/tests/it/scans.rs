//! Scans: what they find, what they must not miss, and what they do not conflict with.

// LENGTH: scans meet everything else, and each test is one such meeting.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::{Bound, ControlFlow};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use block_stm::conductor::{Conductor, Step, conduct};
use block_stm::{
    Block, BoxError, Collect, Config, Engine, Error, Execution, Interrupt, OrderedStorage, Outcome,
    Stats, Storage, Value, View, Vm, execute_sequential,
};
use block_stm_testkit::check;
use block_stm_testkit::compare::same;
use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{
    ABSENT, At, Expr, LanguageBlock, LanguageHints, Op, Place, Probe, Site, Slot, Test,
};
use block_stm_testkit::record::{Ending, record_parallel, record_sequential};
use block_stm_testkit::sim::{Scene, Setup, Simulator};
use block_stm_testkit::{Checker, Trial};

use crate::support::{
    engine, increment, oracle, parallel, prove, prove_all, prove_quickly, slot, timely, value,
};

/// Visits everything from one slot to another.
const fn scan(first: u16, last: u16) -> Op {
    Op::Scan(slot(first), slot(last), 0)
}

/// Visits one slot.
const fn first(first: u16, last: u16) -> Op {
    Op::Scan(slot(first), slot(last), 1)
}

const fn put(at: u16, what: u8) -> Op {
    Op::Write(slot(at), value(what))
}

/// What makes, changes, repeats and removes something in slots 1 and 2.
const WRITERS: [Op; 8] = [
    put(1, 5),
    put(1, ABSENT),
    put(2, 5),
    put(2, ABSENT),
    Op::Gain(slot(1), value(1)),
    Op::Lose(slot(2), value(5)),
    Op::Gain(slot(2), value(0)),
    Op::Read(slot(2)),
];

#[test]
fn every_write_below_every_scan() {
    // Txn 1 scans before txn 0 has written, then is judged.
    let scans = [scan(0, 3), scan(1, 2), scan(2, 2), first(0, 3), first(2, 3)];
    let blocks = WRITERS.into_iter().flat_map(move |write| {
        scans.into_iter().flat_map(move |scan| {
            [[0, 0, 0], [0, 5, 5], [3, 0, 5], [0, 5, 0]].map(|state| {
                let programs = [vec![write], vec![scan, Op::Write(slot(3), Expr::Acc)]];
                LanguageBlock::new(programs).state(state).probe(Hold::new(0, 1))
            })
        })
    });
    prove_all(blocks);
}

#[test]
fn every_write_of_its_own_before_and_between_two_scans() {
    let blocks = WRITERS.into_iter().flat_map(|below| {
        WRITERS.into_iter().flat_map(move |before| {
            WRITERS.into_iter().flat_map(move |between| {
                [[0, 0, 0], [0, 5, 5]].map(|state| {
                    let scans = vec![before, scan(0, 2), between, scan(1, 3), Op::Read(slot(1))];
                    LanguageBlock::new([vec![below], scans]).state(state).probe(Hold::new(0, 1))
                })
            })
        })
    });
    prove_all(blocks);
}

#[test]
fn a_phantom_may_come_and_go() {
    // Txn 1 writes slot 2 only as long as it has not seen txn 0's write; higher ones scan all the
    // while.
    let fickle = vec![
        Op::Read(slot(0)),
        Op::SkipUnless(Expr::Acc, Test::Is(value(0)), 1),
        put(2, 5),
        Op::Spin(20),
    ];
    let mut programs = vec![vec![put(0, 1)], fickle];
    programs.extend((0..10).map(|n| vec![scan(1, 4), Op::Write(slot(3 + n % 3), Expr::Plus(1))]));
    let block = LanguageBlock::new(programs);
    prove(&block);
    for executions in [1, 4, 11] {
        prove(&block.clone().probe(Hold::new(0, executions)));
    }
}

#[test]
fn writes_of_invalid_txns_are_no_phantoms() {
    let invalid = vec![put(2, 5), put(1, ABSENT), Op::Invalid];
    let scans = vec![scan(0, 4), Op::Write(slot(3), Expr::Acc)];
    let refused = vec![scan(0, 4), Op::SkipUnless(Expr::Acc, Test::Is(value(3)), 1), Op::Invalid];
    let programs = [increment(1), invalid, scans, refused];
    let block = LanguageBlock::new(programs).state([0, 1]).skip_invalid();
    for held in 0..3 {
        prove(&block.clone().probe(Hold::new(held, 1)));
    }
}

#[test]
fn deltas_below_are_summed_up_and_found() {
    let add = |n: u8| vec![Op::Gain(slot(2), value(n))];
    let take = |n: u8| vec![Op::Lose(slot(2), value(n))];
    for writers in [[add(1), add(2)], [add(3), take(3)], [take(1), add(1)], [add(7), add(1)]] {
        let [one, two] = writers;
        let programs = [one, two, vec![scan(0, 4)], add(1), vec![first(1, 4)]];
        let block = LanguageBlock::new(programs);
        prove(&block);
        for held in 0..4 {
            prove(&block.clone().probe(Hold::new(held, 1)));
            prove_quickly(&block.clone().state([0, 0, 1, 4]).probe(Hold::new(held, 1)));
        }
    }
}

/// Takes the lowest entry of a queue, puts another one in.
fn queues(txns: u16) -> LanguageBlock {
    let program = |n: u16| match n % 3 {
        0 => vec![first(0, 15), Op::Write(At::Beyond(0), value(ABSENT)), Op::Read(slot(n % 7))],
        1 => vec![Op::Write(slot(n % 8), Expr::Const(n as u8)), scan(n % 4, 9)],
        _ => vec![scan(4, 9), Op::Gain(slot(9 - n % 9), value(1)), scan(0, 6)],
    };
    LanguageBlock::new((0..txns).map(program)).state([0, 3, 0, 0, 2, 0, 1])
}

#[test]
fn queues_under_any_schedule() {
    prove(&queues(60));
    prove(&queues(60).with_true_hints());
    for seed in 0..6 {
        prove(&queues(40).probe(Jitter { seed, often: 20 }));
    }
    prove(&queues(20).probe(Hold::new(0, 10)));
}

#[test]
fn wrong_hints_are_not_visited() {
    let programs = (0..8).map(|n| vec![scan(0, 9), Op::Write(slot(n % 3), Expr::Plus(1))]);
    let mut block = LanguageBlock::new(programs);
    block.hints = Some(LanguageHints((0..8).map(|n| vec![n % 3, 3 + n % 5]).collect()));
    // A sequential execution does not read what holds nothing.
    block.unreadable.extend([3, 4, 5]);
    prove(&block);
    prove(&block.probe(Hold::new(0, 7)));
}

#[test]
fn what_only_higher_txns_touch_is_not_asked_for() {
    let mut programs = vec![vec![Op::Spin(50), scan(0, 9)]; 4];
    programs.extend((0..4).map(|n| vec![put(4 + n, 5)]));
    let mut block = LanguageBlock::new(programs);
    block.unreadable.extend(4..8);
    let held = block.clone().probe(Hold::new(0, 7));
    prove(&held);
    prove(&block);
    // Not by executions that are thrown away either.
    for threads in [2, 4] {
        let stats = stats(threads, &held);
        assert_eq!((stats.base_reads, stats.aborts.failure), (0, 0), "{stats:?}");
    }
}

fn stats(threads: usize, block: &LanguageBlock) -> Stats {
    parallel(&engine(threads), &block.stage()).stats.expect("the block has a result")
}

#[test]
fn a_scan_does_not_conflict_with_what_lies_beyond_its_end() {
    timely(|| {
        let block = |scan: Op| {
            let mut programs = vec![vec![put(5, 1)]];
            programs.extend((0..8).map(|_| vec![scan]));
            LanguageBlock::new(programs).state([0, 3]).probe(Late::new(8, false))
        };
        for threads in [2, 4] {
            for scan in [first(0, 9), scan(0, 4), scan(6, 9)] {
                let stats = stats(threads, &block(scan));
                assert_eq!((stats.executions, stats.aborts.total()), (9, 0), "{stats:?}");
            }
        }
        // With one that goes on they are repeated.
        let stats = stats(2, &block(scan(0, 9)));
        let aborts = &stats.aborts;
        assert!(aborts.commit_validation + aborts.early_validation >= 8, "{stats:?}");
    });
}

#[test]
fn what_is_written_again_as_it_was_makes_no_conflict() {
    timely(|| {
        let mut programs = vec![vec![put(1, 3)]];
        programs.extend((0..8).map(|_| vec![scan(0, 9)]));
        for threads in [2, 4] {
            let probe = Late::new(8, false);
            let block = LanguageBlock::new(programs.clone()).state([0, 3]).probe(probe);
            let stats = stats(threads, &block);
            assert_eq!((stats.executions, stats.aborts.total()), (9, 0), "{stats:?}");
        }
    });
}

/// Holds the first execution of txn 0 until so many executions of others have returned, however
/// long that takes; and that of txn 1 behind its first scan, if it is to be doomed, until txn 0 is
/// committed.
#[derive(Debug)]
struct Late {
    until: u32,
    dooms: bool,
    returned: AtomicU32,
    committed: AtomicBool,
    held: [AtomicBool; 2],
}

impl Late {
    fn new(until: u32, dooms: bool) -> Self {
        let (returned, committed) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { until, dooms, returned, committed, held: [const { AtomicBool::new(false) }; 2] }
    }
}

impl Probe for Late {
    fn operation(&self, site: Site) {
        let wait = |is_over: &dyn Fn() -> bool| {
            if !self.held[site.txn as usize].swap(true, Ordering::SeqCst) {
                while !is_over() {
                    std::thread::yield_now();
                }
            }
        };
        match site {
            Site { txn: 0, op: 0, .. } => {
                wait(&|| self.returned.load(Ordering::SeqCst) >= self.until);
            }
            Site { txn: 1, op: 2, .. } if self.dooms => {
                self.returned.fetch_add(1, Ordering::SeqCst);
                wait(&|| self.committed.load(Ordering::SeqCst));
            }
            _ => {}
        }
    }

    fn executed(&self, txn: u32) {
        self.returned.fetch_add(u32::from(txn > 0), Ordering::SeqCst);
    }

    fn commit(&self, txn: u32) {
        self.committed.fetch_or(txn == 0, Ordering::SeqCst);
    }
}

#[test]
fn a_doomed_scan_may_be_ended_early() {
    timely(|| {
        for (write, scan) in [(put(3, 1), scan(0, 9)), (put(1, ABSENT), first(0, 2))] {
            let programs = [vec![write], vec![scan, Op::Read(slot(12)), Op::Checkpoint]];
            let block = LanguageBlock::new(programs).state([0, 3]).probe(Late::new(1, true));
            let stats = stats(2, &block);
            assert_eq!(stats.aborts.early_validation, 1, "{stats:?}");
        }
    });
}

#[test]
fn scans_make_edges_in_their_order() {
    let programs = [
        vec![put(4, 1)],
        vec![put(2, 3)],
        // The oracle reads what was removed.
        vec![put(3, ABSENT)],
        vec![put(2, 3)],
        vec![Op::Read(slot(3)), scan(1, 9), Op::Read(slot(4))],
        // Its own write hides txn 3's, and it breaks off before txn 0's.
        vec![put(2, 1), first(0, 9)],
    ];
    let expected = [(2, 4, 3), (3, 4, 2), (0, 4, 4)];
    for held in 0..5 {
        for state in [vec![], vec![1, 0, 0, 7]] {
            let block = LanguageBlock::new(programs.clone()).state(state);
            let block = block.probe(Hold::new(held, 1));
            prove(&block);
            let Ending::Finished { edges: Some(edges), .. } = oracle(&block.stage()).ending else {
                panic!("the block has a conflict graph");
            };
            let edge = |edge: block_stm::Conflict<Slot>| {
                (edge.writer.get(), edge.reader.get(), edge.location.slot())
            };
            assert_eq!(edges.into_iter().map(edge).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn a_storage_that_cannot_go_on_fails_the_first_txn_that_needs_it() {
    for impassable in 0..10 {
        let mut block = queues(16);
        block.impassable.insert(impassable);
        prove_quickly(&block);
        prove_quickly(&block.probe(Hold::new(0, 8)));
    }
    let mut block = LanguageBlock::new([increment(0), vec![scan(2, 7)]]).state([0, 0, 5]);
    block.impassable.insert(5);
    let Ending::Failed { kind, message } = oracle(&block.stage()).ending else {
        panic!("the block has a result");
    };
    assert_eq!(kind, "storage");
    let expected = "txn 1: reading the range (Included(slot 2), Included(slot 7)) failed: \
                    slot 5 is impassable";
    assert_eq!(message, expected);
}

#[test]
fn an_error_that_only_a_stale_scan_meets_never_surfaces() {
    // The first txn leads all others past the impassable slot.
    let mut programs = vec![vec![put(0, 1)]];
    programs.extend((0..20).map(|_| {
        vec![Op::Read(slot(0)), Op::Scan(At::Beyond(5), slot(9), 0), Op::Write(slot(7), Expr::Acc)]
    }));
    let mut block = LanguageBlock::new(programs);
    block.impassable.insert(5);
    prove(&block.clone().probe(Hold::new(0, 10)));
    prove(&block);
}

#[test]
fn a_block_without_an_order_refuses_to_scan() {
    timely(|| {
        let stage = LanguageBlock::new([increment(0), vec![scan(0, 9)], increment(1)]).stage();
        let block = Block::new(&stage.vm, &stage.spec.programs, &stage.storage);
        let expected = record_sequential(&block, stage.sink(None));
        let Ending::Failed { kind: "vm", message } = &expected.ending else {
            panic!("not refused but {expected:?}");
        };
        assert!(message.contains("see Block::ordered"), "{message}");
        for (arm, engine) in Checker::all().engines() {
            let found = record_parallel(engine, &block, stage.sink(Some(arm)));
            same(&expected, &found).unwrap_or_else(|difference| panic!("{arm}: {difference}"));
        }
    });
}

#[test]
fn an_engine_without_deltas_scans_too() {
    timely(|| {
        let threads = NonZeroUsize::new(3).expect("3 is not 0");
        let config = Config::default().threads(threads).inline_below(0).deltas(false);
        let engine = Engine::new(config).expect("threads can be started");
        for seed in 0..20 {
            let stage = queues(40).probe(Jitter { seed, often: 16 }).stage();
            let difference = same(&oracle(&stage), &parallel(&engine, &stage));
            difference.unwrap_or_else(|difference| panic!("{difference}"));
        }
    });
}

/// Has one worker only, and counts what it does to the storage.
#[derive(Default)]
struct Alone {
    storage_steps: std::cell::Cell<u64>,
}

impl Conductor for Alone {
    fn spawn(&self, _: Box<dyn FnOnce() + Send>) {}

    fn step(&self, step: Step) {
        self.storage_steps
            .set(self.storage_steps.get() + u64::from(matches!(step, Step::Storage(_))));
    }

    fn wait(&self, _: usize, _: Option<Duration>) {
        panic!("a worker that is alone has no reason to wait");
    }

    fn notify_one(&self, _: usize) {}

    fn notify_all(&self, _: usize) {}

    fn now(&self) -> Instant {
        Instant::now()
    }
}

#[test]
fn a_conductor_sees_each_question_to_the_storage() {
    let txns =
        [Txn::Put(3, Some(4)), Txn::Put(5, None), Txn::Scan(Bound::Unbounded, Bound::Unbounded)];
    let storage = Sheet::new([(2, 1), (7, 2)]);
    let block = Block::ordered(&Ranger, &txns, &storage);
    let conductor = Rc::new(Alone::default());
    let (engine, mut sink) = (engine(2), Collect::default());
    let executed = conduct(Rc::clone(&conductor) as _, || engine.execute(&block, &mut sink));
    assert_eq!(executed.expect("no errors").committed, 3);
    assert_eq!(sink.outcomes[2], Outcome::Done(vec![(2, 1), (3, 4), (7, 2)]));
    // What the block wrote is not asked for.
    assert_eq!(storage.questions.load(Ordering::SeqCst), 3);
    assert_eq!(conductor.storage_steps.get(), 3 + 2);
    execute_sequential(&block, &mut sink).expect("no errors");
    assert_eq!(storage.questions.load(Ordering::SeqCst), 3 + 3, "the oracle asks the same");
}

/// A VM that scans with bounds of every kind.
struct Ranger;

#[derive(Clone, Debug)]
enum Txn {
    Put(u8, Option<u8>),
    Scan(Bound<u8>, Bound<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry(Option<u8>);

impl Value for Entry {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }

    fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

impl Vm for Ranger {
    type Txn = Txn;
    type Location = u8;
    type Value = Entry;
    type Output = Vec<(u8, u8)>;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Vec<(u8, u8)>, Infallible>, Interrupt> {
        let mut visited = Vec::new();
        match txn {
            Txn::Put(location, value) => view.write(location, Entry(*value))?,
            Txn::Scan(from, to) => {
                view.scan(from.as_ref(), to.as_ref(), |location, entry| {
                    visited.extend(entry.0.map(|value| (*location, value)));
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(Execution::Done(visited))
    }
}

/// A sorted map as a storage, which counts how often it is asked for the next location.
struct Sheet {
    entries: BTreeMap<u8, u8>,
    questions: AtomicU64,
}

impl Sheet {
    fn new<const N: usize>(entries: [(u8, u8); N]) -> Self {
        Self { entries: entries.into(), questions: AtomicU64::new(0) }
    }
}

impl Storage<u8, Entry> for Sheet {
    fn read(&self, location: &u8) -> Result<Entry, BoxError> {
        Ok(Entry(self.entries.get(location).copied()))
    }
}

impl OrderedStorage<u8, Entry> for Sheet {
    fn next(&self, range: (Bound<&u8>, Bound<&u8>)) -> Result<Option<u8>, BoxError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        Ok(self.entries.range::<u8, _>(range).next().map(|(location, _)| *location))
    }
}

/// Every kind of bound at each of some locations.
fn bounds() -> impl Iterator<Item = Bound<u8>> + Clone {
    let at = |location| [Bound::Included(location), Bound::Excluded(location)];
    (0..6).flat_map(at).chain([Bound::Unbounded])
}

#[test]
fn bounds_mean_what_they_mean_to_a_sorted_map() {
    timely(|| {
        let puts = [Txn::Put(2, Some(9)), Txn::Put(4, None), Txn::Put(3, Some(8))];
        let scans = bounds().flat_map(|from| bounds().map(move |to| Txn::Scan(from, to)));
        let txns: Vec<_> = puts.into_iter().chain(scans).collect();
        let storage = Sheet::new([(1, 1), (2, 2), (4, 4), (5, 5)]);
        let block = Block::ordered(&Ranger, &txns, &storage);
        check(&block).expect("parallel is sequential");
        let mut sink = Collect::default();
        execute_sequential(&block, &mut sink).expect("no errors");
        let state = [(1, 1), (2, 9), (3, 8), (5, 5)];
        for (txn, outcome) in txns.iter().zip(&sink.outcomes).skip(3) {
            let Txn::Scan(from, to) = txn else { panic!("{txn:?} is not a scan") };
            let within = |(location, _): &(u8, u8)| {
                std::ops::RangeBounds::<u8>::contains(&(*from, *to), location)
            };
            let expected: Vec<_> = state.into_iter().filter(within).collect();
            assert_eq!(*outcome, Outcome::Done(expected), "{txn:?}");
        }
    });
}

/// A storage that always names the same location.
struct Stubborn(u8);

impl Storage<u8, Entry> for Stubborn {
    fn read(&self, _: &u8) -> Result<Entry, BoxError> {
        Ok(Entry(Some(1)))
    }
}

impl OrderedStorage<u8, Entry> for Stubborn {
    fn next(&self, _: (Bound<&u8>, Bound<&u8>)) -> Result<Option<u8>, BoxError> {
        Ok(Some(self.0))
    }
}

#[test]
fn a_storage_that_names_what_it_was_not_asked_for_fails_the_block() {
    timely(|| {
        for named in [1, 2, 5, 9] {
            let txns = vec![Txn::Scan(Bound::Included(2), Bound::Excluded(5)); 6];
            let storage = Stubborn(named);
            let block = Block::ordered(&Ranger, &txns, &storage);
            let result = execute_sequential(&block, &mut Collect::default());
            assert!(matches!(result, Err(Error::Storage { .. })), "{named} was accepted");
            check(&block).expect("parallel is sequential");
        }
    });
}

#[test]
fn what_an_execution_deleted_itself_is_no_reason_to_wait() {
    // Each empties an area of its own, and looks what is left there. An odd number: a conflict
    // graph would want to know of what is deleted.
    const AREA: u16 = 24;
    let programs = (0..31).map(|txn| {
        let first = txn * AREA;
        let clear = |slot| Op::Write(At::Slot(slot), Expr::Const(ABSENT));
        let mut ops: Vec<_> = (first..first + AREA).map(clear).collect();
        ops.push(Op::Scan(At::Slot(first), At::Slot(first + AREA - 1), 0));
        ops
    });
    let block = LanguageBlock::new(programs).state(vec![1; usize::from(31 * AREA)]);
    let scene = Scene::new(&block).expect("the oracle keeps its rules");
    let passed = scene.run(&Simulator::default(), &Setup::calm(3), false);
    let passed = passed.unwrap_or_else(|failure| panic!("{}", failure.what));
    let stats = passed.stats.expect("it has a result");
    assert!(stats.executions <= 31 + 4 && stats.aborts.estimate <= 4, "{stats:?}");
}

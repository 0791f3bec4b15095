//! What things cost, counted in comparisons of locations and in questions to the storage.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use block_stm::{
    Block, BoxError, Collect, Execution, Interrupt, OrderedStorage, Storage, Value, View, Vm,
    execute_sequential,
};

use crate::support::{engine, timely};

/// Counts.
#[derive(Debug, Default)]
struct Meter {
    /// In their order, or for equality.
    comparisons: AtomicU64,
    questions: AtomicU64,
    reads: AtomicU64,
}

/// A location whose comparisons are counted.
#[derive(Clone)]
struct Key(u64, &'static Meter);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.1.comparisons.fetch_add(1, Relaxed);
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.1.comparisons.fetch_add(1, Relaxed);
        self.0.cmp(&other.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry(Option<u64>);

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

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Takes the first entry from here on away.
    Pop(u64),
    Put(u64),
    Delete(u64),
    Read(u64),
    /// Looks for the first entry from here on.
    First(u64),
}

struct Store(&'static Meter, BTreeMap<u64, u64>);

impl Storage<Key, Entry> for Store {
    fn read(&self, key: &Key) -> Result<Entry, BoxError> {
        self.0.reads.fetch_add(1, Relaxed);
        Ok(Entry(self.1.get(&key.0).copied()))
    }
}

impl OrderedStorage<Key, Entry> for Store {
    fn next(&self, (from, to): (Bound<&Key>, Bound<&Key>)) -> Result<Option<Key>, BoxError> {
        self.0.questions.fetch_add(1, Relaxed);
        let range = (from.map(|key| key.0), to.map(|key| key.0));
        Ok(self.1.range(range).next().map(|(key, _)| Key(*key, self.0)))
    }
}

struct Books(&'static Meter);

impl Vm for Books {
    type Txn = Vec<Op>;
    type Location = Key;
    type Value = Entry;
    type Output = Vec<Option<u64>>;
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Vec<Op>,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Vec<Option<u64>>, Infallible>, Interrupt> {
        let key = |at| Key(at, self.0);
        let mut found = Vec::new();
        for op in txn {
            match *op {
                Op::Put(at) => view.write(&key(at), Entry(Some(at)))?,
                Op::Read(at) => found.push(view.read(&key(at))?.0),
                Op::Delete(at) => view.write(&key(at), Entry(None))?,
                Op::First(from) | Op::Pop(from) => {
                    let mut first = None;
                    view.scan(Bound::Included(&key(from)), Bound::Unbounded, |key, _| {
                        first = Some(key.clone());
                        ControlFlow::Break(())
                    })?;
                    if let (Op::Pop(_), Some(key)) = (op, &first) {
                        view.write(key, Entry(None))?;
                    }
                    found.push(first.map(|key| key.0));
                }
            }
        }
        Ok(Execution::Done(found))
    }
}

/// How many operations a block has.
const OPS: u64 = 1_500;

/// Numbers in no order, each once.
fn shuffled(n: u64) -> impl Iterator<Item = u64> {
    (0..n).map(move |i| i * 7_919 % n)
}

/// Blocks of about so many operations, with how many entries lie below them.
fn blocks() -> Vec<(&'static str, u64, Vec<Vec<Op>>)> {
    let each = |op: &dyn Fn(u64) -> Vec<Op>| (0..OPS).map(op).collect::<Vec<_>>();
    let of = |ops: &[Op]| ops.to_vec();
    let deletes = || shuffled(OPS).map(Op::Delete);
    vec![
        ("pops", OPS, each(&|_| of(&[Op::Pop(0)]))),
        ("pops of what was put", 0, {
            let puts = shuffled(OPS / 2).map(|at| of(&[Op::Put(at)]));
            puts.chain((0..OPS / 2).map(|_| of(&[Op::Pop(0)]))).collect()
        }),
        ("a queue", 100, each(&|i| of(&[Op::Pop(0), Op::Put(1_000 + i)]))),
        ("a priority queue", 300, each(&|i| of(&[Op::Put(i * 7_919 % 5_000), Op::Pop(0)]))),
        ("pops of what is put back", 300, {
            each(&|i| of(&if i % 3 == 2 { [Op::Put(i % 300)] } else { [Op::Pop(0)] }))
        }),
        ("pops in the middle", OPS, each(&|i| of(&[Op::Pop(OPS / 2 - i % 2), Op::First(0)]))),
        ("pops in a txn", OPS, vec![vec![Op::Pop(0); OPS as usize]]),
        ("puts and pops in a txn", 0, {
            let ops = shuffled(OPS / 2).flat_map(|at| [Op::Put(at), Op::Pop(0), Op::First(0)]);
            vec![ops.collect()]
        }),
        ("what a txn deleted", OPS, {
            let mut txns = vec![deletes().collect()];
            txns.extend(each(&|i| of(&[Op::First(i % 7)])));
            txns
        }),
        ("what many deleted", OPS, {
            let txns = deletes().map(|delete| of(&[delete]));
            txns.chain(each(&|i| of(&[Op::First(i % 7)]))).collect()
        }),
        ("deleted and looked for", OPS, {
            deletes()
                .enumerate()
                .map(|(i, delete)| of(&[delete, Op::First(i as u64 % 7)]))
                .collect()
        }),
        ("deleted among many", 20_000, each(&|i| of(&[Op::Pop(i % 2 * 10_000)]))),
    ]
}

/// Comparisons and questions since the last call, per operation.
fn costs(meter: &Meter, ops: u64) -> [u64; 2] {
    [&meter.comparisons, &meter.questions].map(|count| count.swap(0, Relaxed).div_ceil(ops))
}

/// A storage with so many entries, and its meter.
fn store(entries: u64) -> Store {
    Store(Box::leak(Box::default()), (0..entries).map(|at| (at, at)).collect())
}

#[test]
fn what_was_deleted_costs_nothing() {
    timely(|| {
        for (name, entries, txns) in blocks() {
            let storage = store(entries);
            let (meter, vm) = (storage.0, Books(storage.0));
            let block = Block::ordered(&vm, &txns, &storage);
            let ops = txns.iter().map(|txn| txn.len() as u64).sum::<u64>();
            let mut expected = Collect::default();
            execute_sequential(&block, &mut expected).expect("no errors");
            let [comparisons, questions] = costs(meter, ops);
            // A few times the logarithm; one by one it would be hundreds.
            assert!(comparisons <= 40 && questions <= 1, "{name}: {comparisons}, {questions}");
            for threads in [2, 4] {
                let mut found = Collect::default();
                let executed = engine(threads).execute(&block, &mut found).expect("no errors");
                assert_eq!(found.outcomes, expected.outcomes, "{name}");
                // A pop depends on the one before by what it does not find.
                let alone = executed.stats.alone_executions;
                assert!(name != "pops" || alone >= OPS / 3, "{threads} threads: {alone} alone");
                // With what is executed in vain.
                let [comparisons, questions] = costs(meter, ops);
                let is_bounded = comparisons <= 300 && questions <= 40;
                assert!(is_bounded, "{name}, {threads} threads: {comparisons}, {questions}");
            }
        }
    });
}

#[test]
fn the_storage_is_asked_once_for_each_location_however_many_scan() {
    timely(|| {
        let txns = vec![vec![Op::First(900), Op::First(0), Op::First(10)]; 300];
        let storage = store(1_000);
        let vm = Books(storage.0);
        let block = Block::ordered(&vm, &txns, &storage);
        execute_sequential(&block, &mut Collect::default()).expect("no errors");
        assert_eq!(storage.0.questions.swap(0, Relaxed), 3);
        engine(3).execute(&block, &mut Collect::default()).expect("no errors");
        // Workers may ask at once, and one may come while another one looks up what is known.
        assert!(storage.0.questions.load(Relaxed) <= 3 * 3 * 3);
    });
}

#[test]
fn a_conflict_graph_costs_little_for_each_access() {
    timely(|| {
        let numbers = || 0..4_000;
        let txns = [numbers().map(Op::Put).collect(), numbers().map(Op::Read).collect()];
        let storage = store(0);
        let (meter, vm) = (storage.0, Books(storage.0));
        let block = Block::new(&vm, &txns, &storage).conflict_graph();
        let mut sink = Collect::default();
        let expected = execute_sequential(&block, &mut sink).expect("no errors").conflict_graph;
        assert_eq!(expected.as_ref().map(|graph| graph.edges.len()), Some(4_000));
        let [comparisons, _] = costs(meter, 8_000);
        assert!(comparisons <= 20, "{comparisons} in order");
        let found = engine(2).execute(&block, &mut sink).expect("no errors").conflict_graph;
        let [comparisons, _] = costs(meter, 8_000);
        assert!(comparisons <= 40, "{comparisons} in parallel");
        assert_eq!(found, expected);
    });
}

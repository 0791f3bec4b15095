//! What scans cost, counted in comparisons of locations and in questions to the storage: what was deleted costs nothing.

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

/// Comparisons, questions and reads per operation.
fn costs(meter: &Meter, ops: u64) -> [u64; 3] {
    let [comparisons, questions, reads] = [&meter.comparisons, &meter.questions, &meter.reads];
    [comparisons, questions, reads].map(|count| count.swap(0, Relaxed) / ops)
}

#[test]
fn what_was_deleted_costs_nothing() {
    timely(|| {
        for (name, entries, txns) in blocks() {
            let meter: &'static Meter = Box::leak(Box::default());
            let storage = Store(meter, (0..entries).map(|at| (at, at)).collect());
            let vm = Books(meter);
            let block = Block::ordered(&vm, &txns, &storage);
            let ops = txns.iter().map(|txn| txn.len() as u64).sum::<u64>();
            let mut expected = Collect::default();
            execute_sequential(&block, &mut expected).expect("no errors");
            let oracle = costs(meter, ops);
            println!("{name}: {oracle:?}");
            for threads in [2, 4] {
                let mut found = Collect::default();
                let executed = engine(threads).execute(&block, &mut found).expect("no errors");
                assert_eq!(found.outcomes, expected.outcomes, "{name}");
                let executions = executed.stats.executions as f64 / txns.len() as f64;
                let costs = costs(meter, ops);
                println!("{name}: {threads} threads {costs:?}, {executions} executions");
            }
        }
    });
}

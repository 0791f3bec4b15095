//! Stretches of transactions that each need the one before, which are executed one after another:
//! what they see, what they leave to those that come after them, and how they end.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use block_stm::{
    Block, BoxError, CancelToken, Collect, Error, Execution, Interrupt, Limits, Value, View, Vm,
    execute_sequential,
};
use block_stm_testkit::compare::same;
use block_stm_testkit::language::{ABSENT, At, Expr, LanguageBlock, Op};
use block_stm_testkit::sim::{Order, Passed, Scene, Setup, Simulator};

use crate::support::{engine, increment, oracle, parallel, prove, slot, successor, timely, value};

const STRETCH: u16 = 90;

/// Transactions of a stretch: each reads what the last one wrote to slot 0, and does `more`.
fn stretch(more: impl Fn(u16) -> Vec<Op>) -> impl Iterator<Item = Vec<Op>> {
    (0..STRETCH).map(move |n| [increment(0), more(n)].concat())
}

/// Transactions that have nothing to do with each other.
fn independent(first: u16) -> impl Iterator<Item = Vec<Op>> {
    (first..first + 40).map(|n| [successor(n, n), vec![Op::Spin(2)]].concat())
}

fn nothing(_: u16) -> Vec<Op> {
    Vec::new()
}

/// Proves the block on threads, under all circumstances; and on virtual workers, where stretches
/// begin and end anywhere.
fn prove_alone(block: &LanguageBlock) {
    prove(block);
    let scene = Scene::new(block).expect("the sequential execution keeps the rules");
    let (mut alone, mut together) = (0, 0);
    for seed in 0..240 {
        let mut setup = Setup::calm(2 + seed as usize % 3);
        setup.faults.seed = seed;
        setup.faults.contrary = [4, 16, 40][seed as usize / 3 % 3];
        let passed = scene.run(&Simulator::default(), &setup, false);
        let Passed { stats, .. } = passed.unwrap_or_else(|failure| panic!("{setup}: {failure:?}"));
        let stats = stats.expect("the block has a result");
        alone += stats.alone_executions;
        together += stats.committed - stats.alone_executions;
    }
    assert!(alone > 200 && together > 200, "{alone} alone, {together} together");
}

#[test]
fn a_block_ends_in_a_stretch() {
    // Slot 1 is written before and in it, slot 2 before, the others in it: some are read before
    // they are written, some are not.
    let programs = [vec![Op::Write(slot(1), value(3)), Op::Write(slot(2), value(4))]];
    let more = |n: u16| match n % 4 {
        0 => successor(1, 1),
        1 => successor(2, 10 + n),
        2 => increment(10 + n),
        _ => vec![Op::Write(slot(10 + n), value(1))],
    };
    let block = LanguageBlock::new(programs.into_iter().chain(stretch(more)));
    prove_alone(&block.state([1; 40]));
}

#[test]
fn those_who_come_after_a_stretch_see_what_it_left() {
    let more = |n: u16| match n % 5 {
        0 => successor(200 + n, 10 + n / 2),
        1 => vec![Op::Write(slot(10 + n / 2), value(2))],
        2 => vec![Op::Gain(slot(1), value(1)), Op::Read(slot(2))],
        3 => increment(100 + n),
        _ => vec![Op::Write(slot(2), Expr::Plus(1))],
    };
    let readers = |first: u16| {
        (first..first + 40).map(|n| {
            let ops = [successor(10 + n % 45, n), successor(100 + n % STRETCH, n + 500)];
            [ops.concat(), vec![Op::Read(slot(1)), Op::Spin(1)]].concat()
        })
    };
    let programs = stretch(more).chain(readers(1_000)).chain(stretch(more));
    let block = LanguageBlock::new(programs.chain(readers(2_000))).state([7; 120]);
    prove_alone(&block);
}

#[test]
pub(crate) fn scans_find_what_a_stretch_put_and_not_what_it_deleted() {
    let scan = |first: u16, last: u16, most: u8| Op::Scan(slot(first), slot(last), most);
    let more = |n: u16| match n % 4 {
        0 => vec![scan(10, 60, 1), Op::Write(slot(10 + n / 4), value(ABSENT))],
        1 => vec![Op::Write(slot(40 + n / 3), Expr::Acc)],
        2 => vec![scan(30, 80, 3)],
        _ => vec![scan(0, 100, 0), Op::Write(slot(10 + n / 2), value(ABSENT))],
    };
    let after = (0..60).map(|n: u16| {
        let to = vec![scan(n, n + 30, 2), Op::Write(slot(200 + n), Expr::Acc), Op::Spin(1)];
        if n.is_multiple_of(5) { [to, vec![Op::Write(slot(n), value(3))]].concat() } else { to }
    });
    for state in [vec![], vec![5; 30], (0..90).map(|n| n % 2 * 3).collect()] {
        let programs = after.clone().chain(stretch(more)).chain(after.clone());
        let block = LanguageBlock::new(programs.chain(stretch(more))).state(state);
        prove_alone(&block);
    }
}

#[test]
fn a_queue_is_emptied_alone() {
    // A pop depends on the one before by what it does not find.
    let pop = vec![Op::Scan(slot(1), slot(200), 1), Op::Write(At::Beyond(0), value(ABSENT))];
    let block = LanguageBlock::new((0..150).map(|_| pop.clone())).state([3; 200]);
    prove_alone(&block);
}

#[test]
fn failures_in_a_stretch_are_those_of_the_sequential_execution() {
    for last in [vec![Op::Panic], vec![Op::Fail], vec![Op::LoseView], vec![Op::Swallow, Op::Fail]] {
        let fails = |n: u16| if n == 70 { last.clone() } else { nothing(n) };
        prove(&LanguageBlock::new(stretch(fails)));
        let caught = |n: u16| if n.is_multiple_of(9) { vec![Op::Invalid] } else { nothing(n) };
        prove(&LanguageBlock::new(stretch(caught).chain([last])).skip_invalid());
    }
}

/// A worker may go on for a moment when a stretch of its own has ended the block.
#[test]
pub(crate) fn a_context_is_not_used_again_after_its_end_in_a_stretch() {
    let scan = |last| Op::Scan(slot(0), slot(last), 0);
    for last in [Op::Panic, Op::LoseView] {
        let programs = [
            vec![Op::Gain(slot(0), value(1))],
            vec![Op::Lose(slot(1), value(6))],
            vec![scan(10)],
            vec![Op::Gain(slot(0), Expr::Acc), scan(10), last],
            vec![scan(0)],
        ];
        let block = LanguageBlock::new(programs).state([0; 3]);
        let scene = Scene::new(&block).expect("the sequential execution keeps the rules");
        for seed in 0..15_000 {
            let mut setup = Setup::calm(3);
            setup.order = Order::Pct { seed, changes: 5, length: 60 };
            setup.faults.seed = seed;
            setup.faults.contrary = 13;
            let passed = scene.run(&Simulator::default(), &setup, false);
            passed.map(drop).unwrap_or_else(|failure| panic!("{setup}: {failure:?}"));
        }
    }
}

#[test]
fn what_is_left_out_of_a_stretch_leaves_nothing() {
    let more = |n: u16| match n % 3 {
        0 => vec![Op::Write(slot(1), Expr::Plus(1)), Op::Weigh(value(2)), Op::Invalid],
        1 => successor(1, 2),
        _ => vec![Op::Scan(slot(1), slot(9), 0), Op::Write(slot(3 + n % 4), Expr::Plus(1))],
    };
    let programs = stretch(more).chain(independent(100)).chain(stretch(more));
    let block = LanguageBlock::new(programs).state([1, 0, 0, 2]).skip_invalid();
    prove_alone(&block);
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Count(u64);

impl Value for Count {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// Increments one location; the transaction with this number reads it for long, and cancels its
/// block after a while.
#[derive(Debug)]
struct Endless {
    txn: u64,
    reads: AtomicU64,
    token: CancelToken,
}

const READS: u64 = 100_000;

impl Vm for Endless {
    type Txn = u64;
    type Location = u64;
    type Value = Count;
    type Output = ();
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &u64,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<(), Infallible>, Interrupt> {
        let Count(count) = view.read(&0)?;
        view.write(&0, Count(count + 1))?;
        if *txn == self.txn {
            for read in 0..READS {
                view.read(&1)?;
                // ORDERING: Relaxed: a count.
                self.reads.fetch_add(1, Ordering::Relaxed);
                if read == 1_000 {
                    self.token.cancel();
                }
            }
        }
        Ok(Execution::Done(()))
    }
}

#[test]
fn a_long_transaction_ends_soon_after_its_block_is_cancelled() {
    timely(|| {
        let txns: Vec<u64> = (0..1_000).collect();
        let storage = |_: &u64| Ok::<_, BoxError>(Count(0));
        for threads in [None, Some(2), Some(4)] {
            let token = CancelToken::new();
            let vm = Endless { txn: 900, reads: AtomicU64::new(0), token: token.clone() };
            let limits = Limits { cancel: Some(token), ..Limits::default() };
            let block = Block::new(&vm, &txns, &storage).limits(limits);
            let mut sink = Collect::default();
            let executed = match threads {
                None => execute_sequential(&block, &mut sink),
                Some(threads) => engine(threads).execute(&block, &mut sink),
            };
            assert!(matches!(executed, Err(Error::Cancelled { committed: 900 })), "{executed:?}");
            let reads = vm.reads.into_inner();
            assert!(reads < 3_000, "{threads:?}: {reads}");
        }
    });
}

#[test]
fn a_block_whose_transactions_depend_on_each_other_is_executed_alone() {
    timely(|| {
        let stage = LanguageBlock::new((0..1_000).map(|_| increment(0))).stage();
        let expected = oracle(&stage);
        for threads in [2, 4] {
            let found = parallel(&engine(threads), &stage);
            same(&expected, &found).expect("as sequentially");
            let stats = found.stats.expect("the block has a result");
            assert!(stats.alone_executions >= 400, "{threads} threads: {stats:?}");
        }
    });
}

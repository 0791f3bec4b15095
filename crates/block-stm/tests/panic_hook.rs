//! What the host's panic hook hears. The hook is the process's, so this is a process of its own.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use block_stm::{
    Block, BoxError, Collect, Config, Engine, Error, Execution, Interrupt, Value, View, Vm,
    quiet_speculation,
};

static HEARD: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u64);

impl Value for Number {
    type Delta = Infallible;
    type Predicate = u64;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    /// Panics for any other number than the one that a sequential execution would see.
    fn satisfies(&self, is: &u64) -> bool {
        assert_eq!(self.0, *is, "an invariant of any sequential execution");
        true
    }
}

/// Counts up, and panics unless it sees what a sequential execution would; the last one panics in
/// any case.
struct Counter {
    ahead: AtomicU64,
}

enum Txn {
    Read(u64),
    Check(u64),
    Panic,
}

impl Vm for Counter {
    type Txn = Txn;
    type Location = u8;
    type Value = Number;
    type Output = ();
    type Invalid = Infallible;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Txn,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<(), Infallible>, Interrupt> {
        let next = match *txn {
            Txn::Read(n) => {
                let seen = view.read(&0)?.0;
                self.ahead.fetch_add(u64::from(seen != n), Ordering::Relaxed);
                assert_eq!(seen, n, "an invariant of any sequential execution");
                n + 1
            }
            Txn::Check(n) => {
                // The first transaction gives way until something was really executed ahead of its
                // turn.
                while n == 0 && self.ahead.load(Ordering::Relaxed) == 0 {
                    std::thread::yield_now();
                }
                view.assume(&0, n)?;
                view.check(&0, n)?;
                n + 1
            }
            Txn::Panic => panic!("as the sequential execution does"),
        };
        view.write(&0, Number(next))?;
        Ok(Execution::Done(()))
    }
}

#[test]
fn the_host_hears_of_panics_that_count_and_of_no_others() {
    std::panic::set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
    quiet_speculation();
    let vm = Counter { ahead: AtomicU64::new(0) };
    let mut txns: Vec<_> =
        (0..2_000).map(|n| if n % 5 == 0 { Txn::Check(n) } else { Txn::Read(n) }).collect();
    let base = |_: &u8| Ok::<_, BoxError>(Number(0));
    let threads = NonZeroUsize::new(4).expect("not zero");
    let engine = Engine::new(Config::default().threads(threads).cores(threads));
    let engine = engine.expect("threads can be started");
    let executed = engine.execute(&Block::new(&vm, &txns, &base), &mut Collect::default());
    assert_eq!(executed.expect("nothing fails").committed, txns.len());
    assert_eq!(HEARD.load(Ordering::Relaxed), 0);

    txns.push(Txn::Panic);
    let failed = engine.execute(&Block::new(&vm, &txns, &base), &mut Collect::default());
    assert!(matches!(failed, Err(Error::Panicked { .. })));
    assert_eq!(HEARD.load(Ordering::Relaxed), 1);
}

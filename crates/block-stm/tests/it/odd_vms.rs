//! VMs that do what few do: write over what they assumed, look at what they must not see.

use block_stm::{Block, BoxError, Collect, Config, Engine, Execution, Interrupt, Value, View, Vm};
use block_stm_testkit::check;
use block_stm_testkit::language::{At, Expr, LanguageBlock, Op, Test};
use block_stm_testkit::sim::{Circumstances, Order, RoundRobin, Scene, Setup, Simulator};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u64);

impl Value for Number {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(Self)
    }

    fn satisfies(&self, is: &u64) -> bool {
        self.0 == *is
    }
}

/// Takes nonces for granted and raises them.
struct Raise;

impl Vm for Raise {
    /// The nonce.
    type Txn = u32;
    type Location = u32;
    type Value = Number;
    type Output = ();
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        nonce: &u32,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<(), &'static str>, Interrupt> {
        if !view.assume(nonce, 5)? {
            return Ok(Execution::Invalid("the nonce is another"));
        }
        view.write(nonce, Number(6))?;
        Ok(Execution::Done(()))
    }
}

#[test]
fn what_was_assumed_and_then_written_is_fetched_for_the_judge() {
    let nonces: Vec<_> = (0..40).collect();
    let state = |_: &u32| Ok::<_, BoxError>(Number(5));
    let block = Block::new(&Raise, &nonces, &state);
    check(&block).expect("parallel is sequential");
    let engine =
        Engine::new(Config::default().threads(4.try_into().expect("not zero"))).expect("it starts");
    let schedule = Box::new(RoundRobin::new(1));
    let run = Simulator::default().run(schedule, Circumstances::default(), || {
        engine.execute(&block, &mut Collect::default()).map(|executed| executed.stats)
    });
    let stats = run.result.expect("it ends").expect("it succeeds");
    assert_eq!((stats.executions, stats.aborts.total()), (40, 0), "{stats:?}");
}

#[test]
pub(crate) fn a_context_is_not_used_again_after_the_loss_of_its_view() {
    // Txn 1 loses its view if it is executed before txn 0 has written. The language complains of a
    // context that it meets again.
    let write = vec![Op::Write(At::Slot(0), Expr::Const(1))];
    let lose = vec![
        Op::Read(At::Slot(0)),
        Op::SkipUnless(Expr::Acc, Test::Is(Expr::Const(0)), 1),
        Op::LoseView,
    ];
    let block = LanguageBlock::new([write, lose, vec![Op::Read(At::Slot(0))]]);
    let scene = Scene::new(&block).expect("the oracle keeps its rules");
    let mut lost = 0;
    for seed in 0..200 {
        let order = Order::Random { seed, stay: 0.5 };
        let run = scene.run(&Simulator::default(), &Setup { order, ..Setup::calm(2) }, false);
        let passed = run.unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.what));
        lost += passed.stats.expect("the block has a result").aborts.failure;
    }
    assert!(lost > 20, "lost {lost} times");
}

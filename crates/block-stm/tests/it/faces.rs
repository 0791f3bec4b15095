//! What the public types say of themselves.

use std::num::NonZeroUsize;

use block_stm::conductor::{Position, Step};
use block_stm::{
    Block, BoxError, Collect, Config, Engine, Execution, Interrupt, Outcome, TxnIndex, Value, View,
    Vm,
};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u64);

impl Value for Number {
    type Delta = u64;
    type Predicate = u64;

    fn apply(&self, delta: &u64) -> Option<Self> {
        self.0.checked_add(*delta).map(Self)
    }

    fn satisfies(&self, at_least: &u64) -> bool {
        self.0 >= *at_least
    }
}

/// Writes down what views look like; swallows nothing.
struct Describer;

impl Vm for Describer {
    type Txn = ();
    type Location = u8;
    type Value = Number;
    type Output = String;
    type Invalid = &'static str;
    type Context<'b> = ();

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        (): &(),
        view: &mut View<'b, Self>,
    ) -> Result<Execution<String, &'static str>, Interrupt> {
        let before = format!("{view:?}");
        let taken = view.take();
        let after = format!("{view:?}");
        *view = taken;
        let fits = view.assume(&0, 3)? && view.add(&0, 1)?;
        Ok(Execution::Done(format!("{before}, then {after}, {fits}")))
    }
}

fn state(_: &u8) -> Result<Number, BoxError> {
    Ok(Number(5))
}

fn engine(threads: usize, deltas: bool) -> Config {
    let threads = NonZeroUsize::new(threads).expect("not zero");
    Config::default().threads(threads).inline_below(0).deltas(deltas)
}

#[test]
fn views_say_where_they_are() -> Result<(), BoxError> {
    let txns = [(), (), ()];
    let block = Block::new(&Describer, &txns, &state);
    for (threads, deltas, kind) in
        [(1, true, "sequential"), (2, true, "speculative"), (2, false, "speculative")]
    {
        let mut sink = Collect::default();
        let executed = Engine::new(engine(threads, deltas))?.execute(&block, &mut sink)?;
        assert_eq!(executed.state.to_vec(), [(0, Number(8))]);
        let expected = Outcome::Done(format!("View({kind}), then View(taken), true"));
        assert_eq!(sink.outcomes, [expected.clone(), expected.clone(), expected]);
    }
    Ok(())
}

#[test]
fn blocks_and_engines_show_their_settings() -> Result<(), BoxError> {
    let block = Block::new(&Describer, &[], &state).conflict_graph();
    let text = format!("{:?}", block.clone());
    assert!(text.contains("txns: 0") && text.contains("conflict_graph: true"), "{text}");
    assert!(block.limits_set().max_txns.is_none() && block.txns().is_empty());
    let config = engine(2, false);
    let text = format!("{config:?}");
    assert!(text.contains("threads: Some(2)") && text.contains("deltas: false"), "{text}");
    let text = format!("{:?}", Engine::new(config)?);
    assert!(text.starts_with("Engine") && text.contains("threads: 2"), "{text}");
    Ok(())
}

#[test]
fn steps_read_like_sentences() {
    let txn = TxnIndex::new(3);
    let steps = [
        (Step::Turn, "looks around"),
        (Step::TakeBaton, "takes the baton"),
        (Step::GiveBaton, "gives the baton back"),
        (Step::LookAgain, "looks at the head again"),
        (Step::Head(txn), "looks at the head, txn 3"),
        (Step::Judge(txn), "judges txn 3"),
        (Step::Commit(txn), "commits txn 3"),
        (Step::Advance(txn), "moves the head to txn 3"),
        (Step::Claim, "looks for a txn"),
        (Step::Execute(txn, Position::Ahead), "executes txn 3 ahead"),
        (Step::Execute(txn, Position::Head), "executes txn 3 as the head"),
        (Step::Access(txn), "accesses the state in txn 3"),
        (Step::Storage(txn), "asks the storage for txn 3"),
        (Step::Publish(txn), "publishes txn 3"),
        (Step::Finish(txn), "finishes txn 3"),
        (Step::Release(txn), "gives txn 3 back"),
        (Step::Enqueue(txn), "queues txn 3"),
        (Step::Validate(txn), "validates txn 3"),
        (Step::Hire, "calls for help"),
        (Step::Wake, "wakes others"),
        (Step::Spin, "spins"),
        (Step::Park, "falls asleep"),
        (Step::Blocked, "waits for a lock"),
    ];
    for (step, sentence) in steps {
        assert_eq!(step.to_string(), sentence);
        assert_eq!(step.txn().is_some(), sentence.contains("txn 3"));
    }
}

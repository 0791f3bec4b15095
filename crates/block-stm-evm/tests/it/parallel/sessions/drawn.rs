//! A session that bytes tell: pushes, bundles, marks, ways back, waiting; batches of any size.

use std::sync::Arc;

use block_stm::Engine;
use block_stm_evm::{
    Block, Bundle, PreState, Push, SessionBlock, SessionError, SessionOptions, StateRef,
    build_sequential,
};
use block_stm_testkit::bytes::Bytes;

use super::base::{all_engines, assert_built, assert_valid, batches_of, start};

/// What a host does with a session.
#[derive(Clone, Debug)]
enum Step {
    Push(Push),
    Mark,
    /// Goes back to the n-th mark that is there.
    RollBack(usize),
    /// Waits for the last push that is there.
    Wait,
}

/// Steps that push the transactions of `block`.
fn steps(block: &Block, script: &[u8]) -> Vec<Step> {
    let bytes = &mut Bytes::new(script);
    let mut steps = Vec::new();
    let mut txns = block.txns.iter().cloned().peekable();
    while txns.peek().is_some() {
        match bytes.below(10) {
            ..5 => steps.extend(txns.next().map(|txn| Step::Push(Push::from(txn)))),
            5..8 => {
                let len = usize::from(1 + bytes.below(3));
                let members: Vec<_> = txns.by_ref().take(len).collect();
                let fails = (0..members.len()).filter(|_| bytes.below(2) == 0);
                let fails: Vec<_> = fails.collect();
                let bundle = Bundle::new(members).and_then(|bundle| bundle.allow_reverts(fails));
                steps.push(Step::Push(bundle.expect("of its members").into()));
            }
            8 => steps.push(Step::Mark),
            _ => steps.push(match bytes.below(3) {
                0 => Step::RollBack(usize::from(bytes.below(3))),
                _ => Step::Wait,
            }),
        }
    }
    steps
}

/// The pushes that are left.
fn left(steps: &[Step]) -> Vec<Push> {
    let (mut pushes, mut marks) = (Vec::new(), Vec::<usize>::new());
    for step in steps {
        match step {
            Step::Push(push) => pushes.push(push.clone()),
            Step::Mark => marks.push(pushes.len()),
            Step::RollBack(nth) => {
                if let Some(&mark) = marks.get(*nth) {
                    pushes.truncate(mark);
                    marks.truncate(nth + 1);
                }
            }
            Step::Wait => {}
        }
    }
    pushes
}

/// Does the steps; nothing comes of those after the block failed.
fn build<DB: StateRef + Send + Sync + 'static>(
    engine: &Arc<Engine>,
    block: &Block,
    db: DB,
    options: SessionOptions,
    steps: &[Step],
) -> Result<SessionBlock, SessionError<DB::Error>> {
    let session = start(engine, block, db, options);
    let (mut tickets, mut marks) = (Vec::new(), Vec::new());
    for step in steps {
        let done = match step {
            Step::Push(push) => {
                session.push(push.clone()).map(|ticket| tickets.push(ticket)).is_ok()
            }
            Step::Mark => {
                marks.push((session.mark(), tickets.len()));
                true
            }
            Step::RollBack(nth) => match marks.get(*nth) {
                Some(&(mark, pushed)) => {
                    marks.truncate(nth + 1);
                    tickets.truncate(pushed);
                    session.roll_back(mark).is_ok()
                }
                None => true,
            },
            Step::Wait => tickets.last().is_none_or(|ticket| session.wait(*ticket).is_ok()),
        };
        if !done {
            break;
        }
    }
    session.finish()
}

/// Checks that each engine builds what the plain loop builds of the pushes that are left, whatever
/// the batches.
pub(super) fn assert_same_session(block: &Block, state: &PreState, script: &[u8], lists: bool) {
    let steps = steps(block, script);
    let expected = build_sequential(block, state, &left(&steps), lists);
    if let Ok(expected) = &expected {
        assert_valid(expected, block, state);
    }
    let expected = expected.map_err(|error| error.to_string());
    let state = Arc::new(state.clone());
    let takes_back = steps.iter().any(|step| matches!(step, Step::RollBack(_)));
    for engine in all_engines() {
        for batch in [1, 2, 3, usize::MAX] {
            let path = format!("{} workers, batches of {batch}", engine.threads());
            let options = batches_of(batch, lists);
            let built = build(engine, block, Arc::clone(&state), options, &steps);
            match (built, &expected) {
                (Ok(built), Ok(expected)) => assert_built(&built, expected, &path),
                (Err(built), Err(expected)) => assert_eq!(built.to_string(), *expected, "{path}"),
                // What failed was taken back afterwards, which is too late.
                (Err(_), Ok(_)) if takes_back => {}
                (built, expected) => panic!("{path}: {built:?} is not {expected:?}"),
            }
        }
    }
}

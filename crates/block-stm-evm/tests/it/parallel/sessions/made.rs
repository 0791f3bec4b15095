//! Random pushes, bundles, marks and ways back, in any batches; and real blocks.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{
    Block, Bundle, PreState, Push, SessionError, SessionOptions, StateChanges, StateRef,
    build_sequential, execute_sequential, revm::database::BundleState,
};
use block_stm_testkit::bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{all_engines, assert_built, assert_valid, batches_of, pushes, start};
use crate::{
    fixtures,
    parallel::{decode::Case, scene::watched},
};

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
    engine: &Arc<block_stm::Engine>,
    block: &Block,
    db: DB,
    options: SessionOptions,
    steps: &[Step],
) -> Result<block_stm_evm::SessionBlock, SessionError<DB::Error>> {
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

fn assert_same_session(block: &Block, state: &PreState, script: &[u8], lists: bool) {
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

proptest! {
    #[test]
    fn sessions_come_to_the_same_as_the_plain_loop(
        case in vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes)),
        script in vec(any::<u8>(), 0..60),
        lists in any::<bool>(),
    ) {
        let state = case.state();
        let block = case.block(&state);
        watched(move || assert_same_session(&block, &state, &script, lists));
    }
}

/// Checks a real block: pushed all at once, one by one while it runs, and in small batches.
fn assert_same_whole(block: &Block, state: &PreState) {
    let pushes = pushes(block);
    let right = execute_sequential(block, state, block_stm_evm::InvalidTxn::Reject);
    let right = right.expect("valid");
    let state = Arc::new(state.clone());
    for lists in [true, false] {
        let expected = build_sequential(block, &*state, &pushes, lists).expect("valid");
        assert_valid(&expected, block, &state);
        assert_eq!(right.state, expected.result.state);
        for engine in all_engines().filter(|engine| engine.threads() == 2) {
            for (batch, at_once) in [(usize::MAX, true), (usize::MAX, false), (7, false)] {
                let options = batches_of(batch, lists);
                let session = start(engine, block, Arc::clone(&state), options);
                match at_once {
                    true => drop(session.push_all(block.txns.clone()).expect("open")),
                    false => {
                        for push in &pushes {
                            session.push(push.clone()).expect("open");
                        }
                    }
                }
                let built = session.finish().expect("valid");
                assert_built(&built, &expected, &format!("batches of {batch}"));
                assert_same_bundle(&built.result.state, &right.state, &state);
            }
        }
    }
}

/// Checks that both come to the same bundle with the same way back.
fn assert_same_bundle(built: &StateChanges, right: &StateChanges, state: &PreState) {
    let bundle = built.to_bundle(state).expect("in memory");
    let theirs = right.to_bundle(state).expect("in memory");
    assert_eq!(bundle.state, theirs.state);
    let sorted =
        |bundle: &BundleState| bundle.reverts[0].iter().cloned().collect::<BTreeMap<_, _>>();
    assert_eq!(sorted(&bundle), sorted(&theirs));
}

#[test]
fn sessions_build_mainnet_blocks() -> Result<(), Box<dyn Error>> {
    let test = "sessions_build_mainnet_blocks";
    let Some(root) = fixtures::folder(test, "mainnet") else { return Ok(()) };
    let mut blocks = 0;
    for entry in std::fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        assert_same_whole(&imported.block, &imported.pre_state);
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    Ok(())
}

#[test]
fn sessions_build_a_chain_through_all_forks() -> Result<(), Box<dyn Error>> {
    let test = "sessions_build_a_chain_through_all_forks";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        assert_same_whole(&block.block, &state);
        let result = execute_sequential(&block.block, &state, block_stm_evm::InvalidTxn::Reject)?;
        state.apply(&result.state);
    }
    Ok(())
}

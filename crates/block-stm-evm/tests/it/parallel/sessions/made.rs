//! Random pushes, bundles, marks and ways back, in any batches; and real blocks.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{
    Block, PreState, StateChanges, build_sequential, execute_sequential,
    revm::database::BundleState,
};
use proptest::{collection::vec, prelude::*};

use super::{
    all_engines, assert_built, assert_valid, batches_of, drawn::assert_same_session, pushes, start,
};
use crate::{
    fixtures,
    parallel::{decode::Case, scene::watched},
};

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

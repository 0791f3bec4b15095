//! A chain that grows: every state root, branches, and blocks that are refused and leave no trace.

use std::{error::Error, fs, num::NonZeroUsize};

use block_stm::{Config, Engine};
use block_stm_evm::{BlockError, Chain, Genesis, StateTrie, rlp_blocks};

use crate::fixtures;

type TestResult = Result<(), Box<dyn Error>>;

/// A chain of its genesis block alone, and the blocks after it in RLP.
type Start = (Chain, Vec<u8>);

fn engine(threads: usize) -> Result<Engine, Box<dyn Error>> {
    let threads = NonZeroUsize::new(threads).ok_or("not zero")?;
    Ok(Config::default().threads(threads).inline_below(2).build()?)
}

/// The chain of the fixtures, and its blocks in RLP.
fn chain(test: &str) -> Result<Option<Start>, Box<dyn Error>> {
    let Some(folder) = fixtures::folder(test, "chain") else {
        return Ok(None);
    };
    let file = folder.join("genesis.json");
    let genesis = Genesis::parse(&file, &fs::read(&file)?)?;
    Ok(Some((Chain::new(genesis), fs::read(folder.join("chain.rlp"))?)))
}

#[test]
fn every_block_of_the_chain_is_imported_with_any_number_of_threads() -> TestResult {
    let test = "every_block_of_the_chain_is_imported_with_any_number_of_threads";
    let Some((start, bytes)) = chain(test)? else { return Ok(()) };
    for threads in [1, 2, 4, 8] {
        let (mut chain, engine) = (start.clone(), engine(threads)?);
        for (_, rlp) in rlp_blocks(&bytes) {
            let imported = chain.import(rlp?, &engine)?;
            assert!(imported.is_head);
            let root = chain.head_header().state_root;
            let state = chain.head_state();
            assert_eq!(state.state_root(), root, "block {}", imported.number);
            assert_eq!(StateTrie::from(state).root(), root, "block {}", imported.number);
        }
        assert_eq!(chain.head_header().number, 54);
    }
    Ok(())
}

#[test]
fn a_refused_block_leaves_no_trace_and_a_known_one_is_known() -> TestResult {
    let test = "a_refused_block_leaves_no_trace_and_a_known_one_is_known";
    let Some((mut chain, bytes)) = chain(test)? else { return Ok(()) };
    let engine = engine(2)?;
    for (_, rlp) in rlp_blocks(&bytes) {
        let rlp = rlp?;
        // The state root is where it is in every header: after 3 or 4 bytes of lists, two hashes and an address.
        let spoilt = |at: usize| {
            let mut spoilt = rlp.to_vec();
            spoilt[at] ^= 1;
            spoilt
        };
        let header = if rlp[0] == 0xf9 { 3 } else { 4 };
        let fields = header + 3;
        let (parent, state_root) = (fields + 1, fields + 33 + 33 + 21 + 1);
        let error = chain.import(&spoilt(parent), &engine).expect_err("no such parent");
        assert!(matches!(error, BlockError::UnknownParent(_)), "{error}");
        let error = chain.import(&spoilt(state_root), &engine).expect_err("another root");
        assert!(error.to_string().starts_with("stateRoot is "), "{error}");
        let imported = chain.import(rlp, &engine)?;
        assert_eq!(chain.import(rlp, &engine)?, imported);
        let mut longer = rlp.to_vec();
        longer.push(0x80);
        assert!(matches!(chain.import(&longer, &engine), Err(BlockError::Encoding(_))));
    }
    let root = chain.head_header().state_root;
    assert_eq!(chain.head_state().state_root(), root);
    Ok(())
}

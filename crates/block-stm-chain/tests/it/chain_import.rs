//! A chain that grows: every state root, branches, and blocks that are refused and leave no trace.

use std::{error::Error, fs, num::NonZeroUsize};

use alloy_consensus::{Block, EthereumTxEnvelope, TxEip4844};
use alloy_rlp::Decodable;
use block_stm_chain::{BlockError, Chain, Genesis, StateTrie, rlp_blocks, state_root};
use block_stm_evm::block_stm::{Config, Engine};

use crate::fixtures;

type TestResult = Result<(), Box<dyn Error>>;

fn engine(threads: usize) -> Result<Engine, Box<dyn Error>> {
    let threads = NonZeroUsize::new(threads).ok_or("not zero")?;
    Ok(Engine::new(Config::default().threads(threads).inline_below(0))?)
}

/// A chain at its genesis, and the blocks of its file in RLP.
type Fixture = (Chain, Vec<u8>);

/// The chain of the fixtures.
fn chain(test: &str) -> Result<Option<Fixture>, Box<dyn Error>> {
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
            assert_eq!(state_root(state), root, "block {}", imported.number);
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
        // The state root is where it is in every header: after 3 or 4 bytes of lists, two hashes
        // and an address.
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
    assert_eq!(state_root(chain.head_state()), root);
    Ok(())
}

#[test]
fn a_long_chain_keeps_few_blocks_and_is_the_same() -> TestResult {
    let test = "a_long_chain_keeps_few_blocks_and_is_the_same";
    let Some((start, bytes)) = chain(test)? else { return Ok(()) };
    let engine = engine(2)?;
    let mut chain = start.branch_depth(3);
    for (_, rlp) in rlp_blocks(&bytes) {
        assert!(chain.import(rlp?, &engine)?.is_head);
        assert!(chain.kept_blocks() <= 3 + 7, "{}", chain.kept_blocks());
    }
    let root = chain.head_header().state_root;
    assert_eq!(state_root(chain.head_state()), root);
    let (_, first) = rlp_blocks(&bytes).next().ok_or("a block")?;
    let error = chain.import(first?, &engine).expect_err("forgotten long ago");
    assert!(matches!(error, BlockError::TooDeep { root: 51, depth: 3, .. }), "{error}");
    Ok(())
}

/// The block whose RLP is `rlp` with another hash: its extra data, of which no rule says anything,
/// is different.
fn twin(mut rlp: &[u8]) -> Result<Vec<u8>, alloy_rlp::Error> {
    let mut block = Block::<EthereumTxEnvelope<TxEip4844>>::decode(&mut rlp)?;
    block.header.extra_data = b"twin".as_slice().into();
    Ok(alloy_rlp::encode(block))
}

#[test]
fn a_reorganisation_within_the_depth_works_and_a_deeper_one_is_refused() -> TestResult {
    let test = "a_reorganisation_within_the_depth_works_and_a_deeper_one_is_refused";
    let Some((start, bytes)) = chain(test)? else { return Ok(()) };
    let blocks = rlp_blocks(&bytes).map(|(_, block)| block).collect::<Result<Vec<_>, _>>()?;
    let engine = engine(2)?;
    let mut chain = start.branch_depth(4);
    for block in &blocks {
        chain.import(block, &engine)?;
    }
    // Block 50 is the deepest that a block may follow on.
    let (head, kept) = (chain.head(), chain.kept_blocks());
    let error = chain.import(&twin(blocks[49])?, &engine).expect_err("too deep");
    assert!(matches!(error, BlockError::TooDeep { root: 50, depth: 4, .. }), "{error}");
    assert_eq!((chain.head(), chain.kept_blocks()), (head, kept));
    // Back to 50, to 53 on the first branch, back to 51.
    for number in [51, 54, 52] {
        let imported = chain.import(&twin(blocks[number - 1])?, &engine)?;
        assert_eq!((imported.number, imported.is_head), (number as u64, true));
        let root = chain.head_header().state_root;
        assert_eq!(state_root(chain.head_state()), root, "block {number}");
    }
    assert_eq!(chain.kept_blocks(), kept + 3);
    Ok(())
}

//! Random blocks and real ones.

use std::{error::Error, io::Write, path::PathBuf};

use alloy_evm::{EthEvmFactory, revm::primitives::Address};
use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{InvalidTxn, execute_sequential};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*};

use crate::{
    decode::Case,
    same::{assert_same, assert_same_as, env_of, looped, possible},
};

fn case() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes))
}

proptest! {
    #[test]
    fn random_blocks_come_out_the_same(case in case()) {
        let state = possible(&case);
        let block = case.block(&state);
        within(PATIENCE, move || {
            let beneficiary = block.env.beneficiary;
            let mut all: Vec<Address> = state.accounts().map(|(address, _)| *address).collect();
            all.push(beneficiary);
            assert_same(&block, &state, &[&[], &[beneficiary], &all]);
        }).expect("no hang");
    }
}

/// The folder `name` of the fixtures, or `None`, with a note, where they are not unpacked.
fn fixtures(test: &str, name: &str) -> Option<PathBuf> {
    let required = std::env::var_os("BLOCK_STM_REQUIRE_FIXTURES").is_some_and(|value| value == "1");
    let Some(root) = std::env::var_os("BLOCK_STM_FIXTURES") else {
        assert!(!required, "{test} requires BLOCK_STM_FIXTURES");
        // Shown also where the test passes, as what `println!` prints is not.
        let _ = writeln!(std::io::stderr(), "skipped: {test} needs BLOCK_STM_FIXTURES");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

#[test]
fn mainnet_blocks_come_out_the_same() -> Result<(), Box<dyn Error>> {
    let Some(root) = fixtures("mainnet_blocks_come_out_the_same", "mainnet") else { return Ok(()) };
    let (mut blocks, mut txns) = (0, 0);
    for entry in std::fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let (block, state) = (&imported.block, &imported.pre_state);
        let vaults = [block.env.beneficiary];
        let expected = assert_same(block, state, &[&vaults]);
        // Ethereum's EVM keeps nothing from a valid transaction to the next.
        let factory = EthEvmFactory::default();
        let (kept, error) = looped(&factory, &env_of(block), &block.txns, state, true);
        assert_eq!(error, None, "{}", imported.name);
        assert_same_as(&expected, &kept, &imported.name);
        assert!(expected.iter().all(Result::is_ok), "{}", imported.name);
        (blocks, txns) = (blocks + 1, txns + expected.len());
    }
    println!("{blocks} blocks, {txns} txns");
    assert!(blocks >= 40, "only {blocks} blocks");
    Ok(())
}

#[test]
fn a_chain_through_all_forks_comes_out_the_same() -> Result<(), Box<dyn Error>> {
    let test = "a_chain_through_all_forks_comes_out_the_same";
    let Some(folder) = fixtures(test, "chain") else { return Ok(()) };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    let mut txns = 0;
    for block in &chain.blocks {
        let block = &block.block;
        txns += assert_same(block, &state, &[&[block.env.beneficiary]]).len();
        state.apply(&execute_sequential(block, &state, InvalidTxn::Reject)?.state);
    }
    println!("{} blocks, {txns} txns", chain.blocks.len());
    assert!(txns > 100, "only {txns} txns");
    Ok(())
}

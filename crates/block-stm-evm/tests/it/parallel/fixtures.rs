//! Real blocks.

use std::{error::Error, path::PathBuf};

use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::InvalidTxn;

use super::{
    same::{assert_same, assert_same_under},
    sinks::assert_same_told,
};
use crate::fixtures;

fn block_folders(test: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let Some(root) = fixtures::folder(test, "mainnet") else {
        return Ok(Vec::new());
    };
    let entries = std::fs::read_dir(root)?.map(|entry| entry.map(|entry| entry.path()));
    let mut folders = entries.collect::<Result<Vec<_>, _>>()?;
    folders.sort();
    assert!(folders.len() >= 40, "only {} blocks", folders.len());
    Ok(folders)
}

#[test]
fn mainnet_blocks_come_out_the_same() -> Result<(), Box<dyn Error>> {
    for folder in block_folders("mainnet_blocks_come_out_the_same")? {
        let imported = import_folder(&folder)?;
        let result = assert_same_under(&imported.block, &imported.pre_state, InvalidTxn::Reject)?;
        assert_eq!(imported.header.differences(&result), [], "{}", imported.name);
        assert_same_told(&imported.block, &imported.pre_state);
    }
    Ok(())
}

#[test]
fn a_chain_through_all_forks_comes_out_the_same() -> Result<(), Box<dyn Error>> {
    let test = "a_chain_through_all_forks_comes_out_the_same";
    let Some(folder) = fixtures::folder(test, "chain") else {
        return Ok(());
    };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        let result = assert_same(&block.block, &state)?;
        assert_same_told(&block.block, &state);
        state.apply(&result.state);
    }
    Ok(())
}

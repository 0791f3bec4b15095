//! Real blocks.

use std::error::Error;

use block_stm_evm::{
    InvalidTxn,
    import::{import_chain, import_folder},
};

use super::same::{assert_same, assert_same_under};
use crate::{fixtures, mainnet::block_folders};

#[test]
fn mainnet_blocks_come_out_the_same() -> Result<(), Box<dyn Error>> {
    for folder in block_folders("mainnet_blocks_come_out_the_same")? {
        let imported = import_folder(&folder)?;
        let result = assert_same_under(&imported.block, &imported.pre_state, InvalidTxn::Reject)?;
        assert_eq!(imported.header.differences(&result), [], "{}", imported.name);
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
        state.apply(&result.state);
    }
    Ok(())
}

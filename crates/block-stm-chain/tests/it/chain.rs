//! A whole chain with every fork from Frontier to BPO2, whose whole state is known.

use std::error::Error;

use block_stm_chain::{import::import_chain, state_root, state_roots_within};
use block_stm_evm::{InvalidTxn, execute_sequential, revm::primitives::hardfork::SpecId};

use crate::fixtures;

#[test]
fn every_block_of_the_chain_gives_its_state_root() -> Result<(), Box<dyn Error>> {
    let test = "every_block_of_the_chain_gives_its_state_root";
    let Some(folder) = fixtures::folder(test, "chain") else {
        return Ok(());
    };
    let chain = import_chain(&folder)?;
    assert_eq!(chain.blocks.len(), 54);
    let mut state = chain.genesis;
    let mut checked_roots = 0;
    for block in &chain.blocks {
        let mut result = execute_sequential(&block.block, &state, InvalidTxn::Reject)
            .map_err(|error| format!("block {}: {error}", block.number))?;
        if !block.block.spec.is_enabled_in(SpecId::BYZANTIUM) {
            assert_eq!(result.receipts_root(), None);
            let roots = state_roots_within(&state, &block.block, InvalidTxn::Reject)?;
            assert_eq!(roots.len(), result.receipts.len());
            result.set_state_roots(&roots);
            checked_roots += roots.len();
        }
        assert!(result.receipts_root().is_some());
        let differences = block.header.differences(&result);
        assert!(
            differences.is_empty(),
            "block {} ({:?}): {differences:#?}",
            block.number,
            block.block.spec
        );
        state.apply(&result.state);
        assert_eq!(
            state_root(&state),
            block.header.state_root,
            "block {} ({:?})",
            block.number,
            block.block.spec
        );
    }
    assert!(checked_roots > 0, "no block before Byzantium");
    Ok(())
}

//! Real mainnet blocks, executed one transaction after another.

use std::{error::Error, path::PathBuf};

use block_stm_chain::{CheckOutcome, import::import_folder};
use block_stm_evm::{
    InvalidTxn, TxnOutcome, execute_sequential, revm::primitives::hardfork::SpecId,
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
fn every_block_gives_the_header_its_gas_receipts_and_logs() -> Result<(), Box<dyn Error>> {
    let mut wrong = Vec::new();
    for folder in block_folders("every_block_gives_the_header_its_gas_receipts_and_logs")? {
        let imported = import_folder(&folder)?;
        let result = execute_sequential(&imported.block, &imported.pre_state, InvalidTxn::Reject)
            .map_err(|error| format!("{}: {error}", imported.name))?;
        let differences = imported.header.differences(&result);
        if !differences.is_empty() {
            wrong.push((imported.number, differences));
        }
        // Only what holds state roots may go unchecked.
        let byzantium = imported.block.spec.is_enabled_in(SpecId::BYZANTIUM);
        let checks = imported.header.check(&result);
        let unchecked = checks
            .iter()
            .filter(|check| matches!(check.outcome, CheckOutcome::NotCheckable(_)))
            .count();
        // A block without transactions has no receipt that could hold a state root.
        let holds_roots = !byzantium && !result.receipts.is_empty();
        assert_eq!(unchecked, usize::from(holds_roots), "{}", imported.name);
        assert_eq!(result.outcomes.len(), imported.block.txns.len());
        let executed = |outcome: &TxnOutcome| matches!(outcome, TxnOutcome::Executed { .. });
        assert!(result.outcomes.iter().all(executed));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

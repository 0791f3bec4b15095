//! Random blocks and real ones.

use std::{error::Error, io::Write, path::PathBuf};

use alloy_evm::revm::context::CfgEnv;
use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{Block, InvalidTxn, PreState, TxnOutcome, execute_sequential};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*};

use crate::{decode::Case, given::Given, same::assert_same};

fn case() -> impl Strategy<Value = Case> {
    vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes))
}

/// A configuration that no fork has.
fn odd(mut cfg: CfgEnv, seed: u32) -> CfgEnv {
    let set = |bit: u32| seed >> bit & 1 == 1;
    cfg.disable_nonce_check = set(0);
    cfg.tx_chain_id_check = set(1);
    cfg.limit_contract_code_size = set(2).then_some(40);
    cfg.limit_contract_initcode_size = set(3).then_some(60);
    cfg.tx_gas_limit_cap = set(4).then_some(300_000);
    cfg.amsterdam_eip7708_disabled = set(5);
    cfg.amsterdam_eip8246_delayed_clear_disabled = set(6);
    cfg.enable_amsterdam_eip2780 |= set(7);
    cfg
}

/// The state of a case, as it could be on a chain: what has neither nonce nor code has no storage.
///
/// revm's `State` takes that for granted once such an account is changed, and asks what is below it
/// before: what it says of such storage depends on when it is asked.
pub(crate) fn possible(case: &Case) -> PreState {
    let state = case.state();
    let mut possible = state.clone();
    for (address, account) in state.accounts() {
        if account.info.nonce == 0 && account.info.is_empty_code_hash() {
            possible.wipe_storage(address);
        }
    }
    possible
}

/// The block without its invalid transactions, which would end it.
pub(crate) fn valid(block: &Block, state: &PreState) -> Block {
    let mut valid = block.clone();
    if let Ok(skipped) = execute_sequential(block, state, InvalidTxn::Skip) {
        let mut outcomes = skipped.outcomes.iter();
        valid.txns.retain(|_| matches!(outcomes.next(), Some(TxnOutcome::Executed { .. })));
    }
    valid
}

proptest! {
    #[test]
    fn random_blocks_come_out_the_same(case in case()) {
        let state = possible(&case);
        let block = case.block(&state);
        within(PATIENCE, move || {
            assert_same(&Given::new(&block, &state));
            let whole = valid(&block, &state);
            assert_same(&Given::new(&whole, &state));
        }).expect("no hang");
    }

    #[test]
    fn odd_configurations_are_honoured(case in case(), seed in any::<u32>()) {
        let state = possible(&case);
        let block = case.block(&state);
        within(PATIENCE, move || {
            let block = block.clone().cfg(odd(block.cfg_env(), seed));
            let whole = valid(&block, &state);
            assert_same(&Given::new(&whole, &state));
        }).expect("no hang");
    }
}

/// The folder `name` of the fixtures, or `None`, with a note, where they are not unpacked.
pub(crate) fn fixtures(test: &str, name: &str) -> Option<PathBuf> {
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
    let mut blocks = 0;
    for entry in std::fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let came = assert_same(&Given::new(&imported.block, &imported.pre_state));
        let result = came.result?;
        assert_eq!(result.receipts.len(), imported.block.txns.len(), "{}", imported.name);
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    Ok(())
}

#[test]
fn a_chain_through_all_forks_comes_out_the_same() -> Result<(), Box<dyn Error>> {
    let test = "a_chain_through_all_forks_comes_out_the_same";
    let Some(folder) = fixtures(test, "chain") else { return Ok(()) };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        let came = assert_same(&Given::new(&block.block, &state));
        came.result.map_err(|error| format!("block {}: {error}", block.block.number()))?;
        let result = execute_sequential(&block.block, &state, InvalidTxn::Reject)?;
        state.apply(&result.state);
    }
    Ok(())
}

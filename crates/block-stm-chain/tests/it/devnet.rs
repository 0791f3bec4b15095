//! A chain of our own contracts' transactions, built by a client that shares no code with revm:
//! EthereumJS.
//!
//! Twelve blocks of 41 transactions under Prague's rules: trades on one pair, token payments,
//! loans, mints, signed orders, deployments, delegations, withdrawals, requests. `scripts/devnet`
//! has what made it. Nothing outside the repository is needed.

use std::{error::Error, num::NonZeroUsize, path::Path};

use block_stm_chain::{
    CheckOutcome, HeaderCheck,
    import::{ImportedChain, import_chain},
    state_root,
};
use block_stm_evm::block_stm::{Config, Engine};
use block_stm_evm::{InvalidTxn, ParallelOptions, execute_parallel, execute_sequential};

fn chain() -> Result<ImportedChain, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/devnet");
    Ok(import_chain(&folder)?)
}

/// Executes the chain block on block, and checks every header field, the state root included; the
/// number of executions.
fn replay(chain: &ImportedChain, engine: &Engine) -> Result<u64, Box<dyn Error>> {
    let mut state = chain.genesis.clone();
    let mut executions = 0;
    for block in &chain.blocks {
        let number = block.number;
        let executed = execute_parallel(engine, &block.block, &state, &ParallelOptions::default())
            .map_err(|error| format!("block {number}: {error}"))?;
        executions += executed.stats.executions;
        let result = executed.result;
        let agrees = |check: &HeaderCheck| check.outcome == CheckOutcome::Agrees;
        let checks = block.header.check(&result);
        assert!(checks.iter().all(agrees), "block {number}: {checks:#?}");
        let sequential = execute_sequential(&block.block, &state, InvalidTxn::Reject)?;
        assert_eq!(result, sequential, "block {number}");
        state.apply(&result.state);
        assert_eq!(state_root(&state), block.header.state_root, "block {number}");
    }
    Ok(executions)
}

#[test]
fn every_header_and_state_root_of_another_client_is_reproduced() -> Result<(), Box<dyn Error>> {
    let chain = chain()?;
    assert_eq!(chain.blocks.len(), 12);
    let txns: usize = chain.blocks.iter().map(|block| block.block.txns.len()).sum();
    assert_eq!(txns, 12 * 41);
    for threads in [1, 2, 4, 8] {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let engine = Engine::new(Config::default().threads(threads).inline_below(0))?;
        let executions = replay(&chain, &engine)?;
        assert!(executions >= txns as u64, "{executions} executions of {txns} transactions");
    }
    Ok(())
}

/// What the chain is there for is in it: requests, withdrawals, every type of transaction but
/// blobs, failures.
#[test]
fn the_chain_has_what_it_should_show() -> Result<(), Box<dyn Error>> {
    let chain = chain()?;
    let mut state = chain.genesis.clone();
    let (mut types, mut failures) = ([0; 5], 0);
    for block in &chain.blocks {
        assert!(!block.block.withdrawals.is_empty());
        block.block.txns.iter().for_each(|txn| types[usize::from(txn.tx_type)] += 1);
        let result = execute_sequential(&block.block, &state, InvalidTxn::Reject)?;
        let requests = result.requests.as_ref().expect("Prague has requests");
        assert_eq!(requests.len(), 1, "block {}", block.number);
        let failed = |receipt: &&_| {
            let receipt: &block_stm_evm::Receipt = receipt;
            receipt.status == block_stm_evm::ReceiptStatus::Success(false)
        };
        failures += result.receipts.iter().filter(failed).count();
        state.apply(&result.state);
    }
    assert_eq!(types[3], 0);
    assert!(types.iter().enumerate().all(|(kind, count)| kind == 3 || *count >= 12), "{types:?}");
    assert!(failures >= 12, "{failures}");
    Ok(())
}

/// The canary: a wei more in the genesis, and the first state root differs.
#[test]
fn another_genesis_is_told_by_the_first_state_root() -> Result<(), Box<dyn Error>> {
    let mut chain = chain()?;
    let receiver = block_stm_evm::revm::primitives::Address::repeat_byte(0x77);
    let wei = block_stm_evm::revm::primitives::U256::from(1);
    let info = block_stm_evm::revm::state::AccountInfo::default().with_balance(wei);
    chain.genesis.insert_account(receiver, info);
    let first = &chain.blocks[0];
    let result = execute_sequential(&first.block, &chain.genesis, InvalidTxn::Reject)?;
    assert_eq!(first.header.differences(&result), []);
    chain.genesis.apply(&result.state);
    assert_ne!(state_root(&chain.genesis), first.header.state_root);
    Ok(())
}

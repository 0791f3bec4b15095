//! Random blocks and real ones.

use std::{collections::BTreeSet, error::Error, path::PathBuf};

use alloy_primitives::Address;
use block_stm_chain::import::{ImportedBlock, import_chain, import_folder};
use block_stm_evm::{InvalidTxn, TxnOutcome, execute_sequential};
use block_stm_testkit::watchdog::{PATIENCE, within};
use block_stm_trace::{
    TracedBlock, Tracer,
    alloy_rpc_types_trace::geth::{GethTrace, PreStateFrame},
};
use proptest::{collection::vec, prelude::*};

use crate::{
    decode::Case,
    fixtures,
    same::{assert_same, digest, engines, in_order, in_parallel, tracer, tracers},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_blocks_are_traced_the_same(bytes in vec(any::<u8>(), 40..260)) {
        let case = Case::decode(&bytes);
        let state = case.state();
        let block = case.block(&state);
        within(PATIENCE, move || {
            // With its invalid transactions: both refuse it at the same one, or neither does.
            assert_same(&block, &state, &tracers(0)[..2]);
            let mut valid = block;
            if let Ok(skipped) = execute_sequential(&valid, &state, InvalidTxn::Skip) {
                let mut outcomes = skipped.outcomes.iter();
                valid.txns.retain(|_| {
                    matches!(outcomes.next(), Some(TxnOutcome::Executed { .. }))
                });
            }
            assert_same(&valid, &state, &tracers(0));
        }).expect("no hang");
    }
}

fn mainnet(test: &str) -> Result<Vec<ImportedBlock>, Box<dyn Error>> {
    let Some(root) = fixtures::folder(test, "mainnet") else { return Ok(Vec::new()) };
    let entries = std::fs::read_dir(root)?.map(|entry| entry.map(|entry| entry.path()));
    let mut folders: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    folders.sort();
    assert!(folders.len() >= 40, "only {} blocks", folders.len());
    Ok(folders.iter().map(|folder| import_folder(folder)).collect::<Result<_, _>>()?)
}

fn assert_same_digests(imported: &ImportedBlock, tracer: &Tracer) {
    let state = &imported.pre_state;
    let traced = TracedBlock::new(&imported.block);
    let traced = traced.hash(imported.hash).txn_hashes(&imported.txn_hashes);
    let expected = in_order(&traced, state, tracer, digest).expect("a valid block");
    assert_eq!(expected.len(), imported.block.txns.len());
    for engine in engines() {
        let (found, result) = in_parallel(engine, &traced, state, tracer, digest).expect("valid");
        let name = &imported.name;
        assert_eq!(found, expected, "{name}, {tracer:?}, {} threads", engine.threads());
        assert_eq!(imported.header.differences(&result), [], "{name}");
    }
}

#[test]
fn mainnet_blocks_are_traced_the_same() -> Result<(), Box<dyn Error>> {
    for (n, block) in mainnet("mainnet_blocks_are_traced_the_same")?.iter().enumerate() {
        // Each block under some of the tracers, each tracer on a third of the blocks.
        for tracer in tracers(3_000).iter().skip(n % 3).step_by(3) {
            assert_same_digests(block, tracer);
        }
        // Every step of the shorter ones.
        if block.header.gas_used < 1_000_000 {
            assert_same_digests(block, &tracer("structLogger", "{}"));
        }
    }
    Ok(())
}

#[test]
fn a_chain_through_all_forks_is_traced_the_same() -> Result<(), Box<dyn Error>> {
    let test = "a_chain_through_all_forks_is_traced_the_same";
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(()) };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        assert_eq!(block.txn_hashes.len(), block.block.txns.len());
        assert_same(&block.block, &state, &tracers(500));
        state.apply(&execute_sequential(&block.block, &state, InvalidTxn::Reject)?.state);
    }
    Ok(())
}

/// The gas of the outermost call is the transaction's, the number of calls and logs is what it is.
#[test]
fn calls_have_the_gas_of_the_receipts_and_their_logs() -> Result<(), Box<dyn Error>> {
    let tracer = tracer("callTracer", r#"{"withLog": true}"#);
    let mut logs = 0;
    for imported in mainnet("calls_have_the_gas_of_the_receipts_and_their_logs")? {
        let traced = TracedBlock::new(&imported.block);
        let engine = &engines()[1];
        let (traces, result) =
            in_parallel(engine, &traced, &imported.pre_state, &tracer, |trace| trace.trace)?;
        for ((trace, outcome), receipt) in traces.iter().zip(&result.outcomes).zip(&result.receipts)
        {
            let (GethTrace::CallTracer(call), TxnOutcome::Executed { gas_used, .. }) =
                (trace, outcome)
            else {
                panic!("{trace:?}, {outcome:?}");
            };
            assert_eq!(call.gas_used.saturating_to::<u64>(), *gas_used, "{}", imported.name);
            let mut calls = vec![call];
            let mut count = 0;
            while let Some(call) = calls.pop() {
                count += call.logs.len();
                calls.extend(&call.calls);
            }
            assert_eq!(count, receipt.logs.len(), "{}", imported.name);
            logs += count;
        }
    }
    assert!(logs > 1_000 || fixtures_are_missing(), "only {logs} logs");
    Ok(())
}

fn fixtures_are_missing() -> bool {
    std::env::var_os("BLOCK_STM_FIXTURES").is_none()
}

/// The state before the block was told by the prestate tracer of a real node. Ours tells the same
/// of the same accounts, but for what surrounds the transactions, and for very few that the node
/// alone names.
#[test]
fn states_before_blocks_are_those_that_a_node_has_traced() -> Result<(), Box<dyn Error>> {
    let tracer = tracer("prestateTracer", "{}");
    let (mut accounts, mut unexplained) = (0, Vec::new());
    for imported in mainnet("states_before_blocks_are_those_that_a_node_has_traced")? {
        let traced = TracedBlock::new(&imported.block);
        let state = &imported.pre_state;
        let (traces, _) = in_parallel(&engines()[2], &traced, state, &tracer, |trace| trace.trace)?;
        let mut seen = BTreeSet::<Address>::new();
        for trace in &traces {
            let GethTrace::PreStateTracer(PreStateFrame::Default(trace)) = trace else {
                panic!("{trace:?}");
            };
            for (address, account) in &trace.0 {
                let is_first = seen.insert(*address);
                if let Some(before) = state.account(address).filter(|_| is_first) {
                    accounts += 1;
                    let info = &before.info;
                    assert_eq!(account.balance, Some(info.balance), "{address}");
                    assert_eq!(account.nonce.unwrap_or_default(), info.nonce, "{address}");
                }
            }
        }
        let block = &imported.block;
        let own = block.system_contracts;
        let around = [block.env.beneficiary, own.beacon_roots, own.history];
        let around =
            around.into_iter().chain([own.withdrawal_requests, own.consolidation_requests]);
        let paid = block.withdrawals.iter().map(|withdrawal| withdrawal.address);
        let around: BTreeSet<_> = around.chain(paid).collect();
        let of_txns = |address: &Address, is_empty: bool| !is_empty && !around.contains(address);
        for (address, account) in state.accounts() {
            let is_told = seen.contains(address) || !of_txns(address, account.info.is_empty());
            if !is_told {
                unexplained.push(format!("{} {address}", imported.name));
            }
        }
    }
    assert!(unexplained.len() < 10, "{unexplained:?}");
    assert!(accounts > 1_000 || fixtures_are_missing(), "only {accounts} accounts");
    Ok(())
}

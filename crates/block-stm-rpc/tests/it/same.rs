//! Each answer is what sequential execution of the chain's files says.

use alloy_consensus::{ReceiptEnvelope, proofs::calculate_receipt_root};
use alloy_primitives::{B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{Block, Log, Transaction, TransactionReceipt};
use block_stm_rpc::Limits;
use block_stm_trace::{TracedBlock, Tracer, write_traces};
use block_stm_workloads::Workload;
use serde_json::{Value, json};

use crate::{
    fixtures,
    served::{Client, Served, hex},
    truth::{AnyError, TestResult, Truth, Txn},
};

fn served(truth: &Truth) -> Result<(Served, Client), AnyError> {
    let served = Served::whole(truth, Limits { logs: 1_000_000, ..Limits::default() })?;
    let client = served.client();
    Ok((served, client))
}

#[test]
fn a_made_chain_is_answered_for() -> TestResult {
    all_of(&Truth::made(Workload::Mixed, 8)?)
}

#[test]
fn the_real_chain_is_answered_for() -> TestResult {
    let name = "the_real_chain_is_answered_for";
    let Some(folder) = fixtures::folder(name, "chain") else { return Ok(()) };
    all_of(&Truth::of_folder(&folder)?)
}

fn all_of(truth: &Truth) -> TestResult {
    let (_served, client) = served(truth)?;
    whole_chain(truth, &client)?;
    for number in truth.start()..=truth.head() {
        block(truth, &client, number)?;
        receipts(truth, &client, number)?;
        state(truth, &client, number)?;
    }
    traces(truth, &client)?;
    logs(truth, &client)
}

fn whole_chain(truth: &Truth, client: &Client) -> TestResult {
    let id = truth.genesis.schedule.chain_id();
    assert_eq!(client.ask("eth_chainId", json!([]))?, hex(id));
    assert_eq!(client.ask("net_version", json!([]))?, id.to_string());
    assert_eq!(client.ask("web3_clientVersion", json!([]))?, "test/1");
    assert_eq!(client.ask("eth_syncing", json!([]))?, false);
    assert_eq!(client.ask("eth_blockNumber", json!([]))?, hex(truth.head()));
    for (tag, number) in [
        ("latest", truth.head()),
        ("pending", truth.head()),
        ("safe", truth.head()),
        ("finalized", truth.head()),
        ("earliest", truth.start()),
    ] {
        let block = client.ask("eth_getBlockByNumber", json!([tag, false]))?;
        assert_eq!(block["hash"], json!(truth.hash(number)), "{tag}");
    }
    let above = json!([hex(truth.head() + 1), true]);
    assert_eq!(client.ask("eth_getBlockByNumber", above)?, Value::Null);
    assert_eq!(client.ask("eth_getTransactionByHash", json!([B256::ZERO]))?, Value::Null);
    assert_eq!(client.ask("eth_getTransactionReceipt", json!([B256::ZERO]))?, Value::Null);
    assert_eq!(client.ask("eth_getBlockByHash", json!([B256::ZERO, false]))?, Value::Null);
    Ok(())
}

/// Header, body and each transaction, in all ways to ask for them.
fn block(truth: &Truth, client: &Client, number: u64) -> TestResult {
    let hash = truth.hash(number).ok_or("no hash")?;
    let full = client.ask("eth_getBlockByNumber", json!([hex(number), true]))?;
    assert_eq!(client.ask("eth_getBlockByHash", json!([hash, true]))?, full);
    let hashes = client.ask("eth_getBlockByHash", json!([hash, false]))?;
    let shown: Block<Transaction<Txn>> = serde_json::from_value(full.clone())?;
    assert_eq!((shown.header.hash, Some(&shown.header.inner)), (hash, truth.header(number)));
    let Some(block) = truth.block(number) else { return Ok(()) };
    assert_eq!(full["size"], hex(block.rlp.len() as u64));
    let txns = shown.transactions.as_transactions().ok_or("no transactions")?;
    assert_eq!(txns.len(), block.decoded.body.transactions.len());
    for at in ["Number", "Hash"] {
        let id = if at == "Number" { json!(hex(number)) } else { json!(hash) };
        let count = client.ask(&format!("eth_getBlockTransactionCountBy{at}"), json!([id]))?;
        assert_eq!(count, hex(txns.len() as u64));
        let method = format!("eth_getTransactionByBlock{at}AndIndex");
        let params = (0..txns.len()).map(|index| json!([id, hex(index as u64)]));
        assert_eq!(json!(client.ask_all(&method, params)?), full["transactions"]);
        assert_eq!(client.ask(&method, json!([id, hex(txns.len() as u64)]))?, Value::Null);
    }
    let params = block.prepared.txns.iter().map(|hash| json!([hash]));
    let by_hash = client.ask_all("eth_getTransactionByHash", params)?;
    assert_eq!(json!(by_hash), full["transactions"]);
    assert_eq!(hashes["transactions"], json!(block.prepared.txns));
    for (index, (txn, truth)) in txns.iter().zip(&block.decoded.body.transactions).enumerate() {
        assert_eq!(txn.inner.inner(), truth);
        assert_eq!(txn.inner.signer(), block.prepared.block.txns[index].caller);
        let place = (txn.block_hash, txn.block_number, txn.transaction_index);
        assert_eq!(place, (Some(hash), Some(number), Some(index as u64)));
    }
    Ok(())
}

/// The receipts have the root that the header names, and gas and logs add up.
fn receipts(truth: &Truth, client: &Client, number: u64) -> TestResult {
    let all = client.ask("eth_getBlockReceipts", json!([hex(number)]))?;
    let Some(block) = truth.block(number) else {
        assert_eq!(all, json!([]));
        return Ok(());
    };
    let params = block.prepared.txns.iter().map(|hash| json!([hash]));
    assert_eq!(json!(client.ask_all("eth_getTransactionReceipt", params)?), all);
    let by_hash = json!([{"blockHash": block.prepared.hash}]);
    assert_eq!(client.ask("eth_getBlockReceipts", by_hash)?, all);
    let all: Vec<TransactionReceipt> = serde_json::from_value(all)?;
    let envelopes: Vec<ReceiptEnvelope> = all.iter().map(|it| bare(&it.inner)).collect();
    assert_eq!(calculate_receipt_root(&envelopes), block.prepared.header.receipts_root);
    let (mut gas, mut logs) = (0, 0);
    for (index, receipt) in all.iter().enumerate() {
        gas += receipt.gas_used;
        assert_eq!(receipt.inner.cumulative_gas_used(), gas);
        assert_eq!(receipt.from, block.prepared.block.txns[index].caller);
        for log in receipt.inner.logs() {
            let place = (log.transaction_index, log.log_index, log.block_number);
            assert_eq!(place, (Some(index as u64), Some(logs), Some(number)));
            assert_eq!(log.transaction_hash, Some(block.prepared.txns[index]));
            logs += 1;
        }
    }
    assert_eq!(gas, block.prepared.header.gas_used);
    Ok(())
}

/// A receipt without what nodes say beside it.
fn bare(shown: &ReceiptEnvelope<Log>) -> ReceiptEnvelope {
    shown.clone().map_logs(|log| log.inner)
}

/// All accounts and slots after a block.
fn state(truth: &Truth, client: &Client, number: u64) -> TestResult {
    let state = truth.state(number).ok_or("no state")?;
    let block = json!(hex(number));
    let accounts: Vec<_> = state.accounts().collect();
    let params = || accounts.iter().map(|(address, _)| json!([address, block]));
    let wanted: Vec<_> = accounts.iter().map(|(_, it)| json!(it.info.balance)).collect();
    assert_eq!(client.ask_all("eth_getBalance", params())?, wanted);
    let wanted: Vec<_> = accounts.iter().map(|(_, it)| json!(U64::from(it.info.nonce))).collect();
    assert_eq!(client.ask_all("eth_getTransactionCount", params())?, wanted);
    let code = |hash: &B256| state.code(hash).map_or(Bytes::new(), |code| code.original_bytes());
    let wanted: Vec<_> = accounts.iter().map(|(_, it)| json!(code(&it.info.code_hash))).collect();
    assert_eq!(client.ask_all("eth_getCode", params())?, wanted);
    let slots = accounts.iter().flat_map(|(address, it)| {
        it.storage.iter().map(move |(slot, value)| (*address, *slot, *value))
    });
    let slots: Vec<_> = slots.chain([(accounts[0].0, U256::MAX, U256::ZERO)]).collect();
    let params = slots.iter().map(|(address, slot, _)| json!([address, slot, block]));
    let wanted: Vec<_> = slots.iter().map(|(_, _, value)| json!(B256::from(*value))).collect();
    assert_eq!(client.ask_all("eth_getStorageAt", params)?, wanted);
    Ok(())
}

/// Traces are those of the crate that makes them, on the state before the block.
fn traces(truth: &Truth, client: &Client) -> TestResult {
    let engine = block_stm_evm::block_stm::Engine::new(Default::default())?;
    for number in [truth.start() + 1, truth.head()] {
        let block = truth.block(number).ok_or("no block")?;
        let before = truth.state(number - 1).ok_or("no state")?;
        for (name, config) in [
            ("callTracer", json!({"withLog": true})),
            ("prestateTracer", json!({"diffMode": true})),
            ("4byteTracer", Value::Null),
        ] {
            let tracer = Tracer::parse(name, Some(&config.to_string()))?;
            let prepared = &block.prepared;
            let traced = TracedBlock::new(&prepared.block).hash(prepared.hash);
            let traced = traced.txn_hashes(&prepared.txns);
            let mut wanted = Vec::new();
            write_traces(&engine, &traced, before, &tracer, &mut wanted)?;
            let options = json!({"tracer": name, "tracerConfig": config});
            let given = client.ask("debug_traceBlockByNumber", json!([hex(number), options]))?;
            assert_eq!(given, serde_json::from_slice::<Value>(&wanted)?, "{name} of {number}");
            let by_hash = json!([prepared.hash, options]);
            assert_eq!(client.ask("debug_traceBlockByHash", by_hash)?, given);
        }
    }
    let params = json!([hex(truth.start() + 1), {"disableStorage": true}]);
    let steps = client.ask("debug_traceBlockByNumber", params)?;
    assert!(steps[0]["result"]["structLogs"].is_array(), "{steps}");
    Ok(())
}

/// What a filter finds is what a look at all logs finds.
fn logs(truth: &Truth, client: &Client) -> TestResult {
    let all: Vec<(u64, alloy_primitives::Log)> =
        truth
            .blocks
            .iter()
            .flat_map(|block| {
                let number = block.prepared.header.number;
                block.result.receipts.iter().flat_map(move |receipt| {
                    receipt.logs.iter().map(move |log| (number, log.clone()))
                })
            })
            .collect();
    let (first, last) = (truth.start(), truth.head());
    let check = |filter: Value, wanted: &dyn Fn(u64, &alloy_primitives::Log) -> bool| {
        let found: Vec<Log> = serde_json::from_value(client.ask("eth_getLogs", json!([filter]))?)?;
        let found: Vec<_> = found.into_iter().map(|it| (it.block_number, it.inner)).collect();
        let wanted = all.iter().filter(|(number, log)| wanted(*number, log));
        let wanted: Vec<_> = wanted.map(|(number, log)| (Some(*number), log.clone())).collect();
        assert_eq!(found, wanted, "{filter}");
        Ok::<_, AnyError>(found.len())
    };
    let whole = json!({"fromBlock": hex(first), "toBlock": hex(last)});
    assert_eq!(check(whole, &|_, _| true)?, all.len());
    check(json!({}), &|number, _| number == last)?;
    let middle = first + (last - first) / 2;
    check(json!({"fromBlock": hex(middle)}), &|number, _| number >= middle)?;
    check(json!({"blockHash": truth.hash(middle)}), &|number, _| number == middle)?;
    for (_, log) in all.iter().step_by(all.len().div_ceil(5).max(1)) {
        let (address, topics) = (log.address, log.topics().to_vec());
        let mut filter = json!({"fromBlock": "earliest", "toBlock": "latest", "address": address});
        check(filter.clone(), &|_, it| it.address == address)?;
        let Some(topic) = topics.first() else { continue };
        filter["topics"] = json!([topic]);
        let found = check(filter.clone(), &|_, it| {
            it.address == address && it.topics().first() == Some(topic)
        })?;
        assert!(found > 0, "{filter}");
        let Some(second) = topics.get(1) else { continue };
        filter["topics"] = json!([null, [second, B256::ZERO]]);
        check(filter, &|_, it| it.address == address && it.topics().get(1) == Some(second))?;
    }
    Ok(())
}

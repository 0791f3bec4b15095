//! Random blocks under the rules of Amsterdam, which the specification's package does not have.
//!
//! The oracle is plain revm, one transaction after another, and access lists by their definition:
//! another engine, though not another VM.

use std::path::Path;

use alloy_primitives::{Bytes, keccak256};
use block_stm_chain::{
    import::access_lists_to_rlp,
    state_root,
    t8n::{T8nFiles, T8nOptions, T8nSource, Transition},
};
use block_stm_evm::{InvalidTxn, execute_sequential};
use serde_json::{Value, json};

// How lists are made from their definition belongs to the adapter's tests.
#[path = "../../../../block-stm-evm/tests/it/parallel/definition/mod.rs"]
mod definition;

use super::{
    OURS, THREADS, arguments,
    nasty::{self, Input},
    number, output, read, write_input,
};
use crate::cli::{Scratch, TestResult, call, stderr};

const FORK: &str = "Amsterdam";

/// How many there are, `BLOCK_STM_SPEC_BLOCKS` says, as for the specification.
#[test]
fn random_amsterdam_blocks_come_out_as_plain_revm_says() -> TestResult {
    let (first, blocks) = (number("BLOCK_STM_SPEC_SEED", 0)?, number("BLOCK_STM_SPEC_BLOCKS", 64)?);
    // A sixteenth is what each other fork gets.
    let (mut executed, mut rejected) = (0, 0);
    for seed in first..first + blocks.div_ceil(16) {
        let input = nasty::block(FORK, seed, 40);
        let wanted = plain(&input)?;
        executed += wanted["receipts"].as_u64().unwrap_or_default();
        rejected += wanted["rejected"].as_u64().unwrap_or_default();
        let scratch = Scratch::new()?;
        write_input(&input, scratch.path())?;
        let mut first: Option<Value> = None;
        for threads in THREADS {
            let found = ours(scratch.path(), FORK, input.reward, threads)?;
            for (field, value) in wanted.as_object().expect("an object") {
                let found = match field.as_str() {
                    "receipts" | "rejected" => json!(found[field].as_array().map_or(0, Vec::len)),
                    _ => found[field].clone(),
                };
                assert_eq!(found, *value, "{field}, seed {seed}, {threads} threads");
            }
            let list: Bytes = serde_json::from_value(found["blockAccessList"].clone())?;
            assert_eq!(found["blockAccessListHash"], json!(keccak256(list)), "seed {seed}");
            assert_eq!(
                first.get_or_insert(found.clone()),
                &found,
                "seed {seed}, {threads} threads"
            );
        }
    }
    assert!(executed >= 10 && rejected >= 1, "{executed} executed, {rejected} rejected");
    Ok(())
}

/// The list alone, added to rules that the specification knows, changes nothing else.
#[test]
fn a_list_that_is_added_to_other_rules_changes_nothing_else() -> TestResult {
    let scratch = Scratch::new()?;
    for (seed, fork) in (100..).zip(["Frontier", "London", "Prague", "BPO2"]) {
        let input = nasty::block(fork, seed, 40);
        write_input(&input, scratch.path())?;
        let without = ours(scratch.path(), fork, input.reward, "2")?;
        let mut with = ours(scratch.path(), &format!("{fork}+7928"), input.reward, "2")?;
        let fields = with.as_object_mut().expect("an object");
        let list = ["blockAccessList", "blockAccessListHash"].map(|field| fields.remove(field));
        assert!(list.iter().all(Option::is_some), "{fork}: {list:?}");
        assert_eq!(with, without, "{fork}");
    }
    Ok(())
}

/// What ours, with `threads`, says.
fn ours(
    folder: &Path,
    fork: &str,
    reward: i64,
    threads: &str,
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut args = arguments(folder, fork, reward, &output(folder, OURS)?);
    args.extend(["--threads".to_owned(), threads.to_owned()]);
    let args: Vec<&str> = ["t8n"].into_iter().chain(args.iter().map(String::as_str)).collect();
    let made = call(&args)?;
    assert!(made.status.success(), "{}", stderr(&made));
    read(folder, OURS, "result.json")
}

/// What plain revm comes to, in the fields of the result; of receipts and rejected transactions the
/// number.
fn plain(input: &Input) -> Result<Value, Box<dyn std::error::Error>> {
    let parts = [&input.alloc, &input.env, &input.txs].map(Value::to_string);
    let [alloc, env, txs] = [0, 1, 2].map(|part: usize| T8nSource::File {
        name: Path::new("input"),
        bytes: parts[part].as_bytes(),
    });
    let files = T8nFiles { alloc, env, txs, blob_params: None, shared: None };
    let options = T8nOptions { fork: FORK, chain_id: 1, reward: u64::try_from(input.reward).ok() };
    let transition = Transition::new(&files, &options)?;
    let (block, before) = (transition.block(), transition.state());
    let result = execute_sequential(block, before, InvalidTxn::Skip)?;
    let mut after = before.clone();
    after.apply(&result.state);
    let list = definition::list_by_definition(block, before, &result);
    let txns = input.txs.as_array().map_or(0, Vec::len);
    Ok(json!({
        "stateRoot": state_root(&after),
        "receiptsRoot": result.receipts_root(),
        "logsBloom": result.logs_bloom(),
        "gasUsed": format!("{:#x}", result.gas_used),
        "blobGasUsed": format!("{:#x}", result.blob_gas_used),
        "requestsHash": result.requests_hash(),
        "blockAccessList": Bytes::from(access_lists_to_rlp(&[list])),
        "receipts": result.receipts.len(),
        "rejected": txns - result.receipts.len(),
    }))
}

//! Ethereum's official blockchain tests, read as a host of alloy-evm reads blocks: RLP, senders
//! recovered, environments by alloy-evm. This crate's executor must do what alloy-evm's does, with
//! valid blocks and with invalid ones.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use alloy_consensus::{Block, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::eip7840::BlobParams;
use alloy_evm::{
    EvmEnv, FromRecoveredTx,
    revm::{
        context::TxEnv,
        database::BundleState,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_rlp::Decodable;
use block_stm_evm::PreState;
use serde_json::Value;

use crate::{
    blocks::fixtures,
    given::Given,
    same::{assert_same, assert_same_as, executed, ours, theirs},
    spec::FixedSpec,
};

/// Every how many files one is read, unless the environment says otherwise.
const STEP: usize = 12;

fn spec(network: &str) -> Option<SpecId> {
    Some(match network {
        "Frontier" => SpecId::FRONTIER,
        "Homestead" => SpecId::HOMESTEAD,
        "EIP150" => SpecId::TANGERINE,
        "EIP158" => SpecId::SPURIOUS_DRAGON,
        "Byzantium" => SpecId::BYZANTIUM,
        "ConstantinopleFix" => SpecId::PETERSBURG,
        "Istanbul" => SpecId::ISTANBUL,
        "Berlin" => SpecId::BERLIN,
        "London" => SpecId::LONDON,
        "Merge" | "Paris" => SpecId::MERGE,
        "Shanghai" => SpecId::SHANGHAI,
        "Cancun" => SpecId::CANCUN,
        "Prague" => SpecId::PRAGUE,
        "Osaka" => SpecId::OSAKA,
        "Amsterdam" => SpecId::AMSTERDAM,
        // Those in which one fork follows on another.
        _ => return None,
    })
}

fn text(value: &Value) -> Result<&str, Box<dyn Error>> {
    value.as_str().ok_or_else(|| format!("no text: {value}").into())
}

fn number(value: &Value) -> Result<U256, Box<dyn Error>> {
    let digits = text(value)?.trim_start_matches("0x");
    Ok(if digits.is_empty() { U256::ZERO } else { U256::from_str_radix(digits, 16)? })
}

fn state(alloc: &Value) -> Result<PreState, Box<dyn Error>> {
    let mut state = PreState::new();
    for (address, account) in alloc.as_object().ok_or("no accounts")? {
        let address = Address::from_str(address)?;
        let code = Bytes::from(hex::decode(text(&account["code"])?)?);
        let info = AccountInfo::default()
            .with_balance(number(&account["balance"])?)
            .with_nonce(number(&account["nonce"])?.to())
            .with_code(
                Bytecode::new_raw_checked(code.clone()).unwrap_or(Bytecode::new_legacy(code)),
            );
        state.insert_account(address, info);
        for (slot, value) in account["storage"].as_object().into_iter().flatten() {
            let slot = U256::from_str_radix(slot.trim_start_matches("0x"), 16)?;
            state.insert_storage(address, slot, number(value)?);
        }
    }
    Ok(state)
}

/// The state after a block, as a node would store the bundle.
fn advance(state: &mut PreState, bundle: &BundleState) {
    for (&address, account) in &bundle.state {
        if account.was_destroyed() {
            state.wipe_storage(&address);
        }
        let Some(mut info) = account.info.clone() else {
            state.remove_account(&address);
            continue;
        };
        if let Some(code) = bundle.contracts.get(&info.code_hash) {
            info.code = Some(code.clone());
        }
        state.insert_account(address, info);
        for (&slot, value) in &account.storage {
            state.insert_storage(address, slot, value.present_value);
        }
    }
}

/// A block as an executor takes it; `None` if it never comes that far.
fn given(rlp: &[u8], spec: SpecId, state: &PreState) -> Option<(Given, B256)> {
    let block = Block::<TxEnvelope>::decode(&mut &rlp[..]).ok()?;
    let senders = block.body.transactions.iter().map(|txn| txn.recover_signer());
    let senders: Vec<_> = senders.collect::<Result<_, _>>().ok()?;
    let blobs = match spec {
        spec if spec.is_enabled_in(SpecId::OSAKA) => Some(BlobParams::osaka()),
        SpecId::PRAGUE => Some(BlobParams::prague()),
        SpecId::CANCUN => Some(BlobParams::cancun()),
        _ => None,
    };
    let rules = FixedSpec::new(spec);
    let EvmEnv { cfg_env, block_env } = EvmEnv::for_eth_block(&block.header, &rules, 1, blobs);
    let txns = block.body.transactions.iter().zip(&senders);
    let txns = txns.map(|(txn, sender)| TxEnv::from_recovered_tx(txn, *sender)).collect();
    let mut given = block_stm_evm::Block::new(spec, block_env, txns).cfg(cfg_env);
    given.parent_hash = block.header.parent_hash;
    given.parent_beacon_block_root = block.header.parent_beacon_block_root;
    given.withdrawals = block.body.withdrawals.unwrap_or_default().into_inner();
    let given = Given::new(&given, state);
    let txns = block.body.transactions.into_iter().zip(senders).collect();
    let hash = block.header.hash_slow();
    Some((given.with_ommers(block.body.ommers).with_recovered(txns), hash))
}

/// What was seen of a file's tests.
#[derive(Debug, Default)]
struct Seen {
    tests: usize,
    blocks: usize,
    invalid: usize,
    /// Tests whose valid blocks neither executor takes.
    given_up: usize,
}

fn check(file: &Path, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
    let json: Value = serde_json::from_slice(&fs::read(file)?)?;
    for (name, test) in json.as_object().ok_or("no tests")? {
        let Some(spec) = test["network"].as_str().and_then(spec) else { continue };
        seen.tests += 1;
        let mut state = state(&test["pre"])?;
        let genesis = &test["genesisBlockHeader"];
        let mut head: B256 = text(&genesis["hash"])?.parse()?;
        state.insert_block_hash(0, head);
        for block in test["blocks"].as_array().ok_or("no blocks")? {
            let Some(rlp) = block["rlp"].as_str().and_then(|rlp| hex::decode(rlp).ok()) else {
                continue;
            };
            let Some((given, hash)) = given(&rlp, spec, &state) else { continue };
            // One branch will do.
            if given.block.parent_hash != head {
                continue;
            }
            let came = assert_same(&given);
            seen.blocks += 1;
            let refused = block.get("expectException").is_some();
            match &came.result {
                Ok(_) if !refused => {
                    advance(&mut state, &came.bundle);
                    head = hash;
                    state.insert_block_hash(given.block.number(), head);
                }
                Ok(_) => {}
                Err(_) if refused => seen.invalid += 1,
                // The rules of a fork to come differ from one test release to the next.
                Err(_) if spec == SpecId::AMSTERDAM => {
                    seen.given_up += 1;
                    break;
                }
                Err(error) => return Err(format!("{name}: {error}").into()),
            }
        }
    }
    Ok(())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn official_blocks_come_out_the_same() -> Result<(), Box<dyn Error>> {
    let Some(root) = fixtures("official_blocks_come_out_the_same", "") else { return Ok(()) };
    let step = std::env::var("BLOCK_STM_OFFICIAL_STEP").ok().map(|step| step.parse());
    let step = step.transpose()?.unwrap_or(STEP);
    let mut all = Vec::new();
    for folder in ["block-tests", "bal-tests", "live-forks/block-tests"] {
        files(&root.join(folder), &mut all)?;
    }
    all.sort();
    let mut seen = Seen::default();
    for file in all.iter().step_by(step) {
        check(file, &mut seen).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    println!("{} files of {}: {seen:?}", all.len().div_ceil(step), all.len());
    assert!(seen.blocks >= 20 && seen.invalid > 0, "{seen:?}");
    assert!(seen.given_up * 20 < seen.tests, "{seen:?}");
    Ok(())
}

/// A block that ends early leaves both executors' databases alike, so that a host may go on.
#[test]
fn what_came_before_an_invalid_txn_is_there() {
    let mut state = PreState::new();
    let sender = Address::repeat_byte(0x51);
    state.insert_account(sender, AccountInfo::default().with_balance(U256::from(10_u64.pow(18))));
    let txn = |nonce| TxEnv { caller: sender, nonce, gas_limit: 21_000, ..TxEnv::default() };
    let block = block_stm_evm::Block::new(
        SpecId::SHANGHAI,
        Default::default(),
        vec![txn(0), txn(1), txn(9)],
    );
    let given = Given::new(&block, &state);
    let expected = executed(&theirs(&given), &given, given.database());
    assert!(expected.result.is_err() && expected.hooked.len() == 2);
    for engine in crate::same::engines() {
        let came = executed(&ours(&given, engine), &given, given.database());
        assert_same_as(&expected, &came, "cut short");
    }
}

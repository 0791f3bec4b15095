//! A small signed block of our own, for tests that must run everywhere.
//!
//! `tests/data/two-txns` holds what this module writes; the first test keeps them the same.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use alloy_consensus::{
    EthereumTxEnvelope, Header, SignableTransaction, Signed, TxEip1559, TxEip4844, TxLegacy,
    proofs::{calculate_transaction_root, calculate_withdrawals_root},
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Signature, TxKind, U256, address, hex, keccak256};
use block_stm_chain::{
    import::{ImportedBlock, import_chain, import_folder},
    state_root,
};
use block_stm_evm::{InvalidTxn, execute_sequential, revm::primitives::hardfork::SpecId};
use secp256k1::{Message, Secp256k1, SecretKey};
use serde_json::{Value, json};

type Txn = EthereumTxEnvelope<TxEip4844>;

/// Stores the first word of its input in slot 1, and logs it with the topic 7.
const CONTRACT: Address = address!("c0de00000000000000000000000000000000c0de");
const CODE: [u8; 15] = hex!("5f35806001555f52600760205fa100");
const BOB: Address = address!("b0b0000000000000000000000000000000000b0b");

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_byte_array([byte; 32]).expect("below the curve's order")
}

fn address_of(key: &SecretKey) -> Address {
    let point = key.public_key(&Secp256k1::new()).serialize_uncompressed();
    Address::from_slice(&keccak256(&point[1..])[12..])
}

fn sign<T>(txn: T, key: &SecretKey) -> Txn
where
    T: SignableTransaction<Signature> + RlpEcdsaEncodableTx,
    Txn: From<Signed<T>>,
{
    let message = Message::from_digest(txn.signature_hash().0);
    let signature = Secp256k1::new().sign_ecdsa_recoverable(message, key);
    let (parity, bytes) = signature.serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, i32::from(parity) == 1);
    Signed::new_unhashed(txn, signature).into()
}

fn txns() -> Vec<Txn> {
    let transfer = TxEip1559 {
        chain_id: 1,
        nonce: 3,
        gas_limit: 21_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(BOB),
        value: U256::from(1_000),
        ..TxEip1559::default()
    };
    let call = TxLegacy {
        chain_id: Some(1),
        nonce: 0,
        gas_price: 15_000_000_000,
        gas_limit: 100_000,
        to: TxKind::Call(CONTRACT),
        value: U256::ZERO,
        input: B256::left_padding_from(&[42]).into(),
    };
    vec![sign(transfer, &secret(1)), sign(call, &secret(2))]
}

fn withdrawal() -> Withdrawal {
    Withdrawal { index: 11, validator_index: 12, address: BOB, amount: 5 }
}

/// The header before anything is known of the result.
fn header() -> Header {
    Header {
        parent_hash: B256::repeat_byte(0x17),
        beneficiary: address!("fee0000000000000000000000000000000000fee"),
        transactions_root: calculate_transaction_root(&txns()),
        number: 17_100_000,
        gas_limit: 30_000_000,
        timestamp: 1_690_000_000,
        mix_hash: B256::repeat_byte(0x5a),
        base_fee_per_gas: Some(10_000_000_000),
        withdrawals_root: Some(calculate_withdrawals_root(&[withdrawal()])),
        ..Header::default()
    }
}

/// The header with what `imported`, its own block, results in.
fn finished_header(imported: &ImportedBlock) -> Result<Header, Box<dyn Error>> {
    let result = execute_sequential(&imported.block, &imported.pre_state, InvalidTxn::Reject)?;
    let mut after = imported.pre_state.clone();
    after.apply(&result.state);
    Ok(Header {
        state_root: state_root(&after),
        receipts_root: result.receipts_root().ok_or("after Byzantium")?,
        logs_bloom: result.logs_bloom(),
        gas_used: result.gas_used,
        ..header()
    })
}

fn alloc() -> Value {
    let ether = "0xde0b6b3a7640000";
    json!({
        address_of(&secret(1)).to_string(): { "balance": ether, "nonce": 3 },
        address_of(&secret(2)).to_string(): { "balance": "1000000000000000000" },
        CONTRACT.to_string(): {
            "nonce": "0x1",
            "code": hex::encode_prefixed(CODE),
            "storage": { "0x01": "0x7", "2": "0x9" },
        },
    })
}

fn block_json(header: &Header) -> Result<Value, Box<dyn Error>> {
    let mut block = serde_json::to_value(header)?;
    block["hash"] = json!(header.hash_slow());
    let withdrawal = withdrawal();
    block["withdrawals"] = json!([withdrawal]);
    let senders = [address_of(&secret(1)), address_of(&secret(2))];
    let txns = txns().into_iter().zip(senders).map(|(txn, sender)| {
        let mut json = serde_json::to_value(&txn)?;
        json["from"] = json!(sender);
        Ok(json)
    });
    block["transactions"] = Value::Array(txns.collect::<Result<_, serde_json::Error>>()?);
    Ok(block)
}

/// Where tests may write, in a folder of their own.
pub(crate) fn scratch(name: &str) -> std::io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&folder)?,
    }
    Ok(folder)
}

/// The committed sample block.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/two-txns")
}

fn write(file: PathBuf, json: &Value) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(file, format!("{json:#}\n"))?)
}

fn write_block(folder: &Path, header: &Header) -> Result<(), Box<dyn Error>> {
    write(folder.join("block.json"), &block_json(header)?)?;
    write(folder.join("prestate.json"), &alloc())
}

#[test]
fn the_committed_files_are_what_this_module_writes() -> Result<(), Box<dyn Error>> {
    let scratch = scratch("sample")?;
    write_block(&scratch, &header())?;
    let header = finished_header(&import_folder(&scratch)?)?;
    write_block(&scratch, &header)?;
    for name in ["block.json", "prestate.json"] {
        let written = fs::read_to_string(scratch.join(name))?;
        let committed = fs::read_to_string(folder().join(name))?;
        assert_eq!(written, committed, "{name} in {}", scratch.display());
    }
    Ok(())
}

#[test]
fn the_block_does_what_its_transactions_say() -> Result<(), Box<dyn Error>> {
    let imported = import_folder(&folder())?;
    assert_eq!(imported.name, "two-txns");
    assert_eq!(imported.number, 17_100_000);
    assert_eq!(imported.block.spec, SpecId::SHANGHAI);
    assert_eq!(imported.block.txns[0].caller, address_of(&secret(1)));
    let result = execute_sequential(&imported.block, &imported.pre_state, InvalidTxn::Reject)?;
    assert_eq!(imported.header.differences(&result), []);
    // 31 zero bytes at 4 and one other at 16; CALLDATALOAD, a changed cold slot (2900 + 2100), a
    // word of memory, LOG1 of 32 bytes with one topic, and 4 * PUSH0, DUP1, 3 * PUSH1, MSTORE.
    let call =
        21_000 + 31 * 4 + 16 + 3 + 5_000 + 3 + (375 + 375 + 8 * 32) + (3 * 2 + 3 + 3 * 3 + 3);
    assert_eq!(result.gas_used, 21_000 + call);

    let mut after = imported.pre_state.clone();
    after.apply(&result.state);
    assert_eq!(after.storage(&CONTRACT, &U256::ONE), U256::from(42));
    assert_eq!(after.storage(&CONTRACT, &U256::from(2)), U256::from(9));
    let balance = |address| after.account(&address).map(|account| account.info.balance);
    assert_eq!(balance(BOB), Some(U256::from(1_000 + 5_000_000_000_u64)));
    // The beneficiary gets what exceeds the base fee: 1 gwei and 5 gwei per gas.
    let fees = (21_000 + 5 * call) * 1_000_000_000;
    assert_eq!(balance(imported.block.env.beneficiary), Some(U256::from(fees)));
    let paid = U256::from(21_000 * 11_000_000_000_u64 + 1_000);
    let ether = U256::from(10).pow(U256::from(18));
    assert_eq!(balance(address_of(&secret(1))), Some(ether - paid));
    Ok(())
}

#[test]
fn the_same_block_as_a_chain_gives_the_same_result() -> Result<(), Box<dyn Error>> {
    let folder = scratch("sample-chain")?;
    let config = json!({
        "chainId": 1, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
        "byzantiumBlock": 0, "constantinopleBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
        "londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
    });
    write(folder.join("genesis.json"), &json!({ "config": config, "alloc": alloc() }))?;
    let single = import_folder(&self::folder())?;
    let body = alloy_consensus::BlockBody {
        transactions: txns(),
        ommers: Vec::new(),
        withdrawals: Some(vec![withdrawal()].into()),
    };
    let block = alloy_consensus::Block::new(finished_header(&single)?, body);
    fs::write(folder.join("chain.rlp"), alloy_rlp::encode(&block))?;

    let chain = import_chain(&folder)?;
    let only = &chain.blocks[0];
    assert_eq!(only.block.txns, single.block.txns);
    assert_eq!(only.header, single.header);
    let result = execute_sequential(&only.block, &chain.genesis, InvalidTxn::Reject)?;
    let expected = execute_sequential(&single.block, &single.pre_state, InvalidTxn::Reject)?;
    assert_eq!(result, expected);
    assert_eq!(result.state.digest(), expected.state.digest());
    Ok(())
}

//! The transactions of a transition: JSON, signed or to be signed, or RLP.

use std::sync::LazyLock;

use alloy_consensus::{EthereumTypedTransaction, SignableTransaction, TxEip4844};
use alloy_eips::Decodable2718;
use alloy_primitives::{B256, Bytes, Signature, U256};
use alloy_rlp::Header;
use rayon::prelude::*;
use revm::{context::TxEnv, primitives::hardfork::SpecId};
use secp256k1::{Message, Secp256k1, SecretKey, SignOnly};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{T8nError, reject};
use crate::import::{
    SignedTxn,
    files::Document,
    json_txn::{JsonTxn, Wrong},
    number::Number,
    senders::recover_one,
};

static SIGNER: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

/// A transaction, or why it is rejected before it is executed.
pub(super) type Parsed<T> = Result<T, String>;

/// What decides on a transaction without the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct TxnRules {
    pub(super) spec: SpecId,
    pub(super) chain_id: u64,
}

/// The fields that only unsigned transactions have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a transaction object")]
struct Signing {
    secret_key: Option<B256>,
    /// Whether a legacy transaction is signed for the chain (EIP-155).
    protected: Option<bool>,
}

/// The transactions in `document`: an array of objects, a string of RLP, or null.
pub(super) fn parse(
    document: Document<'_>,
    rules: TxnRules,
) -> Result<Vec<Parsed<SignedTxn>>, T8nError> {
    match document.first_byte() {
        Some(b'"') => parse_rlp(&document.parse::<Bytes>()?, document),
        _ => parse_json(document, rules),
    }
}

/// The numbers of a transaction, which may be too large: it is rejected then, and the others are
/// not.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a transaction object")]
struct Numbers {
    nonce: Number,
    gas: Number,
    gas_limit: Number,
    gas_price: Number,
    max_fee_per_gas: Number,
    max_priority_fee_per_gas: Number,
    max_fee_per_blob_gas: Number,
    value: Number,
}

impl Numbers {
    /// Why the transaction is rejected, if a number is too large for its field.
    fn too_large(&self) -> Option<String> {
        let narrow = [("nonce", self.nonce), ("gas", self.gas), ("gasLimit", self.gas_limit)];
        let prices = [
            ("gasPrice", self.gas_price),
            ("maxFeePerGas", self.max_fee_per_gas),
            ("maxPriorityFeePerGas", self.max_priority_fee_per_gas),
            ("maxFeePerBlobGas", self.max_fee_per_blob_gas),
        ];
        let narrow = narrow.map(|(name, number)| (name, 64, number.fit::<u64>().is_ok()));
        let prices = prices.map(|(name, number)| (name, 128, number.fit::<u128>().is_ok()));
        let value = [("value", 256, self.value.fit::<U256>().is_ok())];
        let mut fields = narrow.into_iter().chain(prices).chain(value);
        let (name, bits, _) = fields.find(|(_, _, fits)| !fits)?;
        Some(format!("{name} exceeds {bits} bits"))
    }
}

fn parse_json(document: Document<'_>, rules: TxnRules) -> Result<Vec<Parsed<SignedTxn>>, T8nError> {
    let txns = parse_unsigned(document)?;
    let signing: Option<Vec<Signing>> = document.parse()?;
    let txns = txns.into_iter().zip(signing.unwrap_or_default());
    txns.enumerate()
        .map(|(index, (json, signing))| {
            let json = match json {
                Ok(json) => json,
                Err(too_large) => return Ok(Err(too_large)),
            };
            // Neither blobs nor delegations come with the creation of a contract.
            if let Some(reason) = json.creates_in_vain() {
                return Ok(Err(reason.to_owned()));
            }
            match signed(&json, signing, rules) {
                Ok(txn) => Ok(Ok(txn)),
                Err((field, message)) => {
                    Err(document.wrong(&format!("[{index}].{field}"), message).into())
                }
            }
        })
        .collect()
}

fn parse_unsigned(document: Document<'_>) -> Result<Vec<Parsed<JsonTxn>>, T8nError> {
    let numbers: Option<Vec<Numbers>> = document.parse()?;
    let too_large: Vec<_> = numbers.iter().flatten().map(Numbers::too_large).collect();
    if too_large.iter().all(Option::is_none) {
        let txns: Option<Vec<JsonTxn>> = document.parse()?;
        return Ok(txns.into_iter().flatten().map(Ok).collect());
    }
    let txns: Vec<&RawValue> = document.parse_borrowed()?;
    let parse = |(index, (txn, too_large)): (usize, (&RawValue, Option<String>))| match too_large {
        Some(too_large) => Ok(Err(too_large)),
        None => serde_json::from_str(txn.get()).map(Ok).map_err(|error| {
            let field = format!("[{index}]");
            document.wrong(&field, error.to_string()).into()
        }),
    };
    txns.into_iter().zip(too_large).enumerate().map(parse).collect()
}

fn signed(json: &JsonTxn, signing: Signing, rules: TxnRules) -> Result<SignedTxn, Wrong> {
    match signing.secret_key {
        Some(key) if json.is_unsigned() => {
            sign(json, key, signing.protected.unwrap_or(true), rules)
        }
        None if json.is_unsigned() => {
            Err(("secretKey", "missing; there is no signature (v, r, s) either"))
        }
        _ => {
            let (signature, chain_id) = json.signature()?;
            Ok(json.unsigned(chain_id)?.into_envelope(signature))
        }
    }
}

fn sign(json: &JsonTxn, key: B256, protected: bool, rules: TxnRules) -> Result<SignedTxn, Wrong> {
    let protected = protected && rules.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
    let txn = json.unsigned(protected.then_some(rules.chain_id))?;
    let no_key = ("secretKey", "no key: it is zero, or not below the order of the curve");
    sign_with(txn, key).ok_or(no_key)
}

/// `txn` signed with the secret key `key`, if that is one.
pub(super) fn sign_with(txn: EthereumTypedTransaction<TxEip4844>, key: B256) -> Option<SignedTxn> {
    let key = SecretKey::from_byte_array(key.0).ok()?;
    let message = Message::from_digest(txn.signature_hash().0);
    let (recovery, bytes) = SIGNER.sign_ecdsa_recoverable(message, &key).serialize_compact();
    let [r, s] = [&bytes[..32], &bytes[32..]].map(U256::from_be_slice);
    Some(txn.into_envelope(Signature::new(r, s, i32::from(recovery) % 2 == 1)))
}

/// The transactions in an RLP list, as they are in a block's body. One that can't be decoded is
/// rejected.
fn parse_rlp(bytes: &[u8], document: Document<'_>) -> Result<Vec<Parsed<SignedTxn>>, T8nError> {
    let wrong = |message: String| T8nError::Rlp { file: document.name(), message };
    let mut rest = bytes;
    let mut list = Header::decode_bytes(&mut rest, true)
        .map_err(|error| wrong(format!("no list of transactions: {error}")))?;
    if !rest.is_empty() {
        let offset = bytes.len() - rest.len();
        return Err(wrong(format!("bytes after the list of transactions, from byte {offset} on")));
    }
    let mut parsed = Vec::new();
    while !list.is_empty() {
        let offset = bytes.len() - list.len();
        let item = next_item(&mut list)
            .map_err(|error| wrong(format!("txn {}, at byte {offset}: {error}", parsed.len())))?;
        parsed.push(decode(item));
    }
    Ok(parsed)
}

/// The encoding of the next item of a list, with its header.
fn next_item<'a>(list: &mut &'a [u8]) -> Result<&'a [u8], alloy_rlp::Error> {
    let start = *list;
    let header = Header::decode(list)?;
    // A single byte is its own header.
    let length = start.len() - list.len() + header.payload_length;
    let (item, rest) = start.split_at_checked(length).ok_or(alloy_rlp::Error::InputTooShort)?;
    *list = rest;
    Ok(item)
}

fn decode(item: &[u8]) -> Parsed<SignedTxn> {
    let undecodable = |error: &dyn std::fmt::Display| format!("can't be decoded: {error}");
    let mut rest = item;
    let txn = SignedTxn::network_decode(&mut rest).map_err(|error| undecodable(&error))?;
    if !rest.is_empty() {
        return Err(undecodable(&"bytes after its end"));
    }
    Ok(txn)
}

/// The transactions as they are executed, senders recovered on all threads of rayon's current pool.
pub(super) fn recover(txns: &[Parsed<SignedTxn>], rules: TxnRules) -> Vec<Parsed<TxEnv>> {
    let recover = |parsed: &Parsed<SignedTxn>| {
        let txn = parsed.as_ref().map_err(Clone::clone)?;
        if let Some(reason) = reject::unknown_type(txn.tx_type() as u8, rules.spec) {
            return Err(reason);
        }
        recover_one(txn, None, rules.spec, rules.chain_id).map_err(|error| reject::sender(&error))
    };
    txns.par_iter().map(recover).collect()
}

/// A list of transactions as it is in a block's body.
pub(super) fn encode_list<'a>(txns: impl Iterator<Item = &'a SignedTxn> + Clone) -> Bytes {
    let payload_length = txns.clone().map(alloy_rlp::Encodable::length).sum();
    let mut bytes = Vec::new();
    Header { list: true, payload_length }.encode(&mut bytes);
    txns.for_each(|txn| alloy_rlp::Encodable::encode(txn, &mut bytes));
    bytes.into()
}

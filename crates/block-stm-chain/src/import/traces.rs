//! The pre-state of a block: one object of accounts, or the prestate tracer's answer for each of
//! its transactions.

use std::collections::{HashMap, hash_map::Entry};

use alloy_primitives::{Address, B256};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ImportError,
    alloc::{Alloc, JsonAccount},
    files::Document,
    unique::Unique,
};

/// What `debug_traceBlockByNumber` says of one transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with the trace of a transaction")]
struct JsonTrace {
    tx_hash: Option<B256>,
    result: Option<Alloc>,
    error: Option<Box<RawValue>>,
}

/// The accounts in `document`, before the transactions with the hashes `txns`.
///
/// Each trace has the accounts that a transaction touches as they are before that transaction. So
/// the first transaction that touches an account tells what it is before the block, and the first
/// that touches a slot what the slot holds.
pub(super) fn pre_state(document: Document<'_>, txns: &[B256]) -> Result<Alloc, ImportError> {
    if document.first_byte() != Some(b'[') {
        return document.parse();
    }
    let traces: Vec<JsonTrace> = document.parse()?;
    if traces.len() != txns.len() {
        let message = format!("{} traces for the block's {} txns", traces.len(), txns.len());
        return Err(document.wrong(".", message));
    }
    let mut merged = HashMap::<Address, JsonAccount>::new();
    for (index, (trace, txn)) in traces.into_iter().zip(txns).enumerate() {
        let field = |name: &str| format!("[{index}].{name}");
        if let Some(hash) = trace.tx_hash.filter(|hash| hash != txn) {
            let message = format!("{hash} is not the hash of the block's txn, {txn}");
            return Err(document.wrong(&field("txHash"), message));
        }
        if let Some(error) = trace.error {
            let message = format!("the server answered {}", error.get());
            return Err(document.wrong(&field("error"), message));
        }
        let accounts = trace.result.ok_or_else(|| document.wrong(&field("result"), "missing"))?;
        for (address, account) in accounts {
            merge(merged.entry(address), account);
        }
    }
    Ok(Unique(merged))
}

/// Adds what `later` says of an account beyond what is known.
fn merge(entry: Entry<'_, Address, JsonAccount>, later: JsonAccount) {
    match entry {
        Entry::Vacant(entry) => {
            entry.insert(later);
        }
        Entry::Occupied(mut entry) => {
            let known = &mut entry.get_mut().storage.0;
            for (slot, value) in later.storage {
                known.entry(slot).or_insert(value);
            }
        }
    }
}

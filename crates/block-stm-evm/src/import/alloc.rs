//! Accounts in JSON, as geth's prestate tracer and genesis files write them.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::state::{AccountInfo, Bytecode};
use serde::Deserialize;

use super::{ImportError, files::Document, quantity::Quantity};
use crate::PreState;

/// Address to account.
pub(crate) type Alloc = HashMap<Address, JsonAccount>;

/// One account; what is missing is zero or empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an account object")]
pub(crate) struct JsonAccount {
    balance: Quantity<U256>,
    nonce: Quantity<u64>,
    code: Option<Bytes>,
    storage: HashMap<Quantity<U256>, Quantity<U256>>,
}

/// Adds the accounts of `alloc` to `state`.
pub(crate) fn insert(
    alloc: Alloc,
    document: Document<'_>,
    state: &mut PreState,
) -> Result<(), ImportError> {
    for (address, account) in alloc {
        let info =
            AccountInfo::default().with_balance(account.balance.0).with_nonce(account.nonce.0);
        let code = Bytecode::new_raw_checked(account.code.unwrap_or_default());
        let code =
            code.map_err(|error| document.wrong(&format!("{address}.code"), error.to_string()))?;
        state.insert_account(address, info.with_code(code));
        for (slot, value) in account.storage {
            state.insert_storage(address, slot.0, value.0);
        }
    }
    Ok(())
}

/// Adds the hashes of `blockhashes.json` to `state`.
pub(super) fn insert_block_hashes(
    document: Document<'_>,
    state: &mut PreState,
) -> Result<(), ImportError> {
    let hashes: BTreeMap<Quantity<u64>, B256> = document.parse()?;
    for (number, hash) in hashes {
        state.insert_block_hash(number.0, hash);
    }
    Ok(())
}

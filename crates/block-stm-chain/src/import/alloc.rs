//! Accounts in JSON, as geth's prestate tracer and genesis files write them.

use alloy_primitives::{Address, B256, Bytes, U256};
use block_stm_evm::PreState;
use revm::state::{AccountInfo, Bytecode};
use serde::Deserialize;

use super::{ImportError, files::Document, quantity::Quantity, unique::Unique};

/// Address to account, each account once.
pub type Alloc = Unique<Address, JsonAccount>;

/// One account; what is missing is zero or empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an account object")]
pub struct JsonAccount {
    /// Wei.
    pub balance: Quantity<U256>,
    /// Nonce.
    pub nonce: Quantity<u64>,
    /// Code, if any.
    pub code: Option<Bytes>,
    /// Slots, each once, those with the value zero as good as absent.
    pub storage: Unique<Quantity<U256>, Quantity<U256>>,
}

/// The accounts of `alloc` as a state.
///
/// # Errors
///
/// The address of an account whose code revm can't hold, and why.
pub fn pre_state(alloc: Alloc) -> Result<PreState, (Address, String)> {
    let mut state = PreState::new();
    for (address, account) in alloc {
        let info =
            AccountInfo::default().with_balance(account.balance.0).with_nonce(account.nonce.0);
        let code = Bytecode::new_raw_checked(account.code.unwrap_or_default());
        let code = code.map_err(|error| (address, error.to_string()))?;
        state.insert_account(address, info.with_code(code));
        for (slot, value) in account.storage {
            state.insert_storage(address, slot.0, value.0);
        }
    }
    Ok(state)
}

/// The accounts of `alloc`, a part of `document`, as a state.
pub(crate) fn read(alloc: Alloc, document: Document<'_>) -> Result<PreState, ImportError> {
    pre_state(alloc).map_err(|(address, error)| document.wrong(&format!("{address}.code"), error))
}

/// Adds the hashes of `blockhashes.json` to `state`.
pub(super) fn insert_block_hashes(
    document: Document<'_>,
    state: &mut PreState,
) -> Result<(), ImportError> {
    let hashes: Unique<Quantity<u64>, B256> = document.parse()?;
    for (number, hash) in hashes {
        state.insert_block_hash(number.0, hash);
    }
    Ok(())
}

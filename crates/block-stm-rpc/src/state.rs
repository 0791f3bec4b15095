//! A snapshot as the state that the EVM reads, and the questions about single accounts.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use alloy_serde::JsonStorageKey;
use block_stm_evm::{
    StateRef,
    revm::{
        DatabaseRef,
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_store::{Account, Snapshot};

use crate::{
    answer::{Answer, Args, answer},
    fault::Fault,
    node::{Node, StateError},
};

/// The state that a snapshot shows.
#[derive(Debug)]
pub(crate) struct State(pub(crate) Snapshot);

impl DatabaseRef for State {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let account = self.0.account(&address)?;
        Ok(account.map(|Account { nonce, balance, code_hash }| AccountInfo {
            nonce,
            balance,
            code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StateError> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        Ok(self.0.code(&hash)?.map(Bytecode::new_raw).unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.0.slot(&address, &slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.0.block(number)?.map(|block| block.hash).unwrap_or_default())
    }
}

impl StateRef for State {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, StateError> {
        Ok(Some(self.0.slots(address)?.next().transpose()?.is_some()))
    }
}

fn account_of(node: &Node, args: &mut Args<'_>) -> Result<(Snapshot, Account), Fault> {
    let address: Address = args.next("address")?;
    let block: Option<BlockId> = args.optional("block")?;
    args.end()?;
    let state = node.state_at(block)?;
    let nothing = Account { code_hash: KECCAK256_EMPTY, ..Account::default() };
    let account = state.account(&address)?.unwrap_or(nothing);
    Ok((state, account))
}

pub(crate) fn balance(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    answer(&account_of(node, args)?.1.balance, node.limits.answer_bytes)
}

pub(crate) fn nonce(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    answer(&U64::from(account_of(node, args)?.1.nonce), node.limits.answer_bytes)
}

pub(crate) fn code(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let (state, Account { code_hash, .. }) = account_of(node, args)?;
    let code = match code_hash == KECCAK256_EMPTY {
        true => Bytes::new(),
        false => {
            let missing = || crate::node::unreadable(state.number(), "its code is missing");
            state.code(&code_hash)?.ok_or_else(missing)?
        }
    };
    answer(&code, node.limits.answer_bytes)
}

pub(crate) fn slot(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let address: Address = args.next("address")?;
    let slot: JsonStorageKey = args.next("slot")?;
    let block: Option<BlockId> = args.optional("block")?;
    args.end()?;
    let value = node.state_at(block)?.slot(&address, &slot.as_b256().into())?;
    answer(&B256::from(value), node.limits.answer_bytes)
}

//! Questions about single accounts.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64};
use alloy_serde::JsonStorageKey;
use block_stm_store::{Account, Snapshot};

use crate::{
    answer::{Answer, Args, answer},
    fault::Fault,
    node::Node,
};

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

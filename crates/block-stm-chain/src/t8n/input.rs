//! The input of a transition, made from a block at hand.

use std::collections::BTreeMap;

use alloy_consensus::{
    EthereumTxEnvelope, EthereumTypedTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702,
    TxLegacy,
};
use alloy_eips::{eip4895::Withdrawal, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, U64, U256};
use block_stm_evm::{Block, PreState};
use rayon::prelude::*;
use revm::context::{TxEnv, either::Either};
use serde::Serialize;

use super::{
    result::{JsonAlloc, alloc},
    txns::sign_with,
};
use crate::import::SignedTxn;

/// The three files of a transition, to be written as JSON.
#[derive(Debug)]
pub struct T8nInput {
    alloc: JsonAlloc,
    env: InputEnv,
    txs: Vec<SignedTxn>,
}

/// An environment that leaves nothing to be computed from a parent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InputEnv {
    current_coinbase: Address,
    current_gas_limit: U64,
    current_number: U256,
    current_timestamp: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_difficulty: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_random: Option<B256>,
    current_base_fee: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_excess_blob_gas: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_beacon_block_root: Option<B256>,
    slot_number: U64,
    /// Number, in hexadecimal, to hash.
    block_hashes: BTreeMap<U64, B256>,
    withdrawals: Vec<Withdrawal>,
}

/// Why a block makes no input of a transition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum T8nInputError {
    /// A transaction can't be signed.
    #[error("txn {index}: the secret key of its sender {sender} is not known, or is no key")]
    Key {
        /// The transaction's place in the block.
        index: usize,
        /// Who sends it.
        sender: Address,
    },
    /// A transaction lacks a field of its type, or has an authorization of which the signature is
    /// gone.
    #[error("txn {index} can't be encoded: {reason}")]
    Txn {
        /// The transaction's place in the block.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

impl T8nInput {
    /// The input for `block` on the whole state `state`, signed with the keys of the senders.
    ///
    /// The result of the transition is that of executing the block, if it is made with the block's
    /// fork and chain id and without a block reward. Ommers are left out.
    ///
    /// # Errors
    ///
    /// A [`T8nInputError`], for the first transaction that can't be signed.
    ///
    /// # Cost
    ///
    /// Some 50 us per transaction, for the signature.
    pub fn new(
        block: &Block,
        state: &PreState,
        secret_keys: &BTreeMap<Address, B256>,
    ) -> Result<Self, T8nInputError> {
        Ok(Self {
            alloc: alloc(state),
            env: InputEnv::new(block, state),
            txs: sign_txns(&block.txns, secret_keys)?,
        })
    }

    /// The state before the block.
    pub fn alloc(&self) -> &impl Serialize {
        &self.alloc
    }

    /// What its header says.
    pub fn env(&self) -> &impl Serialize {
        &self.env
    }

    /// Its transactions, signed, as clients return them.
    pub fn txs(&self) -> &impl Serialize {
        &self.txs
    }
}

/// The transactions, signed with the keys of their senders, on all threads of rayon's current pool.
///
/// # Errors
///
/// A [`T8nInputError`], for the first transaction that can't be signed.
///
/// # Cost
///
/// Some 50 us of one thread per transaction.
pub fn sign_txns(
    txns: &[TxEnv],
    secret_keys: &BTreeMap<Address, B256>,
) -> Result<Vec<EthereumTxEnvelope<TxEip4844>>, T8nInputError> {
    let sign = |(index, txn): (usize, &TxEnv)| {
        let unsigned = unsigned(txn).map_err(|reason| T8nInputError::Txn { index, reason })?;
        let key = secret_keys.get(&txn.caller);
        let signed = key.and_then(|key| sign_with(unsigned, *key));
        signed.ok_or(T8nInputError::Key { index, sender: txn.caller })
    };
    txns.par_iter().enumerate().map(sign).collect::<Vec<_>>().into_iter().collect()
}

impl InputEnv {
    fn new(block: &Block, state: &PreState) -> Self {
        let env = &block.env;
        let blobs = env.blob_excess_gas_and_price;
        let hashes = state.block_hashes().iter();
        Self {
            current_coinbase: env.beneficiary,
            current_gas_limit: U64::from(env.gas_limit),
            current_number: env.number,
            current_timestamp: env.timestamp,
            current_difficulty: env.prevrandao.is_none().then_some(env.difficulty),
            current_random: env.prevrandao,
            current_base_fee: U64::from(env.basefee),
            current_excess_blob_gas: blobs.map(|blobs| U64::from(blobs.excess_blob_gas)),
            parent_beacon_block_root: block.parent_beacon_block_root,
            slot_number: U64::from(env.slot_num),
            block_hashes: hashes.map(|(number, hash)| (U64::from(*number), *hash)).collect(),
            withdrawals: block.withdrawals.clone(),
        }
    }
}

fn unsigned(txn: &TxEnv) -> Result<EthereumTypedTransaction<TxEip4844>, &'static str> {
    let TxEnv { nonce, gas_limit, gas_price, kind: to, value, .. } = *txn;
    let (input, access_list) = (txn.data.clone(), txn.access_list.clone());
    let chain = || txn.chain_id.ok_or("a typed transaction names its chain");
    let tip = || txn.gas_priority_fee.ok_or("it has no priority fee");
    let callee = || to.to().copied().ok_or("it must name a receiver");
    Ok(match txn.tx_type {
        0 => TxLegacy { chain_id: txn.chain_id, nonce, gas_price, gas_limit, to, value, input }
            .into(),
        1 => TxEip2930 {
            chain_id: chain()?,
            nonce,
            gas_price,
            gas_limit,
            to,
            value,
            access_list,
            input,
        }
        .into(),
        2 => TxEip1559 {
            chain_id: chain()?,
            nonce,
            gas_limit,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: tip()?,
            to,
            value,
            access_list,
            input,
        }
        .into(),
        3 => TxEip4844 {
            chain_id: chain()?,
            nonce,
            gas_limit,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: tip()?,
            to: callee()?,
            value,
            access_list,
            blob_versioned_hashes: txn.blob_hashes.clone(),
            max_fee_per_blob_gas: txn.max_fee_per_blob_gas,
            input,
        }
        .into(),
        4 => TxEip7702 {
            chain_id: chain()?,
            nonce,
            gas_limit,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: tip()?,
            to: callee()?,
            value,
            access_list,
            authorization_list: authorizations(txn)?,
            input,
        }
        .into(),
        _ => return Err("its type is unknown"),
    })
}

fn authorizations(txn: &TxEnv) -> Result<Vec<SignedAuthorization>, &'static str> {
    let signed = txn.authorization_list.iter().map(|authorization| match authorization {
        Either::Left(signed) => Ok(signed.clone()),
        Either::Right(_) => Err("of an authorization only the signer is known"),
    });
    signed.collect()
}

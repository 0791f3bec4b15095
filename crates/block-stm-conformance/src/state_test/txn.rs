//! One variant of a test's transaction, as revm executes it.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{B256, TxKind};
use block_stm_chain::import::authorization;
use block_stm_evm::revm::context::TxEnv;

use super::format::{Indexes, JsonAccessListItem, JsonAuthorization, JsonTxn};
use crate::Rejection;

/// A list of the transaction is shorter than an index into it.
#[derive(Debug)]
pub(super) struct NoVariant(pub(super) &'static str);

/// A transaction, or why it can't be encoded, so that it can't be in any block.
pub(super) type Encodable = Result<TxEnv, Rejection>;

impl JsonTxn {
    /// The variant at `indexes`, on the chain `chain_id`.
    pub(super) fn variant(&self, indexes: Indexes, chain_id: u64) -> Result<Encodable, NoVariant> {
        let data = self.data.get(indexes.data).ok_or(NoVariant("data"))?;
        let gas_limit = self.gas_limit.get(indexes.gas).ok_or(NoVariant("gas"))?;
        let value = self.value.get(indexes.value).ok_or(NoVariant("value"))?;
        let access_list = self.access_lists.get(indexes.data).and_then(Option::as_ref);
        let tx_type = self.tx_type(access_list.is_some());
        let encode = || {
            let dynamic = self.max_fee_per_gas.is_some();
            let priority_fee = self.max_priority_fee_per_gas.unwrap_or_default().fit()?;
            let fee = self.max_fee_per_gas.or(self.gas_price).unwrap_or_default();
            let authorizations = self.authorization_list.iter().flatten();
            let authorizations =
                authorizations.map(|one| signed(one).map(|one| authorization(&one)));
            Ok(TxEnv {
                tx_type,
                caller: self.sender,
                gas_limit: gas_limit.fit()?,
                gas_price: fee.fit()?,
                kind: self.to.map_or(TxKind::Create, TxKind::Call),
                value: value.fit()?,
                data: data.clone(),
                nonce: self.nonce.fit()?,
                chain_id: (tx_type > 0).then_some(chain_id),
                access_list: AccessList(access_list.into_iter().flatten().map(item).collect()),
                gas_priority_fee: dynamic.then_some(priority_fee),
                blob_hashes: self.blob_versioned_hashes.clone().unwrap_or_default(),
                max_fee_per_blob_gas: self.max_fee_per_blob_gas.unwrap_or_default().fit()?,
                authorization_list: authorizations.collect::<Result<_, _>>()?,
            })
        };
        Ok(encode())
    }

    /// The EIP-2718 type that the fields make.
    fn tx_type(&self, has_access_list: bool) -> u8 {
        if self.authorization_list.is_some() {
            4
        } else if self.blob_versioned_hashes.is_some() || self.max_fee_per_blob_gas.is_some() {
            3
        } else if self.max_fee_per_gas.is_some() {
            2
        } else {
            u8::from(has_access_list)
        }
    }
}

fn item(item: &JsonAccessListItem) -> AccessListItem {
    let keys = item.storage_keys.iter();
    AccessListItem {
        address: item.address,
        storage_keys: keys.map(|key| B256::from(key.0)).collect(),
    }
}

fn signed(json: &JsonAuthorization) -> Result<SignedAuthorization, Rejection> {
    let encode = || {
        let (chain_id, nonce) = (json.chain_id.fit()?, json.nonce.fit()?);
        let inner = Authorization { chain_id, address: json.address, nonce };
        let parity = json.parity().unwrap_or_default().fit()?;
        Ok(SignedAuthorization::new_unchecked(inner, parity, json.r.fit()?, json.s.fit()?))
    };
    encode().map_err(|_: Rejection| Rejection::AuthorizationFormat)
}

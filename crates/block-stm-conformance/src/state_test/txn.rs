//! One variant of a test's transaction, as revm executes it.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{B256, TxKind};
use block_stm_evm::{import::authorization, revm::context::TxEnv};

use super::format::{Indexes, JsonAccessListItem, JsonAuthorization, JsonTxn};

/// The EIP-155 id of the chain that all state tests are on.
pub(super) const CHAIN_ID: u64 = 1;

/// A list of the transaction is shorter than an index into it.
#[derive(Debug)]
pub(super) struct NoVariant(pub(super) &'static str);

impl JsonTxn {
    /// The variant at `indexes`.
    pub(super) fn variant(&self, indexes: Indexes) -> Result<TxEnv, NoVariant> {
        let data = self.data.get(indexes.data).ok_or(NoVariant("data"))?;
        let gas_limit = self.gas_limit.get(indexes.gas).ok_or(NoVariant("gas"))?;
        let value = self.value.get(indexes.value).ok_or(NoVariant("value"))?;
        let access_list = self.access_lists.get(indexes.data).and_then(Option::as_ref);
        let tx_type = self.tx_type(access_list.is_some());
        let dynamic = self.max_fee_per_gas.is_some();
        let priority_fee = self.max_priority_fee_per_gas.unwrap_or_default().0;
        let fee = self.max_fee_per_gas.or(self.gas_price).unwrap_or_default();
        let authorizations = self.authorization_list.iter().flatten();
        Ok(TxEnv {
            tx_type,
            caller: self.sender,
            gas_limit: gas_limit.0,
            gas_price: fee.0,
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: value.0,
            data: data.clone(),
            nonce: self.nonce.0,
            chain_id: (tx_type > 0).then_some(CHAIN_ID),
            access_list: AccessList(access_list.into_iter().flatten().map(item).collect()),
            gas_priority_fee: dynamic.then_some(priority_fee),
            blob_hashes: self.blob_versioned_hashes.clone().unwrap_or_default(),
            max_fee_per_blob_gas: self.max_fee_per_blob_gas.unwrap_or_default().0,
            authorization_list: authorizations.map(|one| authorization(&signed(one))).collect(),
        })
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

fn signed(json: &JsonAuthorization) -> SignedAuthorization {
    let inner =
        Authorization { chain_id: json.chain_id.0, address: json.address, nonce: json.nonce.0 };
    // A parity beyond 8 bits is as wrong as any beyond 1.
    let parity = u8::try_from(json.y_parity.0).unwrap_or(u8::MAX);
    SignedAuthorization::new_unchecked(inner, parity, json.r.0, json.s.0)
}

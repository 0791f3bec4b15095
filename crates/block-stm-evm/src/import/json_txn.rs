//! A signed transaction in JSON, as clients return it.

use alloy_consensus::{
    EthereumTxEnvelope, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use serde::Deserialize;

use super::{ImportError, SignedTxn, files::Document, quantity::Quantity};

/// All fields that any type of transaction has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a full transaction object")]
pub(super) struct JsonTxn {
    hash: Option<B256>,
    from: Option<Address>,
    #[serde(rename = "type", default)]
    txn_type: Quantity<u8>,
    chain_id: Option<Quantity<u64>>,
    nonce: Quantity<u64>,
    gas: Quantity<u64>,
    gas_price: Option<Quantity<u128>>,
    max_fee_per_gas: Option<Quantity<u128>>,
    max_priority_fee_per_gas: Option<Quantity<u128>>,
    max_fee_per_blob_gas: Option<Quantity<u128>>,
    to: Option<Address>,
    value: Quantity<U256>,
    input: Bytes,
    #[serde(default)]
    access_list: Option<AccessList>,
    blob_versioned_hashes: Option<Vec<B256>>,
    authorization_list: Option<Vec<SignedAuthorization>>,
    r: Quantity<U256>,
    s: Quantity<U256>,
    v: Option<Quantity<u64>>,
    y_parity: Option<Quantity<u64>>,
}

/// What a transaction claims about itself, to be checked against its content.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) hash: Option<B256>,
    pub(super) sender: Option<Address>,
}

impl JsonTxn {
    /// The transaction as it is encoded, and its claims.
    pub(super) fn into_signed(
        self,
        document: Document<'_>,
        index: usize,
    ) -> Result<(SignedTxn, Claims), ImportError> {
        let claims = Claims { hash: self.hash, sender: self.from };
        let field = |name: &str| format!("transactions[{index}].{name}");
        self.into_txn()
            .map_err(|(name, message)| document.wrong(&field(name), message))
            .map(|txn| (txn, claims))
    }

    fn into_txn(self) -> Result<SignedTxn, (&'static str, &'static str)> {
        Ok(match self.txn_type.0 {
            0 => {
                let (parity, chain_id) = self.legacy_v()?;
                let txn = TxLegacy {
                    chain_id,
                    nonce: self.nonce.0,
                    gas_price: required("gasPrice", self.gas_price)?.0,
                    gas_limit: self.gas.0,
                    to: self.kind(),
                    value: self.value.0,
                    input: self.input.clone(),
                };
                self.signed(txn, parity)
            }
            1 => {
                let txn = TxEip2930 {
                    chain_id: required("chainId", self.chain_id)?.0,
                    nonce: self.nonce.0,
                    gas_price: required("gasPrice", self.gas_price)?.0,
                    gas_limit: self.gas.0,
                    to: self.kind(),
                    value: self.value.0,
                    access_list: self.access_list.clone().unwrap_or_default(),
                    input: self.input.clone(),
                };
                self.signed(txn, self.parity()?)
            }
            2 => {
                let txn = TxEip1559 {
                    chain_id: required("chainId", self.chain_id)?.0,
                    nonce: self.nonce.0,
                    gas_limit: self.gas.0,
                    max_fee_per_gas: required("maxFeePerGas", self.max_fee_per_gas)?.0,
                    max_priority_fee_per_gas: self.priority_fee()?,
                    to: self.kind(),
                    value: self.value.0,
                    access_list: self.access_list.clone().unwrap_or_default(),
                    input: self.input.clone(),
                };
                self.signed(txn, self.parity()?)
            }
            3 => {
                let blob_versioned_hashes = self.blob_versioned_hashes.clone();
                let txn = TxEip4844 {
                    chain_id: required("chainId", self.chain_id)?.0,
                    nonce: self.nonce.0,
                    gas_limit: self.gas.0,
                    max_fee_per_gas: required("maxFeePerGas", self.max_fee_per_gas)?.0,
                    max_priority_fee_per_gas: self.priority_fee()?,
                    to: required("to", self.to)?,
                    value: self.value.0,
                    access_list: self.access_list.clone().unwrap_or_default(),
                    blob_versioned_hashes: required("blobVersionedHashes", blob_versioned_hashes)?,
                    max_fee_per_blob_gas: required("maxFeePerBlobGas", self.max_fee_per_blob_gas)?
                        .0,
                    input: self.input.clone(),
                };
                self.signed(txn, self.parity()?)
            }
            4 => {
                let authorization_list = self.authorization_list.clone();
                let txn = TxEip7702 {
                    chain_id: required("chainId", self.chain_id)?.0,
                    nonce: self.nonce.0,
                    gas_limit: self.gas.0,
                    max_fee_per_gas: required("maxFeePerGas", self.max_fee_per_gas)?.0,
                    max_priority_fee_per_gas: self.priority_fee()?,
                    to: required("to", self.to)?,
                    value: self.value.0,
                    access_list: self.access_list.clone().unwrap_or_default(),
                    authorization_list: required("authorizationList", authorization_list)?,
                    input: self.input.clone(),
                };
                self.signed(txn, self.parity()?)
            }
            _ => return Err(("type", "the transaction type is unknown; 0 to 4 are known")),
        })
    }

    fn signed<T: RlpEcdsaEncodableTx>(&self, txn: T, parity: bool) -> SignedTxn
    where
        EthereumTxEnvelope<TxEip4844>: From<Signed<T>>,
    {
        let signature = Signature::new(self.r.0, self.s.0, parity);
        Signed::new_unhashed(txn, signature).into()
    }

    fn kind(&self) -> TxKind {
        self.to.map_or(TxKind::Create, TxKind::Call)
    }

    fn priority_fee(&self) -> Result<u128, (&'static str, &'static str)> {
        let name = "maxPriorityFeePerGas";
        Ok(required(name, self.max_priority_fee_per_gas)?.0)
    }

    /// Parity of a typed transaction's signature.
    fn parity(&self) -> Result<bool, (&'static str, &'static str)> {
        let parity = self.y_parity.or(self.v);
        match required("yParity", parity)?.0 {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(("yParity", "the parity of a signature is 0 or 1")),
        }
    }

    /// Parity and chain id that a legacy transaction's `v` stands for (EIP-155).
    fn legacy_v(&self) -> Result<(bool, Option<u64>), (&'static str, &'static str)> {
        let (parity, chain_id) = match required("v", self.v)?.0 {
            v @ (27 | 28) => (v == 28, None),
            v if v >= 35 => ((v - 35) % 2 == 1, Some((v - 35) / 2)),
            _ => return Err(("v", "a legacy transaction's v is 27, 28, or 35 and more")),
        };
        match (chain_id, self.chain_id) {
            (Some(signed), Some(given)) if signed != given.0 => {
                Err(("chainId", "v is for another chain"))
            }
            _ => Ok((parity, chain_id)),
        }
    }
}

fn required<T>(name: &'static str, value: Option<T>) -> Result<T, (&'static str, &'static str)> {
    value.ok_or((name, "missing"))
}

//! A signed transaction in JSON, as clients return it.

use alloy_consensus::{
    EthereumTypedTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
};
use alloy_eips::{
    eip2930::AccessList,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use serde::Deserialize;

use super::{ImportError, SignedTxn, files::Document, quantity::Quantity};

/// A field by its JSON name, and what is wrong with it.
pub(crate) type Wrong = (&'static str, &'static str);

const UNKNOWN_TYPE: Wrong = ("type", "the transaction type is unknown; 0 to 4 are known");

/// All fields that any type of transaction has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a full transaction object")]
pub(crate) struct JsonTxn {
    hash: Option<B256>,
    from: Option<Address>,
    #[serde(rename = "type", default)]
    txn_type: Quantity<u8>,
    chain_id: Option<Quantity<u64>>,
    nonce: Quantity<u64>,
    gas: Option<Quantity<u64>>,
    gas_limit: Option<Quantity<u64>>,
    gas_price: Option<Quantity<u128>>,
    max_fee_per_gas: Option<Quantity<u128>>,
    max_priority_fee_per_gas: Option<Quantity<u128>>,
    max_fee_per_blob_gas: Option<Quantity<u128>>,
    to: Option<Address>,
    value: Quantity<U256>,
    input: Option<Bytes>,
    data: Option<Bytes>,
    #[serde(default)]
    access_list: Option<AccessList>,
    blob_versioned_hashes: Option<Vec<B256>>,
    authorization_list: Option<Vec<JsonAuthorization>>,
    r: Option<Quantity<U256>>,
    s: Option<Quantity<U256>>,
    v: Option<Quantity<u64>>,
    y_parity: Option<Quantity<u64>>,
}

/// A signed EIP-7702 authorization; the parity of its signature has either name, or both.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an authorization object")]
struct JsonAuthorization {
    chain_id: Quantity<U256>,
    address: Address,
    nonce: Quantity<u64>,
    y_parity: Option<Quantity<u8>>,
    v: Option<Quantity<u8>>,
    r: Quantity<U256>,
    s: Quantity<U256>,
}

/// What a transaction claims about itself, to be checked against its content.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(super) hash: Option<B256>,
    pub(super) sender: Option<Address>,
}

impl JsonTxn {
    /// The transaction as it is encoded, and its claims.
    pub(super) fn into_signed(
        mut self,
        document: Document<'_>,
        index: usize,
        chain_id: u64,
    ) -> Result<(SignedTxn, Claims), ImportError> {
        let claims = Claims { hash: self.hash, sender: self.from };
        let field = |name: &str| format!("transactions[{index}].{name}");
        // Some nodes leave the chain out, or say 0; the hash shows whether it is the block's.
        self.chain_id = self.chain_id.filter(|id| id.0 != 0);
        if self.txn_type.0 != 0 {
            self.chain_id = self.chain_id.or(Some(Quantity(chain_id)));
        }
        self.into_txn()
            .map_err(|(name, message)| document.wrong(&field(name), message))
            .map(|txn| (txn, claims))
    }

    fn into_txn(self) -> Result<SignedTxn, Wrong> {
        let (signature, chain_id) = self.signature()?;
        Ok(self.unsigned(chain_id)?.into_envelope(signature))
    }

    /// Whether there is no signature, or one of zeroes.
    #[cfg(feature = "t8n")]
    pub(crate) fn is_unsigned(&self) -> bool {
        let zero = |number: Option<Quantity<U256>>| number.is_none_or(|number| number.0.is_zero());
        zero(self.r) && zero(self.s) && self.v.is_none_or(|v| v.0 == 0)
    }

    /// Why a transaction that names no receiver can't be built, if its type must name one.
    #[cfg(feature = "t8n")]
    pub(crate) fn creates_in_vain(&self) -> Option<&'static str> {
        match (self.txn_type.0, self.to) {
            (3, None) => Some("blob transaction of type create"),
            (4, None) => Some("EIP-7702 transaction cannot be used to create contract"),
            _ => None,
        }
    }

    /// The signature and, if the transaction is a legacy one, the chain that its signature is for.
    pub(crate) fn signature(&self) -> Result<(Signature, Option<u64>), Wrong> {
        let (parity, chain_id) = match self.txn_type.0 {
            0 => self.legacy_v()?,
            1..=4 => (self.parity()?, None),
            _ => return Err(UNKNOWN_TYPE),
        };
        let (r, s) = (required("r", self.r)?, required("s", self.s)?);
        Ok((Signature::new(r.0, s.0, parity), chain_id))
    }

    /// The transaction without its signature; a legacy one for the chain `legacy_chain_id`.
    pub(crate) fn unsigned(
        &self,
        legacy_chain_id: Option<u64>,
    ) -> Result<EthereumTypedTransaction<TxEip4844>, Wrong> {
        Ok(match self.txn_type.0 {
            0 => TxLegacy {
                chain_id: legacy_chain_id,
                nonce: self.nonce.0,
                gas_price: required("gasPrice", self.gas_price)?.0,
                gas_limit: self.gas()?,
                to: self.kind(),
                value: self.value.0,
                input: self.input()?,
            }
            .into(),
            1 => TxEip2930 {
                chain_id: required("chainId", self.chain_id)?.0,
                nonce: self.nonce.0,
                gas_price: required("gasPrice", self.gas_price)?.0,
                gas_limit: self.gas()?,
                to: self.kind(),
                value: self.value.0,
                access_list: self.access_list.clone().unwrap_or_default(),
                input: self.input()?,
            }
            .into(),
            2 => TxEip1559 {
                chain_id: required("chainId", self.chain_id)?.0,
                nonce: self.nonce.0,
                gas_limit: self.gas()?,
                max_fee_per_gas: required("maxFeePerGas", self.max_fee_per_gas)?.0,
                max_priority_fee_per_gas: self.priority_fee()?,
                to: self.kind(),
                value: self.value.0,
                access_list: self.access_list.clone().unwrap_or_default(),
                input: self.input()?,
            }
            .into(),
            3 => TxEip4844 {
                chain_id: required("chainId", self.chain_id)?.0,
                nonce: self.nonce.0,
                gas_limit: self.gas()?,
                max_fee_per_gas: required("maxFeePerGas", self.max_fee_per_gas)?.0,
                max_priority_fee_per_gas: self.priority_fee()?,
                to: required("to", self.to)?,
                value: self.value.0,
                access_list: self.access_list.clone().unwrap_or_default(),
                blob_versioned_hashes: required(
                    "blobVersionedHashes",
                    self.blob_versioned_hashes.clone(),
                )?,
                max_fee_per_blob_gas: required("maxFeePerBlobGas", self.max_fee_per_blob_gas)?.0,
                input: self.input()?,
            }
            .into(),
            4 => TxEip7702 {
                chain_id: required("chainId", self.chain_id)?.0,
                nonce: self.nonce.0,
                gas_limit: self.gas()?,
                max_fee_per_gas: required("maxFeePerGas", self.max_fee_per_gas)?.0,
                max_priority_fee_per_gas: self.priority_fee()?,
                to: required("to", self.to)?,
                value: self.value.0,
                access_list: self.access_list.clone().unwrap_or_default(),
                authorization_list: self.authorizations()?,
                input: self.input()?,
            }
            .into(),
            _ => return Err(UNKNOWN_TYPE),
        })
    }

    fn authorizations(&self) -> Result<Vec<SignedAuthorization>, Wrong> {
        let list = required("authorizationList", self.authorization_list.as_ref())?;
        list.iter().map(JsonAuthorization::signed).collect()
    }

    fn kind(&self) -> TxKind {
        self.to.map_or(TxKind::Create, TxKind::Call)
    }

    fn priority_fee(&self) -> Result<u128, Wrong> {
        let name = "maxPriorityFeePerGas";
        Ok(required(name, self.max_priority_fee_per_gas)?.0)
    }

    /// Parity of a typed transaction's signature, under one of its names, or both.
    fn parity(&self) -> Result<bool, Wrong> {
        let v = self.v.map(|v| Quantity(parity_of_v(v.0)));
        match either("yParity", self.y_parity, v)?.0 {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(("yParity", "the parity of a signature is 0 or 1, and v that or 27 or 28")),
        }
    }

    fn gas(&self) -> Result<u64, Wrong> {
        Ok(either("gas", self.gas, self.gas_limit)?.0)
    }

    /// What is called with, or the code that creates a contract.
    fn input(&self) -> Result<Bytes, Wrong> {
        either("input", self.input.as_ref(), self.data.as_ref()).cloned()
    }

    /// Parity and chain id that a legacy transaction's `v` stands for (EIP-155).
    fn legacy_v(&self) -> Result<(bool, Option<u64>), Wrong> {
        let (parity, chain_id) = match required("v", self.v)?.0 {
            v @ (27 | 28) => (v == 28, None),
            v if v >= 35 => ((v - 35) % 2 == 1, Some((v - 35) / 2)),
            _ => return Err(("v", "a legacy transaction's v is 27, 28, or 35 and more")),
        };
        match (chain_id, self.chain_id) {
            (Some(signed), Some(given)) if signed != given.0 && given.0 != 0 => {
                Err(("chainId", "v is for another chain"))
            }
            _ => Ok((parity, chain_id)),
        }
    }
}

impl JsonAuthorization {
    fn signed(&self) -> Result<SignedAuthorization, Wrong> {
        // A parity beyond 1 is possible, and wrong.
        let v = self.v.map(|v| match self.y_parity {
            Some(parity) if parity == v => v,
            _ => Quantity(parity_of_v(v.0)),
        });
        let parity = either("authorizationList[].yParity", self.y_parity, v)?.0;
        let inner =
            Authorization { chain_id: self.chain_id.0, address: self.address, nonce: self.nonce.0 };
        Ok(SignedAuthorization::new_unchecked(inner, parity, self.r.0, self.s.0))
    }
}

/// What `v` says of the parity of a signature: it may be written as before Spurious Dragon.
fn parity_of_v<T: From<u8> + PartialEq>(v: T) -> T {
    match v {
        v if v == T::from(27) => T::from(0),
        v if v == T::from(28) => T::from(1),
        v => v,
    }
}

/// The value of a field that has two names, of which `name` is one.
fn either<T: PartialEq>(name: &'static str, one: Option<T>, other: Option<T>) -> Result<T, Wrong> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            Err((name, "it is there under two names, with different values"))
        }
        (one, other) => required(name, one.or(other)),
    }
}

fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Wrong> {
    value.ok_or((name, "missing"))
}

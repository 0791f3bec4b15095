//! Signed orders, as the settlement contract checks them (EIP-712).
//!
//! A trader's key is not its account's: the contract knows the address that signs for it. So
//! addresses stay cheap for workloads that sign nothing. Signatures are deterministic (RFC 6979).

use std::fmt;

use alloy_primitives::{Address, B256, U256, keccak256};
use secp256k1::{Message, Secp256k1, SecretKey, SignOnly};

use crate::{
    abi::Word,
    senders::{address_of, secret_key},
    world::CHAIN_ID,
};

const DOMAIN: &str = "EIP712Domain(string name,uint256 chainId,address verifyingContract)";
const ORDER: &str = "Order(address trader,address sellToken,address buyToken,\
    uint256 sellAmount,uint256 buyAmount,uint256 nonce,uint256 expiry)";

/// An order, field by field as in `Settlement.sol`.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) trader: Address,
    pub(crate) sell_token: Address,
    pub(crate) buy_token: Address,
    pub(crate) sell_amount: U256,
    pub(crate) buy_amount: U256,
    pub(crate) nonce: u64,
    pub(crate) expiry: u64,
}

/// A signature of an order, as in `Settlement.sol`.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    v: u64,
    r: B256,
    s: B256,
}

/// A signing key and the address that a check of its signatures gives.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    secret: SecretKey,
    pub(crate) address: Address,
}

/// Signs orders for one settlement contract.
pub(crate) struct Signer {
    secp: Secp256k1<SignOnly>,
    domain: B256,
    order_type: B256,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl Order {
    pub(crate) fn words(&self) -> [&dyn Word; 7] {
        [
            &self.trader,
            &self.sell_token,
            &self.buy_token,
            &self.sell_amount,
            &self.buy_amount,
            &self.nonce,
            &self.expiry,
        ]
    }
}

impl Signature {
    pub(crate) fn words(&self) -> [&dyn Word; 3] {
        [&self.v, &self.r, &self.s]
    }
}

impl Signer {
    pub(crate) fn new(exchange: Address) -> Self {
        let domain =
            [&keccak256(DOMAIN) as &dyn Word, &keccak256("Settlement"), &CHAIN_ID, &exchange];
        Self {
            secp: Secp256k1::signing_only(),
            domain: hash(&domain),
            order_type: keccak256(ORDER),
        }
    }

    /// The key with number `index`.
    pub(crate) fn key(&self, index: u64) -> Key {
        let secret = secret_key("key", index);
        let address = address_of(&self.secp, &secret);
        Key { secret, address }
    }

    /// Signs `order`.
    pub(crate) fn sign(&self, key: &Key, order: &Order) -> Signature {
        let message = Message::from_digest(self.order_hash(order).0);
        let signed = self.secp.sign_ecdsa_recoverable(message, &key.secret);
        let (recovery, bytes) = signed.serialize_compact();
        Signature {
            v: 27 + i32::from(recovery) as u64,
            r: B256::from_slice(&bytes[..32]),
            s: B256::from_slice(&bytes[32..]),
        }
    }

    fn order_hash(&self, order: &Order) -> B256 {
        let mut words: Vec<&dyn Word> = vec![&self.order_type];
        words.extend(order.words());
        let mut preimage = b"\x19\x01".to_vec();
        preimage.extend(self.domain);
        preimage.extend(hash(&words));
        keccak256(preimage)
    }
}

fn hash(words: &[&dyn Word]) -> B256 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.word()).collect();
    keccak256(bytes)
}

//! Whose addresses send transactions: names, which cost nothing, or keys, with which a transaction
//! can be signed.

use std::{collections::BTreeMap, fmt};

use alloy_primitives::{Address, B256, keccak256};
use secp256k1::{Secp256k1, SecretKey, SignOnly, Signing};

use crate::world::{digest, named};

/// Secret keys by the address that they sign for.
pub(crate) type SecretKeys = BTreeMap<Address, B256>;

/// Where the addresses of senders come from.
pub(crate) enum Senders {
    /// Hashes of names. No key signs for them, and making one takes half a microsecond.
    Named,
    /// Keys made from such hashes, and the keys so far. Making one takes some tens of microseconds.
    Keyed(Secp256k1<SignOnly>, SecretKeys),
}

impl Senders {
    /// Senders with keys, none yet.
    pub(crate) fn keyed() -> Self {
        Self::Keyed(Secp256k1::signing_only(), SecretKeys::new())
    }

    /// The address of the `index`-th sender called `name`.
    pub(crate) fn address(&mut self, name: &str, index: u64) -> Address {
        match self {
            Self::Named => named(name, index),
            Self::Keyed(secp, keys) => {
                let secret = secret_key(name, index);
                let address = address_of(secp, &secret);
                keys.insert(address, secret.secret_bytes().into());
                address
            }
        }
    }

    /// The keys of all senders; none where these are but names.
    pub(crate) fn into_keys(self) -> SecretKeys {
        match self {
            Self::Named => SecretKeys::new(),
            Self::Keyed(_, keys) => keys,
        }
    }
}

impl fmt::Debug for Senders {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named => "Named",
            Self::Keyed(..) => "Keyed",
        })
    }
}

/// The key of the `index`-th thing called `name`.
pub(crate) fn secret_key(name: &str, index: u64) -> SecretKey {
    // All but one in 2^128 hashes are keys; such a one is hashed again.
    let mut bytes = digest(name, index);
    loop {
        match SecretKey::from_byte_array(bytes.0) {
            Ok(secret) => return secret,
            Err(_) => bytes = keccak256(bytes),
        }
    }
}

/// The address that a check of the key's signatures gives.
pub(crate) fn address_of(secp: &Secp256k1<impl Signing>, secret: &SecretKey) -> Address {
    let public = secret.public_key(secp).serialize_uncompressed();
    Address::from_word(keccak256(&public[1..]))
}

//! What the transactions of a block read and write.

use std::fmt;
use std::hash::{Hash, Hasher};

use alloy_primitives::{Address, U256};

/// A part of the state that transactions read and write as one.
///
/// An account's balance, nonce, code hash and existence are one location, because revm loads them
/// together; that two transactions touch different fields, or the same field in ways that commute,
/// is expressed by predicates and deltas. Every storage slot is a location of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The fields of an account.
    Account(Address),
    /// A storage slot.
    Slot {
        /// The account.
        address: Address,
        /// How often the account's storage had been wiped, by destruction or creation of the
        /// account, when the slot was accessed.
        wipes: u32,
        /// The slot's key.
        key: U256,
    },
}

impl Location {
    /// The account that the location is, or is part of.
    #[must_use]
    pub const fn address(&self) -> &Address {
        match self {
            Self::Account(address) | Self::Slot { address, .. } => address,
        }
    }
}

impl Hash for Location {
    /// Feeds whole words: hashing a location is on the path of every access.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (head, tail) = self.address().split_at(16);
        let mut words = [0; 16];
        words.copy_from_slice(head);
        let mut rest = [0; 4];
        rest.copy_from_slice(tail);
        state.write_u128(u128::from_le_bytes(words));
        let rest = u64::from(u32::from_le_bytes(rest));
        match self {
            Self::Account(_) => state.write_u64(rest | 1 << 63),
            Self::Slot { wipes, key, .. } => {
                state.write_u64(rest | u64::from(wipes & (u32::MAX >> 1)) << 32);
                let limbs = key.as_limbs();
                state.write_u64(limbs[0]);
                state.write_u64(limbs[1]);
                state.write_u64(limbs[2]);
                state.write_u64(limbs[3]);
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(address) => write!(f, "account {address}"),
            Self::Slot { address, key, .. } => write!(f, "slot {key:#x} of {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use foldhash::fast::FixedState;

    use super::*;

    fn hash(location: Location) -> u64 {
        FixedState::with_seed(1).hash_one(location)
    }

    #[test]
    fn every_part_of_a_location_counts() {
        let address = Address::repeat_byte(1);
        let slot = |wipes, key| Location::Slot { address, wipes, key: U256::from(key) };
        let mut last = address;
        last.0[19] ^= 1;
        let all = [
            Location::Account(address),
            Location::Account(last),
            slot(0, 0),
            slot(1, 0),
            slot(0, 1),
        ];
        for (place, one) in all.into_iter().enumerate() {
            assert!(all[..place].iter().all(|&other| hash(other) != hash(one)));
        }
        assert_eq!(
            slot(0, 255).to_string(),
            "slot 0xff of 0x0101010101010101010101010101010101010101"
        );
    }
}

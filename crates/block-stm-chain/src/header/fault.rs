//! Why a header may not follow its parent.

use alloy_primitives::U256;

/// Which rule a header breaks, relative to its parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The number is not the parent's and one.
    #[error("the number is {number}, the parent's is {parent}")]
    Number {
        /// The header's.
        number: u64,
        /// The parent's.
        parent: u64,
    },
    /// The timestamp is not later than the parent's.
    #[error("the timestamp {timestamp} is not after the parent's, {parent}")]
    Timestamp {
        /// The header's.
        timestamp: u64,
        /// The parent's.
        parent: u64,
    },
    /// The gas limit is below 5000 or above 2^63 - 1.
    #[error("the gas limit {0} is not within 5000 to 2^63 - 1")]
    GasLimitRange(u64),
    /// The gas limit changes by 1/1024 of the parent's or more (which counts twice at London's
    /// start).
    #[error("the gas limit {limit} is too far from the parent's, {parent}")]
    GasLimitStep {
        /// The header's.
        limit: u64,
        /// The parent's.
        parent: u64,
    },
    /// More gas is used than the limit.
    #[error("the gas used {used} exceeds the limit {limit}")]
    GasUsed {
        /// The header's gas used.
        used: u64,
        /// The header's gas limit.
        limit: u64,
    },
    /// The extra data is longer than 32 bytes.
    #[error("the extra data has {0} bytes, which is more than 32")]
    ExtraData(usize),
    /// The ten blocks from the DAO fork on must say so (EIP-779).
    #[error("the extra data is not that of the DAO fork")]
    DaoExtraData,
    /// The difficulty is not what the formula gives.
    #[error("the difficulty is {difficulty}, not {expected}")]
    Difficulty {
        /// The header's.
        difficulty: U256,
        /// The formula's.
        expected: U256,
    },
    /// The difficulty would have to exceed 256 bits.
    #[error("the difficulty would have to exceed 256 bits")]
    DifficultyTooLarge,
    /// The difficulty is not zero, but the Merge is over (EIP-3675).
    #[error("the difficulty is {0}, which must be zero after the Merge")]
    WorkAfterMerge(U256),
    /// The nonce is not zero, but the Merge is over (EIP-3675).
    #[error("the nonce must be zero after the Merge")]
    NonceAfterMerge,
    /// There are ommers, but the Merge is over (EIP-3675).
    #[error("there must be no ommers after the Merge")]
    OmmersAfterMerge,
    /// The base fee is not what the formula gives (EIP-1559).
    #[error("the base fee is {fee}, not {expected}")]
    BaseFee {
        /// The header's.
        fee: u64,
        /// The formula's.
        expected: u64,
    },
    /// The excess blob gas is not what the formula gives (EIP-4844, EIP-7918).
    #[error("the excess blob gas is {excess}, not {expected}")]
    ExcessBlobGas {
        /// The header's.
        excess: u64,
        /// The formula's.
        expected: u64,
    },
    /// The blob gas used is above the limit, or not a whole number of blobs.
    #[error("the blob gas used is {used}, which is no number of blobs up to {max} gas")]
    BlobGasUsed {
        /// The header's.
        used: u64,
        /// The limit.
        max: u64,
    },
    /// A field is missing that the rules in force require.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field is there that the rules in force do not know.
    #[error("{0} is there too early")]
    Early(&'static str),
}

//! Which rule breaks a transaction, and what tests call it.

use std::fmt;

use block_stm_evm::{InvalidTxnReason, revm::context::result::InvalidTransaction};

/// The class of rule that a transaction breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The sender can't pay.
    Funds,
    /// Less gas than the transaction costs at least.
    IntrinsicGas,
    /// More gas than the block has left, or than a transaction may have.
    GasLimit,
    /// The nonce has been used.
    NonceTooLow,
    /// The nonce is ahead.
    NonceTooHigh,
    /// The nonce can't be raised (EIP-2681).
    NonceMax,
    /// The sender has code (EIP-3607).
    SenderNotEoa,
    /// The fee cap is below the base fee.
    FeeCap,
    /// The priority fee is above the fee cap.
    PriorityFee,
    /// The fork does not know the type.
    Type,
    /// More init code than is allowed (EIP-3860).
    InitCodeSize,
    /// A blob hash of an unknown version.
    BlobVersion,
    /// More blobs than are allowed.
    BlobCount,
    /// No blobs.
    NoBlobs,
    /// A blob transaction that creates a contract.
    BlobCreate,
    /// The blob fee cap is below the price of blob gas.
    BlobFeeCap,
    /// No authorizations (EIP-7702).
    NoAuthorizations,
    /// A set-code transaction that creates a contract.
    SetCodeCreate,
    /// It is for another chain.
    ChainId,
    /// Another rule.
    Other,
}

impl Rejection {
    /// The class of `reason`.
    pub fn of(reason: &InvalidTxnReason) -> Self {
        use InvalidTransaction as Vm;
        let reason = match reason {
            InvalidTxnReason::BlockGas { .. } => return Self::GasLimit,
            InvalidTxnReason::BlobGas { .. } => return Self::BlobCount,
            InvalidTxnReason::Vm(reason) => reason,
            _ => return Self::Other,
        };
        match reason {
            Vm::LackOfFundForMaxFee { .. } | Vm::OverflowPaymentInTransaction => Self::Funds,
            Vm::CallGasCostMoreThanGasLimit { .. } | Vm::GasFloorMoreThanGasLimit { .. } => {
                Self::IntrinsicGas
            }
            Vm::CallerGasLimitMoreThanBlock | Vm::TxGasLimitGreaterThanCap { .. } => Self::GasLimit,
            Vm::NonceTooLow { .. } => Self::NonceTooLow,
            Vm::NonceTooHigh { .. } => Self::NonceTooHigh,
            Vm::NonceOverflowInTransaction => Self::NonceMax,
            Vm::RejectCallerWithCode => Self::SenderNotEoa,
            Vm::GasPriceLessThanBasefee => Self::FeeCap,
            Vm::PriorityFeeGreaterThanMaxFee => Self::PriorityFee,
            Vm::Eip2930NotSupported
            | Vm::Eip1559NotSupported
            | Vm::Eip4844NotSupported
            | Vm::Eip7702NotSupported
            | Vm::AccessListNotSupported
            | Vm::BlobVersionedHashesNotSupported
            | Vm::MaxFeePerBlobGasNotSupported
            | Vm::AuthorizationListNotSupported => Self::Type,
            Vm::CreateInitCodeSizeLimit => Self::InitCodeSize,
            Vm::BlobVersionNotSupported => Self::BlobVersion,
            Vm::TooManyBlobs { .. } => Self::BlobCount,
            Vm::EmptyBlobs => Self::NoBlobs,
            Vm::BlobCreateTransaction => Self::BlobCreate,
            Vm::BlobGasPriceGreaterThanMax { .. } => Self::BlobFeeCap,
            Vm::EmptyAuthorizationList => Self::NoAuthorizations,
            Vm::InvalidChainId | Vm::MissingChainId => Self::ChainId,
            _ => Self::Other,
        }
    }
}

/// An exception that nobody has told us of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownException(pub String);

impl fmt::Display for UnknownException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the exception {:?} is unknown", self.0)
    }
}

impl std::error::Error for UnknownException {}

/// The classes that an exception of a test stands for; alternatives are separated by `|`.
///
/// Both spellings are known: that of the older tests (`TR_NoFunds`) and that of the specification's
/// (`TransactionException.INSUFFICIENT_ACCOUNT_FUNDS`).
///
/// # Errors
///
/// [`UnknownException`] if one of the alternatives is unknown.
pub fn expected_rejections(exception: &str) -> Result<Vec<Rejection>, UnknownException> {
    let mut rejections = Vec::new();
    for name in exception.split('|') {
        let name = name.trim();
        let short = name.strip_prefix("TransactionException.").unwrap_or(name);
        rejections.extend_from_slice(match short {
            "INSUFFICIENT_ACCOUNT_FUNDS" | "TR_NoFunds" => &[Rejection::Funds],
            "TR_NoFundsOrGas" => &[Rejection::Funds, Rejection::IntrinsicGas],
            "TR_FeeCapLessThanBlocksORNoFunds" => &[Rejection::FeeCap, Rejection::Funds],
            "SenderNotEOAorNoCASH" => &[Rejection::SenderNotEoa, Rejection::Funds],
            "SenderNotEOA" | "SENDER_NOT_EOA" => &[Rejection::SenderNotEoa],
            "TR_IntrinsicGas"
            | "IntrinsicGas"
            | "INTRINSIC_GAS_TOO_LOW"
            | "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST" => &[Rejection::IntrinsicGas],
            "TR_GasLimitReached" | "GAS_ALLOWANCE_EXCEEDED" | "GAS_LIMIT_EXCEEDS_MAXIMUM" => {
                &[Rejection::GasLimit]
            }
            "TR_NonceTooLow" | "NONCE_MISMATCH_TOO_LOW" => &[Rejection::NonceTooLow],
            "TR_NonceTooHigh" | "NONCE_MISMATCH_TOO_HIGH" => &[Rejection::NonceTooHigh],
            "TR_NonceHasMaxValue" | "NONCE_IS_MAX" => &[Rejection::NonceMax],
            "TR_FeeCapLessThanBlocks" | "INSUFFICIENT_MAX_FEE_PER_GAS" => &[Rejection::FeeCap],
            "TR_TipGtFeeCap" | "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS" => &[Rejection::PriorityFee],
            "TR_TypeNotSupported"
            | "TR_TypeNotSupportedBlob"
            | "TYPE_1_TX_PRE_FORK"
            | "TYPE_2_TX_PRE_FORK"
            | "TYPE_3_TX_PRE_FORK"
            | "TYPE_4_TX_PRE_FORK" => &[Rejection::Type],
            "TR_InitCodeLimitExceeded" | "INITCODE_SIZE_EXCEEDED" => &[Rejection::InitCodeSize],
            "TR_BLOBVERSION_INVALID" | "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH" => {
                &[Rejection::BlobVersion]
            }
            "TR_BLOBLIST_OVERSIZE"
            | "TYPE_3_TX_BLOB_COUNT_EXCEEDED"
            | "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED" => &[Rejection::BlobCount],
            "TR_EMPTYBLOB" | "TYPE_3_TX_ZERO_BLOBS" => &[Rejection::NoBlobs],
            "TR_BLOBCREATE" | "TYPE_3_TX_CONTRACT_CREATION" => &[Rejection::BlobCreate],
            "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS" => &[Rejection::BlobFeeCap],
            "TYPE_4_EMPTY_AUTHORIZATION_LIST" => &[Rejection::NoAuthorizations],
            "TYPE_4_TX_CONTRACT_CREATION" => &[Rejection::SetCodeCreate],
            "INVALID_CHAINID" => &[Rejection::ChainId],
            _ => return Err(UnknownException(name.to_owned())),
        });
    }
    Ok(rejections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_and_alternatives_are_known() {
        let funds = Ok(vec![Rejection::Funds]);
        assert_eq!(expected_rejections("TR_NoFunds"), funds);
        let name = "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS";
        assert_eq!(expected_rejections(name), funds);
        let either =
            "TransactionException.TYPE_3_TX_PRE_FORK|TransactionException.TYPE_3_TX_ZERO_BLOBS";
        let both = vec![Rejection::Type, Rejection::NoBlobs];
        assert_eq!(expected_rejections(either), Ok(both));
    }

    #[test]
    fn what_is_unknown_is_named() {
        let error = expected_rejections("TR_NoFunds|TR_Mood").expect_err("no such exception");
        assert_eq!(error.to_string(), "the exception \"TR_Mood\" is unknown");
    }

    #[test]
    fn a_reason_has_its_class_and_no_other() {
        let reason = InvalidTxnReason::Vm(InvalidTransaction::NonceTooLow { tx: 1, state: 2 });
        assert_eq!(Rejection::of(&reason), Rejection::NonceTooLow);
        let reason = InvalidTxnReason::BlockGas { gas_limit: 2, available: 1 };
        assert_eq!(Rejection::of(&reason), Rejection::GasLimit);
    }
}

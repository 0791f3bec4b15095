//! Which rule breaks a transaction, and what tests call it.

use block_stm_chain::import::{TxnError, json::TooLarge};
use block_stm_evm::{InvalidTxnReason, revm::context::result::InvalidTransaction};

/// The class of rule that a transaction breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The sender can't pay.
    Funds,
    /// What it may cost at most exceeds 256 bits, which no balance covers.
    PaymentOverflow,
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
    /// An authorization that can't be encoded.
    AuthorizationFormat,
    /// A set-code transaction that creates a contract.
    SetCodeCreate,
    /// It is for another chain.
    ChainId,
    /// The signature is wrong.
    Signature,
    /// A number is too large for its field.
    Overflow,
    /// It is no encoding of a transaction.
    Encoding,
    /// Another rule.
    Other,
}

impl From<TooLarge> for Rejection {
    fn from(_: TooLarge) -> Self {
        Self::Overflow
    }
}

impl Rejection {
    /// The class of `reason`.
    pub fn of(reason: &InvalidTxnReason) -> Self {
        use InvalidTransaction as Vm;
        let reason = match reason {
            InvalidTxnReason::BlockGas { .. } => return Self::GasLimit,
            InvalidTxnReason::BlobGas { .. } => return Self::BlobCount,
            InvalidTxnReason::SetCodeCreate => return Self::SetCodeCreate,
            InvalidTxnReason::Vm(reason) => reason,
            _ => return Self::Other,
        };
        match reason {
            Vm::LackOfFundForMaxFee { .. } => Self::Funds,
            Vm::OverflowPaymentInTransaction => Self::PaymentOverflow,
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

    /// The class of what is wrong with a transaction before it is executed.
    pub(crate) fn of_signed(error: &TxnError) -> Self {
        match error {
            TxnError::Signature | TxnError::HighS => Self::Signature,
            TxnError::ChainId { .. } | TxnError::EarlyChainId { .. } => Self::ChainId,
            _ => Self::Other,
        }
    }

    /// Whether no encoding has room for a transaction of this class.
    pub(crate) fn is_malformed(self) -> bool {
        matches!(
            self,
            Self::Encoding
                | Self::Overflow
                | Self::BlobCreate
                | Self::SetCodeCreate
                | Self::AuthorizationFormat
        )
    }

    /// The classes that tests call `name`, if it is known.
    ///
    /// Both spellings are known: that of the older tests (`TR_NoFunds`) and that of the official
    /// filler's (`TransactionException.INSUFFICIENT_ACCOUNT_FUNDS`).
    pub fn named(name: &str) -> Option<&'static [Self]> {
        let short = name.strip_prefix("TransactionException.").unwrap_or(name);
        Some(match short {
            // No balance covers what exceeds 256 bits.
            "INSUFFICIENT_ACCOUNT_FUNDS" | "TR_NoFunds" => &[Self::Funds, Self::PaymentOverflow],
            "TR_NoFundsOrGas" => &[Self::Funds, Self::PaymentOverflow, Self::IntrinsicGas],
            "TR_FeeCapLessThanBlocksORNoFunds" => {
                &[Self::FeeCap, Self::Funds, Self::PaymentOverflow]
            }
            "SenderNotEOAorNoCASH" => &[Self::SenderNotEoa, Self::Funds],
            "SenderNotEOA" | "SENDER_NOT_EOA" => &[Self::SenderNotEoa],
            "TR_IntrinsicGas"
            | "IntrinsicGas"
            | "INTRINSIC_GAS_TOO_LOW"
            | "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST" => &[Self::IntrinsicGas],
            "TR_GasLimitReached" | "GAS_ALLOWANCE_EXCEEDED" | "GAS_LIMIT_EXCEEDS_MAXIMUM" => {
                &[Self::GasLimit]
            }
            "TR_NonceTooLow" | "NONCE_MISMATCH_TOO_LOW" => &[Self::NonceTooLow],
            "TR_NonceTooHigh" | "NONCE_MISMATCH_TOO_HIGH" => &[Self::NonceTooHigh],
            "TR_NonceHasMaxValue" | "NONCE_IS_MAX" | "NONCE_TOO_BIG" => &[Self::NonceMax],
            "TR_FeeCapLessThanBlocks" | "INSUFFICIENT_MAX_FEE_PER_GAS" => &[Self::FeeCap],
            "TR_TipGtFeeCap"
            | "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"
            | "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2" => &[Self::PriorityFee],
            "TR_TypeNotSupported"
            | "TR_TypeNotSupportedBlob"
            | "TYPE_NOT_SUPPORTED"
            | "TYPE_1_TX_PRE_FORK"
            | "TYPE_2_TX_PRE_FORK"
            | "TYPE_3_TX_PRE_FORK"
            | "TYPE_4_TX_PRE_FORK" => &[Self::Type],
            "TYPE_3_TX_ZERO_BLOBS_PRE_FORK" => &[Self::Type, Self::NoBlobs],
            "TR_InitCodeLimitExceeded" | "INITCODE_SIZE_EXCEEDED" => &[Self::InitCodeSize],
            "TR_BLOBVERSION_INVALID" | "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH" => {
                &[Self::BlobVersion]
            }
            "TR_BLOBLIST_OVERSIZE"
            | "TYPE_3_TX_BLOB_COUNT_EXCEEDED"
            | "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED" => &[Self::BlobCount],
            "TR_EMPTYBLOB" | "TYPE_3_TX_ZERO_BLOBS" => &[Self::NoBlobs],
            "TR_BLOBCREATE" | "TYPE_3_TX_CONTRACT_CREATION" => &[Self::BlobCreate],
            "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS" => &[Self::BlobFeeCap],
            "TYPE_4_EMPTY_AUTHORIZATION_LIST" => &[Self::NoAuthorizations],
            "TYPE_4_INVALID_AUTHORIZATION_FORMAT"
            | "TYPE_4_INVALID_AUTHORITY_SIGNATURE"
            | "TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH" => &[Self::AuthorizationFormat],
            "TYPE_4_TX_CONTRACT_CREATION" => &[Self::SetCodeCreate],
            "INVALID_CHAINID" => &[Self::ChainId],
            "INVALID_SIGNATURE_VRS"
            | "RLP_INVALID_SIGNATURE_R"
            | "RLP_INVALID_SIGNATURE_S"
            | "EC_RECOVERY_FAIL" => &[Self::Signature, Self::Encoding],
            "GASLIMIT_PRICE_PRODUCT_OVERFLOW" => &[Self::PaymentOverflow, Self::Overflow],
            "NONCE_OVERFLOW" | "GASLIMIT_OVERFLOW" | "VALUE_OVERFLOW" | "GASPRICE_OVERFLOW"
            | "PRIORITY_OVERFLOW" => &[Self::Overflow],
            "ADDRESS_TOO_SHORT"
            | "ADDRESS_TOO_LONG"
            | "RLP_LEADING_ZEROS_GASLIMIT"
            | "RLP_LEADING_ZEROS_GASPRICE"
            | "RLP_LEADING_ZEROS_VALUE"
            | "RLP_LEADING_ZEROS_NONCE"
            | "RLP_LEADING_ZEROS_R"
            | "RLP_LEADING_ZEROS_S"
            | "RLP_LEADING_ZEROS_V"
            | "RLP_LEADING_ZEROS_BASEFEE"
            | "RLP_LEADING_ZEROS_PRIORITY_FEE"
            | "RLP_LEADING_ZEROS_DATA_SIZE"
            | "RLP_LEADING_ZEROS_NONCE_SIZE"
            | "RLP_TOO_FEW_ELEMENTS"
            | "RLP_TOO_MANY_ELEMENTS"
            | "RLP_ERROR_EOF"
            | "RLP_ERROR_SIZE"
            | "RLP_ERROR_SIZE_LEADING_ZEROS"
            | "RLP_INVALID_DATA"
            | "RLP_INVALID_GASLIMIT"
            | "RLP_INVALID_NONCE"
            | "RLP_INVALID_TO"
            | "RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_LONG"
            | "RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_SHORT"
            | "RLP_INVALID_ACCESS_LIST_STORAGE_TOO_LONG"
            | "RLP_INVALID_ACCESS_LIST_STORAGE_TOO_SHORT"
            | "RLP_INVALID_HEADER"
            | "RLP_INVALID_VALUE"
            | "TYPE_3_TX_WITH_FULL_BLOBS" => &[Self::Encoding],
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_known_and_no_others() {
        let funds = Rejection::named("TR_NoFunds");
        assert!(funds.is_some_and(|classes| classes.contains(&Rejection::Funds)));
        assert_eq!(Rejection::named("TransactionException.INSUFFICIENT_ACCOUNT_FUNDS"), funds);
        assert_eq!(Rejection::named("TR_Mood"), None);
    }

    #[test]
    fn a_reason_has_its_class_and_no_other() {
        let reason = InvalidTxnReason::Vm(InvalidTransaction::NonceTooLow { tx: 1, state: 2 });
        assert_eq!(Rejection::of(&reason), Rejection::NonceTooLow);
        let reason = InvalidTxnReason::BlockGas { gas_limit: 2, available: 1 };
        assert_eq!(Rejection::of(&reason), Rejection::GasLimit);
        assert_eq!(Rejection::of(&InvalidTxnReason::SetCodeCreate), Rejection::SetCodeCreate);
    }
}

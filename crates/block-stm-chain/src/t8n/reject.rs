//! Why a transaction was rejected, in the words by which tools tell the reasons of geth apart.

use block_stm_evm::InvalidTxnReason;
use revm::{context::result::InvalidTransaction, primitives::hardfork::SpecId};

use crate::import::TxnError;

const UNSUPPORTED: &str = "transaction type not supported";

/// Why a transaction of type `txn_type` can't be in a block under the rules of `spec`, if it can't.
pub(super) fn unknown_type(txn_type: u8, spec: SpecId) -> Option<String> {
    let first = match txn_type {
        0 => SpecId::FRONTIER,
        1 => SpecId::BERLIN,
        2 => SpecId::LONDON,
        3 => SpecId::CANCUN,
        _ => SpecId::PRAGUE,
    };
    (!spec.is_enabled_in(first)).then(|| format!("{UNSUPPORTED}: type {txn_type} before {first}"))
}

/// Why no sender could be found.
pub(super) fn sender(error: &TxnError) -> String {
    match error {
        TxnError::ChainId { signed, expected } => {
            format!("invalid chain id for signer: have {signed} want {expected}")
        }
        error => format!("invalid transaction v, r, s values: {error}"),
    }
}

/// Why a transaction could not be executed at its place.
pub(super) fn invalid(reason: &InvalidTxnReason) -> String {
    use InvalidTransaction::*;
    let words = match reason {
        InvalidTxnReason::BlockGas { .. } => "gas limit reached",
        InvalidTxnReason::BlobGas { .. } => "blob gas would exceed maximum allowance",
        InvalidTxnReason::SetCodeCreate => "EIP-7702 transaction cannot be used to create contract",
        InvalidTxnReason::Vm(reason) => match reason {
            PriorityFeeGreaterThanMaxFee => "max priority fee per gas higher than max fee per gas",
            GasPriceLessThanBasefee => "max fee per gas less than block base fee",
            CallerGasLimitMoreThanBlock => "gas limit reached",
            CallGasCostMoreThanGasLimit { .. } => "intrinsic gas too low",
            GasFloorMoreThanGasLimit { .. } => "insufficient gas for floor data gas cost",
            RejectCallerWithCode => "sender not an eoa",
            LackOfFundForMaxFee { .. } | OverflowPaymentInTransaction => {
                "insufficient funds for gas * price + value"
            }
            NonceOverflowInTransaction => "nonce has max value",
            NonceTooHigh { .. } => "nonce too high",
            NonceTooLow { .. } => "nonce too low",
            CreateInitCodeSizeLimit => "max initcode size exceeded",
            InvalidChainId | MissingChainId => "invalid chain id for signer",
            TxGasLimitGreaterThanCap { .. } => "transaction gas limit too high",
            BlobGasPriceGreaterThanMax { .. } => {
                "max fee per blob gas less than block blob gas fee"
            }
            EmptyBlobs => "blob transaction missing blob hashes",
            BlobCreateTransaction => "blob transaction of type create",
            TooManyBlobs { .. } => "blob transaction has too many blobs",
            BlobVersionNotSupported => "blob hash has invalid hash version",
            EmptyAuthorizationList => "EIP-7702 transaction with empty auth list",
            AuthorizationListInvalidFields => "EIP-7702 transaction is malformed",
            AccessListNotSupported
            | MaxFeePerBlobGasNotSupported
            | BlobVersionedHashesNotSupported
            | AuthorizationListNotSupported
            | Eip2930NotSupported
            | Eip1559NotSupported
            | Eip4844NotSupported
            | Eip7702NotSupported
            | Eip7873NotSupported
            | Eip7873MissingTarget => UNSUPPORTED,
            Str(_) => "invalid transaction",
        },
        other => return other.to_string(),
    };
    format!("{words}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_with_their_forks() {
        let first = |txn_type| {
            let specs =
                [SpecId::ISTANBUL, SpecId::BERLIN, SpecId::LONDON, SpecId::CANCUN, SpecId::PRAGUE];
            specs.into_iter().find(|spec| unknown_type(txn_type, *spec).is_none())
        };
        assert_eq!(
            [0, 1, 2].map(first),
            [SpecId::ISTANBUL, SpecId::BERLIN, SpecId::LONDON].map(Some)
        );
        assert_eq!([3, 4].map(first), [SpecId::CANCUN, SpecId::PRAGUE].map(Some));
    }

    #[test]
    fn reasons_start_with_the_known_words_and_go_on_with_the_values() {
        let reason = InvalidTransaction::NonceTooLow { tx: 0, state: 1 };
        assert_eq!(invalid(&reason.into()), "nonce too low: nonce 0 too low, expected 1");
        let reason = InvalidTxnReason::BlobGas { blob_gas: 3, available: 2 };
        let message = "blob gas would exceed maximum allowance: blob gas 3 exceeds the 2 that the \
                       block has left";
        assert_eq!(invalid(&reason), message);
        let error = TxnError::ChainId { signed: 2, expected: 1 };
        assert_eq!(sender(&error), "invalid chain id for signer: have 2 want 1");
    }
}

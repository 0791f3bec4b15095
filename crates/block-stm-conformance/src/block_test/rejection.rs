//! Which rule a block breaks, and what tests call it.

use block_stm_evm::{
    BlockError, ExecutionError, HeaderFault, ListFormError, ListedValue, OmmerFault,
};

use crate::{Rejection, UnknownException, expected_rejections};

/// The class of rule that a block breaks; the names are those of the fields and rules concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockRejection {
    /// A transaction is invalid.
    Txn(Rejection),
    /// A value that execution leads to, by the header's field.
    Result(&'static str),
    /// A part of the body, by the header's field.
    Body(&'static str),
    /// A header's field is missing.
    Missing(&'static str),
    /// A header's field comes before its fork.
    Early(&'static str),
    Encoding,
    UnknownParent,
    Number,
    Timestamp,
    GasLimitRange,
    GasLimitStep,
    GasUsedAboveLimit,
    ExtraData,
    DaoExtraData,
    Difficulty,
    WorkAfterMerge,
    OmmersAfterMerge,
    BaseFee,
    ExcessBlobGas,
    BlobGasUsed,
    TooManyOmmers,
    OmmerRepeated,
    OmmerIncluded,
    OmmerIsAncestor,
    OmmerUnrelated,
    SystemCall,
    DepositLog,
    /// An access list is none of such a block.
    ListForm,
    /// An access list has too many items.
    ListTooLong,
    /// An access list lacks an account or a slot that is looked at.
    ListMisses,
    /// An access list is wrong.
    ListWrong,
}

impl BlockRejection {
    /// Whether `error` is of this class.
    pub(super) fn is_class_of(self, error: &BlockError) -> bool {
        match error {
            BlockError::Result(differences) => {
                differences.iter().any(|check| self == Self::Result(check.field))
            }
            BlockError::Header(fault) => Self::of_header(fault) == Some(self),
            BlockError::Ommers(fault) => Self::of_ommers(fault) == Some(self),
            BlockError::Encoding(_) => self == Self::Encoding,
            BlockError::UnknownParent(_) | BlockError::TooDeep { .. } => {
                self == Self::UnknownParent
            }
            BlockError::Body { field, .. } => self == Self::Body(field),
            BlockError::Execution(ExecutionError::InvalidTxn { reason, .. }) => {
                self == Self::Txn(Rejection::of(reason))
            }
            BlockError::Execution(ExecutionError::SystemCall { .. }) => self == Self::SystemCall,
            BlockError::ListForm(ListFormError::TooLong { .. }) => self == Self::ListTooLong,
            BlockError::ListForm(_) => self == Self::ListForm,
            BlockError::AccessList(place) => {
                let misses = place.actual == Some(ListedValue::Access);
                self == Self::ListWrong || (self == Self::ListMisses && misses)
            }
            BlockError::Execution(ExecutionError::DepositLog { .. }) => self == Self::DepositLog,
            _ => false,
        }
    }

    fn of_header(fault: &HeaderFault) -> Option<Self> {
        Some(match fault {
            HeaderFault::Number { .. } => Self::Number,
            HeaderFault::Timestamp { .. } => Self::Timestamp,
            HeaderFault::GasLimitRange(_) => Self::GasLimitRange,
            HeaderFault::GasLimitStep { .. } => Self::GasLimitStep,
            HeaderFault::GasUsed { .. } => Self::GasUsedAboveLimit,
            HeaderFault::ExtraData(_) => Self::ExtraData,
            HeaderFault::DaoExtraData => Self::DaoExtraData,
            HeaderFault::Difficulty { .. } | HeaderFault::DifficultyTooLarge => Self::Difficulty,
            HeaderFault::WorkAfterMerge(_) => Self::WorkAfterMerge,
            HeaderFault::OmmersAfterMerge => Self::OmmersAfterMerge,
            HeaderFault::BaseFee { .. } => Self::BaseFee,
            HeaderFault::ExcessBlobGas { .. } => Self::ExcessBlobGas,
            HeaderFault::BlobGasUsed { .. } => Self::BlobGasUsed,
            HeaderFault::Missing(field) => Self::Missing(field),
            HeaderFault::Early(field) => Self::Early(field),
            _ => return None,
        })
    }

    fn of_ommers(fault: &OmmerFault) -> Option<Self> {
        Some(match fault {
            OmmerFault::TooMany(_) => Self::TooManyOmmers,
            OmmerFault::Repeated(_) => Self::OmmerRepeated,
            OmmerFault::Included(_) => Self::OmmerIncluded,
            OmmerFault::Ancestor(_) => Self::OmmerIsAncestor,
            OmmerFault::Unrelated(_) => Self::OmmerUnrelated,
            OmmerFault::Header { fault, .. } => return Self::of_header(fault),
            _ => return None,
        })
    }
}

/// The classes that an exception of a block stands for; alternatives are separated by `|`.
pub(super) fn expected(exception: &str) -> Result<Vec<BlockRejection>, UnknownException> {
    use BlockRejection as Is;
    let mut rejections = Vec::new();
    for name in exception.split('|') {
        let name = name.trim();
        let short = name.strip_prefix("BlockException.").unwrap_or(name);
        rejections.extend_from_slice(match short {
            "INPUT_UNMARSHAL_ADDRESS_ERROR"
            | "INPUT_UNMARSHAL_ERROR"
            | "RLP_STRUCTURES_ENCODING"
            | "RLP_WITHDRAWALS_NOT_READ" => &[Is::Encoding],
            "RLP_ExpectedAsList" => &[Is::Encoding, Is::Body("withdrawals")],
            "UnknownParent" | "UnknownParent2" | "UNKNOWN_PARENT" => &[Is::UnknownParent],
            "InvalidNumber" | "INVALID_BLOCK_NUMBER" => &[Is::Number],
            "InvalidTimestampOlderParent" | "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT" => {
                &[Is::Timestamp]
            }
            // What exceeds 64 bits is no encoding of a gas limit.
            "InvalidGasLimit" | "InvalidGasLimit2" | "INVALID_GASLIMIT" => {
                &[Is::GasLimitRange, Is::GasLimitStep, Is::Encoding]
            }
            "TooMuchGasUsed" | "GAS_USED_OVERFLOW" => &[Is::GasUsedAboveLimit],
            "InvalidGasUsed" | "INVALID_GAS_USED" => &[Is::Result("gasUsed")],
            "InvalidLogBloom" | "INVALID_LOG_BLOOM" => &[Is::Result("logsBloom")],
            "InvalidReceiptsStateRoot" | "INVALID_RECEIPTS_ROOT" => &[Is::Result("receiptsRoot")],
            "InvalidStateRoot" | "INVALID_STATE_ROOT" => &[Is::Result("stateRoot")],
            "INVALID_REQUESTS" => &[Is::Result("requestsHash")],
            "INVALID_TRANSACTIONS_ROOT" => &[Is::Body("transactionsRoot")],
            "INVALID_WITHDRAWALS_ROOT" => &[Is::Body("withdrawalsRoot")],
            "InvalidUnclesHash" => &[Is::Body("sha3Uncles")],
            "ExtraDataTooBig" | "EXTRA_DATA_TOO_BIG" => &[Is::ExtraData],
            "ExtraDataIncorrectDAO" | "EXTRA_DATA_INVALID_DAO" => &[Is::DaoExtraData],
            "InvalidDifficulty" | "INVALID_DIFFICULTY" | "3675PoSBlockRejected" => {
                &[Is::Difficulty, Is::WorkAfterMerge]
            }
            "3675PoWBlockRejected" | "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS" => {
                &[Is::WorkAfterMerge]
            }
            "3675PreParis1559BlockRejected" => &[Is::WorkAfterMerge, Is::OmmersAfterMerge],
            "PostParisUncleHashIsNotEmpty" | "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS" => {
                &[Is::OmmersAfterMerge]
            }
            "1559BlockImportImpossible_BaseFeeWrong" | "INVALID_BASEFEE_PER_GAS" => &[Is::BaseFee],
            // Whether it is missing or there too early: the rules of the other side of London.
            "1559BlockImportImpossible_HeaderIsLegacy" | "IMPORT_IMPOSSIBLE_LONDON_OVER_LEGACY" => {
                &[Is::Missing("baseFeePerGas"), Is::Early("baseFeePerGas")]
            }
            "LegacyBlockImportImpossible2" | "IMPORT_IMPOSSIBLE_LEGACY" => {
                &[Is::Missing("baseFeePerGas"), Is::Early("baseFeePerGas")]
            }
            "ParisBlockImportImpossible" => &[Is::Missing("withdrawalsRoot")],
            "ShanghaiBlockImportImpossible" => &[Is::Early("withdrawalsRoot")],
            "INCORRECT_BLOB_GAS_USED" => &[Is::BlobGasUsed, Is::Result("blobGasUsed")],
            "BLOB_GAS_USED_ABOVE_LIMIT" => &[Is::BlobGasUsed],
            "INCORRECT_EXCESS_BLOB_GAS" => &[Is::ExcessBlobGas],
            "TooManyUncles" | "TOO_MANY_UNCLES" => &[Is::TooManyOmmers],
            "UncleInChain" | "UNCLE_IN_CHAIN" => &[Is::OmmerIncluded],
            "UncleIsAncestor" | "UNCLE_IS_ANCESTOR" => &[Is::OmmerIsAncestor],
            "UncleIsBrother" | "UNCLE_IS_BROTHER" => &[Is::OmmerRepeated],
            "UncleParentIsNotAncestor"
            | "InvalidUncleParentHash"
            | "UNCLE_PARENT_INCORRECT"
            | "UNCLE_UNKNOWN_PARENT" => &[Is::OmmerUnrelated],
            "SYSTEM_CONTRACT_EMPTY" | "SYSTEM_CONTRACT_CALL_FAILED" => &[Is::SystemCall],
            // Without the list, all that shows is that its hash is not the one of the list that execution leads to.
            "INCORRECT_BLOCK_FORMAT" => &[Is::ListForm, Is::Result("blockAccessListHash")],
            "BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED" => &[Is::ListTooLong],
            "INVALID_BAL_MISSING_ACCOUNT" => &[Is::ListMisses, Is::Result("blockAccessListHash")],
            "INVALID_BAL_EXTRA_ACCOUNT" | "INVALID_BLOCK_ACCESS_LIST" | "INVALID_BAL_HASH" => {
                &[Is::ListWrong, Is::ListForm, Is::Result("blockAccessListHash")]
            }
            "INVALID_DEPOSIT_EVENT_LAYOUT" => &[Is::DepositLog],
            _ => {
                rejections.extend(expected_rejections(name)?.into_iter().map(Is::Txn));
                continue;
            }
        });
    }
    Ok(rejections)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use block_stm_evm::{AccountChanges, BlockAccessList, list_differences};

    use super::*;

    #[test]
    fn a_block_and_its_transactions_share_the_names() {
        let either =
            "BlockException.INVALID_STATE_ROOT|TransactionException.NONCE_MISMATCH_TOO_LOW";
        let expected = expected(either).expect("known");
        let nonce = BlockRejection::Txn(Rejection::NonceTooLow);
        assert_eq!(expected, [BlockRejection::Result("stateRoot"), nonce]);
        assert!(super::expected("InvalidMood").is_err());
    }

    #[test]
    fn an_error_has_its_class_and_no_other() {
        let error = BlockError::UnknownParent(B256::ZERO);
        assert!(BlockRejection::UnknownParent.is_class_of(&error));
        assert!(!BlockRejection::Number.is_class_of(&error));
        let fault = HeaderFault::ExtraData(33);
        let ommer = OmmerFault::Header { hash: B256::ZERO, fault };
        assert!(BlockRejection::ExtraData.is_class_of(&BlockError::Ommers(ommer)));
    }

    #[test]
    fn a_list_that_misses_something_is_wrong_and_not_malformed() {
        let list: [BlockAccessList; 2] = [Vec::new(), vec![AccountChanges::new(Address::ZERO)]];
        let mut differences = list_differences(&list[0], &list[1]);
        let error = BlockError::AccessList(Box::new(differences.remove(0)));
        assert!(BlockRejection::ListMisses.is_class_of(&error));
        assert!(BlockRejection::ListWrong.is_class_of(&error));
        assert!(!BlockRejection::ListForm.is_class_of(&error));
    }
}

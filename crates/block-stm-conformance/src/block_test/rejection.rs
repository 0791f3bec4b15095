//! Which rule a block breaks, and what tests call it.

use block_stm_chain::{BlockError, HeaderFault, OmmerFault};
use block_stm_evm::{
    ExecutionError, SystemCallFailure,
    access_list::{ListFormError, ListedValue},
};

use crate::Rejection;

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
    /// A header's field is missing, or comes before its fork.
    AnyField,
    Encoding,
    /// The block is too large.
    Size,
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
    BlobGasAboveLimit,
    TooManyOmmers,
    OmmerRepeated,
    OmmerIncluded,
    OmmerIsAncestor,
    OmmerUnrelated,
    /// A call of the protocol fails.
    SystemCall,
    /// There is no contract where the protocol calls one.
    NoSystemContract,
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
            BlockError::Header(fault) => self.is_class_of_header(fault),
            BlockError::Ommers(fault) => Self::of_ommers(fault) == Some(self),
            BlockError::Encoding(_) => match self {
                Self::Txn(class) => class.is_malformed(),
                class => class == Self::Encoding,
            },
            BlockError::Size { .. } => self == Self::Size,
            BlockError::Txn { reason, .. } => self == Self::Txn(Rejection::of_signed(reason)),
            BlockError::UnknownParent(_) | BlockError::TooDeep { .. } => {
                self == Self::UnknownParent
            }
            BlockError::Body { field, .. } => self == Self::Body(field),
            BlockError::Execution(ExecutionError::InvalidTxn { reason, .. }) => {
                self == Self::Txn(Rejection::of(reason))
            }
            BlockError::Execution(ExecutionError::SystemCall { failure, .. }) => match failure {
                SystemCallFailure::NoCode => self == Self::NoSystemContract,
                _ => self == Self::SystemCall,
            },
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

    fn is_class_of_header(self, fault: &HeaderFault) -> bool {
        match (self, fault) {
            (Self::AnyField, HeaderFault::Missing(_) | HeaderFault::Early(_)) => true,
            // Transactions with too many blobs lead to a header that says so.
            (Self::Txn(Rejection::BlobCount), HeaderFault::BlobGasUsed { used, max }) => used > max,
            (class, fault) => Self::of_header(fault) == Some(class),
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
            HeaderFault::BlobGasUsed { used, max } if used > max => Self::BlobGasAboveLimit,
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

impl BlockRejection {
    /// The classes that tests call `name`, if it is known: of a block, or of one of its
    /// transactions.
    pub(super) fn named(name: &str) -> Option<Vec<Self>> {
        let short = name.strip_prefix("BlockException.").unwrap_or(name);
        match Self::of_block(short) {
            Some(classes) => Some(classes.to_vec()),
            None => Some(Rejection::named(name)?.iter().copied().map(Self::Txn).collect()),
        }
    }

    fn of_block(name: &str) -> Option<&'static [Self]> {
        use BlockRejection as Is;
        Some(match name {
            "INPUT_UNMARSHAL_ADDRESS_ERROR"
            | "INPUT_UNMARSHAL_ERROR"
            | "RLP_STRUCTURES_ENCODING"
            | "RLP_WITHDRAWALS_NOT_READ"
            | "RLP_INVALID_FIELD_OVERFLOW_64"
            | "RLP_INVALID_ADDRESS" => &[Is::Encoding],
            "RLP_ExpectedAsList" => &[Is::Encoding, Is::Body("withdrawals")],
            "RLP_BLOCK_LIMIT_EXCEEDED" => &[Is::Size],
            "UnknownParent" | "UnknownParent2" | "UNKNOWN_PARENT" | "UNKNOWN_PARENT_ZERO" => {
                &[Is::UnknownParent]
            }
            "InvalidNumber" | "INVALID_BLOCK_NUMBER" => &[Is::Number],
            "InvalidTimestampOlderParent" | "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT" => {
                &[Is::Timestamp]
            }
            // What exceeds 64 bits is no encoding of a gas limit.
            "InvalidGasLimit" | "InvalidGasLimit2" | "INVALID_GASLIMIT" => {
                &[Is::GasLimitRange, Is::GasLimitStep, Is::Encoding]
            }
            "GASLIMIT_TOO_BIG" => &[Is::GasLimitRange, Is::Encoding],
            "TooMuchGasUsed" | "INVALID_GAS_USED_ABOVE_LIMIT" => &[Is::GasUsedAboveLimit],
            // Whether the header says it, or the transactions come to it.
            "GAS_USED_OVERFLOW" => &[Is::GasUsedAboveLimit, Is::Txn(Rejection::GasLimit)],
            "InvalidGasUsed" | "INVALID_GAS_USED" => &[Is::Result("gasUsed")],
            "InvalidLogBloom" | "INVALID_LOG_BLOOM" => &[Is::Result("logsBloom")],
            "InvalidReceiptsStateRoot" | "INVALID_RECEIPTS_ROOT" => &[Is::Result("receiptsRoot")],
            // What a receipt says of its logs.
            "LOG_MISMATCH" | "TransactionException.LOG_MISMATCH" => {
                &[Is::Result("receiptsRoot"), Is::Result("logsBloom")]
            }
            "InvalidStateRoot" | "INVALID_STATE_ROOT" => &[Is::Result("stateRoot")],
            "INVALID_REQUESTS" => &[Is::Result("requestsHash")],
            "INVALID_TRANSACTIONS_ROOT" => &[Is::Body("transactionsRoot")],
            "INVALID_WITHDRAWALS_ROOT" => &[Is::Body("withdrawalsRoot")],
            "InvalidUnclesHash" | "INVALID_UNCLES_HASH" => &[Is::Body("sha3Uncles")],
            "ExtraDataTooBig" | "EXTRA_DATA_TOO_BIG" => &[Is::ExtraData],
            "ExtraDataIncorrectDAO" | "EXTRA_DATA_INVALID_DAO" => &[Is::DaoExtraData],
            "InvalidDifficulty" | "INVALID_DIFFICULTY" | "3675PoSBlockRejected" => {
                &[Is::Difficulty, Is::WorkAfterMerge]
            }
            "IMPORT_IMPOSSIBLE_PARIS_WRONG_POS" => &[Is::Difficulty],
            "3675PoWBlockRejected"
            | "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS"
            | "IMPORT_IMPOSSIBLE_PARIS_WRONG_POW" => &[Is::WorkAfterMerge],
            "3675PreParis1559BlockRejected" | "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS" => {
                &[Is::WorkAfterMerge, Is::OmmersAfterMerge]
            }
            "PostParisUncleHashIsNotEmpty" | "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS" => {
                &[Is::OmmersAfterMerge]
            }
            "1559BlockImportImpossible_BaseFeeWrong" | "INVALID_BASEFEE_PER_GAS" => &[Is::BaseFee],
            // Whether it is missing or there too early: the rules of the other side of London.
            "1559BlockImportImpossible_HeaderIsLegacy"
            | "IMPORT_IMPOSSIBLE_LONDON_OVER_LEGACY"
            | "IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT"
            | "LegacyBlockImportImpossible2"
            | "IMPORT_IMPOSSIBLE_LEGACY"
            | "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT" => {
                &[Is::Missing("baseFeePerGas"), Is::Early("baseFeePerGas")]
            }
            "ParisBlockImportImpossible" | "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI" => {
                &[Is::Missing("withdrawalsRoot")]
            }
            "ShanghaiBlockImportImpossible" | "IMPORT_IMPOSSIBLE_SHANGHAI" => {
                &[Is::Early("withdrawalsRoot")]
            }
            "INCORRECT_BLOB_GAS_USED" => {
                &[Is::BlobGasUsed, Is::BlobGasAboveLimit, Is::Result("blobGasUsed")]
            }
            // Whether the header says it, or the transactions come to it.
            "BLOB_GAS_USED_ABOVE_LIMIT" => &[Is::BlobGasAboveLimit, Is::Txn(Rejection::BlobCount)],
            "INCORRECT_EXCESS_BLOB_GAS" => &[Is::ExcessBlobGas],
            "TooManyUncles" | "TOO_MANY_UNCLES" => &[Is::TooManyOmmers],
            "UncleInChain" | "UNCLE_IN_CHAIN" => &[Is::OmmerIncluded],
            "UncleIsAncestor" | "UNCLE_IS_ANCESTOR" => &[Is::OmmerIsAncestor],
            "UncleIsBrother" | "UNCLE_IS_BROTHER" => &[Is::OmmerRepeated],
            "UncleParentIsNotAncestor"
            | "InvalidUncleParentHash"
            | "UNCLE_PARENT_INCORRECT"
            | "UNCLE_UNKNOWN_PARENT" => &[Is::OmmerUnrelated],
            "SYSTEM_CONTRACT_EMPTY" => &[Is::NoSystemContract],
            "SYSTEM_CONTRACT_CALL_FAILED" => &[Is::SystemCall],
            // Without the list, all that shows is that its hash is not the one of the list that
            // execution leads to.
            "INCORRECT_BLOCK_FORMAT" => &[
                Is::ListForm,
                Is::Result("blockAccessListHash"),
                Is::AnyField,
                Is::Encoding,
                Is::Body("withdrawals"),
            ],
            "BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED" => &[Is::ListTooLong],
            "INVALID_BAL_MISSING_ACCOUNT" => &[Is::ListMisses, Is::Result("blockAccessListHash")],
            "INVALID_BAL_EXTRA_ACCOUNT" | "INVALID_BLOCK_ACCESS_LIST" | "INVALID_BAL_HASH" => {
                &[Is::ListWrong, Is::ListForm, Is::Result("blockAccessListHash")]
            }
            "INVALID_DEPOSIT_EVENT_LAYOUT" => &[Is::DepositLog],
            // What an encoded block does not claim, or no fork has: no reason is of this class.
            "INVALID_BLOCK_HASH"
            | "INVALID_VERSIONED_HASHES"
            | "SYSTEM_CONTRACT_ADDRESS_OCCUPIED" => &[],
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use block_stm_evm::{
        InvalidTxnReason,
        access_list::list_differences,
        alloy_eip7928::{AccountChanges, BlockAccessList},
    };

    use super::*;

    /// The names of the official filler, of transactions and of blocks.
    const TXN_NAMES: &str = "TYPE_NOT_SUPPORTED SENDER_NOT_EOA ADDRESS_TOO_SHORT ADDRESS_TOO_LONG \
        NONCE_MISMATCH_TOO_HIGH NONCE_MISMATCH_TOO_LOW NONCE_TOO_BIG NONCE_IS_MAX NONCE_OVERFLOW \
        GASLIMIT_OVERFLOW VALUE_OVERFLOW GASPRICE_OVERFLOW GASLIMIT_PRICE_PRODUCT_OVERFLOW \
        INVALID_SIGNATURE_VRS RLP_INVALID_SIGNATURE_R RLP_INVALID_SIGNATURE_S \
        RLP_LEADING_ZEROS_GASLIMIT RLP_LEADING_ZEROS_GASPRICE RLP_LEADING_ZEROS_VALUE \
        RLP_LEADING_ZEROS_NONCE RLP_LEADING_ZEROS_R RLP_LEADING_ZEROS_S RLP_LEADING_ZEROS_V \
        RLP_LEADING_ZEROS_BASEFEE RLP_LEADING_ZEROS_PRIORITY_FEE RLP_LEADING_ZEROS_DATA_SIZE \
        RLP_LEADING_ZEROS_NONCE_SIZE RLP_TOO_FEW_ELEMENTS RLP_TOO_MANY_ELEMENTS RLP_ERROR_EOF \
        RLP_ERROR_SIZE RLP_ERROR_SIZE_LEADING_ZEROS INVALID_CHAINID RLP_INVALID_DATA \
        RLP_INVALID_GASLIMIT RLP_INVALID_NONCE RLP_INVALID_TO \
        RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_LONG RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_SHORT \
        RLP_INVALID_ACCESS_LIST_STORAGE_TOO_LONG RLP_INVALID_ACCESS_LIST_STORAGE_TOO_SHORT \
        RLP_INVALID_HEADER RLP_INVALID_VALUE EC_RECOVERY_FAIL INSUFFICIENT_ACCOUNT_FUNDS \
        INSUFFICIENT_MAX_FEE_PER_GAS PRIORITY_OVERFLOW PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS \
        PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2 INSUFFICIENT_MAX_FEE_PER_BLOB_GAS \
        INTRINSIC_GAS_TOO_LOW INTRINSIC_GAS_BELOW_FLOOR_GAS_COST INITCODE_SIZE_EXCEEDED \
        TYPE_1_TX_PRE_FORK TYPE_2_TX_PRE_FORK TYPE_3_TX_PRE_FORK TYPE_3_TX_ZERO_BLOBS_PRE_FORK \
        TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH TYPE_3_TX_WITH_FULL_BLOBS \
        TYPE_3_TX_BLOB_COUNT_EXCEEDED TYPE_3_TX_CONTRACT_CREATION \
        TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED GAS_ALLOWANCE_EXCEEDED \
        GAS_LIMIT_EXCEEDS_MAXIMUM TYPE_3_TX_ZERO_BLOBS TYPE_4_EMPTY_AUTHORIZATION_LIST \
        TYPE_4_INVALID_AUTHORITY_SIGNATURE TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH \
        TYPE_4_TX_CONTRACT_CREATION TYPE_4_INVALID_AUTHORIZATION_FORMAT TYPE_4_TX_PRE_FORK \
        LOG_MISMATCH";
    const BLOCK_NAMES: &str = "TOO_MANY_UNCLES UNCLE_IN_CHAIN UNCLE_IS_ANCESTOR UNCLE_IS_BROTHER \
        UNCLE_PARENT_INCORRECT EXTRA_DATA_TOO_BIG EXTRA_DATA_INVALID_DAO UNKNOWN_PARENT \
        UNCLE_UNKNOWN_PARENT UNKNOWN_PARENT_ZERO GASLIMIT_TOO_BIG INVALID_BLOCK_NUMBER \
        INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT INVALID_DIFFICULTY INVALID_LOG_BLOOM \
        INVALID_STATE_ROOT INVALID_RECEIPTS_ROOT INVALID_TRANSACTIONS_ROOT INVALID_UNCLES_HASH \
        GAS_USED_OVERFLOW INVALID_GASLIMIT INVALID_BASEFEE_PER_GAS INVALID_GAS_USED \
        INVALID_GAS_USED_ABOVE_LIMIT INVALID_WITHDRAWALS_ROOT INCORRECT_BLOCK_FORMAT \
        BLOB_GAS_USED_ABOVE_LIMIT INCORRECT_BLOB_GAS_USED INCORRECT_EXCESS_BLOB_GAS \
        INVALID_VERSIONED_HASHES RLP_STRUCTURES_ENCODING RLP_WITHDRAWALS_NOT_READ \
        RLP_INVALID_FIELD_OVERFLOW_64 RLP_INVALID_ADDRESS RLP_BLOCK_LIMIT_EXCEEDED \
        INVALID_REQUESTS IMPORT_IMPOSSIBLE_LEGACY IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT \
        IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT IMPORT_IMPOSSIBLE_PARIS_WRONG_POW \
        IMPORT_IMPOSSIBLE_PARIS_WRONG_POS IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS \
        IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI IMPORT_IMPOSSIBLE_SHANGHAI \
        IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS \
        SYSTEM_CONTRACT_EMPTY SYSTEM_CONTRACT_CALL_FAILED SYSTEM_CONTRACT_ADDRESS_OCCUPIED \
        INVALID_BLOCK_HASH INVALID_DEPOSIT_EVENT_LAYOUT INVALID_BLOCK_ACCESS_LIST \
        INVALID_BAL_HASH BLOCK_ACCESS_LIST_GAS_LIMIT_EXCEEDED INVALID_BAL_EXTRA_ACCOUNT \
        INVALID_BAL_MISSING_ACCOUNT";

    #[test]
    fn all_names_of_the_official_filler_are_known() {
        let txns = TXN_NAMES.split_whitespace().map(|name| format!("TransactionException.{name}"));
        let blocks = BLOCK_NAMES.split_whitespace().map(|name| format!("BlockException.{name}"));
        for name in txns.chain(blocks) {
            assert!(BlockRejection::named(&name).is_some(), "{name}");
        }
        assert_eq!(BlockRejection::named("InvalidMood"), None);
    }

    #[test]
    fn a_block_and_its_transactions_share_the_names() {
        let named = |name| BlockRejection::named(name).expect(name);
        let root = BlockRejection::Result("stateRoot");
        assert_eq!(named("BlockException.INVALID_STATE_ROOT"), [root]);
        let nonce = BlockRejection::Txn(Rejection::NonceTooLow);
        assert_eq!(named("TransactionException.NONCE_MISMATCH_TOO_LOW"), [nonce]);
    }

    #[test]
    fn too_many_blobs_are_one_reason_wherever_they_are_found() {
        let header = |used| BlockError::Header(HeaderFault::BlobGasUsed { used, max: 6 << 17 });
        let is = |name, error: &BlockError| {
            let classes = BlockRejection::named(name).expect(name);
            classes.iter().any(|class| class.is_class_of(error))
        };
        let reason = InvalidTxnReason::BlobGas { blob_gas: 7 << 17, available: 6 << 17 };
        let txn = BlockError::Execution(ExecutionError::InvalidTxn { index: 0, reason });
        for name in ["TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED", "BLOB_GAS_USED_ABOVE_LIMIT"] {
            assert!(is(name, &header(7 << 17)) && is(name, &txn), "{name}");
            assert!(!is(name, &header(1)), "{name}");
        }
    }

    #[test]
    fn what_no_encoding_has_room_for_is_refused_as_no_encoding() {
        let error = BlockError::Encoding("overflow".to_owned());
        for name in ["TYPE_4_TX_CONTRACT_CREATION", "VALUE_OVERFLOW", "RLP_INVALID_TO"] {
            let classes = BlockRejection::named(name).expect(name);
            assert!(classes.iter().any(|class| class.is_class_of(&error)), "{name}");
        }
        let funds = BlockRejection::Txn(Rejection::Funds);
        assert!(!funds.is_class_of(&error));
    }

    #[test]
    fn a_missing_system_contract_is_not_one_that_fails() {
        let error = |failure| {
            let (contract, address) = ("withdrawal requests", Address::ZERO);
            BlockError::Execution(ExecutionError::SystemCall { contract, address, failure })
        };
        let [none, fails] = [
            error(SystemCallFailure::NoCode),
            error(SystemCallFailure::Revert(Default::default())),
        ];
        let (empty, failed) = (BlockRejection::NoSystemContract, BlockRejection::SystemCall);
        assert!(empty.is_class_of(&none) && !empty.is_class_of(&fails));
        assert!(failed.is_class_of(&fails) && !failed.is_class_of(&none));
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

//! Why a block could not be executed.

use alloy_primitives::{Address, Bytes};
use revm::context::result::{EVMError, HaltReason, InvalidHeader, InvalidTransaction};

/// Why a block could not be executed, on the same terms for the sequential and the parallel path.
///
/// An error of the block itself ([`InvalidTxn`](Self::InvalidTxn), [`Header`](Self::Header),
/// [`SystemCall`](Self::SystemCall), ...) is the same on every run: the block is invalid. A
/// [`Database`](Self::Database) error says nothing about the block; the caller may try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError<E> {
    /// A transaction is invalid, and invalid transactions are to be rejected.
    #[error("txn {index} is invalid: {reason}")]
    InvalidTxn {
        /// The transaction's place in the block, from 0.
        index: usize,
        /// Which rule it breaks.
        reason: InvalidTxnReason,
    },
    /// The state before the block could not be read.
    #[error("reading state for {stage}: {source}")]
    Database {
        /// What asked for it.
        stage: Stage,
        /// What the database said.
        source: E,
    },
    /// The environment lacks what the rules need.
    #[error("block environment: {0}")]
    Header(InvalidHeader),
    /// From Cancun on a block names its parent's beacon root (EIP-4788).
    #[error("the parent beacon block root is missing")]
    MissingBeaconRoot,
    /// A call that the protocol makes, and that must succeed, did not.
    #[error("system call to the {contract} contract at {address}: {failure}")]
    SystemCall {
        /// Which contract it is.
        contract: &'static str,
        /// Where it is.
        address: Address,
        /// What happened.
        failure: SystemCallFailure,
    },
    /// A deposit log has another shape than the deposit contract's (EIP-6110).
    #[error("deposit log {log} of receipt {receipt} is malformed: {reason}")]
    DepositLog {
        /// Index of the receipt among the block's receipts.
        receipt: usize,
        /// Index of the log within the receipt.
        log: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// An ommer is not one to six generations older than the block.
    #[error("ommer of number {ommer} can't be rewarded in block {block}")]
    Ommer {
        /// The ommer's number.
        ommer: u64,
        /// The block's number.
        block: u64,
    },
    /// A precompile or a plugged-in part of the VM failed for a reason of its own.
    #[error("the vm failed for {stage}: {message}")]
    Vm {
        /// What was executed.
        stage: Stage,
        /// What it said.
        message: String,
    },
    /// Something panicked while it was executed, most likely the database. Only the parallel path
    /// catches that.
    #[error("panic in {stage}: {message}")]
    Panicked {
        /// What was executed.
        stage: Stage,
        /// The panic's message.
        message: String,
    },
    /// Someone cancelled the block through its token. Only the parallel path can be cancelled.
    #[error("cancelled after {committed} txns")]
    Cancelled {
        /// How many transactions were final by then.
        committed: usize,
    },
    /// The engine can't execute the block at all.
    #[error("{message}")]
    Engine {
        /// What it said.
        message: String,
    },
}

impl<E> ExecutionError<E> {
    /// Translates what revm returned while `stage` was executed.
    pub fn from_evm(stage: Stage, error: EVMError<E, InvalidTransaction>) -> Self
    where
        E: std::fmt::Display,
    {
        match (error, stage) {
            (EVMError::Transaction(reason), Stage::Txn(index)) => {
                Self::InvalidTxn { index, reason: reason.into() }
            }
            (EVMError::Header(header), _) => Self::Header(header),
            (EVMError::Database(source), stage) => Self::Database { stage, source },
            (EVMError::Transaction(reason), stage) => {
                Self::Vm { stage, message: reason.to_string() }
            }
            (EVMError::Custom(message), stage) => Self::Vm { stage, message },
            (EVMError::CustomAny(error), stage) => Self::Vm { stage, message: error.to_string() },
        }
    }
}

impl<E> ExecutionError<E> {
    /// The same error of transactions whose places are others.
    pub(crate) fn relocate(mut self, place: impl Fn(usize) -> usize) -> Self {
        match &mut self {
            Self::InvalidTxn { index, .. }
            | Self::Database { stage: Stage::Txn(index), .. }
            | Self::Vm { stage: Stage::Txn(index), .. }
            | Self::Panicked { stage: Stage::Txn(index), .. } => *index = place(*index),
            _ => {}
        }
        self
    }
}

/// What of a block was being executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// System calls and irregular changes before the first transaction.
    PreBlock,
    /// The transaction with this index.
    Txn(usize),
    /// System calls, withdrawals and rewards after the last transaction.
    PostBlock,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PreBlock => f.write_str("the start of the block"),
            Self::Txn(index) => write!(f, "txn {index}"),
            Self::PostBlock => f.write_str("the end of the block"),
        }
    }
}

/// Which rule a transaction breaks at its place in the block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTxnReason {
    /// One of the rules that revm checks: nonce, funds, fees, intrinsic gas, type, ...
    #[error("{0}")]
    Vm(#[from] InvalidTransaction),
    /// The block has less gas left than the transaction may use.
    #[error("gas limit {gas_limit} exceeds the {available} that the block has left")]
    BlockGas {
        /// What the transaction may use of the dimension that is short.
        gas_limit: u64,
        /// What the block has left.
        available: u64,
    },
    /// A set-code transaction (EIP-7702) has no destination. No encoding has room for one.
    #[error("a set-code transaction can't create a contract")]
    SetCodeCreate,
    /// It failed in the VM, in a bundle in which it may not.
    #[error("it failed in the vm")]
    Failed,
    /// Its bundle was taken back because of one of its transactions.
    #[error("txn {member} of its bundle: {reason}")]
    Bundle {
        /// The place of that transaction in the bundle, from 0.
        member: usize,
        /// What is wrong with it.
        reason: Box<InvalidTxnReason>,
    },
    /// The host's sink refused the transaction.
    #[error("refused: {0}")]
    Refused(String),
    /// The block has room for fewer blobs than the transaction carries.
    #[error("blob gas {blob_gas} exceeds the {available} that the block has left")]
    BlobGas {
        /// What the transaction's blobs use.
        blob_gas: u64,
        /// What the block has left.
        available: u64,
    },
}

impl InvalidTxnReason {
    /// The reason why the bundle is taken back in which the transaction `member` has this one.
    pub(crate) fn in_bundle(self, member: usize) -> Self {
        Self::Bundle { member, reason: Box::new(self) }
    }
}

/// Why a system call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SystemCallFailure {
    /// There is no contract at the address.
    #[error("no code")]
    NoCode,
    /// The contract reverted.
    #[error("reverted with {0}")]
    Revert(Bytes),
    /// The contract ran out of gas or broke a rule of the VM.
    #[error("halted: {0:?}")]
    Halt(HaltReason),
}

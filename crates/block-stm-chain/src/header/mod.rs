//! What a block's header says about the result of executing it, and the rules for headers.

pub(crate) mod difficulty;
mod fault;
mod rules;

use std::fmt;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bloom};
use block_stm_evm::BlockResult;

pub use self::{fault::HeaderFault, rules::check_header};

/// The header fields that depend on the block's execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderChecks {
    /// Gas that the transactions used.
    pub gas_used: u64,
    /// Blob gas that they used, from Cancun on.
    pub blob_gas_used: Option<u64>,
    /// Root of the receipts trie.
    pub receipts_root: B256,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// Hash of the requests, from Prague on.
    pub requests_hash: Option<B256>,
    /// Hash of the block access list (EIP-7928), where blocks have one.
    pub access_list_hash: Option<B256>,
    /// Root of the state after the block.
    pub state_root: B256,
}

impl From<&Header> for HeaderChecks {
    fn from(header: &Header) -> Self {
        Self {
            gas_used: header.gas_used,
            blob_gas_used: header.blob_gas_used,
            receipts_root: header.receipts_root,
            logs_bloom: header.logs_bloom,
            requests_hash: header.requests_hash,
            access_list_hash: header.block_access_list_hash,
            state_root: header.state_root,
        }
    }
}

/// One header field against the result of execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderCheck {
    /// The field's name as in JSON.
    pub field: &'static str,
    /// What came of it.
    pub outcome: CheckOutcome,
}

/// What checking one header field came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The header and the result agree.
    Agrees,
    /// They don't.
    Differs {
        /// The header's value.
        header: String,
        /// The result's value.
        result: String,
    },
    /// The result can't be compared, for this reason. It is neither right nor wrong.
    NotCheckable(&'static str),
}

impl fmt::Display for HeaderCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            CheckOutcome::Agrees => write!(f, "{} agrees", self.field),
            CheckOutcome::Differs { header, result } => {
                write!(f, "{} is {header}, not {result}", self.field)
            }
            CheckOutcome::NotCheckable(reason) => write!(f, "{}: {reason}", self.field),
        }
    }
}

impl HeaderCheck {
    /// The state root, if the header's is not the computed one.
    #[cfg(feature = "import")]
    pub(crate) fn state_root(header: B256, computed: B256) -> Option<Self> {
        (header != computed).then(|| check("stateRoot", header, Some(computed), ""))
    }
}

impl HeaderChecks {
    /// Compares all fields but the state root with `result`.
    ///
    /// The state root takes the whole state ([`state_root`](crate::state_root) after
    /// [`PreState::apply`](block_stm_evm::PreState::apply)), which a block's own pre-state is not.
    pub fn check(&self, result: &BlockResult) -> Vec<HeaderCheck> {
        let no_state_roots = "receipts before Byzantium hold state roots";
        let receipts = result.receipts_root();
        let mut checks = vec![
            check("gasUsed", self.gas_used, Some(result.gas_used), ""),
            check(
                "blobGasUsed",
                self.blob_gas_used.unwrap_or_default(),
                Some(result.blob_gas_used),
                "",
            ),
            check("receiptsRoot", self.receipts_root, receipts, no_state_roots),
            check("logsBloom", self.logs_bloom, Some(result.logs_bloom()), ""),
            check(
                "requestsHash",
                Presence(self.requests_hash),
                Some(Presence(result.requests_hash())),
                "",
            ),
        ];
        if let Some(hash) = self.access_list_hash {
            checks.push(access_list_check(hash, result.access_list_hash()));
        }
        checks
    }

    /// The fields of which [`check`](Self::check) says that header and result differ.
    pub fn differences(&self, result: &BlockResult) -> Vec<HeaderCheck> {
        let mut checks = self.check(result);
        checks.retain(|check| matches!(check.outcome, CheckOutcome::Differs { .. }));
        checks
    }
}

/// The name of the header's field for the hash of the access list.
pub(crate) const ACCESS_LIST_HASH: &str = "blockAccessListHash";

/// The access list's hash, if the list was asked for.
pub(crate) fn access_list_check(header: B256, computed: Option<B256>) -> HeaderCheck {
    check(ACCESS_LIST_HASH, header, computed, "the list was not asked for")
}

fn check<T: PartialEq + fmt::Display>(
    field: &'static str,
    header: T,
    result: Option<T>,
    why_not: &'static str,
) -> HeaderCheck {
    let outcome = match result {
        None => CheckOutcome::NotCheckable(why_not),
        Some(result) if result == header => CheckOutcome::Agrees,
        Some(result) => {
            CheckOutcome::Differs { header: header.to_string(), result: result.to_string() }
        }
    };
    HeaderCheck { field, outcome }
}

/// A value that may be absent on both sides.
#[derive(PartialEq)]
struct Presence(Option<B256>);

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hash) => hash.fmt(f),
            None => f.write_str("absent"),
        }
    }
}

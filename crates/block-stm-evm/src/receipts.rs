//! Receipts, their trie root and the block's log bloom.

use alloy_primitives::{B256, Bloom, Log};
use alloy_rlp::{BufMut, Encodable, Header};

/// What a transaction leaves in the receipts trie.
///
/// The bloom is not kept but computed by [`Receipt::bloom`], as hashing every log address and topic
/// costs more than executing a cheap transaction, and a builder may never ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// EIP-2718 type of the transaction; 0 is a legacy one.
    pub txn_type: u8,
    /// Success flag, or what stood in its place before Byzantium.
    pub status: ReceiptStatus,
    /// Gas used by the block up to and including this transaction.
    pub cumulative_gas_used: u64,
    /// Logs in the order of emission.
    pub logs: Vec<Log>,
}

/// First field of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// From Byzantium on: whether the transaction succeeded (EIP-658).
    Success(bool),
    /// Before Byzantium: the state root after the transaction, which only an owner of the *whole*
    /// state can compute. `None` where it was not computed; the receipt then has no encoding.
    StateRoot(Option<B256>),
}

impl Receipt {
    /// A receipt of a transaction that left `logs`.
    pub fn new(
        txn_type: u8,
        status: ReceiptStatus,
        cumulative_gas_used: u64,
        logs: Vec<Log>,
    ) -> Self {
        Self { txn_type, status, cumulative_gas_used, logs }
    }

    /// The log bloom: three bits for each log address and topic.
    ///
    /// # Cost
    ///
    /// One Keccak-256 per address and topic.
    pub fn bloom(&self) -> Bloom {
        self.logs.iter().collect()
    }

    /// Appends the consensus encoding (EIP-2718), or returns `false` where the state root is not
    /// known.
    pub fn encode(&self, out: &mut Vec<u8>) -> bool {
        let bloom = self.bloom();
        let root = match self.status {
            ReceiptStatus::StateRoot(None) => return false,
            ReceiptStatus::StateRoot(Some(root)) => Some(root),
            ReceiptStatus::Success(_) => None,
        };
        let success = self.status == ReceiptStatus::Success(true);
        let first: &dyn Encodable = root.as_ref().map_or(&success, |root| root as _);
        let payload_length = first.length()
            + self.cumulative_gas_used.length()
            + bloom.length()
            + self.logs.length();
        if self.txn_type != 0 {
            out.put_u8(self.txn_type);
        }
        let list = true;
        Header { list, payload_length }.encode(out);
        first.encode(out);
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
        true
    }
}

/// Root of the trie of `receipts`, or `None` where one holds a state root that is not known.
///
/// # Cost
///
/// About a microsecond per receipt and half of one per log.
#[cfg(feature = "trie")]
pub(crate) fn receipts_root(receipts: &[Receipt]) -> Option<B256> {
    let mut encoded = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        let mut bytes = Vec::new();
        if !receipt.encode(&mut bytes) {
            return None;
        }
        encoded.push(bytes);
    }
    Some(alloy_trie::root::ordered_trie_root_encoded(&encoded))
}

/// The union of the blooms of `receipts`.
pub(crate) fn logs_bloom(receipts: &[Receipt]) -> Bloom {
    receipts.iter().flat_map(|receipt| &receipt.logs).collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn a_receipt_starts_with_its_type_and_holds_status_gas_bloom_and_logs() {
        let receipt = Receipt::new(2, ReceiptStatus::Success(true), 0x5208, Vec::new());
        let mut bytes = Vec::new();
        assert!(receipt.encode(&mut bytes));
        // Type 2, a list of 0x108 bytes: 01, 82 5208, a string of 256 zeroes, an empty list.
        let head = hex!("02f9010801825208b90100");
        assert_eq!(bytes[..head.len()], head);
        assert_eq!(bytes.len(), head.len() + 256 + 1);
        assert_eq!(bytes.last(), Some(&0xc0));
    }

    #[test]
    fn a_state_root_takes_the_place_of_the_status() {
        let root = B256::repeat_byte(7);
        let receipt = Receipt::new(0, ReceiptStatus::StateRoot(Some(root)), 1, Vec::new());
        let mut bytes = Vec::new();
        assert!(receipt.encode(&mut bytes));
        assert_eq!(bytes[3], 0xa0);
        assert_eq!(bytes[4..36], root.0);
    }

    #[cfg(feature = "trie")]
    #[test]
    fn without_the_state_root_there_is_no_receipts_root() {
        let known = Receipt::new(0, ReceiptStatus::Success(false), 1, Vec::new());
        let unknown = Receipt::new(0, ReceiptStatus::StateRoot(None), 1, Vec::new());
        assert!(receipts_root(std::slice::from_ref(&known)).is_some());
        assert_eq!(receipts_root(&[known, unknown]), None);
    }

    #[cfg(feature = "trie")]
    #[test]
    fn no_receipts_hash_to_the_empty_trie() {
        let empty = alloy_primitives::b256!(
            "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
        );
        assert_eq!(receipts_root(&[]), Some(empty));
        assert_eq!(logs_bloom(&[]), Bloom::ZERO);
    }
}

//! Between this project's receipts and alloy's.

use alloy_consensus::{Eip658Value, Receipt as AlloyReceipt, ReceiptEnvelope, TxType};
use block_stm_evm::{Receipt, ReceiptStatus};

/// `receipt` as alloy has it, with its bloom. `None` if its type is unknown to alloy, or if it
/// should hold a state root and doesn't know it.
///
/// # Cost
///
/// Copies the logs, and computes the bloom: one Keccak-256 per address and topic.
///
/// # Examples
///
/// ```
/// use block_stm_alloy::{receipt_envelope, receipt_of};
/// use block_stm_evm::{Receipt, ReceiptStatus};
///
/// let receipt = Receipt::new(2, ReceiptStatus::Success(true), 21_000, Vec::new());
/// let envelope = receipt_envelope(&receipt).ok_or("a known type")?;
/// assert_eq!(receipt_of(&envelope), receipt);
/// # Ok::<_, &str>(())
/// ```
#[must_use]
pub fn receipt_envelope(receipt: &Receipt) -> Option<ReceiptEnvelope> {
    let status = match receipt.status {
        ReceiptStatus::Success(success) => Eip658Value::Eip658(success),
        ReceiptStatus::StateRoot(root) => Eip658Value::PostState(root?),
    };
    let (cumulative_gas_used, logs) = (receipt.cumulative_gas_used, receipt.logs.clone());
    let with_bloom = AlloyReceipt { status, cumulative_gas_used, logs }.with_bloom();
    Some(match TxType::try_from(receipt.txn_type).ok()? {
        TxType::Legacy => ReceiptEnvelope::Legacy(with_bloom),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(with_bloom),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(with_bloom),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(with_bloom),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(with_bloom),
    })
}

/// alloy's receipt as this project has it; the bloom is not kept.
///
/// # Cost
///
/// Copies the logs.
#[must_use]
pub fn receipt_of(envelope: &ReceiptEnvelope) -> Receipt {
    let (ReceiptEnvelope::Legacy(with_bloom)
    | ReceiptEnvelope::Eip2930(with_bloom)
    | ReceiptEnvelope::Eip1559(with_bloom)
    | ReceiptEnvelope::Eip4844(with_bloom)
    | ReceiptEnvelope::Eip7702(with_bloom)) = envelope;
    let AlloyReceipt { status, cumulative_gas_used, logs } = &with_bloom.receipt;
    let status = match *status {
        Eip658Value::Eip658(success) => ReceiptStatus::Success(success),
        Eip658Value::PostState(root) => ReceiptStatus::StateRoot(Some(root)),
    };
    Receipt::new(envelope.tx_type() as u8, status, *cumulative_gas_used, logs.clone())
}

#[cfg(test)]
mod tests {
    use alloy_eips::Encodable2718;
    use alloy_primitives::{Address, B256, Bytes, Log};

    use super::*;

    #[test]
    fn both_encode_the_same_and_come_back() {
        let topics = vec![B256::repeat_byte(1), B256::repeat_byte(2)];
        let log = Log::new_unchecked(Address::repeat_byte(3), topics, Bytes::from_static(b"data"));
        let root = ReceiptStatus::StateRoot(Some(B256::repeat_byte(4)));
        for txn_type in 0..=4 {
            for status in [ReceiptStatus::Success(true), ReceiptStatus::Success(false), root] {
                let logs = vec![log.clone(); usize::from(txn_type)];
                let receipt = Receipt::new(txn_type, status, 70_000, logs);
                let envelope = receipt_envelope(&receipt).expect("a known type");
                let mut encoded = Vec::new();
                assert!(receipt.encode(&mut encoded));
                assert_eq!(encoded, envelope.encoded_2718(), "type {txn_type}, {status:?}");
                assert_eq!(receipt_of(&envelope), receipt);
            }
        }
    }

    #[test]
    fn what_alloy_has_no_word_for_is_nothing() {
        let of = |txn_type, status| {
            receipt_envelope(&Receipt::new(txn_type, status, 1, Vec::new())).is_none()
        };
        assert!(of(5, ReceiptStatus::Success(true)));
        assert!(of(0, ReceiptStatus::StateRoot(None)));
    }
}

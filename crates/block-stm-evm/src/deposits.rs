//! Deposit requests, read from the deposit contract's logs (EIP-6110).

use alloy_primitives::{Address, B256, b256};

use crate::{ExecutionError, Receipt};

/// Keccak-256 of `DepositEvent(bytes,bytes,bytes,bytes,bytes)`.
const DEPOSIT_EVENT: B256 =
    b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");

/// The log's five byte strings: where the ABI encoding puts each (offset of its length word) and
/// how long it is.
const FIELDS: [(usize, usize); 5] = [
    (160, 48), // public key
    (256, 32), // withdrawal credentials
    (320, 8),  // amount
    (384, 96), // signature
    (512, 8),  // index
];
const LOG_LENGTH: usize = 576;
const REQUEST_LENGTH: usize = 192;

/// The deposits that `receipts` log, 192 bytes each, in order and without the type byte.
///
/// # Errors
///
/// [`ExecutionError::DepositLog`] if a log has another layout than the deposit contract's: the
/// block is invalid then.
pub(crate) fn deposit_requests<E>(
    receipts: &[Receipt],
    contract: Address,
) -> Result<Vec<u8>, ExecutionError<E>> {
    let mut requests = Vec::new();
    for (receipt, logs) in receipts.iter().map(|receipt| &receipt.logs).enumerate() {
        for (index, log) in logs.iter().enumerate() {
            if log.address == contract && log.topics().first() == Some(&DEPOSIT_EVENT) {
                append_request(&log.data.data, &mut requests)
                    .map_err(|reason| ExecutionError::DepositLog { receipt, log: index, reason })?;
            }
        }
    }
    Ok(requests)
}

fn append_request(data: &[u8], requests: &mut Vec<u8>) -> Result<(), &'static str> {
    if data.len() != LOG_LENGTH {
        return Err("its data is not 576 bytes long");
    }
    requests.reserve(REQUEST_LENGTH);
    for (field, (offset, length)) in FIELDS.into_iter().enumerate() {
        if !is_word(&data[32 * field..], offset) {
            return Err("a field is not where it should be");
        }
        if !is_word(&data[offset..], length) {
            return Err("a field has another length");
        }
        requests.extend_from_slice(&data[offset + 32..offset + 32 + length]);
    }
    Ok(())
}

/// Whether `data` starts with `value` as a 32-byte big-endian word.
fn is_word(data: &[u8], value: usize) -> bool {
    let (zeroes, tail) = data[..32].split_at(24);
    zeroes.iter().all(|&byte| byte == 0) && tail == (value as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Log;

    use super::*;
    use crate::{PreStateError, ReceiptStatus};

    const CONTRACT: Address = Address::repeat_byte(0xdd);

    fn log_data() -> Vec<u8> {
        let mut data = vec![0; LOG_LENGTH];
        for (field, (offset, length)) in FIELDS.into_iter().enumerate() {
            data[32 * field + 24..][..8].copy_from_slice(&(offset as u64).to_be_bytes());
            data[offset + 24..][..8].copy_from_slice(&(length as u64).to_be_bytes());
            data[offset + 32..][..length].fill(field as u8 + 1);
        }
        data
    }

    fn requests(address: Address, data: Vec<u8>) -> Result<Vec<u8>, String> {
        let log = Log::new_unchecked(address, vec![DEPOSIT_EVENT], data.into());
        let receipt = Receipt::new(0, ReceiptStatus::Success(true), 0, vec![log]);
        let result = deposit_requests::<PreStateError>(&[receipt], CONTRACT);
        result.map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_is_the_five_fields_in_a_row() {
        let mut expected = Vec::new();
        for (field, (_, length)) in FIELDS.into_iter().enumerate() {
            expected.extend(vec![field as u8 + 1; length]);
        }
        assert_eq!(expected.len(), REQUEST_LENGTH);
        assert_eq!(requests(CONTRACT, log_data()), Ok(expected));
    }

    #[test]
    fn logs_of_others_are_no_deposits() {
        assert_eq!(requests(Address::ZERO, vec![1]), Ok(Vec::new()));
    }

    #[test]
    fn another_layout_is_an_error_that_names_the_log() {
        let mut short = log_data();
        short.pop();
        let error = requests(CONTRACT, short).expect_err("short");
        let expected = "deposit log 0 of receipt 0 is malformed: its data is not 576 bytes long";
        assert_eq!(error, expected);
        for word in [0, 160] {
            let mut moved = log_data();
            moved[word] = 1;
            assert!(requests(CONTRACT, moved).is_err());
        }
    }
}

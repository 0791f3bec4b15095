//! What a store keeps of a block that was executed.

use std::collections::BTreeMap;

use alloy_primitives::{Bytes, Log, U256};
use alloy_rlp::{Decodable, Encodable, Header};
use block_stm_chain::Prepared;
use block_stm_evm::revm::state::AccountInfo;
use block_stm_evm::{AccountChange, PreState, Receipt, ReceiptStatus, StateChanges};
use block_stm_store::{
    Account, AccountChange as StoredChange, AccountUpdate, FullBlock, SlotChange,
};

/// The record of a block: of what it changed, `inverse` is what takes it back.
pub(crate) fn record(
    prepared: &Prepared,
    rlp: &[u8],
    receipts: &[Receipt],
    (changes, inverse): (&StateChanges, &StateChanges),
) -> FullBlock {
    let (header, body) = parts(rlp).expect("the block was decoded before");
    let pairs = || changes.iter().zip(inverse.iter());
    let codes = pairs().filter_map(|(change, inverse)| {
        let info = change.info.as_ref()?;
        let is_new = inverse.info.as_ref().is_none_or(|old| old.code_hash != info.code_hash);
        let code = info.code.as_ref().filter(|_| is_new)?.original_bytes();
        (!code.is_empty()).then_some(code)
    });
    FullBlock {
        number: prepared.header.number,
        hash: prepared.hash,
        parent: prepared.header.parent_hash,
        header,
        body,
        receipts: encode_receipts(receipts),
        txns: prepared.txns.clone(),
        codes: codes.collect(),
        changes: pairs().map(|(change, inverse)| stored(change, inverse)).collect(),
    }
}

/// The record of a genesis block, whose changes are the whole state.
pub(crate) fn genesis_record(header: &alloy_consensus::Header, state: &PreState) -> FullBlock {
    let mut codes = Vec::new();
    let updates = state.accounts().map(|(address, it)| {
        codes.extend(it.info.code.as_ref().map(|code| code.original_bytes()));
        codes.extend(state.code(&it.info.code_hash).map(|code| code.original_bytes()));
        let slots = it.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        let (address, after) = (*address, Some(account(&it.info)));
        AccountUpdate { address, after, storage_wiped: false, slots }.onto_nothing()
    });
    let changes = updates.collect();
    codes.retain(|code| !code.is_empty());
    codes.sort_unstable();
    codes.dedup();
    FullBlock {
        number: header.number,
        hash: header.hash_slow(),
        header: alloy_rlp::encode(header).into(),
        codes,
        changes,
        ..FullBlock::default()
    }
}

fn account(info: &AccountInfo) -> Account {
    Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }
}

fn stored(change: &AccountChange, inverse: &AccountChange) -> StoredChange {
    let mut slots: Vec<SlotChange> = if change.storage_wiped {
        // All that was there goes, but for what the block wrote after.
        let old = inverse.storage.iter().map(|old| (old.slot, (old.after, U256::ZERO)));
        let mut slots: BTreeMap<_, _> = old.collect();
        for new in &change.storage {
            slots.entry(new.slot).or_default().1 = new.after;
        }
        let slot = |(slot, (before, after))| SlotChange { slot, before, after };
        slots.into_iter().map(slot).collect()
    } else {
        let slots = change.storage.iter();
        slots.map(|it| SlotChange { slot: it.slot, before: it.before, after: it.after }).collect()
    };
    slots.retain(|slot| slot.before != slot.after);
    StoredChange {
        address: change.address,
        before: inverse.info.as_ref().map(account),
        after: change.info.as_ref().map(account),
        slots,
    }
}

/// Header and body of a block in RLP.
fn parts(rlp: &[u8]) -> Result<(Bytes, Bytes), alloy_rlp::Error> {
    let mut fields = rlp;
    Header::decode(&mut fields)?;
    let mut rest = fields;
    let header = Header::decode(&mut rest)?;
    let length = fields.len() - rest.len() + header.payload_length;
    let (header, rest) = fields.split_at_checked(length).ok_or(alloy_rlp::Error::InputTooShort)?;
    let mut body = Vec::with_capacity(rest.len() + 9);
    Header { list: true, payload_length: rest.len() }.encode(&mut body);
    body.extend_from_slice(rest);
    Ok((Bytes::copy_from_slice(header), body.into()))
}

/// The receipts of a block as a store keeps them: a list in RLP of lists of type, status, gas used
/// so far and logs. The status is 0 or 1, or the state root before Byzantium; blooms follow from
/// the logs.
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Receipt, ReceiptStatus};
/// use block_stm_pipeline::{decode_receipts, encode_receipts};
///
/// let receipts = vec![Receipt::new(2, ReceiptStatus::Success(true), 21_000, Vec::new())];
/// assert_eq!(decode_receipts(&encode_receipts(&receipts))?, receipts);
/// # Ok::<_, alloy_rlp::Error>(())
/// ```
pub fn encode_receipts(receipts: &[Receipt]) -> Bytes {
    let lengths = receipts.iter().map(|receipt| {
        let payload_length = payload_length_of(receipt);
        Header { list: true, payload_length }.length() + payload_length
    });
    let payload_length = lengths.sum();
    let mut out = Vec::with_capacity(payload_length + 9);
    Header { list: true, payload_length }.encode(&mut out);
    for receipt in receipts {
        Header { list: true, payload_length: payload_length_of(receipt) }.encode(&mut out);
        receipt.txn_type.encode(&mut out);
        status(receipt, |status| status.encode(&mut out));
        receipt.cumulative_gas_used.encode(&mut out);
        receipt.logs.encode(&mut out);
    }
    out.into()
}

fn payload_length_of(receipt: &Receipt) -> usize {
    let mut length = receipt.txn_type.length() + receipt.cumulative_gas_used.length();
    status(receipt, |status| length += status.length());
    length + receipt.logs.length()
}

/// Shows the first field of a receipt; a state root that is not known is an empty string.
fn status(receipt: &Receipt, show: impl FnOnce(&dyn Encodable)) {
    match &receipt.status {
        ReceiptStatus::Success(success) => show(success),
        ReceiptStatus::StateRoot(Some(root)) => show(root),
        ReceiptStatus::StateRoot(None) => show(&false),
    }
}

/// The receipts that [`encode_receipts`] encoded.
///
/// # Errors
///
/// The bytes have another form.
pub fn decode_receipts(mut bytes: &[u8]) -> Result<Vec<Receipt>, alloy_rlp::Error> {
    let mut list = Header::decode_bytes(&mut bytes, true)?;
    if !bytes.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength);
    }
    let mut receipts = Vec::new();
    while !list.is_empty() {
        let mut fields = Header::decode_bytes(&mut list, true)?;
        let txn_type = u8::decode(&mut fields)?;
        let status = match Header::decode_bytes(&mut fields, false)? {
            [] => ReceiptStatus::Success(false),
            [1] => ReceiptStatus::Success(true),
            root => {
                let root = root.try_into().map_err(|_| alloy_rlp::Error::UnexpectedLength)?;
                ReceiptStatus::StateRoot(Some(root))
            }
        };
        let gas = u64::decode(&mut fields)?;
        let logs = Vec::<Log>::decode(&mut fields)?;
        if !fields.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        receipts.push(Receipt::new(txn_type, status, gas, logs));
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};

    use super::*;

    #[test]
    fn receipts_come_back() {
        let log = Log::new_unchecked(Address::repeat_byte(7), vec![B256::ZERO], vec![1, 2].into());
        let receipts = vec![
            Receipt::new(0, ReceiptStatus::Success(false), 5, vec![]),
            Receipt::new(2, ReceiptStatus::Success(true), 70_000, vec![log.clone(), log]),
            Receipt::new(0, ReceiptStatus::StateRoot(Some(B256::repeat_byte(3))), 80_000, vec![]),
        ];
        let bytes = encode_receipts(&receipts);
        assert_eq!(decode_receipts(&bytes), Ok(receipts));
        for length in 0..bytes.len() {
            assert!(decode_receipts(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_was_wiped_is_told_slot_by_slot() {
        let slot = |slot: u64, before: u64, after: u64| block_stm_evm::SlotChange {
            slot: U256::from(slot),
            before: U256::from(before),
            after: U256::from(after),
        };
        let address = Address::repeat_byte(1);
        let mut change = AccountChange::new(address, Some(AccountInfo::default()));
        change.storage_wiped = true;
        change.storage = vec![slot(1, 0, 5), slot(3, 0, 9)];
        let mut inverse = AccountChange::new(address, Some(AccountInfo::default()));
        inverse.storage_wiped = true;
        inverse.storage = vec![slot(1, 0, 5), slot(2, 0, 6)];
        let stored = stored(&change, &inverse);
        let slots: Vec<_> = stored.slots.iter().map(|it| (it.slot, it.before, it.after)).collect();
        let number = U256::from::<u64>;
        let wanted = [(2, 6, 0), (3, 0, 9)].map(|(a, b, c)| (number(a), number(b), number(c)));
        assert_eq!(slots, wanted);
    }
}

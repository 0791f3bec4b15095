//! What the store keeps of a block, and the bytes of it.
//!
//! # The form
//!
//! Numbers are little-endian, of fixed width; lists and bytes have their length before them.
//!
//! ```text
//! header, body, receipts                     each: length u32, bytes
//! transactions     count u32, then each:     hash 32
//! codes            count u32, then each:     hash 32, length u32, bytes
//! accounts         count u32, then each:     address 20, before, after, slots
//!   before, after                            0, or 1 and: nonce u64, balance 32, code hash 32
//!   slots          count u32, then each:     slot 32, before 32, after 32
//! ```
//!
//! Accounts are in the order of their addresses and slots in the order of their keys, each once.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

use crate::{
    StoreError,
    codec::{Malformed, Reader, Writer},
};

/// The fields of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its nonce.
    pub nonce: u64,
    /// Its balance, in wei.
    pub balance: U256,
    /// The hash of its code, that of no bytes where it has none.
    pub code_hash: B256,
}

/// What a block changed in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange {
    /// The slot's key.
    pub slot: U256,
    /// Its value before the block.
    pub before: U256,
    /// Its value after the block.
    pub after: U256,
}

/// What a block changed in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// Which account.
    pub address: Address,
    /// The account before the block, if it was there.
    pub before: Option<Account>,
    /// The account after the block, if it is there.
    pub after: Option<Account>,
    /// Its slots that changed, each once. Where the account was destroyed: all that it had.
    pub slots: Vec<SlotChange>,
}

/// What a block makes of an account, without what was before; see
/// [`Snapshot::changes`](crate::Snapshot::changes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// Which account.
    pub address: Address,
    /// The account after the block, if it is there.
    pub after: Option<Account>,
    /// All slots are zero but those in `slots`: the account was destroyed within the block.
    pub storage_wiped: bool,
    /// Slots and their values after the block.
    pub slots: Vec<(U256, U256)>,
}

impl AccountUpdate {
    /// The change of an account that was not there, as all are in a genesis block.
    ///
    /// # Examples
    ///
    /// ```
    /// use alloy_primitives::{Address, U256};
    /// use block_stm_store::{Account, AccountUpdate};
    ///
    /// let (address, after) = (Address::ZERO, Some(Account::default()));
    /// let slots = vec![(U256::from(1), U256::from(2))];
    /// let update = AccountUpdate { address, after, storage_wiped: false, slots };
    /// let change = update.onto_nothing();
    /// assert_eq!((change.before, change.slots[0].before), (None, U256::ZERO));
    /// ```
    pub fn onto_nothing(self) -> AccountChange {
        let slots = self.slots.into_iter();
        let change = |(slot, after)| SlotChange { slot, before: U256::ZERO, after };
        let slots = slots.map(change).collect();
        AccountChange { address: self.address, before: None, after: self.after, slots }
    }
}

/// A block as the store keeps it.
///
/// Header, body and receipts are bytes that the store does not look into, in RLP say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullBlock {
    /// The block's number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of its parent.
    pub parent: B256,
    /// Its header.
    pub header: Bytes,
    /// Its body.
    pub body: Bytes,
    /// Its receipts.
    pub receipts: Bytes,
    /// The hashes of its transactions, in their order.
    pub txns: Vec<B256>,
    /// Code that it made known; what was known already may be there again.
    pub codes: Vec<Bytes>,
    /// What it changed in the state, in any order.
    pub changes: Vec<AccountChange>,
}

/// The bytes of an account in fields.
pub(crate) const ACCOUNT_BYTES: usize = 72;

impl Account {
    pub(crate) fn to_bytes(self) -> [u8; ACCOUNT_BYTES] {
        let mut bytes = [0; ACCOUNT_BYTES];
        bytes[..8].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[8..40].copy_from_slice(&self.balance.to_le_bytes::<32>());
        bytes[40..].copy_from_slice(self.code_hash.as_slice());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; ACCOUNT_BYTES]) -> Self {
        let mut reader = Reader::new(bytes);
        Self::read(&mut reader).expect("the length is right")
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (nonce, balance) = (reader.u64()?, U256::from_le_bytes(reader.array::<32>()?));
        Ok(Self { nonce, balance, code_hash: reader.array()?.into() })
    }
}

fn write_account(writer: &mut Writer, account: Option<Account>) {
    match account {
        None => writer.u8(0),
        Some(account) => {
            writer.u8(1);
            writer.array(&account.to_bytes());
        }
    }
}

fn read_account(reader: &mut Reader<'_>) -> Result<Option<Account>, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Account::read(reader).map(Some),
        _ => Err(reader.wrong("an account is there or not")),
    }
}

impl FullBlock {
    /// Puts the changes in order.
    ///
    /// # Errors
    ///
    /// An account or a slot is there twice.
    pub(crate) fn sort(&mut self) -> Result<(), StoreError> {
        let number = self.number;
        let twice = |what: String| Err(StoreError::Changes { number, what });
        self.changes.sort_unstable_by_key(|change| change.address);
        if let Some(pair) = self.changes.windows(2).find(|pair| pair[0].address == pair[1].address)
        {
            return twice(format!("the account {} is there twice", pair[0].address));
        }
        for AccountChange { address, slots, .. } in &mut self.changes {
            slots.sort_unstable_by_key(|change| change.slot);
            if let Some(pair) = slots.windows(2).find(|pair| pair[0].slot == pair[1].slot) {
                return twice(format!("the slot {} of {address} is there twice", pair[0].slot));
            }
        }
        Ok(())
    }

    /// About how many bytes it has, whatever it holds.
    pub(crate) fn size(&self) -> u64 {
        let bytes = [&self.header, &self.body, &self.receipts].into_iter().chain(&self.codes);
        let slots: usize = self.changes.iter().map(|change| change.slots.len()).sum();
        let lists = 32 * self.txns.len() + 170 * self.changes.len() + 96 * slots;
        bytes.map(|bytes| 36 + bytes.len() as u64).sum::<u64>() + lists as u64
    }

    /// The block in bytes, once it is sorted; number and hashes stand in the record's head.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for bytes in [&self.header, &self.body, &self.receipts] {
            writer.bytes(bytes);
        }
        writer.count(self.txns.len());
        self.txns.iter().for_each(|hash| writer.array(hash.as_slice()));
        writer.count(self.codes.len());
        for code in &self.codes {
            writer.array(keccak256(code).as_slice());
            writer.bytes(code);
        }
        writer.count(self.changes.len());
        for change in &self.changes {
            writer.array(change.address.as_slice());
            write_account(&mut writer, change.before);
            write_account(&mut writer, change.after);
            writer.count(change.slots.len());
            for slot in &change.slots {
                for value in [slot.slot, slot.before, slot.after] {
                    writer.array(&value.to_le_bytes::<32>());
                }
            }
        }
        writer.into_bytes()
    }

    /// The block whose bytes these are.
    pub(crate) fn decode(
        (number, hash, parent): (u64, B256, B256),
        bytes: &[u8],
    ) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(bytes);
        let (header, body, receipts) = (reader.bytes()?, reader.bytes()?, reader.bytes()?);
        let txns = reader.list(32, |reader| Ok(B256::from(reader.array()?)))?;
        let codes = reader.list(36, |reader| {
            let hash = reader.array::<32>()?;
            let code = reader.bytes()?;
            if keccak256(&code) == hash { Ok(code) } else { Err(reader.wrong("code has its hash")) }
        })?;
        let changes = reader.list(26, read_change)?;
        reader.end()?;
        let mut record =
            Self { number, hash, parent, header, body, receipts, txns, codes, changes };
        record.sort().map_err(|_| reader.wrong("each account and slot is there once"))?;
        Ok(record)
    }
}

fn read_change(reader: &mut Reader<'_>) -> Result<AccountChange, Malformed> {
    Ok(AccountChange {
        address: reader.array()?.into(),
        before: read_account(reader)?,
        after: read_account(reader)?,
        slots: reader.list(96, |reader| {
            let mut word = || Ok(U256::from_le_bytes(reader.array::<32>()?));
            Ok(SlotChange { slot: word()?, before: word()?, after: word()? })
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> FullBlock {
        let account = Account { nonce: 7, balance: U256::MAX, code_hash: B256::repeat_byte(9) };
        let slot = |slot: u64| SlotChange {
            slot: U256::from(slot),
            before: U256::from(slot + 1),
            after: U256::from(slot + 2),
        };
        let change = |byte, before, after, slots| AccountChange {
            address: Address::repeat_byte(byte),
            before,
            after,
            slots,
        };
        FullBlock {
            number: 5,
            hash: B256::repeat_byte(1),
            parent: B256::repeat_byte(2),
            header: Bytes::from_static(b"header"),
            body: Bytes::new(),
            receipts: Bytes::from_static(b"receipts"),
            txns: vec![B256::repeat_byte(3), B256::repeat_byte(4)],
            codes: vec![Bytes::from_static(&[0x60, 0x00])],
            changes: vec![
                change(1, None, Some(account), vec![slot(1), slot(2)]),
                change(2, Some(account), None, vec![]),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let record = record();
        let bytes = record.encode();
        let id = (record.number, record.hash, record.parent);
        assert_eq!(FullBlock::decode(id, &bytes).ok().as_ref(), Some(&record));
        for length in 0..bytes.len() {
            assert!(FullBlock::decode(id, &bytes[..length]).is_err(), "{length} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(FullBlock::decode(id, &longer).is_err());
    }

    #[test]
    fn a_huge_count_takes_no_memory() {
        let bytes = [&[0; 12][..], &[0xff; 4]].concat();
        let error = FullBlock::decode((0, B256::ZERO, B256::ZERO), &bytes).err();
        assert!(error.is_some_and(|error| error.to_string().contains("byte 12")));
    }

    #[test]
    fn changes_are_sorted_and_single() {
        let mut sorted = record();
        sorted.changes.reverse();
        sorted.changes[1].slots.reverse();
        sorted.sort().expect("each is there once");
        assert_eq!(sorted, record());
        let mut twice = record();
        twice.changes[1].address = twice.changes[0].address;
        assert!(twice.sort().is_err());
        let mut twice = record();
        twice.changes[0].slots[1].slot = U256::from(1);
        let message = twice.sort().expect_err("a slot is there twice").to_string();
        assert!(message.contains("the slot 1 of 0x0101"), "{message}");
    }
}

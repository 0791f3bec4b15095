//! Bytes of fixed numbers and lists with their lengths, read with care: what is read comes from a
//! disk.

use alloy_primitives::Bytes;

/// What is wrong with bytes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at its byte {at}, it does not hold that {rule}")]
pub(crate) struct Malformed {
    at: usize,
    rule: &'static str,
}

/// Reads bytes from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The error that `rule` does not hold here.
    pub(crate) fn wrong(&self, rule: &'static str) -> Malformed {
        Malformed { at: self.at, rule }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or(self.wrong("the bytes are there"))?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("as many were taken"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u32()? as usize;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    /// A list whose items have `least` bytes or more, so that a wrong count takes no memory.
    pub(crate) fn list<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let wrong = self.wrong("a list has the items that it counts");
        let count = self.u32()? as usize;
        if count > (self.bytes.len() - self.at) / least {
            return Err(wrong);
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        let is_at_end = self.at == self.bytes.len();
        if is_at_end { Ok(()) } else { Err(self.wrong("nothing follows")) }
    }
}

/// Writes bytes one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn array(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.array(&number.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.array(&number.to_le_bytes());
    }

    /// How many follow.
    ///
    /// # Panics
    ///
    /// At more than a record can have.
    pub(crate) fn count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a record has less than 4 GiB");
        self.array(&count.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.array(bytes);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

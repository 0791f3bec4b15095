//! Transactions to be executed again, lowest first: one bit each.
//!
//! A bit is a hint: the worker that takes it must still claim the transaction. A bit that is
//! lost or set for nothing costs time, never a result: the head is executed in any case.

use crate::primitives::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::primitives::ids::TxnIndex;

const WORD: usize = u64::BITS as usize;

pub(crate) struct RetrySet {
    words: Box<[AtomicU64]>,
    /// How many bits are set, about.
    len: AtomicUsize,
}

impl RetrySet {
    pub(crate) fn new(txns: usize) -> Self {
        let words = (0..txns.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect();
        Self { words, len: AtomicUsize::new(0) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: SeqCst: parking workers look here after announcing themselves, see
        // `parking.rs`.
        self.len.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn insert(&self, txn: TxnIndex) {
        let (word, bit) = place(txn);
        // ORDERING: Relaxed: the bit carries no data; claiming the transaction does.
        if self.words[word].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            // ORDERING: SeqCst: see `is_empty`.
            self.len.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Takes the lowest transaction at or above `from`; failing that, a leftover from below.
    pub(crate) fn take_lowest(&self, from: TxnIndex) -> Option<TxnIndex> {
        let first = from.as_usize() / WORD;
        (first..self.words.len()).chain(0..first).find_map(|word| self.take_from(word))
    }

    fn take_from(&self, word: usize) -> Option<TxnIndex> {
        loop {
            // ORDERING: Relaxed throughout: see `insert`.
            let bits = self.words[word].load(Ordering::Relaxed);
            if bits == 0 {
                return None;
            }
            let lowest = bits & bits.wrapping_neg();
            if self.words[word].fetch_and(!lowest, Ordering::Relaxed) & lowest != 0 {
                // ORDERING: Relaxed: falling too late only costs a search.
                self.len.fetch_sub(1, Ordering::Relaxed);
                let index = word * WORD + lowest.trailing_zeros() as usize;
                return Some(TxnIndex::new(index as u32));
            }
        }
    }
}

const fn place(txn: TxnIndex) -> (usize, u64) {
    (txn.as_usize() / WORD, 1 << (txn.as_usize() % WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_lowest_first_and_each_once() {
        let retry_set = RetrySet::new(200);
        for txn in [130, 5, 199, 5] {
            retry_set.insert(TxnIndex::new(txn));
        }
        let mut taken = std::iter::from_fn(|| retry_set.take_lowest(TxnIndex::new(0)));
        assert_eq!(taken.next().map(TxnIndex::get), Some(5));
        assert_eq!(taken.next().map(TxnIndex::get), Some(130));
        assert_eq!(taken.next().map(TxnIndex::get), Some(199));
        assert_eq!(taken.next(), None);
        assert!(retry_set.is_empty());
    }

    #[test]
    fn leftovers_do_not_stay_for_ever() {
        let retry_set = RetrySet::new(200);
        retry_set.insert(TxnIndex::new(3));
        assert_eq!(retry_set.take_lowest(TxnIndex::new(150)).map(TxnIndex::get), Some(3));
        assert!(retry_set.is_empty());
    }
}

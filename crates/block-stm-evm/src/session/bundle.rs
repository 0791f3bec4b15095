//! Transactions that stand or fall together.

use revm::context::TxEnv;

/// Transactions that are in the block one after another, or not at all.
///
/// One that is invalid at its place takes the whole bundle back, and so does one that fails in the
/// VM (reverts or halts) unless it is [allowed](Self::allow_reverts) to. One that is allowed to
/// stays in the block with a receipt that says so. A bundle of a single transaction is one that is
/// left out if it fails.
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Bundle, BundleError, revm::context::TxEnv};
///
/// let bundle = Bundle::new(vec![TxEnv::default(), TxEnv::default()])?.allow_reverts([1])?;
/// assert!(bundle.may_revert(1) && !bundle.may_revert(0));
/// let unknown = bundle.allow_reverts([2]);
/// assert_eq!(unknown, Err(BundleError::UnknownMember { member: 2, len: 2 }));
/// # Ok::<_, BundleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    txns: Vec<TxEnv>,
    /// The places of those that may fail, in ascending order.
    may_revert: Vec<usize>,
}

/// Why transactions make no bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// There are none.
    #[error("a bundle needs at least one txn")]
    Empty,
    /// One is named that is not in the bundle.
    #[error("txn {member} may revert, says the bundle, which has {len}")]
    UnknownMember {
        /// The place that was named, from 0.
        member: usize,
        /// How many transactions the bundle has.
        len: usize,
    },
}

impl Bundle {
    /// A bundle of `txns`, in this order, none of which may fail.
    ///
    /// # Errors
    ///
    /// [`BundleError::Empty`].
    pub fn new(txns: Vec<TxEnv>) -> Result<Self, BundleError> {
        match txns.is_empty() {
            true => Err(BundleError::Empty),
            false => Ok(Self { txns, may_revert: Vec::new() }),
        }
    }

    /// The same bundle, of which the transactions at these places, from 0, may fail, too.
    ///
    /// # Errors
    ///
    /// [`BundleError::UnknownMember`].
    pub fn allow_reverts(
        mut self,
        members: impl IntoIterator<Item = usize>,
    ) -> Result<Self, BundleError> {
        let len = self.txns.len();
        for member in members {
            if member >= len {
                return Err(BundleError::UnknownMember { member, len });
            }
            if let Err(place) = self.may_revert.binary_search(&member) {
                self.may_revert.insert(place, member);
            }
        }
        Ok(self)
    }

    /// The transactions in order.
    pub fn txns(&self) -> &[TxEnv] {
        &self.txns
    }

    /// Whether the transaction at the place `member` may fail.
    pub fn may_revert(&self, member: usize) -> bool {
        self.may_revert.binary_search(&member).is_ok()
    }

    pub(crate) fn into_txns(self) -> Vec<TxEnv> {
        self.txns
    }
}

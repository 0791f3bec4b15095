//! A block to execute: transactions, the state before them, and the rules for its end.

use std::fmt;

use crate::contract::error::Error;
use crate::contract::hints::Hints;
use crate::contract::limits::Limits;
use crate::contract::storage::Ordered;
use crate::contract::storage::{OrderedStorage, Storage};
use crate::contract::types::Types;
use crate::primitives::order::Order;

/// What an invalid transaction means for its block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidPolicy {
    /// The block is invalid: [`Error::Invalid`](crate::Error::Invalid). For validators.
    #[default]
    Reject,
    /// The transaction is left out, without any effect. For builders.
    Skip,
}

/// An ordered block, ready to be executed.
///
/// # Examples
/// See the [crate's front page](crate).
pub struct Block<'a, V: Types> {
    pub(crate) vm: &'a V,
    pub(crate) txns: &'a [V::Txn],
    pub(crate) storage: &'a dyn Storage<V::Location, V::Value>,
    /// The storage again, if locations may be scanned.
    pub(crate) ordered: Option<Ordered<'a, V::Location, V::Value>>,
    pub(crate) policy: InvalidPolicy,
    pub(crate) limits: Limits,
    pub(crate) hints: Option<&'a dyn Hints<V>>,
    pub(crate) conflict_graph: bool,
}

impl<'a, V: Types> Block<'a, V> {
    /// A block without limits and hints, in which an invalid transaction is an error.
    pub fn new(
        vm: &'a V,
        txns: &'a [V::Txn],
        storage: &'a dyn Storage<V::Location, V::Value>,
    ) -> Self {
        Self {
            vm,
            txns,
            storage,
            ordered: None,
            policy: InvalidPolicy::default(),
            limits: Limits::default(),
            hints: None,
            conflict_graph: false,
        }
    }

    /// A block whose transactions may [`scan`](crate::View::scan) ranges of locations; otherwise as
    /// with [`new`](Block::new).
    ///
    /// # Cost
    /// Each location that the block writes is inserted into a sorted set, and taken out when its
    /// value is deleted.
    pub fn ordered(
        vm: &'a V,
        txns: &'a [V::Txn],
        storage: &'a dyn OrderedStorage<V::Location, V::Value>,
    ) -> Self
    where
        V::Location: Ord,
    {
        let ordered = Some(Ordered { storage, order: Order::natural() });
        Self { ordered, ..Self::new(vm, txns, storage) }
    }

    /// Sets what an invalid transaction means.
    #[must_use]
    pub fn policy(mut self, policy: InvalidPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets where the block ends early, and who may stop it.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Declares what transactions will probably write.
    #[must_use]
    pub fn hints(mut self, hints: &'a dyn Hints<V>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// The VM.
    pub fn vm(&self) -> &'a V {
        self.vm
    }

    /// The transactions.
    pub fn txns(&self) -> &'a [V::Txn] {
        self.txns
    }

    /// The limits that are set.
    pub fn limits_set(&self) -> &Limits {
        &self.limits
    }

    /// Asks for the block's [`ConflictGraph`](crate::ConflictGraph).
    #[must_use]
    pub fn conflict_graph(mut self) -> Self {
        self.conflict_graph = true;
        self
    }
}

/// The most transactions that a block can have.
const MAX_TXNS: usize = u32::MAX as usize - 1;

impl<V: Types> Block<'_, V> {
    /// The number of transactions, if they can be numbered.
    pub(crate) fn check_length(&self) -> Result<usize, Error<V::Invalid>> {
        let txns = self.txns.len();
        if txns > MAX_TXNS {
            return Err(Error::TooLong { txns, max: MAX_TXNS });
        }
        Ok(txns)
    }
}

impl<V: Types> Clone for Block<'_, V> {
    fn clone(&self) -> Self {
        Self { limits: self.limits.clone(), ..*self }
    }
}

impl<V: Types> fmt::Debug for Block<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("txns", &self.txns.len())
            .field("ordered", &self.ordered.is_some())
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("hints", &self.hints.is_some())
            .field("conflict_graph", &self.conflict_graph)
            .finish_non_exhaustive()
    }
}

//! What the index has of one location: a node in each of its lists.

use std::ptr;

use crate::primitives::sync::atomic::{AtomicBool, AtomicPtr};

/// The two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// What is present at the commit point.
    Present,
    /// What is about to be written.
    Pending,
}

/// A location's nodes in the lists.
pub(crate) struct Listing<C> {
    pub(super) cell: *const C,
    pub(super) nodes: [Node<C>; 2],
}

pub(crate) struct Node<C> {
    pub(super) is_listed: AtomicBool,
    pub(super) lowest: Link<C>,
    /// Those of the higher levels.
    pub(super) upper: *const [Link<C>],
}

/// A node's neighbours on one level.
pub(crate) struct Link<C> {
    pub(super) next: AtomicPtr<Listing<C>>,
    /// Null for the first node. Only used under the lock.
    pub(super) previous: AtomicPtr<Listing<C>>,
}

impl<C> Link<C> {
    pub(crate) fn new() -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), previous: AtomicPtr::new(ptr::null_mut()) }
    }
}

impl<C> Node<C> {
    pub(crate) fn link(&self, level: usize) -> &Link<C> {
        match level.checked_sub(1) {
            None => &self.lowest,
            // SAFETY: in an arena that lives as long as the node.
            Some(level) => unsafe { &(&*self.upper)[level] },
        }
    }

    pub(crate) fn levels(&self) -> usize {
        1 + self.upper.len()
    }
}

impl<C> Listing<C> {
    pub(crate) fn cell(&self) -> &C {
        // SAFETY: cells live as long as the memory, and so do listings.
        unsafe { &*self.cell }
    }

    pub(crate) const fn node(&self, which: ListKind) -> &Node<C> {
        &self.nodes[which as usize]
    }
}

//! The nodes of a Merkle-Patricia trie in memory.
//!
//! # The idea
//!
//! A branch carries the path that leads to it. What the specification calls an extension node, a
//! shared path before a branch, is thus no node of its own here, but a way to encode one. That
//! makes removal simple, the hard half of such a trie:
//!
//! ```text
//! path 12 branch             remove ..b          path 12a7 leaf
//!   a: path 7 leaf            ------->
//!   b: path 9 leaf
//! ```
//!
//! When a branch is left with one child, the child takes its place, with the branch's path and its
//! own nibble before its own path. The child may be a leaf or a branch: one rule covers leaf,
//! extension and branch below a collapsing branch, and whatever extension stood above it.
//!
//! # Why it is right
//!
//! Two rules make the shape a function of the content alone: all keys have the same length, so that
//! no key is a prefix of another; and every branch has two children or more, which insertion
//! establishes where two keys part, and removal restores as above. So any history of changes that
//! ends with the same content ends with the same root.
//!
//! A node remembers how its parent refers to it (its encoding, or the hash of that) until something
//! below it or its path changes; so each root costs the paths that changed since the last one.

#[cfg(feature = "import")]
use alloy_rlp::Encodable;
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use rayon::prelude::*;

/// A place for a subtree.
pub(super) type Link = Option<Box<Node>>;

/// A leaf or a branch, with the path from the place where its parent refers to it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    path: Nibbles,
    kind: Kind,
    /// How the parent refers to it, unless it changed since that was last asked.
    reference: Option<RlpNode>,
}

#[derive(Clone, Debug)]
enum Kind {
    Leaf(Box<[u8]>),
    /// Two children at least.
    Branch(Box<[Link; 16]>),
}

impl Node {
    fn leaf(path: Nibbles, value: &[u8]) -> Box<Self> {
        Box::new(Self { path, kind: Kind::Leaf(value.into()), reference: None })
    }

    /// How the parent refers to this subtree: its encoding if that is shorter than a hash, else its
    /// hash.
    ///
    /// `buffer` is scratch space. The children of the topmost `parallel` branches are hashed in
    /// parallel.
    pub(super) fn reference(&mut self, buffer: &mut Vec<u8>, parallel: usize) -> &RlpNode {
        if self.reference.is_none() {
            self.reference = Some(self.encode(buffer, parallel));
        }
        self.reference.as_ref().expect("set above")
    }

    fn encode(&mut self, buffer: &mut Vec<u8>, parallel: usize) -> RlpNode {
        match &mut self.kind {
            Kind::Leaf(value) => {
                buffer.clear();
                LeafNodeRef::new(&self.path, value).rlp(buffer)
            }
            Kind::Branch(children) => {
                if parallel > 0 {
                    children.par_iter_mut().flatten().for_each(|child| {
                        child.reference(&mut Vec::new(), parallel - 1);
                    });
                }
                for child in children.iter_mut().flatten() {
                    child.reference(buffer, 0);
                }
                let (references, mask) = references(children).expect("each was asked for");
                buffer.clear();
                let branch = BranchNodeRef::new(&references, mask).rlp(buffer);
                if self.path.is_empty() {
                    return branch;
                }
                buffer.clear();
                ExtensionNodeRef::new(&self.path, &branch).rlp(buffer)
            }
        }
    }
}

/// The encoding of the node whose place is `place` from here on, if there is one. The references of
/// all nodes below must be known.
#[cfg(feature = "import")]
pub(super) fn encoding_at(link: &Link, place: &Nibbles) -> Option<Vec<u8>> {
    let node = link.as_deref()?;
    let mut out = Vec::new();
    match &node.kind {
        Kind::Leaf(value) if place.is_empty() => {
            LeafNodeRef::new(&node.path, value).encode(&mut out)
        }
        Kind::Branch(children) if place.is_empty() && !node.path.is_empty() => {
            let branch = RlpNode::from_rlp(&branch_encoding(children)?);
            ExtensionNodeRef::new(&node.path, &branch).encode(&mut out);
        }
        // Below the extension that leads to it, if there is one.
        Kind::Branch(children) if *place == node.path => return branch_encoding(children),
        Kind::Branch(children) if place.starts_with(&node.path) => {
            let (nibble, rest) = step(place, node.path.len());
            return encoding_at(&children[nibble], &rest);
        }
        Kind::Leaf(_) | Kind::Branch(_) => return None,
    }
    Some(out)
}

/// How a branch refers to its children, and where these are; `None` if that is not known of one.
fn references(children: &[Link; 16]) -> Option<(Vec<RlpNode>, TrieMask)> {
    let (mut references, mut mask) = (Vec::with_capacity(children.len()), TrieMask::default());
    for (nibble, child) in (0..).zip(children) {
        if let Some(child) = child {
            references.push(child.reference.clone()?);
            mask.set_bit(nibble);
        }
    }
    Some((references, mask))
}

#[cfg(feature = "import")]
fn branch_encoding(children: &[Link; 16]) -> Option<Vec<u8>> {
    let (references, mask) = references(children)?;
    let mut out = Vec::new();
    BranchNodeRef::new(&references, mask).encode(&mut out);
    Some(out)
}

/// The value of `key`, the rest of a key from this place on.
pub(super) fn get<'a>(link: &'a Link, key: &Nibbles) -> Option<&'a [u8]> {
    let node = link.as_deref()?;
    if !key.starts_with(&node.path) {
        return None;
    }
    match &node.kind {
        Kind::Leaf(value) => Some(value),
        Kind::Branch(children) => {
            let (nibble, rest) = step(key, node.path.len());
            get(&children[nibble], &rest)
        }
    }
}

/// Sets `key`, the rest of a key from this place on, and returns whether that changed anything.
pub(super) fn insert(link: &mut Link, key: &Nibbles, value: &[u8]) -> bool {
    let Some(node) = link else {
        *link = Some(Node::leaf(*key, value));
        return true;
    };
    let common = node.path.common_prefix_length(key);
    if common < node.path.len() {
        split(link, common, key, value);
        return true;
    }
    let changed = match &mut node.kind {
        // The whole path agrees, and all keys have the same length: it is this key's leaf.
        Kind::Leaf(old) if **old == *value => false,
        Kind::Leaf(old) => {
            *old = value.into();
            true
        }
        Kind::Branch(children) => {
            let (nibble, rest) = step(key, common);
            insert(&mut children[nibble], &rest, value)
        }
    };
    if changed {
        node.reference = None;
    }
    changed
}

/// Puts a branch where `key` parts from the path of the node at `link`, `common` nibbles down.
fn split(link: &mut Link, common: usize, key: &Nibbles, value: &[u8]) {
    let Some(mut lower) = link.take() else { return };
    let path = lower.path.slice(..common);
    let (lower_nibble, lower_path) = step(&lower.path, common);
    lower.path = lower_path;
    lower.reference = None;
    let (nibble, rest) = step(key, common);
    let mut children = Box::new([const { None }; 16]);
    children[lower_nibble] = Some(lower);
    children[nibble] = Some(Node::leaf(rest, value));
    *link = Some(Box::new(Node { path, kind: Kind::Branch(children), reference: None }));
}

/// Removes `key`, the rest of a key from this place on, and returns whether it was there.
pub(super) fn remove(link: &mut Link, key: &Nibbles) -> bool {
    let Some(node) = link else { return false };
    if !key.starts_with(&node.path) {
        return false;
    }
    let Kind::Branch(children) = &mut node.kind else {
        *link = None;
        return true;
    };
    let (nibble, rest) = step(key, node.path.len());
    if !remove(&mut children[nibble], &rest) {
        return false;
    }
    node.reference = None;
    if let Some((nibble, mut only)) = take_only(children) {
        let mut path = node.path;
        path.push(nibble);
        only.path = path.join(&only.path);
        only.reference = None;
        *link = Some(only);
    }
    true
}

/// Takes the child out if there is one alone.
fn take_only(children: &mut [Link; 16]) -> Option<(u8, Box<Node>)> {
    let mut present = (0..).zip(children.iter_mut()).filter(|(_, child)| child.is_some());
    let (nibble, only) = present.next()?;
    match present.next() {
        Some(_) => None,
        None => Some((nibble, only.take()?)),
    }
}

/// The nibble at `at`, as an index, and what follows it.
fn step(key: &Nibbles, at: usize) -> (usize, Nibbles) {
    (usize::from(key.get_unchecked(at)), key.slice(at + 1..))
}

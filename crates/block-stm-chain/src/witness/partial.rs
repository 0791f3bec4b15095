//! A trie of which a part is known: changing it, and its root afterwards.
//!
//! As in `state_trie/node.rs`, a branch carries the path that leads to it, so that an extension is
//! a way to encode one. What is not known yet is *hidden*: a reference below a path. A hidden node
//! with a path is an extension whose branch was not looked at.
//!
//! ```text
//! peek    hidden, no path  ->  leaf, branch, or hidden below the path of an extension
//! open    hidden below a path  ->  branch
//! ```
//!
//! Nodes are asked for when a change needs them and not before, so that what is asked for is what
//! is needed. When a branch is left with one child, that child is peeked at: a leaf or an extension
//! takes up the branch's path, and is encoded anew. This is the sibling that a witness of a removal
//! has.
//!
//! # Why the order of changes does not count
//!
//! Values are set first, keys removed afterwards. A branch is then left with one child alone where
//! it has one child in the end, or none: a child that is removed later has been looked at for that.
//! The other way round, a removal could collapse a branch that an insertion opens again, and ask
//! for a sibling in vain.

use alloy_primitives::{Address, B256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNode, BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

use super::{
    source::{Source, WitnessError, resolve},
    walk::KEY_NIBBLES,
};

type Link = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    /// From the place where its parent refers to it.
    path: Nibbles,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Leaf(Vec<u8>),
    Branch(Box<[Link; 16]>),
    Hidden(RlpNode),
}

/// A trie whose nodes come from `source` when they are needed.
#[derive(Debug)]
pub(super) struct PartialTrie<'a, S> {
    nodes: Nodes<'a, S>,
    root: Link,
}

/// Where nodes come from, and what errors call the trie.
#[derive(Debug)]
struct Nodes<'a, S> {
    source: &'a S,
    of: Option<Address>,
}

impl<'a, S: Source> PartialTrie<'a, S> {
    /// The trie with the root `root`: that of the accounts, or of the storage of `of`.
    pub(super) fn new(source: &'a S, of: Option<Address>, root: B256) -> Self {
        let root =
            (root != EMPTY_ROOT_HASH).then(|| Box::new(Node::hidden(RlpNode::word_rlp(&root))));
        Self { nodes: Nodes { source, of }, root }
    }

    /// Sets the values of keys, and then removes those without a value.
    pub(super) fn change<'v>(
        &mut self,
        changes: impl IntoIterator<Item = (B256, Option<&'v [u8]>)> + Clone,
    ) -> Result<(), WitnessError> {
        for (key, value) in changes.clone() {
            if let Some(value) = value {
                self.nodes.insert(&mut self.root, &Nibbles::unpack_array(&key.0), 0, value)?;
            }
        }
        for (key, value) in changes {
            if value.is_none() {
                self.nodes.remove(&mut self.root, &Nibbles::unpack_array(&key.0), 0)?;
            }
        }
        Ok(())
    }

    /// The root hash.
    pub(super) fn root(&self) -> B256 {
        match self.root.as_deref() {
            None => EMPTY_ROOT_HASH,
            // A trie that is shorter than a hash is hashed all the same.
            Some(node) => {
                let reference = node.reference();
                reference.as_hash().unwrap_or_else(|| keccak256(reference))
            }
        }
    }
}

impl<S: Source> Nodes<'_, S> {
    fn wrong<T>(&self, place: &Nibbles, reason: &'static str) -> Result<T, WitnessError> {
        Err(WitnessError::wrong(self.of, place, reason))
    }

    /// Finds out the path of a node at `place`, and whether it is a leaf.
    fn peek(&self, node: &mut Node, place: &Nibbles) -> Result<(), WitnessError> {
        let Kind::Hidden(reference) = &node.kind else { return Ok(()) };
        if !node.path.is_empty() {
            return Ok(());
        }
        let found = resolve(self.source, self.of, place, reference)?;
        *node = match &*found {
            TrieNode::EmptyRoot => return self.wrong(place, "it is empty"),
            TrieNode::Branch(branch) => Node::branch(Nibbles::new(), branch),
            TrieNode::Extension(extension) => {
                if extension.key.is_empty() || place.len() + extension.key.len() >= KEY_NIBBLES {
                    return self.wrong(place, "an extension of the wrong length");
                }
                Node { path: extension.key, kind: Kind::Hidden(extension.child.clone()) }
            }
            TrieNode::Leaf(leaf) => {
                if place.len() + leaf.key.len() != KEY_NIBBLES {
                    return self.wrong(place, "a leaf at the wrong depth");
                }
                Node { path: leaf.key, kind: Kind::Leaf(leaf.value.clone()) }
            }
        };
        Ok(())
    }

    /// The children of a node at `place` that was peeked at and is no leaf.
    fn open<'n>(
        &self,
        node: &'n mut Node,
        place: &Nibbles,
    ) -> Result<&'n mut [Link; 16], WitnessError> {
        let below = place.join(&node.path);
        if below.len() >= KEY_NIBBLES {
            return self.wrong(&below, "a branch below the last nibble");
        }
        if let Kind::Hidden(reference) = &node.kind {
            let found = resolve(self.source, self.of, &below, reference)?;
            let TrieNode::Branch(branch) = &*found else {
                return self.wrong(&below, "an extension leads to something else than a branch");
            };
            *node = Node::branch(node.path, branch);
        }
        match &mut node.kind {
            Kind::Branch(children) => Ok(children),
            Kind::Leaf(_) | Kind::Hidden(_) => self.wrong(&below, "it is no branch"),
        }
    }

    /// Sets the value of `key` below `link`, which is `depth` nibbles down.
    fn insert(
        &self,
        link: &mut Link,
        key: &Nibbles,
        depth: usize,
        value: &[u8],
    ) -> Result<(), WitnessError> {
        let (place, rest) = (key.slice(..depth), key.slice(depth..));
        let Some(node) = link else {
            *link = Some(Node::leaf(rest, value));
            return Ok(());
        };
        self.peek(node, &place)?;
        let common = node.path.common_prefix_length(&rest);
        if common < node.path.len() {
            split(link, common, &rest, value);
            return Ok(());
        }
        if let Kind::Leaf(old) = &mut node.kind {
            *old = value.to_vec();
            return Ok(());
        }
        let (nibble, below) = (usize::from(rest.get_unchecked(common)), depth + common + 1);
        self.insert(&mut self.open(node, &place)?[nibble], key, below, value)
    }

    /// Removes `key` below `link`, which is `depth` nibbles down; returns whether it was there.
    fn remove(&self, link: &mut Link, key: &Nibbles, depth: usize) -> Result<bool, WitnessError> {
        let (place, rest) = (key.slice(..depth), key.slice(depth..));
        let Some(node) = link else { return Ok(false) };
        self.peek(node, &place)?;
        if !rest.starts_with(&node.path) {
            return Ok(false);
        }
        if matches!(node.kind, Kind::Leaf(_)) {
            *link = None;
            return Ok(true);
        }
        let path = node.path;
        let below = depth + path.len();
        let children = self.open(node, &place)?;
        let nibble = usize::from(key.get_unchecked(below));
        if !self.remove(&mut children[nibble], key, below + 1)? {
            return Ok(false);
        }
        if let Some((nibble, mut only)) = take_only(children) {
            let (mut beside, mut path) = (key.slice(..below), path);
            beside.push(nibble);
            path.push(nibble);
            self.peek(&mut only, &beside)?;
            only.path = path.join(&only.path);
            *link = Some(only);
        }
        Ok(true)
    }
}

impl Node {
    fn hidden(reference: RlpNode) -> Self {
        Self { path: Nibbles::new(), kind: Kind::Hidden(reference) }
    }

    fn leaf(path: Nibbles, value: &[u8]) -> Box<Self> {
        Box::new(Self { path, kind: Kind::Leaf(value.to_vec()) })
    }

    fn branch(path: Nibbles, branch: &BranchNode) -> Self {
        let mut children = Box::new([const { None }; 16]);
        let present = (0_u8..16).filter(|&nibble| branch.state_mask.is_bit_set(nibble));
        for (nibble, child) in present.zip(&branch.stack) {
            children[usize::from(nibble)] = Some(Box::new(Self::hidden(child.clone())));
        }
        Self { path, kind: Kind::Branch(children) }
    }

    /// How the parent refers to it. The depth of this recursion is bounded by the length of keys.
    fn reference(&self) -> RlpNode {
        let mut out = Vec::new();
        let below = match &self.kind {
            Kind::Leaf(value) => return LeafNodeRef::new(&self.path, value).rlp(&mut out),
            Kind::Hidden(reference) => reference.clone(),
            Kind::Branch(children) => {
                let (mut references, mut mask) = (Vec::new(), TrieMask::default());
                for (nibble, child) in (0..).zip(children.iter()) {
                    if let Some(child) = child {
                        references.push(child.reference());
                        mask.set_bit(nibble);
                    }
                }
                BranchNodeRef::new(&references, mask).encode(&mut out);
                RlpNode::from_rlp(&out)
            }
        };
        if self.path.is_empty() {
            return below;
        }
        out.clear();
        ExtensionNodeRef::new(&self.path, &below).rlp(&mut out)
    }
}

/// Puts a branch where `rest` parts from the path of the node at `link`, `common` nibbles down.
fn split(link: &mut Link, common: usize, rest: &Nibbles, value: &[u8]) {
    let Some(mut lower) = link.take() else { return };
    let path = lower.path.slice(..common);
    let mut children = Box::new([const { None }; 16]);
    let (old, new) = (lower.path.get_unchecked(common), rest.get_unchecked(common));
    lower.path = lower.path.slice(common + 1..);
    children[usize::from(old)] = Some(lower);
    children[usize::from(new)] = Some(Node::leaf(rest.slice(common + 1..), value));
    *link = Some(Box::new(Node { path, kind: Kind::Branch(children) }));
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

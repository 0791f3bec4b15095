//! A Merkle-Patricia trie from hashed keys to encoded values.

use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

use super::node::{self, Link};

/// So many changed keys make it worth while to wake other threads for a root.
const PARALLEL_FROM: usize = 128;
/// The levels of branches that are hashed in parallel then: 256 subtrees.
const PARALLEL_LEVELS: usize = 2;

/// A trie in memory, whose root is found incrementally.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    root: Link,
    /// How many keys changed since the root was last asked.
    changed: usize,
}

impl Trie {
    /// The value of `key`.
    pub(super) fn get(&self, key: &B256) -> Option<&[u8]> {
        node::get(&self.root, &Nibbles::unpack_array(key))
    }

    /// The encoding of the node at `place`, if there is one and the root was asked for since the
    /// last change.
    #[cfg(feature = "import")]
    pub(super) fn encoding_at(&self, place: &Nibbles) -> Option<Vec<u8>> {
        node::encoding_at(&self.root, place)
    }

    /// Sets a key's value, which must not be empty.
    pub(super) fn insert(&mut self, key: &B256, value: &[u8]) {
        let changed = node::insert(&mut self.root, &Nibbles::unpack_array(key), value);
        self.changed += usize::from(changed);
    }

    /// Removes a key.
    pub(super) fn remove(&mut self, key: &B256) {
        let changed = node::remove(&mut self.root, &Nibbles::unpack_array(key));
        self.changed += usize::from(changed);
    }

    /// Sets a key's value, or removes the key.
    pub(super) fn set(&mut self, key: &B256, value: Option<&[u8]>) {
        match value {
            Some(value) => self.insert(key, value),
            None => self.remove(key),
        }
    }

    /// Whether there is no key.
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The root hash.
    pub(super) fn root(&mut self) -> B256 {
        let parallel = if self.changed < PARALLEL_FROM { 0 } else { PARALLEL_LEVELS };
        self.changed = 0;
        let Some(root) = &mut self.root else { return EMPTY_ROOT_HASH };
        let reference = root.reference(&mut Vec::new(), parallel);
        // A trie that is shorter than a hash is hashed all the same.
        reference.as_hash().unwrap_or_else(|| keccak256(reference))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_trie::HashBuilder;
    use proptest::prelude::*;

    use super::*;

    type Content = BTreeMap<B256, Vec<u8>>;

    /// The root by alloy's streaming builder, from sorted content.
    fn from_scratch(content: &Content) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in content {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        builder.root()
    }

    /// Keys that share long prefixes and part at any depth, so that branches and extensions come
    /// and go.
    fn key() -> impl Strategy<Value = B256> {
        let bytes = proptest::sample::select(vec![0x00, 0x01, 0x10, 0x11]);
        (0_usize..33, bytes.clone(), bytes).prop_map(|(at, first, second)| {
            let mut key = B256::repeat_byte(0x22);
            if let Some(byte) = key.0.get_mut(at) {
                *byte = first;
            }
            key.0[at / 2] ^= second;
            key
        })
    }

    fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
        // Short values make nodes that are shorter than a hash.
        proptest::option::of(proptest::collection::vec(1_u8.., 1..70))
    }

    proptest! {
        #[test]
        fn any_history_gives_the_root_of_its_outcome(
            steps in proptest::collection::vec((key(), value(), any::<bool>()), 0..60)
        ) {
            let (mut trie, mut content) = (Trie::default(), Content::new());
            for (key, value, ask) in steps {
                trie.set(&key, value.as_deref());
                match value {
                    Some(value) => content.insert(key, value),
                    None => content.remove(&key),
                };
                prop_assert_eq!(trie.get(&key), content.get(&key).map(Vec::as_slice));
                if ask {
                    prop_assert_eq!(trie.root(), from_scratch(&content));
                }
            }
            prop_assert_eq!(trie.root(), from_scratch(&content));
            for key in content.keys() {
                trie.remove(key);
            }
            prop_assert!(trie.is_empty());
            prop_assert_eq!(trie.root(), EMPTY_ROOT_HASH);
        }
    }

    #[test]
    fn many_keys_are_hashed_in_parallel_to_the_same_root() {
        let content: Content =
            (0_u32..2_000).map(|n| (keccak256(n.to_be_bytes()), vec![1; 40])).collect();
        let mut trie = Trie::default();
        for (key, value) in &content {
            trie.insert(key, value);
        }
        assert!(trie.changed >= PARALLEL_FROM);
        assert_eq!(trie.root(), from_scratch(&content));
    }

    #[test]
    fn what_changes_nothing_is_not_counted() {
        let mut trie = Trie::default();
        trie.insert(&B256::ZERO, &[1]);
        trie.root();
        trie.insert(&B256::ZERO, &[1]);
        trie.remove(&B256::repeat_byte(1));
        assert_eq!(trie.changed, 0);
    }
}

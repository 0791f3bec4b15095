//! The whole state as a source that notes what it is asked for.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{Nibbles, nodes::TrieNode};
use block_stm_evm::PreState;
use revm::state::Bytecode;

use super::{
    Witness,
    source::{Source, WitnessError, decode},
};
use crate::StateTrie;

/// A state and its trie, and what was asked for so far.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    state: &'a PreState,
    trie: &'a StateTrie,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    nodes: BTreeMap<B256, (Bytes, Arc<TrieNode>)>,
    codes: BTreeMap<B256, Bytes>,
    accounts: BTreeSet<Address>,
    slots: BTreeSet<U256>,
    /// The oldest block of which the hash was asked for.
    oldest: Option<u64>,
}

impl<'a> Recorder<'a> {
    /// Nothing asked for yet. The root of `trie`, which is that of `state`, is known.
    pub(super) fn new(state: &'a PreState, trie: &'a StateTrie) -> Self {
        Self { state, trie, asked: Mutex::default() }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked for, without headers, and the oldest block of which the hash was.
    pub(super) fn witness(self) -> (Witness, Option<u64>) {
        let asked = self.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let accounts = asked.accounts.iter().map(|address| Bytes::copy_from_slice(&address[..]));
        let slots = asked.slots.iter().map(|slot| slot.to_be_bytes::<32>().into());
        let witness = Witness {
            state: asked.nodes.into_values().map(|(bytes, _)| bytes).collect(),
            codes: asked.codes.into_values().collect(),
            keys: accounts.chain(slots).collect(),
            headers: Vec::new(),
        };
        (witness, asked.oldest)
    }
}

impl Source for Recorder<'_> {
    fn node(
        &self,
        of: Option<Address>,
        place: &Nibbles,
        hash: B256,
    ) -> Result<Arc<TrieNode>, WitnessError> {
        let mut asked = self.asked();
        match asked.nodes.entry(hash) {
            btree_map::Entry::Occupied(known) => Ok(known.get().1.clone()),
            btree_map::Entry::Vacant(vacant) => {
                let missing = || WitnessError::missing(of, place, hash);
                let bytes = self.trie.encoding_at(of.as_ref(), place).ok_or_else(missing)?;
                let node =
                    decode(&bytes).map_err(|reason| WitnessError::wrong(of, place, reason))?;
                Ok(vacant.insert((bytes.into(), Arc::new(node))).1.clone())
            }
        }
    }

    fn code(&self, hash: B256) -> Result<Bytecode, WitnessError> {
        let code = self.state.code(&hash).ok_or(WitnessError::MissingCode { hash })?;
        self.asked().codes.entry(hash).or_insert_with(|| code.original_bytes());
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<B256, WitnessError> {
        let hash = self.state.block_hashes().get(&number).copied();
        let hash = hash.ok_or(WitnessError::MissingBlockHash { number })?;
        let oldest = &mut self.asked().oldest;
        *oldest = Some(oldest.map_or(number, |oldest| oldest.min(number)));
        Ok(hash)
    }

    fn notes(&self, address: Address, slot: Option<U256>) {
        let mut asked = self.asked();
        asked.accounts.insert(address);
        asked.slots.extend(slot);
    }
}

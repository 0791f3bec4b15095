//! Proofs of single accounts and slots, as `eth_getProof` has them.

use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, nodes::TrieNode};
use revm::state::Bytecode;

use super::{
    source::{Source, WitnessError, decode},
    walk,
};
use crate::StateTrie;

/// What an account is, and the nodes that prove it against the state root.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountProof {
    /// Which account.
    pub address: Address,
    /// The account, or `None` if it does not exist.
    pub account: Option<TrieAccount>,
    /// The nodes on the way from the state root, from above. They end where it shows that there is
    /// no account.
    pub proof: Vec<Bytes>,
    /// The slots that were asked for, in that order.
    pub storage: Vec<SlotProof>,
}

/// What a slot holds, and the nodes that prove it against the root of the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotProof {
    /// Which slot.
    pub slot: U256,
    /// Its value; zero where there is none.
    pub value: U256,
    /// The nodes on the way from the root of the storage, from above.
    pub proof: Vec<Bytes>,
}

/// The nodes of a whole trie, which are noted as they are asked for.
struct Noted<'a> {
    trie: &'a StateTrie,
    nodes: Mutex<Vec<Bytes>>,
}

impl Noted<'_> {
    fn take(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.nodes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source for Noted<'_> {
    fn node(
        &self,
        of: Option<Address>,
        place: &Nibbles,
        hash: B256,
    ) -> Result<Arc<TrieNode>, WitnessError> {
        let missing = || WitnessError::missing(of, place, hash);
        let bytes = self.trie.encoding_at(of.as_ref(), place).ok_or_else(missing)?;
        let node = decode(&bytes).map_err(|reason| WitnessError::wrong(of, place, reason))?;
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).push(bytes.into());
        Ok(Arc::new(node))
    }

    fn code(&self, hash: B256) -> Result<Bytecode, WitnessError> {
        Err(WitnessError::MissingCode { hash })
    }

    fn block_hash(&self, number: u64) -> Result<B256, WitnessError> {
        Err(WitnessError::MissingBlockHash { number })
    }
}

impl StateTrie {
    /// The account at `address` with the slots `slots`, and the nodes that prove them: what
    /// `eth_getProof` answers, but for the code.
    ///
    /// # Cost
    ///
    /// Encodes the nodes on the way to each, and hashes what changed since the root was last asked
    /// for.
    ///
    /// # Panics
    ///
    /// If slots were [fed](Self::follow), and no changes applied since.
    ///
    /// # Examples
    ///
    /// ```
    /// use alloy_primitives::{Address, U256};
    /// use block_stm_chain::{StateTrie, block_stm_evm::PreState};
    ///
    /// let mut state = PreState::new();
    /// state.insert_storage(Address::ZERO, U256::ONE, U256::from(7));
    /// let mut trie = StateTrie::from(&state);
    /// let proof = trie.proof(&Address::ZERO, &[U256::ONE]);
    /// assert_eq!((proof.proof.len(), proof.storage[0].value), (1, U256::from(7)));
    /// assert_eq!(alloy_primitives::keccak256(&proof.proof[0]), trie.root());
    /// ```
    pub fn proof(&mut self, address: &Address, slots: &[U256]) -> AccountProof {
        const WHOLE: &str = "a whole trie has all of its nodes";
        let root = self.root();
        let noted = Noted { trie: self, nodes: Mutex::default() };
        let account = walk::account(&noted, root, *address).expect(WHOLE);
        let proof = noted.take();
        let storage = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let slot_proof = |&slot: &U256| {
            let value = walk::slot(&noted, storage, *address, slot).expect(WHOLE);
            SlotProof { slot, value, proof: noted.take() }
        };
        let storage = slots.iter().map(slot_proof).collect();
        AccountProof { address: *address, account, proof, storage }
    }
}

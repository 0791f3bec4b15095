//! The trie of the newest checked block, for proofs while blocks go through the stages.

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use block_stm_chain::{BlockError, StateTrie, witness::AccountProof};
use parking_lot::Mutex;

/// Proves accounts and slots of the newest block that was checked, from any thread, while a
/// [`Pipeline`](crate::Pipeline) works. Clones ask the same trie.
///
/// The root stage has the trie for as long as it takes to apply a block and to check its root; a
/// proof waits for that, and the next block for the proof.
///
/// # Examples
///
/// ```
/// use block_stm_pipeline::{World, block_stm_chain::{ForkSchedule, Genesis}};
/// # use block_stm_pipeline::block_stm_evm::{PreState, revm::primitives::hardfork::SpecId};
///
/// let schedule = ForkSchedule::fixed(1, SpecId::OSAKA);
/// let world = World::genesis(Genesis::new(schedule, Default::default(), PreState::new()));
/// let (number, hash, proof) = world.prover().prove(&Default::default(), &[]).expect("no failure");
/// assert_eq!(((number, hash), proof.account), (world.head(), None));
/// ```
#[derive(Clone, Debug)]
pub struct Prover(Arc<Mutex<Rooted>>);

/// A trie, and the block after which the state has it.
#[derive(Debug)]
struct Rooted {
    trie: StateTrie,
    /// Nothing from when a block is applied until its root is the one that it must have.
    block: Option<(u64, B256)>,
}

impl Prover {
    pub(crate) fn new(trie: StateTrie, block: (u64, B256)) -> Self {
        Self(Arc::new(Mutex::new(Rooted { trie, block: Some(block) })))
    }

    /// Number and hash of the newest block that was checked. `None` if the one after it was wrong
    /// and is not taken back yet.
    pub fn block(&self) -> Option<(u64, B256)> {
        self.0.lock().block
    }

    /// The account at `address` with the slots `slots`, and the nodes that prove them, after the
    /// newest block that was checked, with that block's number and hash. The store may not have it
    /// yet. `None` as for [`block`](Self::block).
    ///
    /// # Cost
    ///
    /// As [`StateTrie::proof`]; the root stage waits meanwhile.
    pub fn prove(&self, address: &Address, slots: &[U256]) -> Option<(u64, B256, AccountProof)> {
        let mut rooted = self.0.lock();
        let (number, hash) = rooted.block?;
        Some((number, hash, rooted.trie.proof(address, slots)))
    }

    /// [`prove`](Self::prove), if `hash` is the newest block that was checked.
    pub fn prove_at(&self, hash: &B256, address: &Address, slots: &[U256]) -> Option<AccountProof> {
        let mut rooted = self.0.lock();
        let is_newest = rooted.block.is_some_and(|(_, newest)| newest == *hash);
        is_newest.then(|| rooted.trie.proof(address, slots))
    }

    /// Brings the trie to the block `block` by `check`, which also says whether the block is right.
    pub(crate) fn advance(
        &self,
        block: (u64, B256),
        check: impl FnOnce(&mut StateTrie) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let mut rooted = self.0.lock();
        rooted.block = None;
        check(&mut rooted.trie)?;
        rooted.block = Some(block);
        Ok(())
    }

    /// Takes the trie back to the block `block` by `undo`.
    pub(crate) fn take_back(&self, block: (u64, B256), undo: impl FnOnce(&mut StateTrie)) {
        let mut rooted = self.0.lock();
        undo(&mut rooted.trie);
        rooted.block = Some(block);
    }
}

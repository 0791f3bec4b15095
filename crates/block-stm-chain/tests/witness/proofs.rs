//! Proofs of accounts and slots, checked by alloy's own verifier.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, proof::verify_proof};
use block_stm_chain::{StateTrie, block_stm_evm::PreState};

use crate::scene::TestResult;

fn key(bytes: impl AsRef<[u8]>) -> Nibbles {
    Nibbles::unpack(keccak256(bytes))
}

#[test]
fn presence_and_absence_are_proven() -> TestResult {
    let mut state = PreState::new();
    let address = |number: u64| Address::from_word(B256::from(U256::from(number)));
    for number in 1..200_u64 {
        let info = block_stm_chain::block_stm_evm::revm::state::AccountInfo::from_balance(
            U256::from(number),
        );
        state.insert_account(address(number), info);
        for slot in 0..number % 20 {
            state.insert_storage(address(number), U256::from(slot), U256::from(slot + number));
        }
    }
    let mut trie = StateTrie::from(&state);
    let root = trie.root();
    let slots: Vec<_> = (0..25).map(U256::from).collect();
    let (mut present, mut absent) = (0, 0);
    for number in 1..300 {
        let address = address(number);
        let proof = trie.proof(&address, &slots);
        let leaf = proof.account.map(alloy_rlp::encode);
        verify_proof(root, key(address), leaf, &proof.proof)?;
        assert_eq!(proof.account.is_some(), state.account(&address).is_some());
        let storage = proof.account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        for slot in &proof.storage {
            assert_eq!(slot.value, state.storage(&address, &slot.slot));
            let leaf = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
            present += usize::from(leaf.is_some());
            absent += usize::from(leaf.is_none());
            verify_proof(storage, key(slot.slot.to_be_bytes::<32>()), leaf, &slot.proof)?;
        }
    }
    assert!(present > 1_000 && absent > 1_000);
    Ok(())
}

//! Merkle proofs of a pre-state: that it is the one with the parent's state root.

use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, Nibbles, TrieAccount, proof::verify_proof};
use block_stm_evm::revm::primitives::{Address, B256, U256, keccak256};

use super::{
    node::{Node, Proof},
    remote::Read,
    rpc::RpcError,
};

const METHOD: &str = "eth_getProof";

/// The proofs of all that was `read` at the end of block `at`, whose state root is `root`, as JSON;
/// but for accounts that were `made_up`.
///
/// # Errors
///
/// The node gives no proofs, or they prove something else.
pub(super) fn proofs(
    node: &Node,
    at: u64,
    root: B256,
    read: &Read,
    made_up: &[Address],
) -> Result<Vec<u8>, RpcError> {
    let mut all = Vec::new();
    for (address, slots) in read.touched() {
        if made_up.contains(&address) {
            continue;
        }
        let (json, proof) = node.proof(address, &slots, at)?;
        check(root, address, &slots, &proof)
            .and_then(|()| agrees(address, &proof, read))
            .map_err(|message| RpcError::Wrong { method: METHOD, message })?;
        all.push(json);
    }
    let mut json = serde_json::to_vec(&all).expect("answers are JSON");
    json.push(b'\n');
    Ok(json)
}

/// Whether the account and its slots are in the state with the root `root`, as `proof` says.
fn check(root: B256, address: Address, slots: &[U256], proof: &Proof) -> Result<(), String> {
    let wrong = |what: &str| format!("{address}: {what}");
    if proof.address != address || proof.storage_proof.len() != slots.len() {
        return Err(wrong("the answer is about something else"));
    }
    let account = TrieAccount {
        nonce: proof.nonce.0,
        balance: proof.balance.0,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    // Nodes say one or the other of what is not there.
    let is_absent = account.nonce == 0
        && account.balance.is_zero()
        && [KECCAK_EMPTY, B256::ZERO].contains(&account.code_hash)
        && [EMPTY_ROOT_HASH, B256::ZERO].contains(&account.storage_root);
    let key = Nibbles::unpack(keccak256(address));
    let holds = |leaf| verify_proof(root, key, leaf, &proof.account_proof).is_ok();
    // An empty account that is there (before Spurious Dragon) has a leaf as others have.
    let is_proven = match is_absent {
        true => holds(None) || holds(Some(alloy_rlp::encode(TrieAccount::default()))),
        false => holds(Some(alloy_rlp::encode(account))),
    };
    if !is_proven {
        return Err(wrong("the proof does not lead to the parent's state root"));
    }
    for (slot, proof_of_slot) in slots.iter().zip(&proof.storage_proof) {
        let value = proof_of_slot.value.0;
        let key = Nibbles::unpack(keccak256(B256::from(*slot)));
        let storage = if is_absent { EMPTY_ROOT_HASH } else { account.storage_root };
        let holds = |leaf| verify_proof(storage, key, leaf, &proof_of_slot.proof).is_ok();
        // A leaf of zero, which anvil keeps, proves it as well as none does.
        let leaf = Some(alloy_rlp::encode(value));
        let is_proven = holds(leaf) || value.is_zero() && holds(None);
        if proof_of_slot.key.0 != *slot || !is_proven {
            return Err(wrong(&format!("the proof of slot {slot:#x} does not hold")));
        }
    }
    Ok(())
}

/// Whether what the execution read is what `proof` proves.
fn agrees(address: Address, proof: &Proof, read: &Read) -> Result<(), String> {
    let wrong = |what: &str| format!("{address}: {what} is not the one that was read");
    if let Some(info) = read.accounts.get(&address) {
        let info = info.clone().unwrap_or_default();
        if info.balance != proof.balance.0 || info.nonce != proof.nonce.0 {
            return Err(wrong("the proven balance or nonce"));
        }
        let is_empty = proof.code_hash.is_zero() && info.code_hash == KECCAK_EMPTY;
        if info.code_hash != proof.code_hash && !is_empty {
            return Err(wrong("the proven code"));
        }
    }
    let slots = read.slots.get(&address).into_iter().flatten();
    for ((slot, value), proven) in slots.zip(&proof.storage_proof) {
        if *value != proven.value.0 {
            return Err(wrong(&format!("the proven value of slot {slot:#x}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use block_stm_chain::import::json::Quantity;

    use super::*;
    use crate::fetch::node::SlotProof;

    /// A state of one account with one slot: its root, and the proof of both.
    fn proven() -> (B256, Address, Proof) {
        use alloy_trie::{HashBuilder, proof::ProofRetainer};
        let address = Address::repeat_byte(7);
        let prove = |key: B256, value: Vec<u8>| {
            let key = Nibbles::unpack(key);
            let mut builder =
                HashBuilder::default().with_proof_retainer(ProofRetainer::from_iter([key]));
            builder.add_leaf(key, &value);
            let root = builder.root();
            let nodes = builder.take_proof_nodes().into_nodes_sorted();
            (root, nodes.into_iter().map(|(_, node)| node).collect::<Vec<_>>())
        };
        let (slot, value) = (U256::from(3), U256::from(9));
        let (storage_hash, storage) = prove(keccak256(B256::from(slot)), alloy_rlp::encode(value));
        let account = TrieAccount {
            nonce: 1,
            balance: U256::from(5),
            storage_root: storage_hash,
            code_hash: KECCAK_EMPTY,
        };
        let (root, account_proof) = prove(keccak256(address), alloy_rlp::encode(account));
        let proof = Proof {
            address,
            account_proof,
            balance: Quantity(account.balance),
            nonce: Quantity(account.nonce),
            code_hash: KECCAK_EMPTY,
            storage_hash,
            storage_proof: vec![SlotProof {
                key: Quantity(slot),
                value: Quantity(value),
                proof: storage,
            }],
        };
        (root, address, proof)
    }

    #[test]
    fn proofs_hold_until_they_lie() {
        let slots = [U256::from(3)];
        let (root, address, proof) = proven();
        assert_eq!(check(root, address, &slots, &proof), Ok(()));
        let lies: [fn(&mut Proof); 5] = [
            |proof| proof.balance.0 += U256::ONE,
            |proof| proof.storage_proof[0].value.0 = U256::ZERO,
            |proof| proof.storage_proof[0].key.0 = U256::ONE,
            |proof| proof.account_proof.clear(),
            |proof| proof.storage_proof.clear(),
        ];
        for (number, lie) in lies.iter().enumerate() {
            let (root, address, mut proof) = proven();
            lie(&mut proof);
            assert!(check(root, address, &slots, &proof).is_err(), "lie {number}");
        }
        assert!(check(B256::ZERO, address, &slots, &proof).is_err(), "another root");
    }

    #[test]
    fn what_was_read_must_be_what_is_proven() {
        let (_, address, proof) = proven();
        let mut read = Read::default();
        read.slots.entry(address).or_default().insert(U256::from(3), U256::from(9));
        assert_eq!(agrees(address, &proof, &read), Ok(()));
        read.slots.entry(address).or_default().insert(U256::from(3), U256::from(8));
        assert!(agrees(address, &proof, &read).is_err());
        read.slots.clear();
        read.accounts.insert(address, None);
        assert!(agrees(address, &proof, &read).is_err(), "there is an account");
    }
}

//! Proofs lead to the root that the header names.

use alloy_primitives::{B256, U256, keccak256};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof};
use block_stm_rpc::Limits;
use block_stm_workloads::Workload;
use serde_json::{Value, json};

use crate::{
    served::{Served, hex},
    truth::{AnyError, TestResult, Truth},
};

/// The answer proves account and slots against `root`.
pub(crate) fn verify(answer: Value, root: B256) -> Result<EIP1186AccountProofResponse, AnyError> {
    let proof: EIP1186AccountProofResponse = serde_json::from_value(answer)?;
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let leaf = (!proof.is_empty()).then(|| alloy_rlp::encode(account));
    let key = Nibbles::unpack(keccak256(proof.address));
    verify_proof(root, key, leaf, &proof.account_proof)?;
    for slot in &proof.storage_proof {
        let key = Nibbles::unpack(keccak256(slot.key.as_b256()));
        let leaf = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
        if proof.storage_hash == EMPTY_ROOT_HASH {
            assert!(slot.value.is_zero() && slot.proof.is_empty());
            continue;
        }
        verify_proof(proof.storage_hash, key, leaf, &slot.proof)?;
    }
    Ok(proof)
}

#[test]
fn all_accounts_and_slots_are_proved() -> TestResult {
    let truth = Truth::made(Workload::Mixed, 4)?;
    let served = Served::whole(&truth, Limits::default())?;
    let client = served.client();
    let (head, root) = (truth.head(), truth.blocks[3].prepared.header.state_root);
    let state = truth.state(head).ok_or("no state")?;
    let mut slots_seen = 0;
    for (address, account) in state.accounts() {
        let mut slots: Vec<_> = account.storage.keys().take(20).copied().collect();
        slots.push(U256::MAX);
        let answer = client.ask("eth_getProof", json!([address, slots, "latest"]))?;
        let proof = verify(answer.clone(), root)?;
        assert_eq!((proof.balance, proof.nonce), (account.info.balance, account.info.nonce));
        for (slot, shown) in slots.iter().zip(&proof.storage_proof) {
            assert_eq!(shown.value, state.storage(address, slot));
            slots_seen += 1;
        }
        let params = json!([address, slots, {"blockHash": truth.hash(head)}]);
        assert_eq!(client.ask("eth_getProof", params)?, answer);
    }
    assert!(slots_seen > 100, "{slots_seen} slots");
    // What is not there is proved as well.
    let nobody = alloy_primitives::Address::repeat_byte(0x77);
    let absent = verify(client.ask("eth_getProof", json!([nobody, ["0x1"], hex(head)]))?, root)?;
    assert!(absent.is_empty());
    // An older block is an error, and not the proof of another.
    let old = ("eth_getProof", json!([nobody, [], hex(head - 1)]));
    client.refused(old, 4444, &["newest block", &format!("block {}", head - 1)])?;
    client.refused(("eth_getProof", json!([nobody, [], hex(head + 1)])), -32001, &["unknown"])
}

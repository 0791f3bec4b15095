//! `eth_getProof`, of the newest block that was checked.

use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use block_stm_chain::witness::AccountProof;

use crate::{
    answer::{Answer, Args, answer},
    fault::Fault,
    node::Node,
};

pub(crate) fn proof(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let address: Address = args.next("address")?;
    let keys: Vec<JsonStorageKey> = args.next("slots")?;
    let block: Option<BlockId> = args.optional("block")?;
    args.end()?;
    let most = node.limits.proof_slots;
    if keys.len() > most {
        return Err(Fault::Limit(format!("{} slots; at most {most}", keys.len())));
    }
    let slots: Vec<U256> = keys.iter().map(|key| key.as_b256().into()).collect();
    let proof = prove(node, block.unwrap_or_default(), &address, &slots)?;
    answer(&shown(proof, keys), node.limits.answer_bytes)
}

fn prove(
    node: &Node,
    block: BlockId,
    address: &Address,
    slots: &[U256],
) -> Result<AccountProof, Fault> {
    use BlockNumberOrTag::{Latest, Pending};
    let other = |number: u64| {
        let newest = node
            .prover
            .block()
            .map_or(String::new(), |(newest, _)| format!(", which is block {newest}"));
        Fault::Pruned(format!(
            "proofs are of the newest block that was checked{newest}; block {number} was asked for"
        ))
    };
    if let BlockId::Number(Latest | Pending) = block {
        let newest = node.prover.prove(address, slots);
        let wrong = || Fault::Call("the newest block is being taken back: ask again".to_owned());
        return newest.map(|(_, _, proof)| proof).ok_or_else(wrong);
    }
    let head = node.head()?;
    let number = node.find(&head, block)?.ok_or(Fault::UnknownBlock)?;
    let (hash, _) = node.header(&head, number)?;
    node.prover.prove_at(&hash, address, slots).ok_or_else(|| other(number))
}

fn shown(proof: AccountProof, keys: Vec<JsonStorageKey>) -> EIP1186AccountProofResponse {
    let account = proof.account;
    let storage = proof.storage.into_iter().zip(keys);
    let storage = storage.map(|(slot, key)| EIP1186StorageProof::new(key, slot.value, slot.proof));
    EIP1186AccountProofResponse {
        address: proof.address,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        code_hash: account.map_or(KECCAK256_EMPTY, |account| account.code_hash),
        nonce: account.map_or(0, |account| account.nonce),
        storage_hash: account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
        account_proof: proof.proof,
        storage_proof: storage.collect(),
    }
}

//! Blocks of our own, as a blockchain test.

use std::num::NonZeroUsize;

use alloy_consensus::{
    Block, BlockBody, EMPTY_OMMER_ROOT_HASH, Header, TxEnvelope,
    proofs::{calculate_ommers_root, calculate_withdrawals_root},
};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_primitives::{Address, B256, U256, hex};
use alloy_trie::EMPTY_ROOT_HASH;
use block_stm::{Config, Engine};
use block_stm_chain::state_root;
use block_stm_conformance::{CaseReport, Verdict};
use block_stm_evm::{PreState, revm::state::AccountInfo};
use serde_json::{Value, json};

/// The account that is paid in every block.
pub(crate) const PAID: Address = Address::repeat_byte(0xaa);

pub(crate) fn engine(threads: usize) -> Engine {
    let threads = NonZeroUsize::new(threads).expect("not zero");
    Engine::new(Config::default().threads(threads).inline_below(0)).expect("threads start")
}

/// What failed, and why.
pub(crate) fn failures(cases: &[CaseReport]) -> Vec<String> {
    let failed = cases.iter().filter_map(|case| match &case.verdict {
        Verdict::Failed(difference) => Some(difference.clone()),
        _ => None,
    });
    failed.collect()
}

/// The state in which [`PAID`] has `gwei`, after blocks under Shanghai, or `wei`, after blocks
/// under London.
pub(crate) fn state(wei: U256) -> PreState {
    let mut state = PreState::new();
    if !wei.is_zero() {
        state.insert_account(PAID, AccountInfo::default().with_balance(wei));
    }
    state
}

/// The genesis header: under London with difficulty, under Shanghai without.
pub(crate) fn genesis(network: &str) -> Header {
    let london = network == "London";
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root: EMPTY_ROOT_HASH,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: U256::from(if london { 0x20000 } else { 0 }),
        gas_limit: 10_000_000,
        // The least there is: an empty block does not lower it.
        base_fee_per_gas: Some(7),
        withdrawals_root: (!london).then_some(EMPTY_ROOT_HASH),
        ..Header::default()
    }
}

/// A block after `parent` whose withdrawal leaves [`PAID`] with `gwei`, of which it brings one.
pub(crate) fn shanghai(parent: &Header, gwei: u64) -> (Header, Withdrawals) {
    let withdrawal = Withdrawal { address: PAID, amount: 1, ..Withdrawal::default() };
    let withdrawals = Withdrawals::new(vec![withdrawal]);
    let header = Header {
        state_root: state_root(&state(U256::from(gwei) * U256::from(1_000_000_000))),
        withdrawals_root: Some(calculate_withdrawals_root(&withdrawals)),
        ..child(parent)
    };
    (header, withdrawals)
}

/// A block after `parent`, `age` seconds younger and of this difficulty, that leaves its producer
/// with `finney`.
pub(crate) fn london(
    parent: &Header,
    age: u64,
    difficulty: u64,
    finney: u64,
    ommers: &[Header],
) -> Header {
    let wei = U256::from(finney) * U256::from(10_u64.pow(15));
    Header {
        beneficiary: PAID,
        state_root: state_root(&state(wei)),
        ommers_hash: calculate_ommers_root(ommers),
        difficulty: U256::from(difficulty),
        timestamp: parent.timestamp + age,
        ..child(parent)
    }
}

fn child(parent: &Header) -> Header {
    Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 12,
        ..parent.clone()
    }
}

pub(crate) fn rlp(
    header: &Header,
    ommers: Vec<Header>,
    withdrawals: Option<Withdrawals>,
) -> String {
    let body = BlockBody::<TxEnvelope> { transactions: Vec::new(), ommers, withdrawals };
    hex::encode_prefixed(alloy_rlp::encode(Block { header: header.clone(), body }))
}

pub(crate) fn valid(header: &Header, rlp: String) -> Value {
    json!({ "rlp": rlp, "blockHeader": { "hash": header.hash_slow() } })
}

pub(crate) fn invalid(rlp: String, exception: &str) -> Value {
    json!({ "rlp": rlp, "expectException": exception })
}

/// A test of `blocks` whose last block is `last` and leaves [`PAID`] with `wei`.
pub(crate) fn test(network: &str, blocks: &[Value], last: B256, wei: U256) -> Value {
    let withdrawals = (network != "London").then(Withdrawals::default);
    json!({
        "payments": {
            "network": network,
            "sealEngine": "NoProof",
            "genesisRLP": rlp(&genesis(network), Vec::new(), withdrawals),
            "pre": {},
            "blocks": blocks,
            "lastblockhash": last,
            "postState": {
                PAID.to_string(): { "balance": wei, "nonce": "0x00", "code": "0x", "storage": {} },
            },
        }
    })
}

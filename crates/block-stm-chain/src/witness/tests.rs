//! A part of a trie against the whole one, for any state and any change.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, keccak256};
use block_stm_evm::{AccountChange, PreState, SlotChange, StateChanges};
use proptest::prelude::*;
use revm::{DatabaseRef, state::AccountInfo};

use super::{known::Known, record::Recorder, root::root_after, state::StateOn, *};
use crate::StateTrie;

fn address(number: u8) -> Address {
    Address::with_last_byte(number)
}

/// Accounts with their slots.
fn states() -> impl Strategy<Value = PreState> {
    let slots = proptest::collection::btree_map(0_u8..60, 1_u64..300, 0..40);
    let accounts = proptest::collection::btree_map(0_u8..60, (any::<u64>(), slots), 0..30);
    accounts.prop_map(|accounts| {
        let mut state = PreState::new();
        for (number, (balance, slots)) in accounts {
            state.insert_account(address(number), AccountInfo::from_balance(U256::from(balance)));
            for (slot, value) in slots {
                state.insert_storage(address(number), U256::from(slot), U256::from(value));
            }
        }
        state
    })
}

/// An account, what becomes of it, and its slots with their values.
type Step = (u8, u8, Vec<(u8, u64)>);

/// What happens to accounts: destroyed, made anew, or changed in some slots. Zeros are frequent.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![3 => Just(0), 1 => 1_u64..300];
    let slots = proptest::collection::vec((0_u8..60, value), 0..30);
    proptest::collection::vec((0_u8..60, 0_u8..6, slots), 0..12)
}

fn changes(state: &PreState, steps: &[Step]) -> StateChanges {
    let mut seen = BTreeSet::new();
    let steps = steps.iter().filter(|(number, ..)| seen.insert(*number));
    let change = |(number, kind, slots): &Step| {
        let address = address(*number);
        let before = state.account(&address);
        if *kind < 2 {
            before?;
            return Some(AccountChange::new(address, None));
        }
        let info = before.map(|account| account.info.clone()).unwrap_or_default();
        let mut change = AccountChange::new(address, Some(info.with_nonce(u64::from(*kind))));
        change.storage_wiped = *kind == 2 && before.is_some();
        let mut seen = BTreeSet::new();
        for (slot, after) in slots.iter().filter(|(slot, _)| seen.insert(*slot)) {
            let (slot, after) = (U256::from(*slot), U256::from(*after));
            let wiped = change.storage_wiped;
            let before = if wiped { U256::ZERO } else { state.storage(&address, &slot) };
            if before != after {
                change.storage.push(SlotChange { slot, before, after });
            }
        }
        Some(change)
    };
    steps.filter_map(change).collect()
}

/// Reads what is changed, as execution does, and some more; then finds the root.
fn used<S: source::Source>(
    source: &S,
    root: B256,
    changes: &StateChanges,
    reads: &[(u8, u8)],
) -> Result<(B256, Vec<U256>), WitnessError> {
    let (state, mut values) = (StateOn { source, root }, Vec::new());
    for &(number, slot) in reads {
        state.basic_ref(address(number))?;
        values.push(state.storage_ref(address(number), U256::from(slot))?);
    }
    for change in changes.iter() {
        state.basic_ref(change.address)?;
        for slot in change.storage.iter().filter(|_| !change.storage_wiped) {
            assert_eq!(state.storage_ref(change.address, slot.slot)?, slot.before);
        }
    }
    Ok((root_after(source, root, changes)?, values))
}

proptest! {
    #[test]
    fn a_part_has_the_root_of_the_whole_and_needs_all_that_it_has(
        state in states(),
        steps in steps(),
        reads in proptest::collection::vec((0_u8..80, 0_u8..80), 0..8),
        flip in any::<(usize, usize, u8)>(),
    ) {
        let mut trie = StateTrie::from(&state);
        let root = trie.root();
        let changes = changes(&state, &steps);
        let recorder = Recorder::new(&state, &trie);
        let made = used(&recorder, root, &changes, &reads);
        let (witness, _) = recorder.witness();
        let known = Known::new(&witness).expect("it was made here");
        let found = used(&known, root, &changes, &reads);
        prop_assert_eq!(&found, &made);
        let (after, values) = found.expect("all is there");
        for (value, &(number, slot)) in values.iter().zip(&reads) {
            prop_assert_eq!(*value, state.storage(&address(number), &U256::from(slot)));
        }
        prop_assert_eq!(after, trie.apply(&changes));
        for place in 0..witness.state.len() {
            let mut less = witness.clone();
            let gone = keccak256(less.state.remove(place));
            let known = Known::new(&less).expect("the rest");
            match used(&known, root, &changes, &reads) {
                Err(WitnessError::MissingNode { hash, .. }) => prop_assert_eq!(hash, gone),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        if !witness.state.is_empty() {
            let mut wrong = witness.clone();
            let node = flip.0 % wrong.state.len();
            let mut bytes = wrong.state[node].to_vec();
            let at = flip.1 % bytes.len();
            bytes[at] ^= 1 << (flip.2 % 8);
            wrong.state[node] = bytes.into();
            let refused = match Known::new(&wrong) {
                Err(_) => true,
                Ok(known) => used(&known, root, &changes, &reads).is_err(),
            };
            prop_assert!(refused);
        }
    }

    /// A root that is none of a state: whatever its nodes say, there is an end, and no panic.
    #[test]
    fn any_nodes_end_in_an_answer_or_an_error(
        nodes in proptest::collection::vec(node(), 1..12),
        steps in steps(),
        reads in proptest::collection::vec((0_u8..80, 0_u8..80), 0..8),
    ) {
        let mut witness = Witness::default();
        // Each node refers to those before it.
        let mut references: Vec<Vec<u8>> = vec![vec![0x80]];
        for (children, path, kind) in nodes {
            let child = |at: u8| references[usize::from(at) % references.len()].clone();
            let items: Vec<Vec<u8>> = match kind {
                0 => children.iter().map(|at| child(*at)).chain([vec![0x80]]).collect(),
                1 => vec![alloy_rlp::encode(&path[..]), child(children[0])],
                _ => vec![alloy_rlp::encode(&path[..]), alloy_rlp::encode(&path[..])],
            };
            let payload: Vec<u8> = items.concat();
            let mut bytes = Vec::new();
            let header = alloy_rlp::Header { list: true, payload_length: payload.len() };
            header.encode(&mut bytes);
            bytes.extend(payload);
            let short = bytes.len() < 32;
            let hash = alloy_rlp::encode(keccak256(&bytes));
            references.push(if short { bytes.clone() } else { hash });
            if !witness.state.contains(&alloy_primitives::Bytes::from(bytes.clone())) {
                witness.state.push(bytes.into());
            }
        }
        let root = keccak256(witness.state.last().expect("one at least"));
        if let Ok(known) = Known::new(&witness) {
            let changes = changes(&PreState::new(), &steps);
            let state = StateOn { source: &known, root };
            for &(number, slot) in &reads {
                let _ = state.basic_ref(address(number));
                let _ = walk::slot(&known, root, address(number), U256::from(slot));
            }
            let _ = root_after(&known, root, &changes);
            let mut trie = partial::PartialTrie::new(&known, None, root);
            let keys: Vec<B256> = reads.iter().map(|(key, _)| B256::repeat_byte(*key)).collect();
            let value = |key: &B256| (key[0].is_multiple_of(2)).then_some(&[1_u8][..]);
            let _ = trie.change(keys.iter().map(|key| (*key, value(key))));
            trie.root();
        }
    }
}

/// Children, a path in the encoding of leafs and extensions, and which kind of node.
fn node() -> impl Strategy<Value = ([u8; 16], Vec<u8>, u8)> {
    let path = (prop_oneof![Just(0x00_u8), Just(0x11), Just(0x20), Just(0x31)], 0_usize..33);
    let path = path.prop_map(|(first, length)| {
        let mut path = vec![0x11; length + 1];
        path[0] = first;
        path
    });
    (any::<[u8; 16]>(), path, 0_u8..3)
}

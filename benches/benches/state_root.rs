//! What does a block's state root cost: incrementally, with the work done ahead, and from scratch?
//!
//! A state of 20,000 accounts, 200 of them contracts with 500 slots; a block changes 400 balances
//! and 1,000 slots.

use alloy_primitives::{Address, U256, keccak256};
use block_stm_chain::{StateTrie, state_root};
use block_stm_evm::{AccountChange, PreState, SlotChange, StateChanges, revm::state::AccountInfo};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const ACCOUNTS: u64 = 20_000;
const CONTRACTS: u64 = 200;
const SLOTS: u64 = 500;

fn address(number: u64) -> Address {
    Address::from_slice(&keccak256(number.to_be_bytes())[12..])
}

fn state() -> PreState {
    let mut state = PreState::new();
    for number in 0..ACCOUNTS {
        let info = AccountInfo::default().with_balance(U256::from(number + 1));
        state.insert_account(address(number), info);
        if number < CONTRACTS {
            for slot in 0..SLOTS {
                state.insert_storage(address(number), U256::from(slot), U256::from(slot + 1));
            }
        }
    }
    state
}

fn changes(state: &PreState) -> StateChanges {
    let change = |number: u64| {
        let address = address(number);
        let mut info = state.account(&address)?.info.clone();
        info.balance += U256::from(7);
        let mut change = AccountChange::new(address, Some(info));
        if number < CONTRACTS {
            change.storage.extend((0..5).map(|index| {
                let slot = U256::from((number * 31 + index * 97) % SLOTS);
                let before = state.storage(&address, &slot);
                SlotChange { slot, before, after: before + U256::from(1_000) }
            }));
        }
        Some(change)
    };
    (0..2 * CONTRACTS).filter_map(change).collect()
}

fn roots(criterion: &mut Criterion) {
    let state = state();
    let changes = changes(&state);
    let trie = StateTrie::from(&state);
    let mut after = state.clone();
    after.apply(&changes);
    let root = state_root(&after);
    assert_eq!(trie.clone().apply(&changes), root);
    println!("state root: {root}");

    let mut group = criterion.benchmark_group("state_root");
    group.sample_size(10);
    let fresh = || trie.clone();
    group.bench_function("incremental", |bencher| {
        bencher.iter_batched_ref(fresh, |trie| trie.apply(&changes), BatchSize::PerIteration);
    });
    let ahead = || {
        let mut trie = trie.clone();
        trie.follow(|feed| {
            for change in changes.iter() {
                let slots = change.storage.iter();
                let slots = slots.map(|slot| (change.address, slot.slot, slot.after));
                feed.committed(slots.collect());
            }
        });
        trie
    };
    group.bench_function("after the storage was done ahead", |bencher| {
        bencher.iter_batched_ref(ahead, |trie| trie.apply(&changes), BatchSize::PerIteration);
    });
    group.bench_function("from scratch", |bencher| bencher.iter(|| state_root(&after)));
    group.bench_function("building the tries", |bencher| bencher.iter(|| StateTrie::from(&state)));
    group.finish();
}

criterion_group!(benches, roots);
criterion_main!(benches);

//! The incremental root against the root from scratch, for any history.

use alloy_primitives::Bytes;
use block_stm_evm::SlotChange;
use proptest::prelude::*;
use revm::state::Bytecode;

use super::*;

/// What happens to one account in one block.
#[derive(Clone, Debug)]
enum Step {
    Destroy,
    /// Wiped and created again, with these slots.
    Recreate(Vec<(u8, u64)>),
    /// Fields and slots change.
    Change {
        balance: u64,
        code: Option<u8>,
        slots: Vec<(u8, u64)>,
    },
}

fn slots() -> impl Strategy<Value = Vec<(u8, u64)>> {
    // Every other value is zero: slots go as often as they come.
    let value = prop_oneof![Just(0), 1_u64..4, any::<u64>()];
    proptest::collection::vec((0_u8..40, value), 0..8)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Destroy),
        1 => slots().prop_map(Step::Recreate),
        4 => (any::<u64>(), proptest::option::of(any::<u8>()), slots())
            .prop_map(|(balance, code, slots)| Step::Change { balance, code, slots }),
    ]
}

/// A block: what happens to whom, and what is fed of it ahead.
type BlockSteps = (Vec<(u8, Step)>, Vec<(u8, u8, u64)>);

fn block_steps() -> impl Strategy<Value = BlockSteps> {
    let fed = proptest::collection::vec((0_u8..24, 0_u8..40, 0_u64..4), 0..12);
    (proptest::collection::vec((0_u8..24, step()), 0..10), fed)
}

fn address(number: u8) -> Address {
    Address::with_last_byte(number)
}

/// The change that `step` makes to the account `number` of `state`.
fn change(state: &PreState, number: u8, step: &Step) -> Option<AccountChange> {
    let address = address(number);
    let before = state.account(&address);
    let slot_changes = |slots: &[(u8, u64)], wiped: bool| {
        let mut changes: Vec<SlotChange> = Vec::new();
        for &(slot, after) in slots {
            let (slot, after) = (U256::from(slot), U256::from(after));
            let before = if wiped { U256::ZERO } else { state.storage(&address, &slot) };
            changes.retain(|change| change.slot != slot);
            if before != after {
                changes.push(SlotChange { slot, before, after });
            }
        }
        changes
    };
    Some(match step {
        Step::Destroy => {
            before?;
            AccountChange::new(address, None)
        }
        Step::Recreate(slots) => {
            let mut change = AccountChange::new(address, Some(AccountInfo::default()));
            change.storage_wiped = before.is_some();
            change.storage = slot_changes(slots, true);
            change
        }
        Step::Change { balance, code, slots } => {
            let mut info = before.map(|account| account.info.clone()).unwrap_or_default();
            info.balance = U256::from(*balance);
            if let Some(code) = code {
                info = info.with_code(Bytecode::new_legacy(Bytes::from(vec![*code])));
            }
            let mut change = AccountChange::new(address, Some(info));
            change.storage = slot_changes(slots, false);
            change
        }
    })
}

fn changes(state: &PreState, steps: &[(u8, Step)]) -> StateChanges {
    let mut changes: Vec<AccountChange> = Vec::new();
    for (number, step) in steps {
        if changes.iter().all(|change| change.address != address(*number)) {
            changes.extend(change(state, *number, step));
        }
    }
    changes.into_iter().collect()
}

proptest! {
    #[test]
    fn block_by_block_the_root_is_the_one_from_scratch(
        blocks in proptest::collection::vec(block_steps(), 1..8)
    ) {
        let mut state = PreState::new();
        let (mut trie, mut followed) = (StateTrie::default(), StateTrie::default());
        for (steps, fed) in blocks {
            let changes = changes(&state, &steps);
            let inverse = state.inverse(&changes);
            let before = state_root(&state);
            state.apply(&changes);
            let root = state_root(&state);
            prop_assert_eq!(trie.apply(&changes), root);
            prop_assert_eq!(StateTrie::from(&state).root(), root);
            followed.follow(|feed| {
                for (number, slot, value) in fed {
                    feed.committed(vec![(address(number), U256::from(slot), U256::from(value))]);
                }
                // What comes true is fed, too.
                for change in changes.iter() {
                    let slots = change.storage.iter();
                    let slots = slots.map(|slot| (change.address, slot.slot, slot.after));
feed.committed(slots.collect());
                }
            });
            prop_assert_eq!(followed.apply(&changes), root);
            // And back and forth, as a reorganisation goes.
            prop_assert_eq!(trie.apply(&inverse), before);
            prop_assert_eq!(trie.apply(&changes), root);
        }
    }
}

#[test]
fn a_failed_block_leaves_no_trace() {
    let mut state = PreState::new();
    state.insert_account(address(1), AccountInfo::default());
    state.insert_storage(address(1), U256::ONE, U256::from(7));
    let mut trie = StateTrie::from(&state);
    trie.follow(|feed| {
        feed.committed(vec![
            (address(1), U256::ONE, U256::ZERO),
            (address(2), U256::ONE, U256::ONE),
        ]);
    });
    assert_eq!(trie.apply(&StateChanges::default()), state_root(&state));
    assert_eq!(trie.storages.len(), 1);
}

//! What lists say of slots whose account is destroyed and made again, and what executing with them
//! comes to.

use alloy_primitives::U256;
use block_stm_evm::{InvalidTxn, execute_sequential, revm::primitives::hardfork::SpecId};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    proptest,
    sample::select,
};

use super::{
    decode::SPECS,
    list_stories::list_of,
    lists::{assert_same_lists, assert_wrong_lists_are_refused},
    rebirths::{Before, GAS, Heir, Step, Story, toy},
    same::assert_same_under,
    scene::watched,
};

use Step::*;

/// The forks in which what is destroyed is gone, and can be made again.
const REBIRTHS: [SpecId; 6] = [
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::MERGE,
    SpecId::SHANGHAI,
];

const MAKE: Step = Make { toy: 0, order: 0 };
const READ: Step = Read { toy: 0, key: 0 };
const DESTROY: Step = Destroy { toy: 0, to: Heir::Nobody };

const fn write(value: u64) -> Step {
    Write { toy: 0, key: 0, value }
}

/// The changes of slot 0 of toy 0, after `txns` with the steps of each; `None` if it was only read.
fn changes(spec: SpecId, before: [Before; 2], txns: &[&[Step]]) -> Option<Vec<(u64, u64)>> {
    let txns = txns.iter().map(|steps| (GAS, steps.to_vec())).collect();
    let story = Story { spec, net_metering: false, before, txns };
    let list = list_of(&story.block(), &story.state());
    let account = list.iter().find(|account| account.address == toy(0)).expect("is listed");
    if account.storage_reads.contains(&U256::ZERO) {
        return None;
    }
    let slot = account.storage_changes.iter().find(|slot| slot.slot.is_zero());
    let changes = slot.expect("is listed").changes.iter();
    Some(changes.map(|c| (c.block_access_index.get(), c.new_value.to())).collect())
}

fn with_slot(value: u64) -> [Before; 2] {
    [Before { exists: true, balance: 3, slots: [value, 0] }, Before::default()]
}

/// Steps of transactions, and the changes that they make; `None` for a slot that is only read.
type Told<'a> = (&'a [&'a [Step]], Option<&'a [(u64, u64)]>);

fn check(spec: SpecId, before: [Before; 2], table: &[Told<'_>]) {
    for &(txns, expected) in table {
        let found = changes(spec, before, txns);
        assert_eq!(found.as_deref(), expected, "{spec:?}, {before:?}: {txns:?}");
    }
}

#[test]
fn a_slot_of_an_account_that_was_made_again_changes_from_zero() {
    watched(|| {
        let written = (1, 12);
        let in_init = Make { toy: 0, order: 24 };
        for spec in REBIRTHS {
            for slot in [0, 5] {
                check(
                    spec,
                    with_slot(slot),
                    &[
                        (&[&[write(12)], &[DESTROY], &[MAKE], &[READ]], Some(&[written])),
                        (&[&[write(12)], &[DESTROY], &[MAKE], &[write(0)]], Some(&[written])),
                        (
                            &[&[write(12)], &[DESTROY], &[MAKE], &[write(12)]],
                            Some(&[written, (4, 12)]),
                        ),
                        (
                            &[&[write(12)], &[DESTROY], &[MAKE], &[write(13)]],
                            Some(&[written, (4, 13)]),
                        ),
                        // All in the transaction of the second creation, and in the creation
                        // itself.
                        (
                            &[&[write(12)], &[DESTROY], &[MAKE, write(12), READ]],
                            Some(&[written, (3, 12)]),
                        ),
                        (&[&[write(12)], &[DESTROY], &[in_init]], Some(&[written, (3, 12)])),
                        // Nothing is there to be asked.
                        (&[&[write(12)], &[DESTROY], &[READ]], Some(&[written])),
                    ],
                );
            }
        }
    });
}

#[test]
fn a_slot_that_is_looked_at_when_its_account_is_destroyed_changes_to_zero_there() {
    watched(|| {
        for spec in REBIRTHS {
            check(
                spec,
                with_slot(5),
                &[
                    (&[&[READ, DESTROY]], Some(&[(1, 0)])),
                    (&[&[READ, DESTROY], &[MAKE], &[write(5)]], Some(&[(1, 0), (3, 5)])),
                    // Written and destroyed in one transaction.
                    (&[&[write(12), DESTROY], &[MAKE], &[READ]], Some(&[(1, 0)])),
                    (
                        &[
                            &[write(12)],
                            &[DESTROY],
                            &[MAKE, write(12), DESTROY],
                            &[MAKE, write(12)],
                        ],
                        Some(&[(1, 12), (4, 12)]),
                    ),
                ],
            );
            check(
                spec,
                with_slot(0),
                &[(&[&[READ, DESTROY]], None), (&[&[write(12), DESTROY], &[MAKE], &[READ]], None)],
            );
        }
    });
}

#[test]
fn since_cancun_nothing_is_wiped_but_what_was_made_in_the_same_transaction() {
    watched(|| {
        for spec in [SpecId::CANCUN, SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            check(
                spec,
                with_slot(5),
                &[
                    (&[&[write(12)], &[DESTROY], &[MAKE], &[write(12)]], Some(&[(1, 12)])),
                    (&[&[write(12)], &[DESTROY], &[MAKE], &[write(0)]], Some(&[(1, 12), (4, 0)])),
                ],
            );
            check(
                spec,
                Default::default(),
                &[
                    (&[&[MAKE, write(12), DESTROY], &[MAKE, READ]], None),
                    (&[&[MAKE, write(12), DESTROY], &[MAKE, write(12)]], Some(&[(2, 12)])),
                ],
            );
        }
    });
}

fn step() -> impl Strategy<Value = Step> {
    let toys = || prop_oneof![4 => Just(0_u8), 2 => Just(1), 1 => Just(2), 1 => Just(3)];
    let values = || select(vec![0_u64, 12, 12, 13]);
    let heirs = select(vec![Heir::Itself, Heir::Other, Heir::Nobody]);
    prop_oneof![
        5 => (toys(), select(vec![0_u64, 0, 1, 2, 7, 24, 25]))
            .prop_map(|(toy, order)| Make { toy, order }),
        3 => (toys(), 0..2_u64).prop_map(|(toy, key)| Read { toy, key }),
        4 => (toys(), 0..2_u64, values()).prop_map(|(toy, key, value)| Write { toy, key, value }),
        1 => (toys(), 0..2_u64).prop_map(|(toy, key)| ReadInVain { toy, key }),
        1 => (toys(), 0..2_u64, values())
            .prop_map(|(toy, key, value)| WriteInVain { toy, key, value }),
        4 => (toys(), heirs).prop_map(|(toy, to)| Destroy { toy, to }),
        1 => (toys(), 0..3_u64).prop_map(|(toy, wei)| Pay { toy, wei }),
        1 => toys().prop_map(|toy| Look { toy }),
    ]
}

pub(super) fn story() -> impl Strategy<Value = Story> {
    let slots = || select(vec![0_u64, 0, 12, 5]);
    let before =
        || {
            (any::<bool>(), 0..3_u64, [slots(), slots()])
                .prop_map(|(exists, balance, slots)| Before { exists, balance, slots })
        };
    let gas = prop_oneof![8 => Just(GAS), 1 => 30_000..200_000_u64, 1 => 200_000..GAS];
    let txns = vec((gas, vec(step(), 1..5)), 2..8);
    let specs = prop_oneof![2 => select(REBIRTHS.to_vec()), 1 => select(SPECS.to_vec())];
    let parts = (specs, any::<bool>(), [before(), before()], txns);
    parts.prop_map(|(spec, net_metering, before, txns)| Story { spec, net_metering, before, txns })
}

proptest! {
    #[test]
    fn lists_of_random_rebirths_with_a_fault_are_refused(story in story()) {
        let (block, state) = (story.block(), story.state());
        watched(move || {
            let expected = execute_sequential(&block, &state, InvalidTxn::Reject);
            let expected = expected.map_err(|error| error.to_string());
            if let Some(list) = assert_same_lists(&block, &state, InvalidTxn::Reject, &expected) {
                assert_wrong_lists_are_refused(&block, &state, &list, 60);
            }
        });
    }

    #[test]
    fn lists_of_random_rebirths_are_those_of_the_definition(story in story()) {
        let (block, state) = (story.block(), story.state());
        watched(move || {
            assert_same_under(&block, &state, InvalidTxn::Skip).expect("nothing fails");
        });
    }
}

//! What a list can't say or only seems to say, and how much is executed of a block that has no room
//! for all.

use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::{Address, B256, U256, hex};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxnReason, PreState, PreStateError, StateRef,
    access_list::{AccessListError, execute_with_access_list},
    alloy_eip7928::NonceChange,
    revm::{
        DatabaseRef,
        bytecode::opcode as op,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{code::Code, list_stories::list_of, same::engines, scene::*};

/// A state that counts how often it is asked for the hash of a block, which nobody does ahead.
struct Counted<'a> {
    state: &'a PreState,
    block_hashes: AtomicUsize,
}

impl DatabaseRef for Counted<'_> {
    type Error = PreStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, PreStateError> {
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, PreStateError> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, PreStateError> {
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, PreStateError> {
        self.block_hashes.fetch_add(1, Ordering::Relaxed);
        self.state.block_hash_ref(number)
    }
}

impl StateRef for Counted<'_> {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, PreStateError> {
        self.state.has_storage_ref(address)
    }
}

#[test]
fn a_block_without_room_is_not_executed_to_its_end() {
    watched(|| {
        /// Of 400,000 gas, all of which is used.
        const TXNS: u64 = 60;
        const ROOM_FOR: usize = 5;
        let burns = Code::new().push(99).ops(&[op::BLOCKHASH, op::INVALID]);
        let mut state = state([burns]);
        state.insert_block_hash(99, B256::repeat_byte(9));
        for spec in [SpecId::CANCUN, SpecId::AMSTERDAM] {
            let calls = (0..TXNS).map(|n| call(eoa(0), n, contract(0), 0));
            let mut block = block(spec, calls);
            let list = list_of(&block, &state);
            block.env.gas_limit = 400_000 * ROOM_FOR as u64;
            for engine in engines() {
                let db = Counted { state: &state, block_hashes: AtomicUsize::new(0) };
                let error = execute_with_access_list(engine, &block, &db, &list);
                let AccessListError::Execution(ExecutionError::InvalidTxn { index, reason }) =
                    error.expect_err("no room")
                else {
                    panic!("the list is right");
                };
                assert!(matches!(reason, InvalidTxnReason::BlockGas { .. }), "{reason}");
                assert_eq!(index, ROOM_FOR, "{spec:?}");
                let executed = db.block_hashes.into_inner();
                let most = ROOM_FOR + engine.threads();
                assert!(executed <= most, "{spec:?}: {executed} of at most {most}");
            }
        }
    });
}

/// Exists without anything, as accounts did before Spurious Dragon.
const HUSK: Address = Address::repeat_byte(0x77);

/// The husk is touched and ceases to exist, if that is to happen; then it delegates.
fn husk_delegates(spec: SpecId, touched: bool) -> (Block, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let mut state = state([counts]);
    state.insert_account(HUSK, AccountInfo::default());
    state.insert_storage(HUSK, U256::ZERO, U256::from(7));
    let first = call(eoa(0), 0, if touched { HUSK } else { eoa(9) }, 0);
    let delegation = delegating(call(eoa(1), 0, eoa(2), 0), &[(HUSK, 0, contract(0))]);
    (block(spec, [first, delegation, call(eoa(3), 0, HUSK, 0)]), state)
}

#[test]
fn whether_an_account_without_anything_still_exists_decides_what_its_delegation_costs() {
    watched(|| {
        for spec in [SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            for touched in [true, false] {
                let (block, state) = husk_delegates(spec, touched);
                let list = list_of(&block, &state);
                // Its storage has gone with it, or has not.
                let husk = list.iter().find(|account| account.address == HUSK).expect("is listed");
                let counted = &husk.storage_changes[0].changes[0];
                let wanted = if touched { 1 } else { 8 };
                assert_eq!(counted.new_value, U256::from(wanted), "{spec:?}");
                // A list that is wrong there is refused at the right place.
                let mut wrong = list.clone();
                let nonces = wrong.iter_mut().find(|account| account.address == HUSK);
                let change: &mut NonceChange = &mut nonces.expect("is listed").nonce_changes[0];
                change.new_nonce = 7;
                for engine in engines() {
                    let error = execute_with_access_list(engine, &block, &state, &wrong);
                    let AccessListError::Wrong(place) = error.expect_err("is wrong") else {
                        panic!("the block is valid");
                    };
                    let index = place.index.map(|index| index.get());
                    assert_eq!((place.address, index), (HUSK, Some(2)), "{place}");
                }
            }
        }
    });
}

#[test]
fn before_there_were_delegations_code_that_looks_like_one_is_code() {
    watched(|| {
        // What it seems to delegate to counts the calls.
        let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
        let state = state([counts]);
        let like = [&hex!("ef0100")[..], contract(0).as_slice()].concat();
        let init = Code::deploying(Code::new().sstore(3, 3), &like);
        let created = eoa(0).create(0);
        for spec in [SpecId::SPURIOUS_DRAGON, SpecId::BYZANTIUM, SpecId::ISTANBUL, SpecId::BERLIN] {
            let calls = [create(eoa(0), 0, &init), call(eoa(1), 0, created, 0)];
            let list = list_of(&block(spec, calls), &state);
            let account = list.iter().find(|account| account.address == created);
            let account = account.expect("is listed");
            assert_eq!(account.code_changes[0].new_code.as_ref(), like, "{spec:?}");
            // Nothing but what its creation has stored.
            assert_eq!(account.storage_slots().collect::<Vec<_>>(), [U256::from(3)]);
        }
    });
}

//! Blocks and states to tell stories with.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use block_stm_evm::{
    Block, BlockResult, PreState, TxnEnd, TxnOutcome,
    revm::{
        context::{BlockEnv, TxEnv},
        context_interface::{
            either::Either,
            transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization},
        },
        primitives::{TxKind, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_testkit::watchdog::{PATIENCE, within};

use super::code::Code;

pub(super) const BENEFICIARY: Address = Address::repeat_byte(0xbe);
pub(super) const ETHER: u64 = 1_000_000_000_000_000_000;
pub(super) const GAS_PRICE: u128 = 10;

/// Runs a test's body, and fails if it hangs.
pub(super) fn watched(body: impl FnOnce() + Send + 'static) {
    within(PATIENCE, body).expect("no hang");
}

/// An account with an ether, for n from 0 to 19.
pub(super) fn eoa(n: u8) -> Address {
    Address::repeat_byte(0x10 + n)
}

pub(super) fn contract(n: u8) -> Address {
    Address::repeat_byte(0xc0 + n)
}

/// Twenty accounts with an ether each, and the contracts `codes`.
pub(super) fn state(codes: impl IntoIterator<Item = Code>) -> PreState {
    let mut state = PreState::new();
    for n in 0..20 {
        state.insert_account(eoa(n), AccountInfo::default().with_balance(U256::from(ETHER)));
    }
    for (n, code) in codes.into_iter().enumerate() {
        let info = AccountInfo::default()
            .with_nonce(1)
            .with_code(Bytecode::new_legacy(code.bytes().into()));
        state.insert_account(contract(n as u8), info);
    }
    // The request queues of Prague, which return nothing.
    let own = block(SpecId::PRAGUE, []).system_contracts;
    for address in [own.withdrawal_requests, own.consolidation_requests] {
        let stop = Bytecode::new_legacy([0].into());
        state.insert_account(address, AccountInfo::default().with_code(stop));
    }
    state
}

pub(super) fn set_balance(state: &mut PreState, address: Address, balance: u64) {
    let mut info = state.account(&address).map(|account| account.info.clone()).unwrap_or_default();
    info.balance = U256::from(balance);
    state.insert_account(address, info);
}

pub(super) fn block(spec: SpecId, txns: impl IntoIterator<Item = TxEnv>) -> Block {
    let env = BlockEnv {
        number: U256::from(100),
        gas_limit: 30_000_000,
        beneficiary: BENEFICIARY,
        basefee: 0,
        ..BlockEnv::default()
    };
    let txns = txns.into_iter().collect();
    Block::new(spec, env, txns).parent_beacon_block_root(B256::ZERO)
}

/// A payment that uses all of its 21,000 gas at the price of 10.
pub(super) fn transfer(from: Address, nonce: u64, to: Address, wei: u64) -> TxEnv {
    TxEnv {
        caller: from,
        nonce,
        kind: TxKind::Call(to),
        value: U256::from(wei),
        gas_limit: 21_000,
        gas_price: GAS_PRICE,
        ..TxEnv::default()
    }
}

/// What [`transfer`] costs beside its value.
pub(super) const TRANSFER_FEE: u64 = 210_000;

pub(super) fn call(from: Address, nonce: u64, to: Address, wei: u64) -> TxEnv {
    TxEnv { gas_limit: 400_000, ..transfer(from, nonce, to, wei) }
}

pub(super) fn create(from: Address, nonce: u64, init: &[u8]) -> TxEnv {
    TxEnv {
        kind: TxKind::Create,
        data: Bytes::copy_from_slice(init),
        ..call(from, nonce, Address::ZERO, 0)
    }
}

/// The call `txn`, carrying delegations of `(authority, nonce, delegate)`.
pub(super) fn delegating(txn: TxEnv, delegations: &[(Address, u64, Address)]) -> TxEnv {
    let list = delegations.iter().map(|&(authority, nonce, address)| {
        let authorization = Authorization { chain_id: U256::ZERO, address, nonce };
        let authority = RecoveredAuthority::Valid(authority);
        Either::Right(RecoveredAuthorization::new_unchecked(authorization, authority))
    });
    let authorization_list = list.collect();
    TxEnv { tx_type: 4, gas_priority_fee: Some(0), authorization_list, ..txn }
}

/// What the block left in a slot, if it changed it.
pub(super) fn slot(result: &BlockResult, address: Address, key: u64) -> Option<u64> {
    let change = result.state.account(address)?;
    let slot = change.storage.iter().find(|slot| slot.slot == U256::from(key))?;
    Some(slot.after.saturating_to())
}

/// What the block left of an account's balance, if it changed the account.
pub(super) fn balance(result: &BlockResult, address: Address) -> Option<u64> {
    let info = result.state.account(address)?.info.as_ref()?;
    Some(info.balance.saturating_to())
}

pub(super) fn has_code(result: &BlockResult, address: Address) -> bool {
    let info = result.state.account(address).and_then(|change| change.info.as_ref());
    info.is_some_and(|info| info.code_hash != KECCAK256_EMPTY)
}

/// A letter for each transaction: success, revert, halt, or left out.
pub(super) fn ends(result: &BlockResult) -> String {
    let letter = |outcome: &TxnOutcome| match outcome {
        TxnOutcome::Executed { end: TxnEnd::Success { .. }, .. } => 's',
        TxnOutcome::Executed { end: TxnEnd::Revert(_), .. } => 'r',
        TxnOutcome::Executed { end: TxnEnd::Halt(_), .. } => 'h',
        TxnOutcome::Skipped(_) => '-',
    };
    result.outcomes.iter().map(letter).collect()
}

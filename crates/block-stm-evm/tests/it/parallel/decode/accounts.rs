//! The few accounts that all blocks are about.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, keccak256};
use block_stm_evm::{
    Block,
    revm::{context::BlockEnv, primitives::hardfork::SpecId},
};
use block_stm_testkit::bytes::Bytes;

use super::program::init_codes;

pub(super) const SENDERS: u8 = 4;
pub(super) const CONTRACTS: u8 = 3;

pub(super) const fn sender(n: u8) -> Address {
    Address::repeat_byte(0x51 + n)
}

pub(super) const fn contract(n: u8) -> Address {
    Address::repeat_byte(0xc1 + n)
}

pub(super) const ABSENT: Address = Address::repeat_byte(0xa0);
/// Exists, and is empty.
pub(super) const HUSK: Address = Address::repeat_byte(0xe0);
/// Exists, is empty, and has storage.
pub(super) const FULL_HUSK: Address = Address::repeat_byte(0xe1);
pub(super) const BENEFICIARY: Address = Address::repeat_byte(0xbe);
/// Who may delegate: the senders, and those of whom only the protocol knows that they exist.
pub(super) const AUTHORITIES: [Address; 7] =
    [sender(0), sender(1), sender(2), sender(3), HUSK, FULL_HUSK, ABSENT];
pub(super) type Nonces = [u64; AUTHORITIES.len()];

/// Every address that matters, so that programs meet.
pub(super) static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| {
    let mut all: Vec<_> = (0..SENDERS).map(sender).chain((0..CONTRACTS).map(contract)).collect();
    all.extend([ABSENT, HUSK, FULL_HUSK, BENEFICIARY, Address::with_last_byte(3)]);
    let blocks_own = Block::new(SpecId::PRAGUE, BlockEnv::default(), Vec::new()).system_contracts;
    all.extend([blocks_own.withdrawal_requests, blocks_own.history]);
    for creator in (0..CONTRACTS).map(contract) {
        all.extend([creator.create(0), creator.create(1)]);
        for init in &init_codes()[..3] {
            all.push(creator.create2(B256::ZERO, keccak256(init)));
        }
    }
    all.extend([sender(0).create(0), sender(1).create(1)]);
    all
});

pub(super) fn address(bytes: &mut Bytes<'_>) -> Address {
    bytes.pick(&ADDRESSES)
}

//! The transactions of a block, some of which are invalid.

use alloy_eips::eip2930::AccessListItem;
use alloy_primitives::{Address, B256, U256};
use block_stm_evm::revm::{
    context::TxEnv,
    context_interface::{
        either::Either,
        transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization},
    },
    primitives::{TxKind, hardfork::SpecId},
};
use block_stm_testkit::bytes::Bytes;

use super::{
    accounts::{ABSENT, AUTHORITIES, CONTRACTS, Nonces, SENDERS, address, contract, sender},
    program::{INIT_CODES, init_codes},
};

#[derive(Clone, Debug)]
pub(super) struct Txn {
    from: u8,
    /// The sender is a contract, which is against EIP-3607.
    from_contract: bool,
    /// What the nonce is off by.
    nonce_off: u64,
    /// `None` creates a contract.
    to: Option<Address>,
    init: usize,
    value: u64,
    gas_limit: u64,
    gas_price: u128,
    /// Who delegates to whom, with the nonce off by that much.
    authorizations: Vec<(u8, Address, u64)>,
    access_list: bool,
}

const DELEGATES: [Address; 5] = [contract(0), contract(1), ABSENT, Address::ZERO, sender(0)];

/// What a nonce is off by.
const OFF: [(u8, u64); 3] = [(12, 0), (1, 1), (1, u64::MAX)];

impl Txn {
    pub(super) fn decode(bytes: &mut Bytes<'_>) -> Self {
        let authorization = |bytes: &mut Bytes<'_>| {
            (authority(bytes), bytes.pick(&DELEGATES), bytes.weighted(&OFF))
        };
        Self {
            from: who(bytes),
            from_contract: bytes.rarely(8),
            nonce_off: bytes.weighted(&OFF),
            to: match bytes.below(8) {
                choice @ ..4 => Some(contract(choice % CONTRACTS)),
                4..7 => Some(address(bytes)),
                _ => None,
            },
            init: usize::from(bytes.below(INIT_CODES)),
            value: bytes.pick(&[0, 0, 1, 2, 21_000]),
            gas_limit: bytes.weighted(&[
                (8, 60_000),
                (8, 250_000),
                (8, 500_000),
                (1, 20_000),
                (1, 21_000),
                (1, 1_000_000),
            ]),
            gas_price: bytes.pick(&[0, 1, 1, 1]),
            authorizations: {
                let count = bytes.weighted(&[(8, 0), (1, 1), (1, 2)]);
                (0..count).map(|_| authorization(bytes)).collect()
            },
            access_list: bytes.rarely(25),
        }
    }

    /// As it is executed under the rules of `spec`, after the nonces `nonces`.
    pub(super) fn env(&self, spec: SpecId, nonces: &Nonces) -> TxEnv {
        let (caller, nonce) = match self.from_contract {
            true => (contract(0), 1),
            false => {
                (sender(self.from), nonces[usize::from(self.from)].wrapping_add(self.nonce_off))
            }
        };
        let delegates = spec.is_enabled_in(SpecId::PRAGUE)
            && !self.authorizations.is_empty()
            && self.to.is_some();
        let authorizations = self.authorizations.iter().filter(|_| delegates);
        let authorizations = authorizations.map(|&(authority, address, off)| {
            let sent = u64::from(authority == self.from);
            let nonce = nonces[usize::from(authority)].wrapping_add(sent).wrapping_add(off);
            let authorization = Authorization { chain_id: U256::ZERO, address, nonce };
            let authority = RecoveredAuthority::Valid(AUTHORITIES[usize::from(authority)]);
            Either::Right(RecoveredAuthorization::new_unchecked(authorization, authority))
        });
        let authorization_list: Vec<_> = authorizations.collect();
        let lists_access = self.access_list && spec.is_enabled_in(SpecId::BERLIN);
        let access = AccessListItem { address: contract(1), storage_keys: vec![B256::ZERO] };
        TxEnv {
            tx_type: match () {
                () if delegates => 4,
                () if lists_access => 1,
                () => 0,
            },
            caller,
            nonce,
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            data: match self.to {
                Some(_) => Default::default(),
                None => init_codes()[self.init].clone().into(),
            },
            value: U256::from(self.value),
            gas_limit: self.gas_limit,
            gas_price: self.gas_price,
            gas_priority_fee: delegates.then_some(0),
            access_list: if lists_access { vec![access].into() } else { Default::default() },
            authorization_list,
            ..TxEnv::default()
        }
    }
}

fn who(bytes: &mut Bytes<'_>) -> u8 {
    bytes.below(SENDERS)
}

fn authority(bytes: &mut Bytes<'_>) -> u8 {
    bytes.below(AUTHORITIES.len() as u8)
}

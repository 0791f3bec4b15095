//! The database of one execution.

use std::fmt;

use alloy_evm::revm::{
    Database,
    database_interface::DBErrorMarker,
    primitives::{Address, AddressMap, B256, KECCAK_EMPTY, U256},
    state::{AccountInfo, Bytecode},
};
use block_stm::{BoxError, Interrupt, View, Vm};

use crate::{
    base::Base,
    frames::Frames,
    location::{AccountState, Location, StateValue},
};

/// The database's error: the engine ended the execution.
///
/// What comes of the execution does not count, so it says nothing else; why it ended is the
/// engine's to know. An EVM hands it on as it does any error of a database.
#[derive(Debug, thiserror::Error)]
#[error("the execution was interrupted by the engine")]
#[non_exhaustive]
pub struct Interrupted;

impl DBErrorMarker for Interrupted {}

/// The engine's view, of whatever type its VM is.
pub(crate) trait Source {
    fn read(&mut self, location: &Location) -> Result<StateValue, Interrupt>;

    fn block_hash(&mut self, number: u64) -> Result<B256, Interrupt>;

    fn fail(&mut self, source: BoxError) -> Interrupt;
}

/// A view, and what it does not answer for.
pub(crate) struct Views<'v, 'b, V: Vm> {
    pub(crate) view: &'v mut View<'b, V>,
    pub(crate) base: &'v dyn Base,
}

impl<V: Vm<Location = Location, Value = StateValue>> Source for Views<'_, '_, V> {
    fn read(&mut self, location: &Location) -> Result<StateValue, Interrupt> {
        self.view.read(location)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Interrupt> {
        self.base.block_hash(number).map_err(|source| self.view.fail(source))
    }

    fn fail(&mut self, source: BoxError) -> Interrupt {
        self.view.fail(source)
    }
}

/// What a vault is shown as after the frames: any credit fits, and no EVM takes it for empty.
fn veil() -> AccountInfo {
    AccountInfo { nonce: VEILED_NONCE, ..AccountInfo::default() }
}

/// The nonce of a vault as it is shown after the frames.
pub(crate) const VEILED_NONCE: u64 = 1;

/// The state as one execution of a transaction sees it: the database that a factory's EVMs are
/// built over.
///
/// Inspectors meet it in their context, as the type of its database.
pub struct TxnDatabase<'v> {
    source: &'v mut (dyn Source + 'v),
    frames: &'v Frames,
    /// The accounts that may be shown as something else; none if everything is to be true.
    vaults: &'v [Address],
    pub(crate) seen: Seen,
}

/// What an execution was shown.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Accounts as they are, in the order in which they were asked for.
    pub(crate) accounts: Vec<(Address, AccountState)>,
    places: AddressMap<usize>,
    /// Vaults that were shown as something else, in the order in which they were asked for.
    pub(crate) veiled: Vec<Address>,
    /// What the view answered instead of a value.
    pub(crate) interrupt: Option<Interrupt>,
}

impl Seen {
    /// The account as it was shown, if it was asked for.
    pub(crate) fn account(&self, address: &Address) -> Option<&AccountState> {
        self.places.get(address).map(|&place| &self.accounts[place].1)
    }

    fn insert(&mut self, address: Address, account: AccountState) {
        self.places.insert(address, self.accounts.len());
        self.accounts.push((address, account));
    }
}

impl fmt::Debug for TxnDatabase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxnDatabase")
            .field("vaults", &self.vaults)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl<'v> TxnDatabase<'v> {
    pub(crate) fn new(
        source: &'v mut (dyn Source + 'v),
        frames: &'v Frames,
        vaults: &'v [Address],
    ) -> Self {
        Self { source, frames, vaults, seen: Seen::default() }
    }

    /// Asks the source, unless the execution is over already.
    fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn Source) -> Result<T, Interrupt>,
    ) -> Result<T, Interrupted> {
        if self.seen.interrupt.is_some() {
            return Err(Interrupted);
        }
        ask(self.source).map_err(|interrupt| {
            self.seen.interrupt = Some(interrupt);
            Interrupted
        })
    }

    /// The account as it is.
    fn account(&mut self, address: Address) -> Result<&AccountState, Interrupted> {
        if self.seen.account(&address).is_none() {
            let account = self.ask(|source| match source.read(&Location::Account(address))? {
                StateValue::Account(account) => Ok(account),
                other => Err(source.fail(format!("account {address} holds {other:?}").into())),
            })?;
            self.seen.insert(address, account);
        }
        Ok(self.seen.account(&address).expect("it was inserted"))
    }
}

impl Database for TxnDatabase<'_> {
    type Error = Interrupted;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Interrupted> {
        let is_veiled = self.vaults.contains(&address)
            && self.frames.are_over()
            && self.seen.account(&address).is_none();
        if is_veiled && self.seen.interrupt.is_none() {
            self.frames.veil();
            if !self.seen.veiled.contains(&address) {
                self.seen.veiled.push(address);
            }
            return Ok(Some(veil()));
        }
        Ok(self.account(address)?.info.clone())
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Interrupted> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        self.ask(|source| match source.read(&Location::Code(hash))? {
            StateValue::Code(code) => Ok(code),
            other => Err(source.fail(format!("code {hash} is {other:?}").into())),
        })
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, Interrupted> {
        if self.seen.veiled.contains(&address) {
            self.frames.expose();
        }
        let account = self.account(address)?;
        if account.info.is_none() {
            return Ok(U256::ZERO);
        }
        let location = Location::Slot { address, wipes: account.wipes, key };
        self.ask(|source| match source.read(&location)? {
            StateValue::Slot(value) => Ok(value),
            other => Err(source.fail(format!("slot {key} of {address} holds {other:?}").into())),
        })
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Interrupted> {
        self.ask(|source| source.block_hash(number))
    }
}

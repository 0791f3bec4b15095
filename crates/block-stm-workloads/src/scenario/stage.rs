//! A block while a scenario's transactions are made: the world, and what was drawn so far.

use std::collections::{BTreeSet, HashMap};

use alloy_dyn_abi::DynSolValue;
use alloy_primitives::{Address, B256, U256};
use block_stm_evm::revm::state::Bytecode;

use super::{
    plan::Part,
    slot::Slot,
    value::{Instance, Node},
};
use crate::{
    draw::{Account, Draw},
    world::{World, named},
    zipf::Zipf,
};

/// What the sender is called that creates contracts.
pub(super) const DEPLOYER: &str = "deployer";

/// A contract, or several with the same code, ready to be put in place.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) law: Option<Zipf>,
    /// The number by which the first one's address is found.
    pub(super) first: u64,
    pub(super) address: Option<Address>,
    pub(super) balance: U256,
    /// The code in the account, of contracts whose constructor is not run.
    pub(super) code: Option<(Bytecode, B256)>,
    /// Code that makes the contract, and the constructor's arguments.
    pub(super) creation: Option<Creation>,
    pub(super) storage: Vec<(String, Slot, Node)>,
}

/// How a contract is created.
#[derive(Clone, Debug)]
pub(super) struct Creation {
    pub(super) code: Vec<u8>,
    pub(super) constructor: alloy_json_abi::Constructor,
    pub(super) arguments: Vec<Node>,
    /// The nonce of the creation of the first instance.
    pub(super) nonce: u64,
}

/// What making a block needs at hand.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) world: &'a mut World,
    pub(super) draw: &'a mut Draw,
    pub(super) sites: &'a [Site],
    pub(super) named: Vec<Address>,
    pub(super) counters: Vec<U256>,
    /// What the transaction has drawn.
    pub(super) drawn: Vec<DynSolValue>,
    pub(super) parts: Vec<Part>,
    /// Bytes of calls so far.
    pub(super) call_bytes: usize,
    /// The account that creates contracts.
    pub(super) deployer: Address,
    installed: BTreeSet<(usize, u32)>,
    /// The number of the contract whose storage is being written.
    same: u32,
    accounts: HashMap<Address, Account>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(world: &'a mut World, draw: &'a mut Draw, sites: &'a [Site]) -> Self {
        let deployer = world.sender(DEPLOYER, 0);
        Self {
            deployer,
            world,
            draw,
            sites,
            named: Vec::new(),
            counters: Vec::new(),
            drawn: Vec::new(),
            parts: Vec::new(),
            call_bytes: 0,
            installed: BTreeSet::new(),
            same: 0,
            accounts: HashMap::new(),
        }
    }

    /// The address of a drawn sender.
    pub(super) fn sender(&mut self) -> Address {
        let account = self.draw.sender();
        self.known(account)
    }

    /// The address of a drawn account, another one than `other` where there are two.
    pub(super) fn receiver(&mut self, other: Address) -> Address {
        // A named account is none of those that are drawn.
        let other = self.accounts.get(&other).copied().unwrap_or(Account::MAX);
        let account = self.draw.receiver(other);
        self.known(account)
    }

    fn known(&mut self, account: Account) -> Address {
        let address = self.world.account(account);
        self.accounts.insert(address, account);
        address
    }

    /// The address of a contract, which is put in place when it is first named.
    pub(super) fn contract(&mut self, site: usize, instance: Instance) -> Result<Address, String> {
        let one = &self.sites[site];
        let number = match instance {
            Instance::Number(number) => number,
            Instance::Same => self.same % one.count,
            Instance::Drawn => self.draw.place(one.count, one.law.as_ref()),
        };
        let address = one.address_of(number, self.deployer);
        if self.installed.insert((site, number)) && one.creation.is_none() {
            self.install(one, number, address)?;
        }
        Ok(address)
    }

    /// Puts a contract in place, unless something else did.
    fn install(&mut self, site: &Site, number: u32, address: Address) -> Result<(), String> {
        let taken = self.world.pre_state.account(&address);
        if taken.is_some_and(|account| !account.info.is_empty_code_hash()) {
            return Ok(());
        }
        if let Some((code, hash)) = &site.code {
            self.world.install_code(code, *hash, address, site.balance);
        }
        self.write_storage(site, number, address)
    }

    /// Writes what the scenario says of the contract's storage.
    pub(super) fn write_storage(
        &mut self,
        site: &Site,
        number: u32,
        address: Address,
    ) -> Result<(), String> {
        let before = std::mem::replace(&mut self.same, number);
        for (name, slot, value) in &site.storage {
            let written = value.eval(self).and_then(|value| slot.set(self, address, &value));
            written.map_err(|message| format!("storage of {}, {name}: {message}", site.name))?;
        }
        self.same = before;
        Ok(())
    }

    /// Evaluates for the contract with the number `number`.
    pub(super) fn within<T>(&mut self, number: u32, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.same, number);
        let done = act(self);
        self.same = before;
        done
    }
}

impl Site {
    /// Where the contract with the number `number` lies.
    pub(super) fn address_of(&self, number: u32, deployer: Address) -> Address {
        match (&self.creation, self.address) {
            (Some(creation), _) => deployer.create(creation.nonce + u64::from(number)),
            (None, Some(address)) => address,
            (None, None) => named(&self.name, self.first + u64::from(number)),
        }
    }
}

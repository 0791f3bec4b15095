//! Mints and moves of unique items.
//!
//! A mint takes the collection's counter and increments it, so the mints of one collection form a
//! chain through a single slot, the shape of every popular sale. A move of an item that was minted
//! in the same block depends on that mint. Every mint also pays the collection.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};

use crate::{
    abi::{Word, call},
    artifact::NFT,
    draw::{Account, Draw, Menu, Pool},
    world::{Call, WAD, World, named},
};

/// Items that a collection has at the beginning.
pub(crate) const MINTED_BEFORE: u64 = 16;
/// Items that a collection can have.
const SUPPLY_MAX: u64 = 10_000_000;
/// Wei an item.
pub(crate) const PRICE: u64 = WAD / 20;
/// Per mille of the mints that pay the wrong price.
const UNDERPAID: u64 = 20;

/// The generator: whose each item is after the transactions so far.
#[derive(Debug)]
pub(crate) struct Nft {
    pub(crate) menu: Menu<Action>,
    collections: HashMap<Pool, Vec<Account>>,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Mint,
    Transfer,
    Approve,
}

/// Where a collection lies.
pub(crate) fn collection_address(pool: Pool) -> Address {
    named("collection", pool.into())
}

impl Default for Nft {
    fn default() -> Self {
        let menu = Menu::new(&[
            (80, "mint", Action::Mint),
            (16, "transfer", Action::Transfer),
            (4, "approve", Action::Approve),
        ]);
        Self { menu, collections: HashMap::new() }
    }
}

impl Nft {
    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let action = self.menu.draw(draw);
        let pool = draw.pool();
        let collection = collection_address(pool);
        let holders =
            self.collections.entry(pool).or_insert_with(|| install(world, draw, collection));
        if let Action::Mint = action {
            return mint(world, draw, collection, holders);
        }
        let id = draw.within(0, holders.len() as u64 - 1);
        let holder = &mut holders[id as usize];
        let other = draw.receiver(*holder);
        let (from, to) = (world.account(*holder), world.account(other));
        let (data, gas_limit) = match action {
            Action::Transfer => {
                *holder = other;
                let words: [&dyn Word; 3] = [&from, &to, &id];
                let signature = "transferFrom(address,address,uint256)";
                (call(&NFT, signature, &words), 76_000)
            }
            _ => (call(&NFT, "approve(address,uint256)", &[&to, &id]), 60_000),
        };
        let call = Call::contract(from, collection, data, gas_limit);
        world.push(draw, call);
    }
}

fn mint(world: &mut World, draw: &mut Draw, collection: Address, holders: &mut Vec<Account>) {
    let sender = draw.sender();
    let from = world.account(sender);
    let underpaid = draw.chance(UNDERPAID);
    let price = if underpaid { PRICE - 1 } else { PRICE };
    let call = Call {
        value: U256::from(price),
        ..Call::contract(from, collection, call(&NFT, "mint()", &[]), 92_000)
    };
    if underpaid {
        world.push_reverting(draw, call);
    } else {
        holders.push(sender);
        world.push(draw, call);
    }
}

/// Installs a collection whose first items belong to accounts; returns these.
fn install(world: &mut World, draw: &mut Draw, collection: Address) -> Vec<Account> {
    world.install(&NFT, collection);
    world.set_string(collection, NFT.place("name"), "Workload items");
    world.set_string(collection, NFT.place("symbol"), "ITEM");
    let owner = named("collection owner", 0).into_word().into();
    world.set(collection, NFT.place("owner"), owner);
    let numbers = [("price", PRICE), ("maxSupply", SUPPLY_MAX), ("nextId", MINTED_BEFORE)];
    for (name, value) in numbers {
        world.set(collection, NFT.place(name), U256::from(value));
    }
    let mut holders = Vec::new();
    let mut last = 0;
    for id in 0..MINTED_BEFORE {
        last = draw.receiver(last);
        holders.push(last);
        let holder = world.account(last);
        let word = holder.into_word().into();
        world.set_mapped(collection, NFT.place("holders"), &[&id], word);
        world.add_mapped(collection, NFT.place("balanceOf"), &[&holder], U256::ONE);
    }
    holders
}

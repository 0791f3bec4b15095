//! The ERC-20 tokens that all generators share.
//!
//! Tokens and holdings come into the pre-state when a generator first asks for them, so that its
//! size follows the block and not the population. Each holding is so large, and each amount that a
//! transaction moves so small, that a million transactions can't exhaust it.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};

use crate::{
    artifact::TOKEN,
    draw::{Account, Pool},
    world::{World, named, whole},
};

/// A token's number; 0 is the one that all markets quote prices in.
pub(crate) type TokenId = u32;

/// The token in which prices are quoted.
pub(crate) const QUOTE: TokenId = 0;

/// Whole tokens of an account when it first holds a token.
pub(crate) const HOLDING: u64 = 1_000_000_000;

/// Where the token with number `id` lies.
pub(crate) fn address(id: TokenId) -> Address {
    named("token", id.into())
}

/// The token that belongs to a pool.
pub(crate) fn of_pool(pool: Pool) -> TokenId {
    pool + 1
}

/// Where the tokens lie that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    addresses: HashMap<TokenId, Address>,
}

impl World {
    /// The address of a token, which is installed when it is first seen.
    pub(crate) fn token(&mut self, id: TokenId) -> Address {
        if let Some(address) = self.tokens.addresses.get(&id) {
            return *address;
        }
        let token = address(id);
        self.tokens.addresses.insert(id, token);
        if self.pre_state.account(&token).is_some() {
            return token;
        }
        self.install(&TOKEN, token);
        self.set_string(token, TOKEN.place("name"), "Workload token");
        self.set_string(token, TOKEN.place("symbol"), "WORK");
        let owner = named("token owner", 0).into_word().into();
        self.set(token, TOKEN.place("owner"), owner);
        token
    }

    /// Sees to it that an account holds a token; returns both addresses, the token's first.
    pub(crate) fn holding(&mut self, id: TokenId, account: Account) -> (Address, Address) {
        let (token, holder) = (self.token(id), self.account(account));
        if self.get_mapped(token, TOKEN.place("balanceOf"), &[&holder]).is_zero() {
            self.grant(token, holder, whole(HOLDING));
        }
        (token, holder)
    }

    /// Adds `amount` to what `holder` has of `token`, and to the supply.
    pub(crate) fn grant(&mut self, token: Address, holder: Address, amount: U256) {
        let supply = TOKEN.place("totalSupply");
        let total = self.get(token, supply) + amount;
        self.set(token, supply, total);
        self.add_mapped(token, TOKEN.place("balanceOf"), &[&holder], amount);
    }

    /// Lets `spender` move all that `holder` has of `token`.
    pub(crate) fn approve(&mut self, token: Address, holder: Address, spender: Address) {
        let allowance = TOKEN.place("allowance");
        self.set_mapped(token, allowance, &[&holder, &spender], U256::MAX);
    }
}

//! What must hold of the state after a block, by the meaning of the contracts.

use std::collections::HashSet;

use alloy_primitives::{Address, U256};
use block_stm_evm::revm::DatabaseRef;

use super::*;
use crate::{
    abi::{Word, entry},
    amm::{self, Amm},
    artifact::{Artifact, LENDING_POOL, NFT, PAIR, Place, SETTLEMENT, TOKEN},
    chain,
    draw::Draw,
    lending, nft, orders,
    senders::Senders,
    tokens,
    world::{World, named},
};

impl Run {
    fn get(&self, address: Address, place: Place) -> U256 {
        let slot = self.slot(address, place.slot) >> place.shift;
        match place.bits {
            256 => slot,
            bits => slot & ((U256::ONE << bits) - U256::ONE),
        }
    }

    fn get_mapped(&self, address: Address, mapping: Place, keys: &[&dyn Word]) -> U256 {
        self.slot(address, entry(mapping, keys))
    }

    fn slot(&self, address: Address, slot: U256) -> U256 {
        let value = self.after.storage_ref(address, slot);
        value.expect("the pre-state is in memory")
    }

    fn balance(&self, address: Address) -> U256 {
        let info = self.after.basic_ref(address);
        let info = info.expect("the pre-state is in memory");
        info.map(|info| info.balance).unwrap_or_default()
    }

    /// All addresses that can hold something.
    fn holders(&self) -> HashSet<Address> {
        let before = self.after.db.accounts().map(|(address, _)| *address);
        let touched = self.after.cache.accounts.keys().copied();
        before.chain(touched).chain([amm::founder()]).collect()
    }

    /// The sum of `mapping[holder]` over all holders.
    fn sum(&self, artifact: &Artifact, address: Address) -> U256 {
        let balances = artifact.place("balanceOf");
        let held = |holder: &Address| self.get_mapped(address, balances, &[holder]);
        self.holders().iter().map(held).sum()
    }
}

#[test]
fn token_supplies_are_conserved() {
    use Workload::{Amm, Erc20, Lending, Mixed, Orders};
    for workload in [Erc20, Amm, Lending, Orders, Mixed] {
        for params in variety() {
            let generated = generate(workload, &params);
            let run = run(&generated);
            for id in 0..=params.pools as u32 {
                let token = tokens::address(id);
                let supply = TOKEN.place("totalSupply");
                let before = generated.pre_state.storage(&token, &supply.slot);
                assert_eq!(run.get(token, supply), before, "{workload} {params:?}");
                assert_eq!(run.sum(&TOKEN, token), before, "{workload} {params:?}");
            }
        }
    }
}

#[test]
fn pairs_end_as_the_generator_followed_them_and_no_share_loses_value() {
    for params in variety() {
        let (mut world, mut draw) = (World::new(params.txns, Senders::Named), Draw::new(&params));
        let mut generator = Amm::new(&mut world);
        (0..params.txns).for_each(|_| generator.push(&mut world, &mut draw));
        let generated = world.finish();
        let run = run(&generated);
        let mut markets = 0;
        for (pool, market) in generator.markets() {
            let pair = amm::pair_address(pool);
            let mut expected = market.reserves;
            if tokens::address(tokens::QUOTE) > tokens::address(tokens::of_pool(pool)) {
                expected.reverse();
            }
            let reserves = ["reserve0", "reserve1"].map(|name| run.get(pair, PAIR.place(name)));
            assert_eq!(reserves, expected, "{params:?} pair {pool}");
            let supply = run.get(pair, PAIR.place("totalSupply"));
            assert_eq!(supply, market.supply);
            assert_eq!(run.sum(&PAIR, pair), supply);
            // At the beginning each reserve equals the supply, so the product per share squared is
            // 1.
            assert!(reserves[0] * reserves[1] >= supply * supply);
            let sums = ["price0Cumulative", "price1Cumulative"];
            assert!(sums.iter().all(|name| run.get(pair, PAIR.place(name)) > amm::price_sum()));
            markets += 1;
        }
        assert!(markets > 0);
    }
}

#[test]
fn lending_totals_are_the_sums_of_the_positions() {
    for params in variety() {
        let generated = generate(Workload::Lending, &params);
        let run = run(&generated);
        for pool in 0..params.pools as u32 {
            let address = lending::pool_address(pool);
            let positions = LENDING_POOL.place("positions");
            let (mut collateral, mut debt) = (U256::ZERO, U256::ZERO);
            for holder in victims(&generated, address).chain(run.holders()) {
                let position = run.get_mapped(address, positions, &[&holder]);
                collateral += position & U256::from(u128::MAX);
                debt += position >> 128;
            }
            let get = |name| run.get(address, LENDING_POOL.place(name));
            assert_eq!(get("totalCollateral"), collateral, "{params:?}");
            assert_eq!(get("totalScaledDebt"), debt, "{params:?}");
            let token = tokens::address(tokens::of_pool(pool));
            let held = run.get_mapped(token, TOKEN.place("balanceOf"), &[&address]);
            assert_eq!(held, collateral);
        }
    }
}

/// The accounts that are liquidated in a pool: they have positions and no account.
fn victims(generated: &Generated, pool: Address) -> impl Iterator<Item = Address> {
    let selector = LENDING_POOL.selector("liquidate(address,uint256)");
    let calls = generated
        .block
        .txns
        .iter()
        .filter(move |txn| txn.kind.to() == Some(&pool) && txn.data.starts_with(&selector));
    let victims: HashSet<Address> =
        calls.map(|txn| Address::from_slice(&txn.data[16..36])).collect();
    victims.into_iter()
}

#[test]
fn counters_count_the_mints() {
    for params in variety() {
        let generated = generate(Workload::Nft, &params);
        let run = run(&generated);
        let mint = NFT.selector("mint()");
        let price = U256::from(nft::PRICE);
        for pool in 0..params.pools as u32 {
            let collection = nft::collection_address(pool);
            let calls = generated.block.txns.iter().zip(&run.results);
            let minted = calls
                .filter(|(txn, _)| {
                    txn.kind.to() == Some(&collection) && txn.data.starts_with(&mint)
                })
                .filter(|(_, result)| result.is_success())
                .count();
            let next = run.get(collection, NFT.place("nextId"));
            let minted = U256::from(minted);
            if generated.pre_state.account(&collection).is_none() {
                assert_eq!((next, minted), (U256::ZERO, U256::ZERO));
                continue;
            }
            assert_eq!(next, minted + U256::from(nft::MINTED_BEFORE));
            assert_eq!(run.sum(&NFT, collection), next);
            assert_eq!(run.balance(collection), minted * price);
        }
    }
}

#[test]
fn the_exchange_holds_what_it_owes() {
    for params in variety() {
        let run = run(&generate(Workload::Orders, &params));
        let exchange = orders::exchange_address();
        let mut fees_seen = false;
        for id in 0..=params.pools as u32 {
            let token = tokens::address(id);
            let balances = SETTLEMENT.place("balanceOf");
            let owed = |holder: &Address| run.get_mapped(exchange, balances, &[holder, &token]);
            let owed: U256 = run.holders().iter().map(owed).sum();
            let fees = run.get_mapped(exchange, SETTLEMENT.place("fees"), &[&token]);
            let held = run.get_mapped(token, TOKEN.place("balanceOf"), &[&exchange]);
            assert_eq!(held, owed + fees, "{params:?} token {id}");
            fees_seen |= !fees.is_zero();
        }
        assert!(fees_seen);
    }
}

#[test]
fn the_money_reaches_the_end_of_the_chain() {
    for params in variety() {
        let run = run(&generate(Workload::Chain, &params));
        for account in 0..params.txns as u64 {
            assert_eq!(run.balance(named(chain::LINK, account)), U256::ZERO);
        }
        let end = named(chain::LINK, params.txns as u64);
        assert_eq!(run.balance(end), U256::from(chain::PRIZE));
    }
}

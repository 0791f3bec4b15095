//! Trades on constant-product markets, through a router.
//!
//! Every trade of a pair reads and writes its packed reserves, its two token balances and its lock,
//! so trades on one pair form a chain, and `pools` bounds the parallelism. A trade over two pairs
//! ties their chains together. The generator follows the reserves with the contract's own
//! arithmetic, so it knows which minimum a trade will meet: a few ask for more than they get and
//! revert.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, Bytes, U256};

use crate::{
    abi::{Word, call},
    artifact::{PAIR, ROUTER},
    draw::{Account, Draw, MILLION, Menu, Pool},
    tokens::{QUOTE, TokenId, of_pool},
    world::{Call, SLOT_SECONDS, TIMESTAMP, WAD, World, named, whole},
};

/// Whole tokens in each reserve, and whole shares of each pair, at the beginning.
const RESERVE: u64 = 1_000_000_000;
/// Whole shares of an account that removes liquidity: a millionth, so that all accounts of a block
/// can.
const SHARES: u64 = RESERVE / 1_000_000;
/// The most of the smallest units of a share that one transaction removes: a millionth again.
const REMOVED_MAX: u64 = SHARES * (WAD / 1_000_000);
/// Per mille of the swaps that ask for more than they get.
const SLIPPED: u64 = 20;

/// The generator.
#[derive(Debug)]
pub(crate) struct Amm {
    pub(crate) menu: Menu<Action>,
    router: Address,
    pairs: HashMap<Pool, Market>,
    shareholders: HashSet<(Pool, Account)>,
}

/// What the generator follows of a pair. Reserve 0 is the quote token's.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) reserves: [U256; 2],
    pub(crate) supply: U256,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Swap,
    SwapTwice,
    Add,
    Remove,
}

/// Where the pair of a pool lies.
pub(crate) fn pair_address(pool: Pool) -> Address {
    named("pair", pool.into())
}

impl Amm {
    pub(crate) fn new(world: &mut World) -> Self {
        let router = named("router", 0);
        world.install(&ROUTER, router);
        let owner = named("router owner", 0).into_word().into();
        world.set(router, ROUTER.place("owner"), owner);
        let menu = Menu::new(&[
            (70, "swap", Action::Swap),
            (20, "swap twice", Action::SwapTwice),
            (6, "add", Action::Add),
            (4, "remove", Action::Remove),
        ]);
        Self { menu, router, pairs: HashMap::new(), shareholders: HashSet::new() }
    }

    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let action = self.menu.draw(draw);
        let pool = draw.pool();
        match action {
            Action::Swap => self.swap(world, draw, pool),
            Action::SwapTwice => self.swap_twice(world, draw, pool),
            Action::Add => self.add(world, draw, pool),
            Action::Remove => self.remove(world, draw, pool),
        }
    }

    /// The state of the markets after the transactions so far.
    #[cfg(test)]
    pub(crate) fn markets(&self) -> impl Iterator<Item = (Pool, &Market)> {
        self.pairs.iter().map(|(pool, market)| (*pool, market))
    }

    fn swap(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let sells_quote = draw.chance(500);
        let mut path = [QUOTE, of_pool(pool)];
        if !sells_quote {
            path.reverse();
        }
        self.trade(world, draw, &path, &[(pool, sells_quote)]);
    }

    /// From one pool's token over the quote token to another pool's token.
    fn swap_twice(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let Some(second) = draw.other_pool(pool) else {
            return self.swap(world, draw, pool);
        };
        let path = [of_pool(pool), QUOTE, of_pool(second)];
        self.trade(world, draw, &path, &[(pool, false), (second, true)]);
    }

    fn trade(
        &mut self,
        world: &mut World,
        draw: &mut Draw,
        path: &[TokenId],
        hops: &[(Pool, bool)],
    ) {
        let from = self.spender(world, draw.sender(), path[0]);
        let sold = draw.amount(MILLION / 10, 100 * MILLION);
        let before: Vec<Market> =
            hops.iter().map(|(pool, _)| self.market(world, *pool).clone()).collect();
        let bought = hops.iter().fold(sold, |amount, (pool, sells_quote)| {
            self.market(world, *pool).swap(amount, *sells_quote)
        });
        let slips = draw.chance(SLIPPED);
        let percent = U256::from(100);
        let minimum = match slips {
            // A minimum from a better moment than this one.
            true => bought + bought / percent,
            false => bought - bought / percent * U256::from(draw.within(0, 3)),
        };
        let tokens: Vec<Address> = path.iter().map(|id| world.token(*id)).collect();
        let data = swap_call(sold, minimum, &tokens, from, deadline(world, draw));
        let gas_limit = if hops.len() == 1 { 162_000 } else { 255_000 };
        let call = self.call(from, data, gas_limit);
        if slips {
            for ((pool, _), market) in hops.iter().zip(before) {
                self.pairs.insert(*pool, market);
            }
            world.push_reverting(draw, call);
        } else {
            world.push(draw, call);
        }
    }

    fn add(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let sender = draw.sender();
        let from = self.spender(world, sender, QUOTE);
        self.spender(world, sender, of_pool(pool));
        let desired = draw.amount(MILLION / 10, 10 * MILLION);
        let market = self.market(world, pool);
        // The other amount is a little more than enough, so the quote token's is the one that
        // counts.
        let matching = desired * market.reserves[1] / market.reserves[0];
        let other = matching + matching / U256::from(100);
        market.add(desired, matching);
        let words: [&dyn Word; 8] = [
            &world.token(QUOTE),
            &world.token(of_pool(pool)),
            &desired,
            &other,
            &desired,
            &(matching - matching / U256::from(100)),
            &from,
            &deadline(world, draw),
        ];
        let signature =
            "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)";
        let call = self.call(from, call(&ROUTER, signature, &words), 162_000);
        world.push(draw, call);
    }

    fn remove(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let sender = draw.sender();
        let from = world.account(sender);
        self.market(world, pool);
        self.give_shares(world, pool, sender);
        let shares = U256::from(draw.within(REMOVED_MAX / 10, REMOVED_MAX));
        self.market(world, pool).remove(shares);
        let words: [&dyn Word; 7] = [
            &world.token(QUOTE),
            &world.token(of_pool(pool)),
            &shares,
            &U256::ONE,
            &U256::ONE,
            &from,
            &deadline(world, draw),
        ];
        let signature = "removeLiquidity(address,address,uint256,uint256,uint256,address,uint256)";
        let call = self.call(from, call(&ROUTER, signature, &words), 220_000);
        world.push(draw, call);
    }

    /// The market of a pool, whose pair is installed when it is first seen.
    fn market(&mut self, world: &mut World, pool: Pool) -> &mut Market {
        let router = self.router;
        self.pairs.entry(pool).or_insert_with(|| Market::install(world, router, pool))
    }

    /// The address of an account that holds a token which the router may move.
    fn spender(&self, world: &mut World, account: Account, token: TokenId) -> Address {
        let (token, holder) = world.holding(token, account);
        world.approve(token, holder, self.router);
        holder
    }

    /// Moves shares of the pair's founder to an account that has none yet; the supply stays.
    fn give_shares(&mut self, world: &mut World, pool: Pool, account: Account) {
        if !self.shareholders.insert((pool, account)) {
            return;
        }
        let (pair, holder) = (pair_address(pool), world.account(account));
        let shares = PAIR.place("balanceOf");
        let held = world.get_mapped(pair, shares, &[&founder()]);
        world.set_mapped(pair, shares, &[&founder()], held - whole(SHARES));
        world.set_mapped(pair, shares, &[&holder], whole(SHARES));
        let allowance = PAIR.place("allowance");
        world.set_mapped(pair, allowance, &[&holder, &self.router], U256::MAX);
    }

    fn call(&self, from: Address, data: Bytes, gas_limit: u64) -> Call {
        Call::contract(from, self.router, data, gas_limit)
    }
}

impl Market {
    /// Installs the pair with equal reserves, last traded in the block before.
    fn install(world: &mut World, router: Address, pool: Pool) -> Self {
        let pair = pair_address(pool);
        let (quote, other) = (world.token(QUOTE), world.token(of_pool(pool)));
        let (token0, token1) = (quote.min(other), quote.max(other));
        let reserve = whole(RESERVE);
        world.install(&PAIR, pair);
        world.set_string(pair, PAIR.place("name"), "Pair share");
        world.set_string(pair, PAIR.place("symbol"), "PAIR");
        world.set(pair, PAIR.place("token0"), token0.into_word().into());
        world.set(pair, PAIR.place("token1"), token1.into_word().into());
        world.set(pair, PAIR.place("reserve0"), reserve);
        world.set(pair, PAIR.place("reserve1"), reserve);
        let updated = U256::from(TIMESTAMP - SLOT_SECONDS);
        world.set(pair, PAIR.place("updatedAt"), updated);
        for name in ["price0Cumulative", "price1Cumulative"] {
            world.set(pair, PAIR.place(name), price_sum());
        }
        world.set(pair, PAIR.place("totalSupply"), reserve);
        world.set_mapped(pair, PAIR.place("balanceOf"), &[&founder()], reserve);
        world.grant(token0, pair, reserve);
        world.grant(token1, pair, reserve);
        let pair_of = ROUTER.place("pairOf");
        let word = pair.into_word().into();
        world.set_mapped(router, pair_of, &[&token0, &token1], word);
        world.set_mapped(router, pair_of, &[&token1, &token0], word);
        Self { reserves: [reserve, reserve], supply: reserve }
    }

    /// Sells `sold` and returns what is bought, as `Router.quote` computes it.
    fn swap(&mut self, sold: U256, sells_quote: bool) -> U256 {
        let (held, paid) = if sells_quote { (0, 1) } else { (1, 0) };
        let net = sold * U256::from(997);
        let bought = net * self.reserves[paid] / (self.reserves[held] * U256::from(1000) + net);
        self.reserves[held] += sold;
        self.reserves[paid] -= bought;
        bought
    }

    /// Adds liquidity, as `Pair.mint` does.
    fn add(&mut self, quote: U256, other: U256) {
        let for0 = quote * self.supply / self.reserves[0];
        let for1 = other * self.supply / self.reserves[1];
        self.supply += for0.min(for1);
        self.reserves[0] += quote;
        self.reserves[1] += other;
    }

    /// Removes liquidity, as `Pair.burn` does.
    fn remove(&mut self, shares: U256) {
        let supply = self.supply;
        for reserve in &mut self.reserves {
            *reserve -= shares * *reserve / supply;
        }
        self.supply -= shares;
    }
}

/// The holder of the shares that no account holds.
pub(crate) fn founder() -> Address {
    named("pair founder", 0)
}

/// The price sums at the beginning: a million seconds at a price of 1.
pub(crate) fn price_sum() -> U256 {
    U256::from(1_000_000) << 112
}

/// Up to five minutes after the block.
fn deadline(world: &World, draw: &mut Draw) -> u64 {
    world.timestamp() + draw.within(0, 300)
}

/// The path is a dynamic array: its words come last, and its place is told by an offset.
fn swap_call(sold: U256, minimum: U256, path: &[Address], to: Address, deadline: u64) -> Bytes {
    let length = path.len() as u64;
    let mut words: Vec<&dyn Word> = vec![&sold, &minimum, &160_u64, &to, &deadline, &length];
    words.extend(path.iter().map(|token| token as &dyn Word));
    let signature = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)";
    call(&ROUTER, signature, &words)
}

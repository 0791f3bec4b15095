//! Loans against deposits.
//!
//! The first call on a pool in a block accrues interest and moves the index that all later calls
//! read; every call changes one slot of totals; loans and withdrawals read prices that a feeder
//! posts in between, for all pools. So calls on one pool form a chain, and a price ties its readers
//! to the feeder. Liquidators compete: the later of two finds the position healthy again and
//! reverts.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, U256, keccak256};

use crate::{
    abi::{Word, call},
    artifact::{LENDING_POOL, PRICE_ORACLE},
    draw::{Account, Draw, MILLION, Menu, Pool},
    tokens::{QUOTE, TokenId, of_pool},
    world::{Call, SLOT_SECONDS, TIMESTAMP, WAD, World, named, whole},
};

/// Whole tokens of an account in a pool at the beginning: so much that no call of a block can be
/// too much.
const COLLATERAL: u64 = 10_000_000;
/// What an account owes at the beginning, before interest.
const SCALED_DEBT: u64 = 1_000_000;
/// Whole tokens that a pool can lend.
const CASH: u64 = 1_000_000_000;
/// The index at the beginning, in 10^-27: 5 % of interest so far.
const INDEX: u128 = 1_050_000_000_000_000_000_000_000_000;
/// The price of a pool's token, in thousandths of the quote token's.
const PRICE_MILLI: u64 = 2_000;
/// How far, in thousandths, a posted price lies from [`PRICE_MILLI`] at most.
const PRICE_STEP_MILLI: u64 = 10;
/// An unhealthy position: worth 2,000, good for 1,600, owing 1,640 at the index of 1.05.
const BAD_COLLATERAL: u64 = 1_000;
const BAD_DEBT: u64 = 1_640;
/// What a liquidator repays: less than half. The rest of the position is healthy at every posted
/// price.
const LIQUIDATED: u64 = 800;
/// Per mille of the liquidations that come second.
const RIVALS: u64 = 250;

/// The generator.
#[derive(Debug)]
pub(crate) struct Lending {
    pub(crate) menu: Menu<Action>,
    oracle: Address,
    feeder: Address,
    pools: HashMap<Pool, Loans>,
    positions: HashSet<(Pool, Account)>,
}

/// What the generator follows of a pool.
#[derive(Clone, Debug)]
struct Loans {
    address: Address,
    /// The account that was liquidated last, and how many were.
    last_bad: Option<Address>,
    bad: u64,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Deposit,
    Borrow,
    Repay,
    Withdraw,
    Liquidate,
    PostPrice,
}

/// Where a pool lies.
pub(crate) fn pool_address(pool: Pool) -> Address {
    named("lending pool", pool.into())
}

impl Lending {
    pub(crate) fn new(world: &mut World) -> Self {
        let (oracle, feeder) = (named("oracle", 0), world.sender("feeder", 0));
        world.install(&PRICE_ORACLE, oracle);
        let place = PRICE_ORACLE.place("feeder");
        world.set(oracle, place, feeder.into_word().into());
        world.fund(feeder, whole(1_000_000));
        let menu = Menu::new(&[
            (32, "deposit", Action::Deposit),
            (26, "borrow", Action::Borrow),
            (20, "repay", Action::Repay),
            (16, "withdraw", Action::Withdraw),
            (5, "liquidate", Action::Liquidate),
            (1, "post price", Action::PostPrice),
        ]);
        let (pools, positions) = (HashMap::new(), HashSet::new());
        let mut lending = Self { menu, oracle, feeder, pools, positions };
        lending.set_price(world, QUOTE, 1_000);
        lending
    }

    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let action = self.menu.draw(draw);
        let pool = draw.pool();
        let address = self.pool(world, pool);
        match action {
            Action::PostPrice => self.post_price(world, draw, pool),
            Action::Liquidate => self.liquidate(world, draw, pool, address),
            action => self.use_position(world, draw, pool, action),
        }
    }

    /// Deposits, borrows, repays or withdraws up to one token.
    fn use_position(&mut self, world: &mut World, draw: &mut Draw, pool: Pool, action: Action) {
        let (signature, gas_limit) = match action {
            Action::Borrow => ("borrow(uint256)", 95_000),
            Action::Repay => ("repay(uint256)", 80_000),
            Action::Withdraw => ("withdraw(uint256)", 100_000),
            _ => ("deposit(uint256)", 85_000),
        };
        let address = pool_address(pool);
        let from = self.position(world, pool, draw.sender());
        let amount = draw.amount(MILLION / 100, MILLION);
        let data = call(&LENDING_POOL, signature, &[&amount]);
        world.push(draw, Call::contract(from, address, data, gas_limit));
    }

    fn liquidate(&mut self, world: &mut World, draw: &mut Draw, pool: Pool, address: Address) {
        let liquidator = draw.sender();
        let (token, from) = world.holding(QUOTE, liquidator);
        world.approve(token, from, address);
        let rival = draw.chance(RIVALS);
        let last = self.pools.get(&pool).and_then(|loans| loans.last_bad);
        let (victim, late) = match last.filter(|_| rival) {
            Some(victim) => (victim, true),
            None => (self.bad_position(world, pool), false),
        };
        let words: [&dyn Word; 2] = [&victim, &whole(LIQUIDATED)];
        let data = call(&LENDING_POOL, "liquidate(address,uint256)", &words);
        let call = Call::contract(from, address, data, 150_000);
        if late {
            world.push_reverting(draw, call);
        } else {
            world.push(draw, call);
        }
    }

    fn post_price(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let step = draw.within(0, 2 * PRICE_STEP_MILLI);
        let price = price(PRICE_MILLI - PRICE_STEP_MILLI + step);
        let token = world.token(of_pool(pool));
        let data = call(&PRICE_ORACLE, "post(address,uint128)", &[&token, &price]);
        let call = Call::contract(self.feeder, self.oracle, data, 36_000);
        world.push(draw, call);
    }

    /// The address of a pool, which is installed when it is first seen.
    fn pool(&mut self, world: &mut World, pool: Pool) -> Address {
        let address = pool_address(pool);
        if self.pools.contains_key(&pool) {
            return address;
        }
        let loans = Loans { address, last_bad: None, bad: 0 };
        self.pools.insert(pool, loans);
        self.set_price(world, of_pool(pool), PRICE_MILLI);
        let (collateral, debt) = (world.token(of_pool(pool)), world.token(QUOTE));
        world.install(&LENDING_POOL, address);
        let addresses =
            [("collateralToken", collateral), ("debtToken", debt), ("oracle", self.oracle)];
        for (name, value) in addresses {
            world.set(address, LENDING_POOL.place(name), value.into_word().into());
        }
        world.set(address, LENDING_POOL.place("index"), U256::from(INDEX));
        let accrued = U256::from(TIMESTAMP - SLOT_SECONDS);
        world.set(address, LENDING_POOL.place("accruedAt"), accrued);
        world.grant(debt, address, whole(CASH));
        address
    }

    /// Sees to it that an account has a position in a pool and can add to it; returns its address.
    fn position(&mut self, world: &mut World, pool: Pool, account: Account) -> Address {
        let address = pool_address(pool);
        let (debt, holder) = world.holding(QUOTE, account);
        let (collateral, _) = world.holding(of_pool(pool), account);
        if self.positions.insert((pool, account)) {
            world.approve(debt, holder, address);
            world.approve(collateral, holder, address);
            let (collateral, debt) = (whole(COLLATERAL), whole(SCALED_DEBT));
            open_position(world, pool, holder, collateral, debt);
        }
        holder
    }

    /// A new position that may be liquidated.
    fn bad_position(&mut self, world: &mut World, pool: Pool) -> Address {
        let loans = self.pools.get_mut(&pool).expect("installed before");
        loans.bad += 1;
        let victim = Address::from_word(keccak256(
            [loans.address.as_slice(), loans.bad.to_be_bytes().as_slice()].concat(),
        ));
        loans.last_bad = Some(victim);
        let debt = whole(BAD_DEBT) * U256::from(100) / U256::from(105);
        open_position(world, pool, victim, whole(BAD_COLLATERAL), debt);
        victim
    }

    fn set_price(&mut self, world: &mut World, token: TokenId, milli: u64) {
        let token = world.token(token);
        let member = |name| PRICE_ORACLE.member("PriceOracle.Price", name).shift;
        let updated = U256::from(TIMESTAMP - SLOT_SECONDS);
        let word = (price(milli) << member("value")) | (updated << member("updatedAt"));
        let prices = PRICE_ORACLE.place("prices");
        world.set_mapped(self.oracle, prices, &[&token], word);
    }
}

/// Writes a position and adds it to the pool's totals and tokens.
fn open_position(world: &mut World, pool: Pool, holder: Address, collateral: U256, debt: U256) {
    let address = pool_address(pool);
    let member = |name| LENDING_POOL.member("LendingPool.Position", name).shift;
    let word = (collateral << member("collateral")) | (debt << member("scaledDebt"));
    let positions = LENDING_POOL.place("positions");
    world.set_mapped(address, positions, &[&holder], word);
    for (name, amount) in [("totalCollateral", collateral), ("totalScaledDebt", debt)] {
        let place = LENDING_POOL.place(name);
        let total = world.get(address, place) + amount;
        world.set(address, place, total);
    }
    let token = world.token(of_pool(pool));
    world.grant(token, address, collateral);
}

/// A price as the oracle keeps it, from thousandths.
fn price(milli: u64) -> U256 {
    U256::from(milli) * U256::from(WAD / 1_000)
}

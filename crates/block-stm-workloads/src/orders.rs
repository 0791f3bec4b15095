//! Settlement of signed orders that were matched elsewhere.
//!
//! A trade moves balances inside one contract and checks two signatures, so it is heavy on the
//! processor and light on storage; traders rarely meet. But all trades of a token add their fee to
//! one account, the hot slot that a commutative update would take off the path. Some makers' orders
//! are filled in parts, by one taker after another. `pools` is the number of markets.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, Bytes, U256};

use crate::{
    abi::{Word, call},
    artifact::SETTLEMENT,
    draw::{Account, Draw, MILLION, Menu, Pool},
    signing::{Key, Order, Signature, Signer},
    tokens::{HOLDING, QUOTE, TokenId, of_pool},
    world::{Call, World, named, whole},
};

/// Hundredths of a per cent of what the taker buys.
const FEE_BASIS_POINTS: u64 = 5;
/// Per mille of the trades that come after an order expired.
const EXPIRED: u64 = 15;
/// Per mille of the trades that go on filling a maker's order where one is open.
const CONTINUED: u64 = 350;
/// The fills that a maker's order is good for.
const FILLS: u64 = 4;

/// The generator.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) menu: Menu<Action>,
    exchange: Address,
    signer: Signer,
    traders: HashMap<Account, Trader>,
    deposits: HashSet<(TokenId, Account)>,
    open: HashMap<Pool, OpenOrder>,
}

/// What the generator follows of a trader.
#[derive(Clone, Debug)]
struct Trader {
    address: Address,
    key: Key,
    /// The nonce of the next order.
    nonce: u64,
    /// Orders with a lower nonce are void.
    first_valid: u64,
}

/// A maker's order that isn't filled yet.
#[derive(Clone, Debug)]
struct OpenOrder {
    maker: Account,
    order: Order,
    signature: Signature,
    /// What one trade sells of it, and how many trades it still takes.
    part: U256,
    parts: u64,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Settle,
    Deposit,
    Withdraw,
    VoidBelow,
}

/// Where the settlement contract lies.
pub(crate) fn exchange_address() -> Address {
    named("settlement", 0)
}

impl Orders {
    pub(crate) fn new(world: &mut World) -> Self {
        let exchange = exchange_address();
        world.install(&SETTLEMENT, exchange);
        let owner = named("settlement owner", 0).into_word().into();
        world.set(exchange, SETTLEMENT.place("owner"), owner);
        let fee = U256::from(FEE_BASIS_POINTS);
        world.set(exchange, SETTLEMENT.place("feeBasisPoints"), fee);
        let menu = Menu::new(&[
            (88, "settle", Action::Settle),
            (6, "deposit", Action::Deposit),
            (4, "withdraw", Action::Withdraw),
            (2, "void below", Action::VoidBelow),
        ]);
        Self {
            menu,
            exchange,
            signer: Signer::new(exchange),
            traders: HashMap::new(),
            deposits: HashSet::new(),
            open: HashMap::new(),
        }
    }

    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let action = self.menu.draw(draw);
        let pool = draw.pool();
        match action {
            Action::Settle => self.settle(world, draw, pool),
            Action::Deposit => self.deposit(world, draw, pool),
            Action::Withdraw => self.withdraw(world, draw, pool),
            Action::VoidBelow => self.void_below(world, draw),
        }
    }

    /// A taker, which sends the transaction, meets a maker's order, old or new.
    fn settle(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let taker = draw.sender();
        let continued = draw.chance(CONTINUED);
        let open = self.open.remove(&pool).filter(|_| continued);
        let mut maker = match open {
            Some(open) if self.is_valid(world, &open) => open,
            _ => self.make(world, draw, pool, taker),
        };
        let expired = draw.chance(EXPIRED);
        let taken = self.take(world, draw, pool, taker, &maker, expired);
        let call = self.settle_call(&maker, &taken);
        if expired {
            world.push_reverting(draw, call);
        } else {
            maker.parts -= 1;
            world.push(draw, call);
        }
        if maker.parts > 0 {
            self.open.insert(pool, maker);
        }
    }

    /// A new order of someone else than `taker`, at a price near two quote tokens.
    fn make(
        &mut self,
        world: &mut World,
        draw: &mut Draw,
        pool: Pool,
        taker: Account,
    ) -> OpenOrder {
        let maker = draw.receiver(taker);
        let sells_quote = draw.chance(500);
        let (sold, bought) = match sells_quote {
            true => (QUOTE, of_pool(pool)),
            false => (of_pool(pool), QUOTE),
        };
        let part = draw.amount(MILLION, 50 * MILLION);
        let sell_amount = part * U256::from(FILLS);
        let price_milli = U256::from(match sells_quote {
            true => draw.within(490, 510),
            false => draw.within(1_960, 2_040),
        });
        let order = Order {
            trader: self.depositor(world, maker, sold),
            sell_token: world.token(sold),
            buy_token: world.token(bought),
            sell_amount,
            buy_amount: sell_amount * price_milli / U256::from(1_000),
            nonce: self.next_nonce(world, maker),
            expiry: world.timestamp() + draw.within(0, 3_600),
        };
        let signature = self.sign(world, maker, &order);
        OpenOrder { maker, order, signature, part, parts: FILLS }
    }

    /// The order that crosses one part of `maker`'s: it pays what the maker asks and a little less
    /// would do.
    fn take(
        &mut self,
        world: &mut World,
        draw: &mut Draw,
        pool: Pool,
        taker: Account,
        maker: &OpenOrder,
        expired: bool,
    ) -> (Order, Signature) {
        let sold = match maker.order.sell_token == world.token(QUOTE) {
            true => of_pool(pool),
            false => QUOTE,
        };
        let asked = maker.part * maker.order.buy_amount;
        let order = Order {
            trader: self.depositor(world, taker, sold),
            sell_token: maker.order.buy_token,
            buy_token: maker.order.sell_token,
            sell_amount: asked.div_ceil(maker.order.sell_amount),
            buy_amount: maker.part - maker.part / U256::from(draw.within(500, 5_000)),
            nonce: self.next_nonce(world, taker),
            expiry: match expired {
                true => world.timestamp() - draw.within(1, 60),
                false => world.timestamp() + draw.within(0, 60),
            },
        };
        let signature = self.sign(world, taker, &order);
        (order, signature)
    }

    fn settle_call(&self, maker: &OpenOrder, taken: &(Order, Signature)) -> Call {
        let mut words = maker.order.words().to_vec();
        words.extend(maker.signature.words());
        words.extend(taken.0.words());
        words.extend(taken.1.words());
        words.push(&maker.part);
        let order = "(address,address,address,uint256,uint256,uint256,uint256)";
        let signature = "(uint8,bytes32,bytes32)";
        let method = format!("settle({order},{signature},{order},{signature},uint256)");
        let data = call(&SETTLEMENT, &method, &words);
        self.call(taken.0.trader, data, 210_000)
    }

    fn deposit(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let (token, from) = world.holding(of_pool(pool), draw.sender());
        world.approve(token, from, self.exchange);
        let amount = draw.amount(MILLION, 10 * MILLION);
        let data = call(&SETTLEMENT, "deposit(address,uint256)", &[&token, &amount]);
        world.push(draw, self.call(from, data, 98_000));
    }

    fn withdraw(&mut self, world: &mut World, draw: &mut Draw, pool: Pool) {
        let (sender, token) = (draw.sender(), of_pool(pool));
        let from = self.depositor(world, sender, token);
        let token = world.token(token);
        let amount = draw.amount(MILLION, 10 * MILLION);
        let data = call(&SETTLEMENT, "withdraw(address,uint256)", &[&token, &amount]);
        world.push(draw, self.call(from, data, 76_000));
    }

    /// A trader takes back all its orders.
    fn void_below(&mut self, world: &mut World, draw: &mut Draw) {
        let sender = draw.sender();
        self.next_nonce(world, sender);
        let trader = self.trader(world, sender);
        trader.first_valid = trader.nonce;
        let (from, nonce) = (trader.address, trader.nonce);
        let data = call(&SETTLEMENT, "voidBelow(uint256)", &[&nonce]);
        world.push(draw, self.call(from, data, 55_000));
    }

    /// What is known of a trader, whose signing key is registered when it is first seen.
    fn trader(&mut self, world: &mut World, account: Account) -> &mut Trader {
        let (exchange, signer) = (self.exchange, &self.signer);
        self.traders.entry(account).or_insert_with(|| {
            let (address, key) = (world.account(account), signer.key(account.into()));
            let signers = SETTLEMENT.place("signerOf");
            let word = key.address.into_word().into();
            world.set_mapped(exchange, signers, &[&address], word);
            Trader { address, key, nonce: 0, first_valid: 0 }
        })
    }

    /// Sees to it that a trader has deposited a token; returns the trader's address.
    fn depositor(&mut self, world: &mut World, account: Account, token: TokenId) -> Address {
        let address = self.trader(world, account).address;
        if self.deposits.insert((token, account)) {
            let token = world.token(token);
            let balances = SETTLEMENT.place("balanceOf");
            let keys: [&dyn Word; 2] = [&address, &token];
            world.add_mapped(self.exchange, balances, &keys, whole(HOLDING));
            world.grant(token, self.exchange, whole(HOLDING));
        }
        address
    }

    fn next_nonce(&mut self, world: &mut World, account: Account) -> u64 {
        let trader = self.trader(world, account);
        trader.nonce += 1;
        trader.nonce - 1
    }

    fn is_valid(&self, world: &World, open: &OpenOrder) -> bool {
        let maker = self.traders.get(&open.maker);
        open.order.expiry >= world.timestamp()
            && maker.is_some_and(|maker| open.order.nonce >= maker.first_valid)
    }

    fn sign(&mut self, world: &mut World, account: Account, order: &Order) -> Signature {
        let key = self.trader(world, account).key.clone();
        self.signer.sign(&key, order)
    }

    fn call(&self, from: Address, data: Bytes, gas_limit: u64) -> Call {
        Call::contract(from, self.exchange, data, gas_limit)
    }
}

//! All random choices of a block, from one seed.

use alloy_primitives::U256;
use rand::{Rng, SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;

use crate::{params::Params, world::WAD, zipf::Zipf};

/// The place of an account in the population; its address follows from it.
pub(crate) type Account = u32;
/// The place of a contract among those of its kind.
pub(crate) type Pool = u32;

/// The millionths of which amounts are made.
pub(crate) const MILLION: u64 = 1_000_000;

/// Draws accounts, pools and numbers.
///
/// Without skew, accounts are dealt from a shuffled deck and not drawn one by one: no sender comes
/// twice before every account was a sender once. Receivers are dealt from the same deck, starting
/// where the senders of the block end.
#[derive(Debug)]
pub(crate) struct Draw {
    rng: ChaCha8Rng,
    accounts: Accounts,
    pools: u32,
    pool_skew: Option<Zipf>,
}

#[derive(Debug)]
enum Accounts {
    Dealt { deck: Vec<Account>, sender: usize, receiver: usize },
    Skewed { count: u32, zipf: Zipf },
}

impl Draw {
    /// `params` must be valid.
    pub(crate) fn new(params: &Params) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        // Both fit: validated to be at most ten millions.
        let (count, pools) = (params.accounts as u32, params.pools as u32);
        let skewed = params.zipf > 0.0;
        let accounts = if skewed {
            let zipf = Zipf::new(count, params.zipf);
            Accounts::Skewed { count, zipf }
        } else {
            Accounts::deal(params, &mut rng)
        };
        let pool_skew = skewed.then(|| Zipf::new(pools, params.zipf));
        Self { rng, accounts, pools, pool_skew }
    }

    /// Draws pools by another law than accounts.
    pub(crate) fn with_pools(mut self, pools: u32, zipf: f64) -> Self {
        self.pools = pools;
        self.pool_skew = (zipf > 0.0).then(|| Zipf::new(pools, zipf));
        self
    }

    /// A place among `count`, by Zipf's law if there is one.
    pub(crate) fn place(&mut self, count: u32, skew: Option<&Zipf>) -> u32 {
        match skew {
            Some(zipf) => zipf.sample(&mut self.rng),
            None => self.rng.random_range(0..count),
        }
    }

    /// A number from `low` to `high`, both included, of any size.
    pub(crate) fn within_wide(&mut self, low: U256, high: U256) -> U256 {
        if let (Ok(low), Ok(high)) = (u64::try_from(low), u64::try_from(high)) {
            return U256::from(self.within(low, high));
        }
        let span = high - low;
        let mask = U256::MAX >> span.leading_zeros();
        loop {
            let limbs = std::array::from_fn(|_| self.rng.random::<u64>());
            let drawn = U256::from_limbs(limbs) & mask;
            if drawn <= span {
                return low + drawn;
            }
        }
    }

    /// The sender of the next transaction.
    pub(crate) fn sender(&mut self) -> Account {
        match &mut self.accounts {
            Accounts::Dealt { deck, sender, .. } => next_card(deck, sender),
            Accounts::Skewed { zipf, .. } => zipf.sample(&mut self.rng),
        }
    }

    /// Someone else than `sender`, unless there is only one account.
    pub(crate) fn receiver(&mut self, sender: Account) -> Account {
        match &mut self.accounts {
            Accounts::Dealt { deck, receiver, .. } => match next_card(deck, receiver) {
                card if card == sender => next_card(deck, receiver),
                card => card,
            },
            Accounts::Skewed { count, zipf } => match zipf.sample(&mut self.rng) {
                rank if rank == sender => (rank + 1) % *count,
                rank => rank,
            },
        }
    }

    /// A pool.
    pub(crate) fn pool(&mut self) -> Pool {
        match &self.pool_skew {
            Some(zipf) => zipf.sample(&mut self.rng),
            None => self.rng.random_range(0..self.pools),
        }
    }

    /// Another pool than `pool`, or `None` if there is no other.
    pub(crate) fn other_pool(&mut self, pool: Pool) -> Option<Pool> {
        match self.pool() {
            drawn if drawn != pool => Some(drawn),
            _ if self.pools > 1 => Some((pool + 1) % self.pools),
            _ => None,
        }
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        self.rng.random_range(low..=high)
    }

    /// An amount of a token or of ether in its smallest unit, from `low` to `high` millionths of a
    /// whole.
    pub(crate) fn amount(&mut self, low: u64, high: u64) -> U256 {
        U256::from(self.within(low, high)) * U256::from(WAD / MILLION)
    }

    /// Whether an event of `per_mille` / 1000 happens.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.within(0, 999) < per_mille
    }

    /// An entry of `choices`, each with its weight; not all weights are zero.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let total: u64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut point = self.within(1, total);
        for &(weight, choice) in choices {
            if point <= weight {
                return choice;
            }
            point -= weight;
        }
        unreachable!("the point lies within the sum of the weights")
    }
}

/// What a generator does, by name and with weights that can be changed.
#[derive(Clone, Debug)]
pub(crate) struct Menu<A> {
    names: Vec<&'static str>,
    choices: Vec<(u64, A)>,
}

impl<A: Copy> Menu<A> {
    pub(crate) fn new(actions: &[(u64, &'static str, A)]) -> Self {
        Self {
            names: actions.iter().map(|(_, name, _)| *name).collect(),
            choices: actions.iter().map(|(weight, _, action)| (*weight, *action)).collect(),
        }
    }

    pub(crate) fn draw(&self, draw: &mut Draw) -> A {
        draw.choose(&self.choices)
    }
}

/// A menu, whatever its actions are.
pub(crate) trait Weights {
    /// All names, each with its weight.
    fn weights(&self) -> Vec<(&'static str, u64)>;

    /// Gives each name a weight, in the order of the names.
    fn set_weights(&mut self, weights: &[u64]);
}

impl<A: Copy> Weights for Menu<A> {
    fn weights(&self) -> Vec<(&'static str, u64)> {
        let weights = self.choices.iter().map(|(weight, _)| *weight);
        self.names.iter().copied().zip(weights).collect()
    }

    fn set_weights(&mut self, weights: &[u64]) {
        for ((weight, _), new) in self.choices.iter_mut().zip(weights) {
            *weight = *new;
        }
    }
}

impl Accounts {
    fn deal(params: &Params, rng: &mut ChaCha8Rng) -> Self {
        let cards = params.accounts.min(2 * params.txns.max(1));
        let sample = index::sample(rng, params.accounts, cards);
        let deck: Vec<Account> = sample.into_iter().map(|card| card as u32).collect();
        let receiver = match params.txns % deck.len() {
            0 if deck.len() > 1 => 1,
            start => start,
        };
        Self::Dealt { deck, sender: 0, receiver }
    }
}

fn next_card(deck: &[Account], next: &mut usize) -> Account {
    let card = deck[*next];
    *next = (*next + 1) % deck.len();
    card
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn draw(txns: usize, accounts: usize, zipf: f64) -> Draw {
        let (pools, seed) = (4, 1);
        Draw::new(&Params { txns, accounts, pools, zipf, seed })
    }

    #[test]
    fn senders_are_distinct_when_there_are_enough_accounts() {
        let mut draw = draw(50, 50, 0.0);
        let senders: HashSet<_> = (0..50).map(|_| draw.sender()).collect();
        assert_eq!(senders.len(), 50);
    }

    #[test]
    fn twice_as_many_accounts_as_transactions_meet_once_each() {
        let mut draw = draw(50, 100, 0.0);
        let mut met = HashSet::new();
        for _ in 0..50 {
            let sender = draw.sender();
            met.insert(sender);
            met.insert(draw.receiver(sender));
        }
        assert_eq!(met.len(), 100);
    }

    #[test]
    fn nobody_receives_from_oneself_unless_alone() {
        for zipf in [0.0, 1.0, 10.0] {
            for accounts in [2, 3, 7, 20] {
                let mut draw = draw(20, accounts, zipf);
                for _ in 0..100 {
                    let sender = draw.sender();
                    assert_ne!(sender, draw.receiver(sender));
                }
            }
            let mut draw = draw(20, 1, zipf);
            assert_eq!((draw.sender(), draw.receiver(0)), (0, 0));
        }
    }

    #[test]
    fn choices_come_by_weight() {
        let mut draw = draw(1, 1, 0.0);
        let choices = [(1, 'a'), (0, 'b'), (3, 'c')];
        let drawn: String = (0..1_000).map(|_| draw.choose(&choices)).collect();
        let count = |letter| drawn.matches(letter).count();
        assert_eq!(count('b'), 0);
        assert!((200..300).contains(&count('a')), "{}", count('a'));
    }
}

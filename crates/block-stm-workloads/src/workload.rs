//! The kinds of blocks, by name.

use std::{fmt, str::FromStr};

use crate::{
    amm::Amm,
    chain,
    draw::Draw,
    erc20::Erc20,
    lending::Lending,
    mixed::Mixed,
    nft::Nft,
    orders::Orders,
    params::{Params, ParamsError},
    senders::Senders,
    transfers::Transfers,
    world::{Generated, World},
};

/// A kind of block. The [crate's page](crate) tells what conflicts in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Workload {
    /// Plain ether transfers.
    Transfers,
    /// Payments in ERC-20 tokens.
    Erc20,
    /// Swaps and liquidity on constant-product markets.
    Amm,
    /// Loans against deposits.
    Lending,
    /// Mints and moves of unique items.
    Nft,
    /// Settlement of signed orders.
    Orders,
    /// All of the above on shared accounts.
    Mixed,
    /// Transfers of which each depends on the one before.
    Chain,
}

/// A name that is no workload's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no workload is called {name:?}; there are {}",
    Workload::ALL.map(Workload::name).join(", ")
)]
pub struct UnknownWorkload {
    /// The name asked for.
    pub name: String,
}

impl Workload {
    /// All workloads, the most realistic last but one and the worst case last.
    pub const ALL: [Self; 8] = [
        Self::Transfers,
        Self::Erc20,
        Self::Amm,
        Self::Lending,
        Self::Nft,
        Self::Orders,
        Self::Mixed,
        Self::Chain,
    ];

    /// The workload's name: one lower-case word, which [`FromStr`] takes back.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Erc20 => "erc20",
            Self::Amm => "amm",
            Self::Lending => "lending",
            Self::Nft => "nft",
            Self::Orders => "orders",
            Self::Mixed => "mixed",
            Self::Chain => "chain",
        }
    }

    /// One line on what the transactions are and where they conflict.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Transfers => "ether transfers; independent unless accounts are few or skewed",
            Self::Erc20 => "token payments; many small writes into the storage of few contracts",
            Self::Amm => "swaps and liquidity through a router; trades on one pair form a chain",
            Self::Lending => "loans against deposits; calls on one pool form a chain",
            Self::Nft => "mints and moves of items; mints of one collection form a chain",
            Self::Orders => "trades of signed orders; heavy checks, one hot fee account per token",
            Self::Mixed => "all of the others but chain, on shared accounts and tokens",
            Self::Chain => "transfers each paid from the one before; the worst case",
        }
    }

    /// Makes a block of `params.txns` transactions and the state before it.
    ///
    /// # Errors
    ///
    /// A parameter out of its range.
    ///
    /// # Cost
    ///
    /// Some microseconds and about a kilobyte per transaction; some tens of microseconds where
    /// orders are signed.
    pub fn generate(self, params: &Params) -> Result<Generated, ParamsError> {
        self.generate_from(Senders::Named, params)
    }

    /// The same block but for the addresses of the senders, whose keys are known.
    ///
    /// So its transactions can be signed, for a client that takes no others.
    /// [`Generated::secret_keys`] has the keys. They follow from public numbers, and are worth
    /// nothing on a real chain.
    ///
    /// # Errors
    ///
    /// A parameter out of its range.
    ///
    /// # Cost
    ///
    /// That of [`generate`](Self::generate), and some tens of microseconds per account.
    pub fn generate_with_keys(self, params: &Params) -> Result<Generated, ParamsError> {
        self.generate_from(Senders::keyed(), params)
    }

    fn generate_from(self, senders: Senders, params: &Params) -> Result<Generated, ParamsError> {
        params.validate()?;
        let (mut world, mut draw) = (World::new(params.txns, senders), Draw::new(params));
        let (world_ref, draw_ref, txns) = (&mut world, &mut draw, params.txns);
        match self {
            Self::Transfers => repeat(txns, || Transfers.push(world_ref, draw_ref)),
            Self::Erc20 => repeat(txns, || Erc20.push(world_ref, draw_ref)),
            Self::Amm => {
                let mut amm = Amm::new(world_ref);
                repeat(txns, || amm.push(world_ref, draw_ref));
            }
            Self::Lending => {
                let mut lending = Lending::new(world_ref);
                repeat(txns, || lending.push(world_ref, draw_ref));
            }
            Self::Nft => {
                let mut nft = Nft::default();
                repeat(txns, || nft.push(world_ref, draw_ref));
            }
            Self::Orders => {
                let mut orders = Orders::new(world_ref);
                repeat(txns, || orders.push(world_ref, draw_ref));
            }
            Self::Mixed => {
                let mut mixed = Mixed::new(world_ref);
                repeat(txns, || mixed.push(world_ref, draw_ref));
            }
            Self::Chain => chain::fill(world_ref, draw_ref, txns, 1),
        }
        Ok(world.finish())
    }
}

fn repeat(times: usize, mut action: impl FnMut()) {
    (0..times).for_each(|_| action());
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = UnknownWorkload;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownWorkload { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for workload in Workload::ALL {
            assert_eq!(workload.to_string().parse(), Ok(workload));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = "nfts".parse::<Workload>().expect_err("no such workload");
        assert_eq!(
            error.to_string(),
            "no workload is called \"nfts\"; there are \
             transfers, erc20, amm, lending, nft, orders, mixed, chain"
        );
    }
}

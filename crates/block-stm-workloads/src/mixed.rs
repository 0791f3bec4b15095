//! A block as a busy DeFi chain sees it: all the other workloads on shared accounts and tokens.
//!
//! Most transactions are independent, some form chains through markets, pools and counters, and the
//! accounts tie all of them together. The weights are a round guess at such a chain, not a
//! measurement.

use crate::{
    amm::Amm, draw::Draw, erc20::Erc20, lending::Lending, nft::Nft, orders::Orders,
    transfers::Transfers, world::World,
};

/// The generator.
#[derive(Debug)]
pub(crate) struct Mixed {
    transfers: Transfers,
    erc20: Erc20,
    amm: Amm,
    lending: Lending,
    nft: Nft,
    orders: Orders,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Transfer,
    Erc20,
    Amm,
    Lending,
    Nft,
    Orders,
}

impl Mixed {
    pub(crate) fn new(world: &mut World) -> Self {
        Self {
            transfers: Transfers,
            erc20: Erc20,
            amm: Amm::new(world),
            lending: Lending::new(world),
            nft: Nft::default(),
            orders: Orders::new(world),
        }
    }

    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let kinds = [
            (25, Kind::Transfer),
            (33, Kind::Erc20),
            (22, Kind::Amm),
            (8, Kind::Lending),
            (4, Kind::Nft),
            (8, Kind::Orders),
        ];
        match draw.choose(&kinds) {
            Kind::Transfer => self.transfers.push(world, draw),
            Kind::Erc20 => self.erc20.push(world, draw),
            Kind::Amm => self.amm.push(world, draw),
            Kind::Lending => self.lending.push(world, draw),
            Kind::Nft => self.nft.push(world, draw),
            Kind::Orders => self.orders.push(world, draw),
        }
    }
}

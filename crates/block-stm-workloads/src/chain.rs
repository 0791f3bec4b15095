//! A chain of ether transfers, each paid from the one before: the worst case.
//!
//! Transaction `i` sends from account `i` to account `i + 1`, which has nothing before, all that is
//! left after the fee. So nothing can run before its predecessor has, and executing in parallel can
//! only lose. The block shows how much. The accounts are as many as the chain needs.

use alloy_primitives::{Bytes, U256};

use crate::{
    draw::Draw,
    transfers::GAS,
    world::{Call, Fees, World},
};

/// Wei that arrive at the end of the chain.
pub(crate) const PRIZE: u64 = 1_000_000_000_000_000_000;

/// What the accounts of the chain are called.
pub(crate) const LINK: &str = "chain";

/// Fills `world` with a chain of transfers through `blocks` blocks of `txns`, which are complete.
pub(crate) fn fill(world: &mut World, draw: &mut Draw, txns: usize, blocks: usize) {
    let fees: Vec<Fees> = (0..txns * blocks).map(|_| Fees::exact(draw)).collect();
    let paid: U256 = fees.iter().copied().map(cost).sum();
    let mut money = U256::from(PRIZE) + paid;
    let mut from = world.sender(LINK, 0);
    world.fund(from, money);
    for (next, fees) in (1..).zip(fees) {
        money -= cost(fees);
        let to = world.sender(LINK, next);
        let call = Call { from, to, value: money, data: Bytes::new(), gas_limit: GAS };
        world.push_with_fees(call, fees);
        from = to;
        if next % (txns as u64) == 0 {
            world.end_block();
        }
    }
    if txns == 0 {
        (0..blocks).for_each(|_| world.end_block());
    }
}

/// Wei that a transfer costs its sender beside the value.
fn cost(fees: Fees) -> U256 {
    U256::from(GAS) * U256::from(fees.cap)
}

//! Plain ether transfers between accounts.
//!
//! Nothing but balances and nonces: the smallest transactions there are, so the engine's own cost
//! shows most. With enough accounts and no skew they are fully independent but for the fees; with
//! skew a few hot accounts send and receive much.

use alloy_primitives::Bytes;

use crate::{
    draw::{Draw, MILLION},
    world::{Call, World},
};

/// Gas of a transfer to an account without code, exactly.
pub(crate) const GAS: u64 = 21_000;

/// The generator.
#[derive(Debug, Default)]
pub(crate) struct Transfers;

impl Transfers {
    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let sender = draw.sender();
        let receiver = draw.receiver(sender);
        let call = Call {
            from: world.account(sender),
            to: world.account(receiver),
            value: draw.amount(1, MILLION),
            data: Bytes::new(),
            gas_limit: GAS,
        };
        world.push(draw, call);
    }
}

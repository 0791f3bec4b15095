//! Payments in ERC-20 tokens.
//!
//! Each transaction writes one or two entries of a token's balances or allowances: many small
//! writes into the storage of few contracts. An engine that tracks conflicts by account sees
//! nothing but conflicts; by slot there are none, as long as no account comes twice.

use alloy_primitives::U256;

use crate::{
    abi::{Word, call},
    artifact::TOKEN,
    draw::{Draw, MILLION},
    tokens::{HOLDING, of_pool},
    world::{Call, World, whole},
};

/// Per mille of the payments that exceed what the sender has.
const UNCOVERED: u64 = 10;

/// The generator.
#[derive(Debug, Default)]
pub(crate) struct Erc20;

#[derive(Clone, Copy, Debug)]
enum Action {
    Transfer,
    Approve,
    /// The sender takes from the other what it was allowed to take.
    TransferFrom,
}

impl Erc20 {
    pub(crate) fn push(&mut self, world: &mut World, draw: &mut Draw) {
        let actions = [(85, Action::Transfer), (10, Action::Approve), (5, Action::TransferFrom)];
        let action = draw.choose(&actions);
        let token = of_pool(draw.pool());
        let sender = draw.sender();
        let other = draw.receiver(sender);
        let (address, from) = world.holding(token, sender);
        let (_, other) = world.holding(token, other);
        let amount = draw.amount(1, 100 * MILLION);
        let uncovered = draw.chance(UNCOVERED) && matches!(action, Action::Transfer);
        let (data, gas_limit) = match action {
            Action::Transfer => {
                let amount = if uncovered { U256::MAX } else { amount };
                let words: [&dyn Word; 2] = [&other, &amount];
                (call(&TOKEN, "transfer(address,uint256)", &words), 42_000)
            }
            Action::Approve => {
                // Finite allowances are written back by each payment, unlimited ones are not.
                let unlimited = draw.chance(500);
                let amount = if unlimited { U256::MAX } else { whole(HOLDING) };
                let words: [&dyn Word; 2] = [&other, &amount];
                (call(&TOKEN, "approve(address,uint256)", &words), 54_000)
            }
            Action::TransferFrom => {
                world.approve(address, other, from);
                let words: [&dyn Word; 3] = [&other, &from, &amount];
                let signature = "transferFrom(address,address,uint256)";
                (call(&TOKEN, signature, &words), 50_000)
            }
        };
        let call = Call::contract(from, address, data, gas_limit);
        if uncovered {
            world.push_reverting(draw, call);
        } else {
            world.push(draw, call);
        }
    }
}

//! Blocks that grow, against the plain loop over what was pushed.

mod bad;
mod base;
mod drawn;
mod made;
mod stories;

use block_stm_evm::{Block, Push};

use self::base::{all_engines, assert_built, assert_valid, batches_of, engines, start};

/// The transactions of a block as they are pushed one by one.
fn pushes(block: &Block) -> Vec<Push> {
    block.txns.iter().cloned().map(Push::from).collect()
}

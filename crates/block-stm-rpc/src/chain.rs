//! Questions about the chain as a whole.

use alloy_primitives::U64;

use crate::{
    answer::{Answer, Args, answer},
    fault::Fault,
    node::Node,
};

pub(crate) fn version(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    args.end()?;
    answer(&node.version, node.limits.answer_bytes)
}

/// The chain's number in decimal, as the oldest of all clients have it.
pub(crate) fn network(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    args.end()?;
    answer(&node.schedule.chain_id().to_string(), node.limits.answer_bytes)
}

pub(crate) fn chain_id(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    args.end()?;
    answer(&U64::from(node.schedule.chain_id()), node.limits.answer_bytes)
}

pub(crate) fn block_number(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    args.end()?;
    answer(&U64::from(node.head()?.number()), node.limits.answer_bytes)
}

/// There is no network, so there is nothing to catch up with.
pub(crate) fn syncing(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    args.end()?;
    answer(&false, node.limits.answer_bytes)
}

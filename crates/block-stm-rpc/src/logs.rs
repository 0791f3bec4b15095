//! `eth_getLogs`.

use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use block_stm_store::Snapshot;

use crate::{
    answer::{Answer, Args, Bounded, answer},
    fault::Fault,
    node::{Known, Node},
    receipts::{Place, receipts, shown_log},
};

/// About how many bytes of JSON a log has beside its data.
const LOG_BYTES: usize = 600;

pub(crate) fn logs(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let filter: Filter = args.next("filter")?;
    args.end()?;
    let terms = filter.address.len() + filter.topics.iter().map(|any| any.len()).sum::<usize>();
    if terms > node.limits.log_terms {
        let most = node.limits.log_terms;
        return Err(Fault::Limit(format!("{terms} addresses and topics; at most {most}")));
    }
    let head = node.head()?;
    let deadline = node.deadline();
    let mut found = Found::default();
    for number in range(node, &head, &filter)? {
        node.in_time(deadline)?;
        let (_, header) = node.header(&head, number)?;
        if filter.matches_bloom(header.logs_bloom) {
            found.take(node, (&head, &node.block(&head, number)?), &filter)?;
        }
    }
    answer(&found.logs, node.limits.answer_bytes)
}

/// The blocks that the filter names, of those that are there.
fn range(
    node: &Node,
    head: &Snapshot,
    filter: &Filter,
) -> Result<std::ops::RangeInclusive<u64>, Fault> {
    let (from, to) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = head.number_of(&hash)?.ok_or(Fault::UnknownBlock)?;
            (number, number)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let number = |tag: Option<alloy_eips::BlockNumberOrTag>| match tag.unwrap_or_default() {
                alloy_eips::BlockNumberOrTag::Number(number) => Ok(number),
                tag => node.number(head, tag).ok_or(Fault::UnknownBlock),
            };
            (number(from_block)?, number(to_block)?)
        }
    };
    if from > to {
        return Err(Fault::Params(format!("the blocks {from} to {to} are none")));
    }
    let to = to.min(head.number());
    let most = node.limits.log_blocks;
    match to.checked_sub(from) {
        Some(more) if more >= most => {
            Err(Fault::Limit(format!("the blocks {from} to {to} are more than {most}")))
        }
        // Empty where it begins above the head.
        _ => Ok(from..=to),
    }
}

/// Logs of the blocks so far.
#[derive(Default)]
struct Found {
    logs: Vec<Log>,
    bytes: usize,
}

impl Found {
    fn take(
        &mut self,
        node: &Node,
        (head, known): (&Snapshot, &Known),
        filter: &Filter,
    ) -> Result<(), Fault> {
        let mut at = 0;
        for (txn, receipt) in receipts(head, known)?.into_iter().enumerate() {
            for log in receipt.logs {
                let place = Place { txn, log: at };
                at += 1;
                if !filter.matches(&log) {
                    continue;
                }
                self.bytes += LOG_BYTES + 2 * log.data.data.len();
                let most = node.limits.logs;
                if self.logs.len() == most {
                    return Err(Fault::Limit(format!("there are more than {most} logs")));
                }
                if self.bytes > node.limits.answer_bytes as usize {
                    return Err(Bounded::too_large(node.limits.answer_bytes));
                }
                self.logs.push(shown_log(known, log, &place));
            }
        }
        Ok(())
    }
}

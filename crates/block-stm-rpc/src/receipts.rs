//! Receipts, and the logs in them.

use alloy_consensus::{
    Eip658Value, Receipt as Body, ReceiptEnvelope, ReceiptWithBloom, Transaction as _,
};
use alloy_eips::BlockId;
use alloy_primitives::logs_bloom;
use alloy_rpc_types_eth::{Log, TransactionReceipt};
use block_stm_evm::{Receipt, ReceiptStatus};
use block_stm_pipeline::decode_receipts;
use block_stm_store::Snapshot;

use crate::{
    answer::{Answer, Args, answer},
    blocks::{by_id, place_of, sender},
    fault::Fault,
    node::{Known, Node, unreadable},
};

/// The receipts of the block `known`.
pub(crate) fn receipts(head: &Snapshot, known: &Known) -> Result<Vec<Receipt>, Fault> {
    let number = known.header.number;
    let forgotten = || Fault::Pruned(format!("the receipts of block {number} are not kept"));
    let bytes = match head.receipts(number)? {
        Some(bytes) if !bytes.is_empty() => bytes,
        _ if known.stored.txns.is_empty() => return Ok(Vec::new()),
        _ => return Err(forgotten()),
    };
    let receipts = decode_receipts(&bytes).map_err(|error| unreadable(number, error))?;
    if receipts.len() == known.stored.txns.len() {
        return Ok(receipts);
    }
    Err(unreadable(number, "it has another number of receipts"))
}

/// Where a log is.
pub(crate) struct Place {
    pub(crate) txn: usize,
    /// Its place among the logs of the block.
    pub(crate) log: u64,
}

/// A log as nodes show it.
pub(crate) fn shown_log(known: &Known, inner: alloy_primitives::Log, place: &Place) -> Log {
    Log {
        inner,
        block_hash: Some(known.stored.hash),
        block_number: Some(known.header.number),
        block_timestamp: Some(known.header.timestamp),
        transaction_hash: known.stored.txns.get(place.txn).copied(),
        transaction_index: Some(place.txn as u64),
        log_index: Some(place.log),
        removed: false,
    }
}

/// What all receipts before one come to.
#[derive(Clone, Copy, Default)]
struct Before {
    gas: u64,
    logs: u64,
}

fn before(receipts: &[Receipt]) -> Before {
    let logs = receipts.iter().map(|receipt| receipt.logs.len() as u64).sum();
    Before { gas: receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used), logs }
}

fn envelope(receipt: &Receipt, logs: Vec<Log>) -> Option<ReceiptEnvelope<Log>> {
    let status = match receipt.status {
        ReceiptStatus::Success(success) => Eip658Value::Eip658(success),
        ReceiptStatus::StateRoot(root) => Eip658Value::PostState(root.unwrap_or_default()),
    };
    let cumulative_gas_used = receipt.cumulative_gas_used;
    let body = ReceiptWithBloom {
        receipt: Body { status, cumulative_gas_used, logs },
        logs_bloom: logs_bloom(&receipt.logs),
    };
    Some(match receipt.txn_type {
        0 => ReceiptEnvelope::Legacy(body),
        1 => ReceiptEnvelope::Eip2930(body),
        2 => ReceiptEnvelope::Eip1559(body),
        3 => ReceiptEnvelope::Eip4844(body),
        4 => ReceiptEnvelope::Eip7702(body),
        _ => return None,
    })
}

/// The receipt of the transaction at `index`, as nodes show it.
fn shown(
    node: &Node,
    known: &Known,
    (index, receipt): (usize, &Receipt),
    before: Before,
) -> Result<TransactionReceipt, Fault> {
    let Known { stored, header, body } = known;
    let number = header.number;
    let txn = body.transactions.get(index);
    let txn = txn.ok_or_else(|| unreadable(number, "a transaction is missing"))?;
    let logs = receipt.logs.iter().cloned().zip(before.logs..);
    let logs = logs.map(|(log, at)| shown_log(known, log, &Place { txn: index, log: at }));
    let inner = envelope(receipt, logs.collect());
    let from = sender(number, txn)?;
    Ok(TransactionReceipt {
        inner: inner.ok_or_else(|| unreadable(number, "a receipt has an unknown type"))?,
        transaction_hash: *txn.tx_hash(),
        transaction_index: Some(index as u64),
        block_hash: Some(stored.hash),
        block_number: Some(number),
        gas_used: receipt.cumulative_gas_used.saturating_sub(before.gas),
        effective_gas_price: txn.effective_gas_price(header.base_fee_per_gas),
        blob_gas_used: txn.blob_gas_used(),
        blob_gas_price: txn.blob_gas_used().and_then(|_| blob_price(node, known)),
        from,
        to: txn.to(),
        contract_address: txn.kind().is_create().then(|| from.create(txn.nonce())),
    })
}

fn blob_price(node: &Node, Known { header, .. }: &Known) -> Option<u128> {
    let params = node.schedule.blob_params_at(header.timestamp);
    let spec = node.schedule.spec_of(header.number, header.timestamp, header.difficulty);
    let block = block_stm_evm::Block::new(spec, Default::default(), Vec::new());
    let params = params.or(block.blob_limits())?;
    Some(params.calc_blob_fee(header.excess_blob_gas?))
}

pub(crate) fn receipt(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let hash = args.next("hash")?;
    args.end()?;
    let head = node.head()?;
    let Some((known, index)) = place_of(node, &head, &hash)? else {
        return answer(&(), node.limits.answer_bytes);
    };
    let receipts = receipts(&head, &known)?;
    let missing = || unreadable(known.header.number, "a receipt is missing");
    let receipt = receipts.get(index).ok_or_else(missing)?;
    let shown = shown(node, &known, (index, receipt), before(&receipts[..index]))?;
    answer(&shown, node.limits.answer_bytes)
}

pub(crate) fn block_receipts(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let id: BlockId = args.next("block")?;
    args.end()?;
    let head = node.head()?;
    let Some(known) = by_id(node, &head, id)? else {
        return answer(&(), node.limits.answer_bytes);
    };
    let mut all = Vec::new();
    let mut before = Before::default();
    for (index, receipt) in receipts(&head, &known)?.iter().enumerate() {
        all.push(shown(node, &known, (index, receipt), before)?);
        before.gas = receipt.cumulative_gas_used;
        before.logs += receipt.logs.len() as u64;
    }
    answer(&all, node.limits.answer_bytes)
}

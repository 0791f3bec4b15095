//! Blocks and transactions.

use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::Recovered;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U64, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Index, Transaction};
use block_stm_chain::import::signer;
use block_stm_store::Snapshot;

use crate::{
    answer::{Answer, Args, answer},
    fault::Fault,
    node::{Known, Node, Txn, unreadable},
};

/// The sender of a transaction of a block that was checked.
pub(crate) fn sender(number: u64, txn: &Txn) -> Result<Address, Fault> {
    let found = signer(txn.signature(), txn.signature_hash());
    found.ok_or_else(|| unreadable(number, "a transaction has no sender"))
}

impl Known {
    /// The transaction at `index` as nodes show it.
    pub(crate) fn txn(&self, index: usize) -> Result<Option<Transaction<Txn>>, Fault> {
        let Some(txn) = self.body.transactions.get(index) else { return Ok(None) };
        let price = txn.effective_gas_price(self.header.base_fee_per_gas);
        Ok(Some(Transaction {
            inner: Recovered::new_unchecked(txn.clone(), sender(self.header.number, txn)?),
            block_hash: Some(self.stored.hash),
            block_number: Some(self.header.number),
            transaction_index: Some(index as u64),
            effective_gas_price: Some(price),
            block_timestamp: Some(self.header.timestamp),
        }))
    }

    fn shown(self, is_full: bool) -> Result<Block<Transaction<Txn>>, Fault> {
        let transactions = match is_full {
            true => {
                let txns =
                    (0..self.body.transactions.len()).filter_map(|at| self.txn(at).transpose());
                BlockTransactions::Full(txns.collect::<Result<_, _>>()?)
            }
            false => BlockTransactions::Hashes(self.stored.txns.clone()),
        };
        let uncles = self.body.ommers.iter().map(|ommer| ommer.hash_slow()).collect();
        let block = alloy_consensus::Block::new(self.header, self.body);
        let size = Some(U256::from(block.length()));
        let alloy_consensus::Block { header: inner, body } = block;
        let header = Header { hash: self.stored.hash, inner, total_difficulty: None, size };
        Ok(Block { header, uncles, transactions, withdrawals: body.withdrawals })
    }
}

/// The block that a request names by its number or tag, with the chain up to the head.
fn by_number(node: &Node, tag: BlockNumberOrTag) -> Result<Option<Known>, Fault> {
    let head = node.head()?;
    node.number(&head, tag).map(|number| node.block(&head, number)).transpose()
}

fn by_hash(node: &Node, hash: B256) -> Result<Option<Known>, Fault> {
    let head = node.head()?;
    head.number_of(&hash)?.map(|number| node.block(&head, number)).transpose()
}

fn shown(node: &Node, block: Option<Known>, is_full: bool) -> Result<Answer, Fault> {
    let shown = block.map(|block| block.shown(is_full)).transpose()?;
    answer(&shown, node.limits.answer_bytes)
}

pub(crate) fn block_by_number(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let tag = args.next("block")?;
    let is_full = args.optional("full transactions")?;
    args.end()?;
    shown(node, by_number(node, tag)?, is_full.unwrap_or(false))
}

pub(crate) fn block_by_hash(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let hash = args.next("hash")?;
    let is_full = args.optional("full transactions")?;
    args.end()?;
    shown(node, by_hash(node, hash)?, is_full.unwrap_or(false))
}

fn counted(node: &Node, block: Option<Known>) -> Result<Answer, Fault> {
    let count = block.map(|block| U64::from(block.body.transactions.len()));
    answer(&count, node.limits.answer_bytes)
}

pub(crate) fn txn_count_by_number(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let tag = args.next("block")?;
    args.end()?;
    counted(node, by_number(node, tag)?)
}

pub(crate) fn txn_count_by_hash(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let hash = args.next("hash")?;
    args.end()?;
    counted(node, by_hash(node, hash)?)
}

fn txn_of(node: &Node, block: Option<Known>, index: Index) -> Result<Answer, Fault> {
    let txn = block.map(|block| block.txn(index.0)).transpose()?.flatten();
    answer(&txn, node.limits.answer_bytes)
}

pub(crate) fn txn_by_number(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let (tag, index) = (args.next("block")?, args.next("index")?);
    args.end()?;
    txn_of(node, by_number(node, tag)?, index)
}

pub(crate) fn txn_by_block_hash(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let (hash, index) = (args.next("hash")?, args.next("index")?);
    args.end()?;
    txn_of(node, by_hash(node, hash)?, index)
}

/// Block and place of a transaction, if it is there.
pub(crate) fn place_of(
    node: &Node,
    head: &Snapshot,
    hash: &B256,
) -> Result<Option<(Known, usize)>, Fault> {
    let Some((number, index)) = head.txn(hash)? else { return Ok(None) };
    Ok(Some((node.block(head, number)?, index as usize)))
}

pub(crate) fn txn_by_hash(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let hash = args.next("hash")?;
    args.end()?;
    let place = place_of(node, &node.head()?, &hash)?;
    let txn = place.map(|(block, index)| block.txn(index)).transpose()?.flatten();
    answer(&txn, node.limits.answer_bytes)
}

/// The block that a request names in either way, if it is there.
pub(crate) fn by_id(node: &Node, head: &Snapshot, id: BlockId) -> Result<Option<Known>, Fault> {
    node.find(head, id)?.map(|number| node.block(head, number)).transpose()
}

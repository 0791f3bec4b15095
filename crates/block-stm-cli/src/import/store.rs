//! The store that an import writes to.

use std::{collections::BTreeMap, path::Path};

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Header;
use block_stm_chain::{Chain, Imported};
use block_stm_evm::{PreState, StateChanges, revm::state::AccountInfo};
use block_stm_store::{Account, AccountUpdate, FullBlock, Options, Store, disk::Folder};

use crate::error::CliError;

/// After so many blocks the store is synchronised.
const GROUP: usize = 64;

/// Follows the head of a chain with a store.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Store,
    /// How many blocks below the head may be needed again.
    depth: u64,
    /// Blocks that were imported, on all branches, by number.
    recent: BTreeMap<u64, Vec<Block>>,
    unsynchronised: usize,
}

/// A block that was imported.
#[derive(Clone, Debug)]
struct Block {
    number: u64,
    hash: B256,
    parent: B256,
    rlp: Vec<u8>,
    /// What it leaves.
    updates: Vec<AccountUpdate>,
    codes: Vec<Bytes>,
}

/// A block's encoding in its parts.
struct Parts {
    header: Bytes,
    parent: B256,
    body: Bytes,
    txns: Vec<B256>,
}

impl Keeper {
    /// Opens the store in `folder`, or makes one for the chain, which is at its genesis block.
    pub(super) fn open(folder: &Path, chain: &mut Chain, depth: u64) -> Result<Self, CliError> {
        if depth == 0 {
            return Err(CliError::Usage("--store needs a --branch-depth of 1 or more"));
        }
        let disk = Folder::create(folder);
        let disk = disk.map_err(|source| CliError::Path { path: folder.to_owned(), source })?;
        let (number, hash) = (chain.head_header().number, chain.head());
        let header = alloy_rlp::encode(chain.head_header()).into();
        let (updates, codes) = whole(chain.head_state());
        let genesis = FullBlock {
            number,
            hash,
            header,
            codes,
            // Nothing is before it.
            changes: updates.into_iter().map(AccountUpdate::onto_nothing).collect(),
            ..FullBlock::default()
        };
        let store = Store::open_or_create(disk, genesis, Options::default())?;
        Ok(Self { store, depth, recent: BTreeMap::new(), unsynchronised: 0 })
    }

    /// Takes note of a block, and writes what leads to it if it is the chain's head.
    pub(super) fn take(
        &mut self,
        chain: &Chain,
        imported: &Imported,
        rlp: &[u8],
    ) -> Result<(), CliError> {
        let (number, hash) = (imported.number, imported.hash);
        let Some(changes) = chain.changes(&hash) else {
            // It was imported before, so that the store has it, and lies deep below the head.
            return Ok(());
        };
        let same = self.recent.entry(number).or_default();
        if same.iter().all(|block| block.hash != hash) {
            let parent = parts(rlp).expect("the chain has decoded it").parent;
            let (updates, codes) = of_changes(changes);
            same.push(Block { number, hash, parent, rlp: rlp.to_vec(), updates, codes });
        }
        if !imported.is_head {
            return Ok(());
        }
        for block in self.path_to(number, hash)? {
            if self.store.head().1 != block.parent {
                self.store.rewind(block.number - 1)?;
            }
            let Parts { header, parent, body, txns } =
                parts(&block.rlp).expect("the chain has decoded it");
            self.store.append(FullBlock {
                number: block.number,
                hash: block.hash,
                parent,
                header,
                body,
                txns,
                codes: block.codes,
                changes: self.store.snapshot()?.changes(block.updates)?,
                ..FullBlock::default()
            })?;
            self.unsynchronised += 1;
        }
        if self.unsynchronised >= GROUP {
            self.store.sync()?;
            self.unsynchronised = 0;
        }
        self.recent = self.recent.split_off(&number.saturating_sub(self.depth));
        Ok(())
    }

    /// The blocks from the store's chain to this one, the lowest first.
    fn path_to(&self, number: u64, hash: B256) -> Result<Vec<Block>, CliError> {
        let snapshot = self.store.snapshot()?;
        let (mut number, mut hash) = (number, hash);
        let mut path = Vec::new();
        while snapshot.number_of(&hash)?.is_none() {
            let same = self.recent.get(&number).into_iter().flatten();
            let Some(block) = same.clone().find(|block| block.hash == hash) else {
                unreachable!("all blocks on the way to the head were imported");
            };
            path.push(block.clone());
            (number, hash) = (number - 1, block.parent);
        }
        path.reverse();
        Ok(path)
    }

    /// Makes all durable, and returns the number of the newest block.
    pub(super) fn finish(&self) -> Result<u64, CliError> {
        let durable = self.store.sync()?;
        self.store.flush()?;
        Ok(durable)
    }
}

/// An account in the store's form, and its code where that is given.
fn account(info: &AccountInfo) -> (Account, Option<Bytes>) {
    let AccountInfo { nonce, balance, code_hash, .. } = *info;
    let code = info.code.as_ref().map(|code| code.original_bytes());
    (Account { nonce, balance, code_hash }, code.filter(|code| !code.is_empty()))
}

/// A whole state as what nothing becomes.
fn whole(state: &PreState) -> (Vec<AccountUpdate>, Vec<Bytes>) {
    let mut codes = Vec::new();
    let updates = state.accounts().map(|(address, it)| {
        let (account, code) = account(&it.info);
        codes.extend(code);
        let slots = it.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        let (address, after) = (*address, Some(account));
        AccountUpdate { address, after, storage_wiped: false, slots }
    });
    (updates.collect(), codes)
}

fn of_changes(changes: &StateChanges) -> (Vec<AccountUpdate>, Vec<Bytes>) {
    let mut codes = Vec::new();
    let updates = changes.iter().map(|change| {
        let after = change.info.as_ref().map(|info| {
            let (account, code) = account(info);
            codes.extend(code);
            account
        });
        AccountUpdate {
            address: change.address,
            after,
            storage_wiped: change.storage_wiped,
            slots: change.storage.iter().map(|slot| (slot.slot, slot.after)).collect(),
        }
    });
    (updates.collect(), codes)
}

/// The first item, with its head, which is taken away.
fn item<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8], bool), alloy_rlp::Error> {
    let start = *bytes;
    let Header { list, payload_length } = Header::decode(bytes)?;
    let payload = bytes.get(..payload_length).ok_or(alloy_rlp::Error::InputTooShort)?;
    *bytes = &bytes[payload_length..];
    Ok((&start[..start.len() - bytes.len()], payload, list))
}

/// The parts of a block in RLP.
fn parts(mut rlp: &[u8]) -> Result<Parts, alloy_rlp::Error> {
    let (_, mut rest, _) = item(&mut rlp)?;
    let (header, mut fields, _) = item(&mut rest)?;
    let parent = item(&mut fields)?.1;
    let parent = B256::try_from(parent).map_err(|_| alloy_rlp::Error::UnexpectedLength)?;
    let mut body = Vec::new();
    Header { list: true, payload_length: rest.len() }.encode(&mut body);
    body.extend_from_slice(rest);
    let (_, mut list, _) = item(&mut rest)?;
    let mut txns = Vec::new();
    while !list.is_empty() {
        // Before types, transactions were lists; since then, they are strings that begin with it.
        let (whole, payload, is_list) = item(&mut list)?;
        txns.push(keccak256(if is_list { whole } else { payload }));
    }
    Ok(Parts { header: Bytes::copy_from_slice(header), parent, body: body.into(), txns })
}

//! Access lists made from their definition alone (EIP-7928), for all others to be compared with.
//!
//! Nothing here is shared with what makes lists elsewhere: neither the builders, of which revm has
//! one, too, nor the journal that they read, nor the state that blocks are executed on.
//!
//! * What an index changes is the difference of two states: the one before it and the one after it.
//! * What a transaction looks at is read off its instructions, see [`looked`].
//! * What the steps around the transactions look at is what their database is asked for.

mod looked;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use block_stm_evm::{
    Block, BlockResult, StateRef, TxnOutcome,
    alloy_eip7928::{
        AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange,
        SlotChanges, StorageChange,
    },
    revm::{
        Context, DatabaseCommit, ExecuteEvm, InspectEvm, MainBuilder, MainContext, MainnetEvm,
        handler::MainnetContext,
    },
    steps::{apply_post_block, apply_pre_block},
};

use self::{looked::Looked, world::World};

/// Accounts that were looked at, with the slots of each.
type Accesses = BTreeMap<Address, BTreeSet<U256>>;

/// The list of `block` on the state `db`; `result` says which of its transactions are invalid.
pub(super) fn list_by_definition<DB: StateRef>(
    block: &Block,
    db: &DB,
    result: &BlockResult,
) -> BlockAccessList {
    let mut list = Definition::default();
    let mut world = World::new(db, block.spec);

    let mut evm = evm_on(world, block, ());
    apply_pre_block(block, &mut evm).expect("a valid block");
    world = evm.ctx.journaled_state.database;
    list.add_index(&mut world);

    let executed = |outcome: &TxnOutcome| matches!(outcome, TxnOutcome::Executed { .. });
    let txns = block.txns.iter().zip(&result.outcomes);
    for (txn, _) in txns.filter(|(_, outcome)| executed(outcome)) {
        let mut evm = evm_on(world, block, Looked::default());
        evm.inspect_one_tx(txn.clone()).expect("a valid transaction");
        let changes = evm.finalize();
        world = evm.ctx.journaled_state.database;
        world.commit(changes);
        if let Some(accesses) = evm.inspector.accesses(block, txn) {
            world.asked = accesses;
        }
        list.add_index(&mut world);
    }

    let mut evm = evm_on(world, block, ());
    apply_post_block(block, &result.receipts, &mut evm).expect("a valid block");
    world = evm.ctx.journaled_state.database;
    list.add_index(&mut world);
    list.finish()
}

fn evm_on<'a, DB: StateRef, I>(
    world: World<'a, DB>,
    block: &Block,
    inspector: I,
) -> MainnetEvm<MainnetContext<World<'a, DB>>, I> {
    let context = Context::mainnet().with_db(world);
    let context = context.with_block(block.env.clone()).with_cfg(block.cfg_env());
    let mut evm = context.build_mainnet_with_inspector(inspector);
    block.adapt_instructions(&mut evm.instruction);
    evm
}

/// A list under construction.
#[derive(Default)]
struct Definition {
    index: BlockAccessIndex,
    accounts: BTreeMap<Address, (AccountChanges, BTreeMap<U256, Vec<StorageChange>>)>,
}

impl Definition {
    /// What was looked at and changed at the index that `world` is at, which goes on to the next.
    fn add_index<DB: StateRef>(&mut self, world: &mut World<'_, DB>) {
        let mut accesses = std::mem::take(&mut world.asked);
        for address in world.touched() {
            let [before, after] = world.fields(address);
            if before != after {
                accesses.entry(address).or_default();
            }
        }
        for (address, keys) in accesses {
            self.add(world, address, keys);
        }
        world.next_index();
        self.index.increment();
    }

    fn add<DB: StateRef>(&mut self, world: &World<'_, DB>, address: Address, keys: BTreeSet<U256>) {
        let index = self.index;
        let entry = self.accounts.entry(address);
        let (list, slots) =
            entry.or_insert_with(|| (AccountChanges::new(address), BTreeMap::new()));
        let [before, after] = world.fields(address);
        if before.balance != after.balance {
            list.balance_changes.push(BalanceChange::new(index, after.balance));
        }
        if before.nonce != after.nonce {
            list.nonce_changes.push(NonceChange::new(index, after.nonce));
        }
        if before.code_hash() != after.code_hash() {
            let code = world.code(after.code_hash()).original_bytes();
            list.code_changes.push(CodeChange::new(index, code));
        }
        for key in keys {
            let [before, after] = world.slot(address, key);
            let change = (before != after).then(|| StorageChange::new(index, after));
            slots.entry(key).or_default().extend(change);
        }
    }

    fn finish(self) -> BlockAccessList {
        let accounts = self.accounts.into_values().map(|(mut list, slots)| {
            for (key, changes) in slots {
                match changes.is_empty() {
                    true => list.storage_reads.push(key),
                    false => list.storage_changes.push(SlotChanges::new(key, changes)),
                }
            }
            list
        });
        accounts.collect()
    }
}

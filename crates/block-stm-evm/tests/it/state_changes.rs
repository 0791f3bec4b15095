//! Changes of real blocks, handed on to the databases that revm's users have.

use std::{error::Error, path::Path};

use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{
    InvalidTxn, PreState, StateChanges, execute_sequential,
    revm::{Database, database::CacheDB},
};

use crate::fixtures;

/// Holds what `changes` make of `before` against revm's own databases.
fn compare(changes: &StateChanges, before: &PreState) -> Result<(), Box<dyn Error>> {
    let mut after = before.clone();
    after.apply(changes);
    let mut cache = CacheDB::new(before.clone());
    changes.commit_to(&mut cache)?;
    let bundle = changes.to_bundle(before)?;
    assert_eq!(bundle.state.len(), changes.len());
    for change in changes.iter() {
        let address = change.address;
        let account = after.account(&address);
        let info = account.map(|account| &account.info);
        let bundled = bundle.account(&address).and_then(|account| account.account_info());
        assert_eq!(bundled.as_ref(), info, "{address} in the bundle");
        let cached = cache.basic(address)?;
        assert_eq!(cached.as_ref(), info, "{address} in the cache");
        let slots = account.into_iter().flat_map(|account| &account.storage);
        for (slot, value) in slots {
            assert_eq!(cache.storage(address, *slot)?, *value, "{address} {slot}");
        }
        for slot in &change.storage {
            assert_ne!(slot.before, slot.after, "{address} {}", slot.slot);
            let account = bundle.account(&address).ok_or("in the bundle")?;
            assert_eq!(account.storage_slot(slot.slot), Some(slot.after));
        }
    }
    Ok(())
}

#[test]
fn the_sample_reaches_cache_and_bundle() -> Result<(), Box<dyn Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../block-stm-chain/tests/data");
    let folder = data.join("two-txns");
    let sample = import_folder(&folder)?;
    let result = execute_sequential(&sample.block, &sample.pre_state, InvalidTxn::Reject)?;
    assert_eq!(result.state.len(), 5);
    let sorted = result.state.sorted();
    assert!(sorted.is_sorted_by_key(|change| change.address));
    compare(&result.state, &sample.pre_state)
}

#[test]
fn a_chain_reaches_cache_and_bundle() -> Result<(), Box<dyn Error>> {
    let Some(folder) = fixtures::folder("a_chain_reaches_cache_and_bundle", "chain") else {
        return Ok(());
    };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        let result = execute_sequential(&block.block, &state, InvalidTxn::Reject)?;
        compare(&result.state, &state)?;
        state.apply(&result.state);
    }
    Ok(())
}

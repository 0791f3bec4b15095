//! What a store shows of a chain that grows, is taken back, flushed and pruned.

use alloy_primitives::{Address, B256, U256};
use block_stm_store::{
    Account, AccountUpdate, Keep, Options, Store, StoreError,
    disk::{Disk, Folder, ModelDisk},
};

use crate::{
    TestResult,
    script::{Flat, options},
    world::World,
};

#[test]
fn what_is_appended_is_shown_at_once_and_after_opening() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut world = World::new(1);
    for round in 0..4 {
        let disk = Folder::new(folder.path());
        let store = Store::open_or_create(disk, world.genesis(), options())?;
        world.assert_shown(&store.snapshot()?)?;
        for _ in 0..10 {
            store.append(world.grow())?;
            world.assert_shown(&store.snapshot()?)?;
        }
        assert_eq!(store.sync()?, world.head().0);
        store.check()?;
        if round % 2 == 0 {
            store.close()?;
        }
    }
    let store = Store::open(Folder::new(folder.path()), options())?;
    assert_eq!(store.head(), world.head());
    world.assert_shown(&store.snapshot()?)?;
    Ok(())
}

#[test]
fn snapshots_of_all_recent_blocks_can_be_had() -> TestResult {
    let mut world = World::new(2);
    let store = Flat::Redb.open(&ModelDisk::new(), &world)?;
    for number in 1..40 {
        store.append(world.grow())?;
        store.sync()?;
        let oldest = store.stats()?.oldest_snapshot;
        // Four below the flat state, which is three behind at the most.
        assert!(oldest + 7 >= number && (number < 8 || oldest + 4 <= number), "{oldest} {number}");
        for number in oldest..=number {
            world.assert_shown(&store.snapshot_at(number)?)?;
        }
        if let Some(before) = oldest.checked_sub(1) {
            let error = store.snapshot_at(before).expect_err("it is too old");
            assert!(matches!(error, StoreError::TooOld { .. }), "{error}");
        }
        assert!(matches!(store.snapshot_at(number + 1), Err(StoreError::Unknown { .. })));
    }
    Ok(())
}

#[test]
fn a_snapshot_outlives_commits_until_it_is_too_old() -> TestResult {
    let mut world = World::new(3);
    let options = options().snapshot_age(20);
    let disk = ModelDisk::new();
    let store = Store::open_or_create(disk, world.genesis(), options)?;
    let first = store.snapshot()?;
    for _ in 1..=20 {
        store.append(world.grow())?;
        store.sync()?;
    }
    store.rewind(18)?;
    let mut other = world.clone();
    other.rewind(18);
    store.append(other.grow())?;
    store.sync()?;
    store.prune(Keep { changes: 1, ..Keep::default() })?;
    world.assert_shown(&first)?;
    for _ in 0..5 {
        store.append(other.grow())?;
        store.sync()?;
    }
    let error = first.account(&Address::ZERO).expect_err("it is too old");
    assert!(matches!(error, StoreError::TooOld { number: 0, .. }), "{error}");
    assert!(first.accounts().is_err() && first.block(0).is_err());
    other.assert_shown(&store.snapshot()?)?;
    Ok(())
}

#[test]
fn blocks_are_taken_back_from_memory_and_from_the_flat_state() -> TestResult {
    let disk = ModelDisk::new();
    let mut world = World::new(4);
    let mut store = Flat::Redb.open(&disk, &world)?;
    for back in [0, 1, 2, 5, 9, 14] {
        for _ in 0..10 {
            store.append(world.grow())?;
            store.sync()?;
        }
        let later = world.clone();
        let held = store.snapshot()?;
        world.rewind(world.head().0 - back);
        store.rewind(world.head().0)?;
        world.assert_shown(&store.snapshot()?)?;
        later.assert_shown(&held)?;
        assert_eq!((store.head(), store.durable()), (world.head(), world.head().0));
        drop((held, store));
        store = Flat::Redb.open(&disk, &world)?;
        world.assert_shown(&store.snapshot()?)?;
        store.check()?;
    }
    store.rewind(0)?;
    world.rewind(0);
    world.assert_shown(&store.snapshot()?)?;
    Ok(())
}

#[test]
fn pruning_removes_files_and_old_blocks_and_no_state() -> TestResult {
    let disk = ModelDisk::new();
    let mut world = World::new(5);
    let store = Flat::Redb.open(&disk, &world)?;
    for _ in 0..60 {
        store.append(world.grow())?;
        store.sync()?;
    }
    let before = store.stats()?;
    let keep = Keep { changes: 10, blocks: 30, receipts: 20 };
    let pruned = store.prune(keep)?;
    let after = store.stats()?;
    assert_eq!(before.log_files - pruned.log_files, after.log_files);
    assert_eq!(before.log_bytes - pruned.log_bytes, after.log_bytes);
    assert!(pruned.log_files > 2, "{pruned:?}");
    assert_eq!((pruned.blocks, pruned.receipts), (31, 41));
    assert!(after.oldest_rewind <= 50 && after.oldest_rewind > 30, "{after:?}");
    let snapshot = store.snapshot()?;
    world.assert_state(&snapshot)?;
    assert!(snapshot.block(30)?.is_none() && snapshot.block(31)?.is_some());
    assert_eq!(snapshot.number_of(&world.blocks[30].hash)?, None);
    assert!(snapshot.receipts(40)?.is_none() && snapshot.receipts(41)?.is_some());
    drop(snapshot);
    let error = store.rewind(after.oldest_rewind - 1).expect_err("its records are gone");
    assert!(matches!(error, StoreError::TooOld { .. }), "{error}");
    store.rewind(after.oldest_rewind)?;
    world.rewind(after.oldest_rewind);
    world.assert_state(&store.snapshot()?)?;
    store.check()?;
    drop(store);
    let store = Flat::Redb.open(&disk, &world)?;
    world.assert_state(&store.snapshot()?)?;
    assert_eq!(store.prune(keep)?.blocks, 0);
    Ok(())
}

#[test]
fn compacting_gives_room_back_once_no_snapshot_is_held() -> TestResult {
    let disk = ModelDisk::new();
    let world = World::new(6);
    let store = Flat::Redb.open(&disk, &world)?;
    let (number, parent) = store.head();
    let update = |value: u64| AccountUpdate {
        address: Address::with_last_byte(99),
        after: (value > 0).then_some(Account::default()),
        storage_wiped: false,
        slots: (0..20_000 * value).map(|slot| (U256::from(slot), U256::from(1))).collect(),
    };
    let mut block = world.genesis();
    (block.number, block.parent, block.hash) = (number + 1, parent, B256::repeat_byte(0xaa));
    (block.codes, block.txns) = (vec![], vec![]);
    block.changes = store.snapshot()?.changes([update(1)])?;
    store.append(block.clone())?;
    store.sync()?;
    store.flush()?;
    (block.number, block.parent) = (number + 2, block.hash);
    block.hash = B256::repeat_byte(0xbb);
    // The account goes, with all of its slots, of which the update says nothing.
    block.changes = store.snapshot()?.changes([update(0)])?;
    assert_eq!(block.changes[0].slots.len(), 20_000);
    store.append(block)?;
    store.sync()?;
    store.flush()?;
    let bytes = || disk.bytes("flat.redb").map(|bytes| bytes.len());
    let before = bytes();
    let held = store.snapshot()?;
    assert!(matches!(store.compact(), Err(StoreError::Held { snapshots: 1 })));
    drop(held);
    store.compact()?;
    assert!(bytes() < before, "{before:?} bytes became {:?}", bytes());
    assert_eq!(store.snapshot()?.slots(Address::with_last_byte(99))?.count(), 0);
    store.check()?;
    Ok(())
}

#[test]
fn layers_stay_within_the_memory_given() -> TestResult {
    let mut world = World::new(7);
    let options = Options::default().memory_bytes(60_000).flush_blocks(1000).recent_blocks(1000);
    let disk = ModelDisk::new();
    let store = Store::open_or_create(disk.clone(), world.genesis(), options)?;
    for number in 1..300 {
        store.append(world.grow())?;
        if number % 3 == 0 {
            store.sync()?;
        }
        let stats = store.stats()?;
        assert!(stats.layer_bytes < 70_000, "{stats:?}");
    }
    // A host that never synchronises does not fill the memory either.
    for _ in 0..100 {
        store.append(world.grow())?;
    }
    assert!(store.stats()?.layer_bytes < 80_000);
    store.sync()?;
    world.assert_state(&store.snapshot()?)?;
    drop(store);
    assert!(disk.names()?.iter().any(|name| name == "STORE"));
    Ok(())
}

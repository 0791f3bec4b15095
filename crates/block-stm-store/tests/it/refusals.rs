//! What a store is not opened for, and which blocks it does not take.

use std::{fs, io::ErrorKind};

use alloy_primitives::B256;
use block_stm_store::{
    Options, Store, StoreError,
    disk::{Disk, Fault, Folder, ModelDisk},
};

use crate::{
    TestResult,
    script::{Flat, options},
    world::World,
};

#[test]
fn a_folder_without_a_store_is_left_as_it_is() -> TestResult {
    let folder = tempfile::tempdir()?;
    let missing = folder.path().join("missing");
    for path in [folder.path(), &missing] {
        let error = Store::open(Folder::new(path), options()).expect_err("there is no store");
        assert_eq!(error.to_string(), format!("{}: no store here", path.display()));
    }
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    let world = World::new(1);
    let created = Store::open_or_create(Folder::new(&missing), world.genesis(), options());
    assert!(matches!(created, Err(StoreError::Missing { .. })), "{created:?}");
    Store::open_or_create(Folder::create(&missing)?, world.genesis(), options())?;
    let file = missing.join("STORE");
    let error = Store::open(Folder::new(&file), options()).expect_err("it is a file");
    assert!(error.to_string().starts_with(&file.display().to_string()), "{error}");
    Ok(())
}

#[test]
fn a_store_is_open_once() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut world = World::new(1);
    let genesis = world.genesis();
    let open = || Store::open_or_create(Folder::new(folder.path()), genesis.clone(), options());
    let store = open()?;
    let error = open().expect_err("it is open");
    let wanted = format!("{}: the store is in use by another process", folder.path().display());
    assert_eq!(error.to_string(), wanted);
    for _ in 0..100 {
        store.append(world.grow())?;
        store.sync()?;
    }
    store.flush()?;
    let snapshot = store.snapshot()?;
    drop(store);
    // It reads from files that another store would change.
    assert!(matches!(open(), Err(StoreError::InUse { .. })));
    world.assert_shown(&snapshot)?;
    drop(snapshot);
    open()?;
    Ok(())
}

#[test]
fn a_store_of_another_chain_is_told() -> TestResult {
    let disk = ModelDisk::new();
    drop(Flat::Redb.open(&disk, &World::new(1))?);
    let error = Flat::Redb.open(&disk, &World::new(2)).expect_err("another genesis block");
    assert!(matches!(error, StoreError::OtherChain { .. }), "{error}");
    // A flat state that was copied from another store, or a file of another log.
    for name in ["flat.redb", "log-0000000001"] {
        let other = ModelDisk::new();
        drop(Flat::Redb.open(&other, &World::new(2))?);
        disk.put(name, &other.bytes(name).ok_or("it is there")?);
        let error = Store::open(disk.clone(), options()).expect_err("it is of another chain");
        assert!(matches!(error, StoreError::OtherChain { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
        let mine = ModelDisk::new();
        drop(Flat::Redb.open(&mine, &World::new(1))?);
        disk.put(name, &mine.bytes(name).ok_or("it is there")?);
    }
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told() -> TestResult {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
        let disk = ModelDisk::new();
        disk.fail_at(0, Fault::Error(kind));
        let error = Flat::Redb.open(&disk, &World::new(1)).expect_err("nothing can be written");
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        assert!(error.to_string().starts_with("model/: the store can't be written to"), "{error}");
    }
    Ok(())
}

#[test]
fn a_creation_that_was_cut_is_told_and_can_be_done_again() -> TestResult {
    let world = World::new(1);
    let whole = ModelDisk::new();
    drop(Flat::Redb.open(&whole, &world)?);
    let disk = ModelDisk::new();
    disk.put("STORE", &whole.bytes("STORE").ok_or("it is there")?);
    let error = Store::open(disk.clone(), Options::default()).expect_err("it has no block");
    assert!(matches!(error, StoreError::Unfinished { .. }), "{error}");
    world.assert_shown(&Flat::Redb.open(&disk, &world)?.snapshot()?)?;
    Ok(())
}

#[test]
fn files_that_are_missing_are_named() -> TestResult {
    let mut world = World::new(1);
    let whole = ModelDisk::new();
    let store = Flat::Redb.open(&whole, &world)?;
    for _ in 0..30 {
        store.append(world.grow())?;
        store.sync()?;
    }
    drop(store);
    let names = whole.names()?;
    let logs = names.iter().filter(|name| name.starts_with("log-"));
    let last = logs.clone().next_back().ok_or("there is one")?;
    assert!(logs.clone().count() > 3);
    for missing in logs.chain([&"STORE".to_owned(), &"flat.redb".to_owned()]) {
        let disk = ModelDisk::new();
        for name in names.iter().filter(|name| *name != missing) {
            disk.put(name, &whole.bytes(name).ok_or("it is there")?);
        }
        let opened = Store::open(disk.clone(), options());
        if missing == "flat.redb" {
            // The log has all of it.
            world.assert_shown(&opened?.snapshot()?)?;
            continue;
        }
        let error = opened.expect_err("a file is missing");
        assert!(error.is_damage(), "{missing}: {error}");
        assert!(error.to_string().contains(missing) || missing == last, "{missing}: {error}");
        // Nor does it become another store.
        let error = Flat::Redb.open(&disk, &world).expect_err("a file is missing");
        assert!(error.is_damage(), "{missing}: {error}");
    }
    Ok(())
}

#[test]
fn blocks_that_do_not_fit_change_nothing() -> TestResult {
    let mut world = World::new(1);
    let store = Flat::Redb.open(&ModelDisk::new(), &world)?;
    store.append(world.grow())?;
    let good = world.clone().grow();
    let mut bad = vec![good.clone(); 5];
    bad[0].number += 1;
    bad[1].parent = B256::repeat_byte(1);
    bad[2].number = 1;
    let twice = bad[3].changes[0].clone();
    bad[3].changes.push(twice);
    // Never touched, so it takes no memory.
    bad[4].body = vec![0; 1 << 30].into();
    for (case, block) in bad.into_iter().enumerate() {
        let error = store.append(block).expect_err("it does not fit");
        let fits = match case {
            3 => matches!(error, StoreError::Changes { number: 2, .. }),
            4 => matches!(error, StoreError::TooLarge { number: 2, .. }),
            _ => matches!(error, StoreError::NotChild { head: 1, .. }),
        };
        assert!(fits, "{case}: {error}");
    }
    assert!(matches!(store.rewind(9), Err(StoreError::Unknown { number: 9, head: 1 })));
    store.append(good)?;
    assert_eq!(store.sync()?, 2);
    Ok(())
}

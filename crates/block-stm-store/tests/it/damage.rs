//! Bits that flip, bytes that are missing, versions of other programs: an error with its place, or
//! the right state, and never a wrong one.

use block_stm_store::{
    Options, Store, StoreError,
    disk::{Disk, ModelDisk},
};

use crate::{
    TestResult,
    memory_flat::MemoryFlat,
    script::{Flat, options},
    world::World,
};

/// A store that was closed, with blocks in several files and one return; its flat state.
fn closed(flat: &Flat) -> Result<(ModelDisk, World), StoreError> {
    let (disk, mut world) = (ModelDisk::new(), World::new(8));
    let store = flat.open(&disk, &world)?;
    for number in 1..12 {
        store.append(world.grow())?;
        store.sync()?;
        if number == 5 {
            store.rewind(4)?;
            world.rewind(4);
        }
    }
    store.close()?;
    Ok((disk, world))
}

fn copy(disk: &ModelDisk) -> Result<ModelDisk, Box<dyn std::error::Error>> {
    let copy = ModelDisk::new();
    for name in disk.names()? {
        copy.put(&name, &disk.bytes(&name).ok_or("it is there")?);
    }
    Ok(copy)
}

/// What is read from a store with this file changed: nothing, for an error.
fn read(
    disk: &ModelDisk,
    flat: &Flat,
    world: &World,
    (name, bytes): (&str, &[u8]),
) -> Result<Option<StoreError>, Box<dyn std::error::Error>> {
    let changed = copy(disk)?;
    changed.put(name, bytes);
    let all = || {
        let store = flat.open(&changed, world)?;
        assert_eq!(store.head(), world.head(), "a closed store has nothing to cut");
        world.assert_shown(&store.snapshot()?)?;
        store.check()
    };
    Ok(all().err())
}

#[test]
fn no_bit_of_a_closed_log_can_flip() -> TestResult {
    let flat = Flat::Memory(MemoryFlat::default());
    let (disk, world) = closed(&flat)?;
    let names = disk.names()?;
    let files = names.iter().filter(|name| name.starts_with("log-") || *name == "STORE");
    assert!(files.clone().count() > 3, "{names:?}");
    for name in files {
        let whole = disk.bytes(name).ok_or("it is there")?;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = read(&disk, &flat, &world, (name, &bytes))?;
            let error = error.ok_or_else(|| format!("{name}: byte {at} goes unseen"))?;
            assert!(error.is_damage(), "{name}: byte {at}: {error}");
            assert!(error.to_string().contains(name), "{name}: {error}");
        }
        for length in (0..whole.len()).step_by(7) {
            let error = read(&disk, &flat, &world, (name, &whole[..length]))?;
            assert!(error.is_some_and(|error| error.is_damage()), "{name}: {length} bytes");
        }
    }
    Ok(())
}

#[test]
fn a_bit_that_flips_in_the_flat_state_is_seen_or_harmless() -> TestResult {
    let (disk, world) = closed(&Flat::Redb)?;
    let whole = disk.bytes("flat.redb").ok_or("it is there")?;
    let written: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut seen = 0;
    // A few hundred of the bytes that hold something, and some of the others.
    let places = written.iter().copied().step_by(written.len() / 1500 + 1);
    for at in places.chain((0..whole.len()).step_by(whole.len() / 40)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let result = read(&disk, &Flat::Redb, &world, ("flat.redb", &bytes))?;
        seen += usize::from(result.is_some());
    }
    assert!(seen > 100, "{seen} of {} were seen", written.len());
    Ok(())
}

#[test]
fn damage_of_a_value_is_seen_when_it_is_read() -> TestResult {
    let (disk, world) = closed(&Flat::Redb)?;
    let accounts = world.state(world.head().0);
    let (address, (account, _)) = accounts.iter().next().ok_or("there is one")?;
    let balance = account.balance.to_le_bytes::<32>();
    let mut bytes = disk.bytes("flat.redb").ok_or("it is there")?;
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&balance)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    disk.put("flat.redb", &bytes);
    // Opening does not look at it.
    let store = Store::open(disk, options().verify(false))?;
    let error = store.snapshot()?.account(address).expect_err("it is damaged");
    assert!(error.is_damage(), "{error}");
    assert!(store.check().is_err());
    Ok(())
}

#[test]
fn a_record_in_the_middle_is_never_cut_away() -> TestResult {
    // A crash, not closed: the flat state lags, and the last group has no witness.
    let (disk, mut world) = (ModelDisk::new(), World::new(9));
    let store = Store::open_or_create(disk.clone(), world.genesis(), Options::default())?;
    store.append(world.grow())?;
    store.sync()?;
    store.append(world.grow())?;
    store.sync()?;
    let file = "log-0000000001";
    let length = disk.bytes(file).ok_or("it is there")?.len();
    let rest = disk.cut_power(|| false);
    let whole = rest.bytes(file).ok_or("it is there")?;
    assert_eq!(whole.len(), length);
    let heads: Vec<_> = (0..length).filter(|at| whole[*at..].starts_with(b"BSTR")).collect();
    assert_eq!(heads.len(), 3);
    // Block 1: block 2 says that it was durable.
    for at in [heads[1], heads[1] + 100, heads[1] + 161, heads[2] - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        rest.put(file, &bytes);
        let error = Store::open(rest.clone(), options()).expect_err("a block is gone");
        let wanted = format!("model/{file}: byte {}: ", heads[1]);
        assert!(error.is_damage() && error.to_string().starts_with(&wanted), "{error}");
        assert_eq!(rest.bytes(file), Some(bytes), "nothing was changed");
    }
    // Block 2, in the last group, is taken for a part of the crash.
    let mut bytes = whole;
    bytes[heads[2] + 200] ^= 1;
    rest.put(file, &bytes);
    let store = Store::open(rest, options())?;
    assert_eq!(store.head().0, 1);
    world.assert_shown(&store.snapshot()?)?;
    Ok(())
}

#[test]
fn another_version_is_told_with_its_place() -> TestResult {
    let flat = Flat::Memory(MemoryFlat::default());
    let (disk, world) = closed(&flat)?;
    for (name, fields) in [("STORE", 48), ("log-0000000001", 112)] {
        let mut bytes = disk.bytes(name).ok_or("it is there")?;
        bytes[8] = 7;
        let check = blake3::hash(&bytes[..fields]);
        bytes[fields..fields + 16].copy_from_slice(&check.as_bytes()[..16]);
        let error = read(&disk, &flat, &world, (name, &bytes))?.ok_or("it is another version")?;
        let wanted = format!("model/{name}: byte 8: format version 7, this program reads 1");
        assert_eq!(error.to_string(), wanted);
    }
    Ok(())
}

#[test]
fn blocks_that_hold_heads_of_records_do_not_pass_for_them() -> TestResult {
    // A torn tail whose bytes hold a head that was cut out of the log of another store.
    let (other, mut elsewhere) = (ModelDisk::new(), World::new(9));
    let store = Flat::Redb.open(&other, &elsewhere)?;
    for _ in 0..9 {
        store.append(elsewhere.grow())?;
        store.sync()?;
    }
    let log = other.bytes("log-0000000001").ok_or("it is there")?;
    let heads: Vec<_> = (0..log.len()).filter(|at| log[*at..].starts_with(b"BSTR")).collect();
    let last = *heads.last().ok_or("there is one")?;
    let head = log[last..last + 160].to_vec();

    let (disk, mut world) = (ModelDisk::new(), World::new(10));
    let store = Flat::Redb.open(&disk, &world)?;
    let mut block = world.clone().grow();
    block.body = head.repeat(3).into();
    store.append(block)?;
    let rest = disk.cut_power(|| true);
    let name = "log-0000000001";
    let mut bytes = rest.bytes(name).ok_or("it is there")?;
    let length = bytes.len();
    bytes[length - 1] ^= 1;
    rest.put(name, &bytes);
    drop(store);
    let store = Flat::Redb.open(&rest, &world)?;
    assert_eq!(store.head().0, 0);
    store.append(world.grow())?;
    assert_eq!(store.sync()?, 1);
    Ok(())
}

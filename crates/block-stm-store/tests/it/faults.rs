//! Operations of the disk that fail, one at a time: what was reported stays, readers go on.

use std::io::ErrorKind;

use block_stm_store::{
    StoreError,
    disk::{Fault, ModelDisk},
};

use crate::{
    TestResult,
    memory_flat::MemoryFlat,
    script::{Flat, Step, Story},
    world::World,
};

const STEPS: [Step; 13] = [
    Step::Append,
    Step::Sync,
    Step::Append,
    Step::Append,
    Step::Sync,
    Step::Append,
    Step::Sync,
    Step::Rewind(2),
    Step::Append,
    Step::Sync,
    Step::Flush,
    Step::Prune,
    Step::Append,
];

/// Each operation fails in each way, and then the power goes or not.
fn explore(flat: impl Fn() -> Flat, step: usize) -> usize {
    let faults = [
        Fault::Error(ErrorKind::Other),
        Fault::Error(ErrorKind::StorageFull),
        Fault::Short(0),
        Fault::Short(70),
        Fault::Short(400),
    ];
    let total = {
        let disk = ModelDisk::new();
        assert!(Story::run(&disk, &flat(), 3, &STEPS).error.is_none());
        disk.operations()
    };
    let mut failures = 0;
    for at in (0..total).step_by(step) {
        for (way, fault) in faults.into_iter().enumerate() {
            for survives in [None, Some(false), Some(true)] {
                let (disk, flat) = (ModelDisk::new(), flat());
                disk.fail_at(at, fault);
                let story = Story::run(&disk, &flat, 3, &STEPS);
                failures += usize::from(story.error.is_some());
                let rest = match survives {
                    None => disk,
                    Some(survives) => disk.cut_power(|| survives),
                };
                if let Err(error) = story.assert_kept(&rest, &flat) {
                    panic!("fault {way} at {at} of {total}, {survives:?}: {error}");
                }
            }
        }
    }
    failures
}

#[test]
fn a_log_whose_disk_fails_keeps_what_was_reported() {
    let failures = explore(|| Flat::Memory(MemoryFlat::default()), 1);
    assert!(failures > 200, "only {failures} failures");
}

#[test]
fn flat_state_on_a_disk_that_fails_is_whole() {
    let failures = explore(|| Flat::Redb, 5);
    assert!(failures > 100, "only {failures} failures");
}

#[test]
fn after_a_failure_only_readers_go_on() -> TestResult {
    let (disk, mut world) = (ModelDisk::new(), World::new(5));
    let store = Flat::Redb.open(&disk, &world)?;
    store.append(world.grow())?;
    store.sync()?;
    let before = store.snapshot()?;
    store.append(world.grow())?;
    disk.fail_at(disk.operations(), Fault::Error(ErrorKind::Other));
    let error = store.sync().expect_err("the disk fails");
    assert!(matches!(error, StoreError::Io { action: "synchronise the file", .. }), "{error}");
    // Not that a second one reports what the first one lost.
    for error in [store.sync().err(), store.flush().err(), store.rewind(0).err()] {
        assert!(matches!(error, Some(StoreError::Failed)), "{error:?}");
    }
    assert!(matches!(store.append(world.grow()), Err(StoreError::Failed)));
    world.assert_shown(&before)?;
    assert_eq!(store.durable(), 1);
    Ok(())
}

#[test]
fn after_a_batch_of_unknown_fate_nothing_is_taken_back() -> TestResult {
    let (disk, mut world, flat) = (ModelDisk::new(), World::new(6), MemoryFlat::default());
    let store = Flat::Memory(flat.clone()).open(&disk, &world)?;
    store.append(world.grow())?;
    store.append(world.grow())?;
    store.sync()?;
    flat.fail_next();
    store.flush().expect_err("the flat state failed");
    // The store believes that the flat state has neither block, and it has both.
    assert!(matches!(store.rewind(1), Err(StoreError::Failed)));
    assert!(matches!(store.flush(), Err(StoreError::Failed)));
    drop(store);
    let store = Flat::Memory(flat).open(&disk, &world)?;
    world.assert_shown(&store.snapshot()?)?;
    store.rewind(1)?;
    world.rewind(1);
    world.assert_shown(&store.snapshot()?)?;
    Ok(())
}

#[test]
fn a_full_disk_loses_nothing() -> TestResult {
    let mut full = 0;
    for capacity in (0..40_000).step_by(1500) {
        let flat = Flat::Memory(MemoryFlat::default());
        let disk = ModelDisk::new();
        disk.set_capacity(Some(capacity));
        let steps = [Step::Append, Step::Sync].repeat(30);
        let story = Story::run(&disk, &flat, capacity, &steps);
        full += usize::from(story.error.is_some());
        if let Some(error) = &story.error {
            let message = error.to_string();
            assert!(message.contains("cannot"), "{message}");
        }
        disk.set_capacity(None);
        story.assert_kept(&disk, &flat)?;
    }
    assert!(full > 5, "full {full} times");
    Ok(())
}

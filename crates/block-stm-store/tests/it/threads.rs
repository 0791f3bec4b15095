//! Readers while blocks are written, flushed and pruned.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use block_stm_store::{Keep, StoreError, disk::ModelDisk};

use crate::{TestResult, script::Flat, world::World};

#[test]
fn readers_see_whole_blocks_while_the_chain_grows_and_is_pruned() -> TestResult {
    let mut world = World::new(11);
    let store = Flat::Redb.open(&ModelDisk::new(), &world)?;
    let blocks: Vec<_> = (0..150).map(|_| world.grow()).collect();
    let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let reader = |back: u64| {
            let (store, world, done, seen) = (&store, &world, &done, &seen);
            scope.spawn(move || {
                // ORDERING: SeqCst: no bottleneck.
                while !done.load(Ordering::SeqCst) {
                    let number = store.head().0.saturating_sub(back);
                    match store.snapshot_at(number) {
                        Ok(snapshot) => world.assert_state(&snapshot).expect("it is not old"),
                        // It went on meanwhile.
                        Err(StoreError::TooOld { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    }
                    // ORDERING: SeqCst: as above.
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let readers = [reader(0), reader(2), reader(5)];
        let written = scope.spawn(|| {
            for block in blocks {
                let number = block.number;
                store.append(block).expect("it follows on the head");
                store.sync().expect("the disk is there");
                if number % 20 == 0 {
                    let keep = Keep { changes: 5, blocks: 10, receipts: 10 };
                    store.prune(keep).expect("the disk is there");
                }
            }
        });
        let result = written.join();
        // However busy the machine is.
        // ORDERING: SeqCst: as above.
        while seen.load(Ordering::SeqCst) < 20 && !readers.iter().any(|it| it.is_finished()) {
            thread::yield_now();
        }
        // ORDERING: SeqCst: as above.
        done.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.join().expect("what it saw was whole"));
        result.expect("all blocks are written");
    });
    world.assert_state(&store.snapshot()?)?;
    // ORDERING: SeqCst: as above.
    assert!(seen.load(Ordering::SeqCst) >= 20, "{seen:?} snapshots");
    Ok(())
}

#[test]
fn a_host_can_flush_and_synchronise_on_threads_of_their_own() -> TestResult {
    let mut world = World::new(12);
    let store = Flat::Redb.open(&ModelDisk::new(), &world)?;
    let blocks: Vec<_> = (0..150).map(|_| world.grow()).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let repeat = |what: fn(&block_stm_store::Store) -> Result<(), StoreError>| {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                // ORDERING: SeqCst: no bottleneck.
                while !done.load(Ordering::SeqCst) {
                    what(store).expect("the disk is there");
                }
            })
        };
        let others = [repeat(|store| store.sync().map(drop)), repeat(|store| store.flush())];
        let written = scope.spawn(|| {
            blocks.into_iter().try_for_each(|block| store.append(block)).expect("all fit");
        });
        let result = written.join();
        // ORDERING: SeqCst: as above.
        done.store(true, Ordering::SeqCst);
        others.into_iter().for_each(|other| other.join().expect("it did not fail"));
        result.expect("all blocks are written");
    });
    assert_eq!(store.sync()?, 150);
    world.assert_shown(&store.snapshot()?)?;
    Ok(())
}

//! What is done with a store, step by step, and what must be there after a crash.

use std::sync::Arc;

use block_stm_store::{
    Keep, Options, Store, StoreError,
    disk::ModelDisk,
    flat::{FlatState, Tables},
};
use proptest::prelude::*;

use crate::{memory_flat::MemoryFlat, world::World};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Append,
    Sync,
    Flush,
    /// So many blocks are taken back, if there are so many.
    Rewind(u64),
    Prune,
}

/// Steps in any order; most of them write.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Append),
        4 => Just(Step::Sync),
        1 => Just(Step::Flush),
        1 => (1_u64..4).prop_map(Step::Rewind),
        1 => Just(Step::Prune),
    ];
    prop::collection::vec(step, 1..24)
}

/// Small files and batches, so that all that is rare happens.
pub(crate) fn options() -> Options {
    Options::default().segment_bytes(3000).flush_blocks(3).recent_blocks(4).cache_bytes(1 << 20)
}

/// Which flat state.
#[derive(Clone, Debug)]
pub(crate) enum Flat {
    /// On the disk.
    Redb,
    /// One that crashes leave alone.
    Memory(MemoryFlat),
}

impl Flat {
    pub(crate) fn open(&self, disk: &ModelDisk, world: &World) -> Result<Store, StoreError> {
        Store::open_on(disk.clone(), Some(world.genesis()), options(), |disk, genesis| {
            Ok(match self {
                Self::Redb => Arc::new(Tables::open(disk, genesis, 1 << 20, true)?),
                Self::Memory(flat) => Arc::new(flat.clone()) as Arc<dyn FlatState>,
            })
        })
    }
}

/// What was done with a store, and what of it was reported durable.
#[derive(Debug)]
pub(crate) struct Story {
    /// The chain after each record of the log, the one that failed included; at first the genesis
    /// block alone.
    worlds: Vec<World>,
    /// So many of them are certain.
    durable: usize,
    /// What ended it.
    pub(crate) error: Option<StoreError>,
}

impl Story {
    /// Takes the steps up to the first error.
    pub(crate) fn run(disk: &ModelDisk, flat: &Flat, seed: u64, steps: &[Step]) -> Self {
        let world = World::new(seed);
        let mut story = Self { worlds: vec![world.clone()], durable: 0, error: None };
        match flat.open(disk, &world) {
            Ok(store) => {
                story.durable = 1;
                story.error = steps.iter().find_map(|step| story.step(&store, *step).err());
            }
            Err(error) => story.error = Some(error),
        }
        story
    }

    fn world(&self) -> &World {
        self.worlds.last().expect("there is one")
    }

    fn step(&mut self, store: &Store, step: Step) -> Result<(), StoreError> {
        match step {
            Step::Append => {
                let mut world = self.world().clone();
                let block = world.grow();
                self.worlds.push(world);
                store.append(block)?;
            }
            Step::Sync => {
                store.sync()?;
                self.durable = self.worlds.len();
            }
            Step::Flush => store.flush()?,
            Step::Rewind(back) => {
                let head = self.world().head().0;
                let number = head.saturating_sub(back).max(store.stats()?.oldest_rewind);
                let mut world = self.world().clone();
                world.rewind(number);
                if number < head {
                    self.worlds.push(world);
                }
                store.rewind(number)?;
                if number < head {
                    self.durable = self.worlds.len();
                }
            }
            Step::Prune => {
                let keep = Keep { changes: 3, ..Keep::default() };
                store.prune(keep)?;
            }
        }
        assert_eq!(store.head(), self.world().head());
        Ok(())
    }

    /// Opens the store on what is left, and panics unless all that was reported is there and
    /// nothing else; then lets it grow.
    pub(crate) fn assert_kept(&self, disk: &ModelDisk, flat: &Flat) -> Result<(), StoreError> {
        let mut world = {
            let store = flat.open(disk, &self.worlds[0])?;
            let head = store.head();
            let certain = self.durable.saturating_sub(1);
            let found = self.worlds[certain..].iter().find(|world| world.head() == head);
            let world = found.unwrap_or_else(|| panic!("block {} was not certain", head.0));
            assert_eq!(store.durable(), head.0);
            world.assert_shown(&store.snapshot()?)?;
            store.check()?;
            world.clone()
        };
        // What it has when it was opened is durable.
        let disk = &disk.cut_power(|| false);
        let store = flat.open(disk, &world)?;
        world.assert_shown(&store.snapshot()?)?;
        store.append(world.grow())?;
        assert_eq!(store.sync()?, world.head().0);
        drop(store);
        world.assert_shown(&flat.open(disk, &world)?.snapshot()?)
    }
}

//! Power cuts at every operation, with any part of what was not synchronised lost.

use block_stm_store::disk::{Fault, ModelDisk};
use proptest::prelude::*;

use crate::{
    memory_flat::MemoryFlat,
    script::{Flat, Step, Story, steps},
    world::Draws,
};

/// Goes through all sequences of yes and no that a function asks for.
#[derive(Debug, Default)]
struct Choices {
    path: Vec<bool>,
    at: usize,
}

impl Choices {
    fn choose(&mut self) -> bool {
        if self.at == self.path.len() {
            self.path.push(false);
        }
        self.at += 1;
        self.path[self.at - 1]
    }

    /// On to the next sequence, if there is one.
    fn advance(&mut self) -> bool {
        self.path.truncate(self.at);
        self.at = 0;
        while self.path.pop_if(|last| *last).is_some() {}
        match self.path.last_mut() {
            Some(last) => {
                *last = true;
                true
            }
            None => false,
        }
    }
}

/// How many operations the steps take where nothing fails.
fn operations(flat: &Flat, seed: u64, steps: &[Step]) -> u64 {
    let disk = ModelDisk::new();
    let story = Story::run(&disk, flat, seed, steps);
    assert!(story.error.is_none(), "{:?}", story.error);
    disk.operations()
}

#[test]
fn every_power_cut_of_a_small_story_keeps_what_was_reported() {
    use Step::{Append, Prune, Rewind, Sync};
    let steps = [
        Append,
        Sync,
        Append,
        Append,
        Sync,
        Rewind(2),
        Append,
        Sync,
        Append,
        Append,
        Append,
        Sync,
        Prune,
        Append,
        Rewind(1),
        Append,
    ];
    let mut cuts = 0;
    for at in 0..operations(&Flat::Memory(MemoryFlat::default()), 1, &steps) {
        let mut choices = Choices::default();
        loop {
            let (disk, flat) = (ModelDisk::new(), Flat::Memory(MemoryFlat::default()));
            disk.fail_at(at, Fault::Off);
            let story = Story::run(&disk, &flat, 1, &steps);
            let rest = disk.cut_power(|| choices.choose());
            if let Err(error) = story.assert_kept(&rest, &flat) {
                panic!("cut at {at}, {:?}: {error}", choices.path);
            }
            cuts += 1;
            if !choices.advance() {
                break;
            }
        }
    }
    assert!(cuts > 1000, "only {cuts} cuts");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().expect("a number"))
    ))]

    /// With redb on the same disk.
    #[test]
    fn power_cuts_keep_what_was_reported(
        steps in steps(), seed in any::<u64>(), at in any::<prop::sample::Index>(),
        luck in 0_u64..=4,
    ) {
        let at = at.index(operations(&Flat::Redb, seed, &steps) as usize + 1) as u64;
        let disk = ModelDisk::new();
        disk.fail_at(at, Fault::Off);
        let story = Story::run(&disk, &Flat::Redb, seed, &steps);
        let mut draws = Draws::new(seed ^ at);
        let rest = disk.cut_power(|| draws.below(4) < luck);
        let kept = story.assert_kept(&rest, &Flat::Redb);
        prop_assert!(kept.is_ok(), "cut at {}: {:?}", at, kept);
    }
}

#[test]
fn choices_are_all_sequences() {
    let mut choices = Choices::default();
    let mut seen = vec![];
    loop {
        // Three where the first is yes, else two.
        let first = choices.choose();
        let rest: Vec<_> = (0..1 + usize::from(first)).map(|_| choices.choose()).collect();
        seen.push((first, rest));
        if !choices.advance() {
            break;
        }
    }
    assert_eq!(seen.len(), 2 + 4);
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

//! Locations whose hashes are all equal: an engine that trusts a hash mixes them up.

use block_stm_testkit::Checker;
use block_stm_testkit::faults::{Hold, Jitter};
use block_stm_testkit::language::{Colliding, LanguageBlock, Small};

use crate::support::{increment, successor, tangle};

fn prove(block: &LanguageBlock) {
    if let Err(mismatch) = block.check_as::<Colliding, Small>(Checker::all(), ()) {
        panic!("{mismatch}");
    }
}

#[test]
fn locations_with_one_hash_stay_apart() {
    prove(&tangle(50));
    prove(&tangle(50).with_true_hints().probe(Jitter { seed: 6, often: 12 }));
    prove(&tangle(20).probe(Hold::new(0, 10)));
}

#[test]
fn hundreds_of_locations_with_one_hash() {
    prove(&LanguageBlock::new((0..300).map(increment)).state([1, 2, 3]));
    prove(&LanguageBlock::new((0..300).map(|n| successor(n, n + 1))));
}

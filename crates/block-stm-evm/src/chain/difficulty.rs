//! What a block's difficulty must be, before the Merge.

use alloy_consensus::Header;
use alloy_primitives::{U256, uint};
use revm::primitives::hardfork::SpecId;

use crate::ForkSchedule;

const MIN: U256 = uint!(131_072_U256);
const STEPS: U256 = uint!(2048_U256);
/// The bomb doubles once in so many blocks.
const BOMB_PERIOD: u64 = 100_000;

/// The difficulty of the child of `parent` at `timestamp`.
///
/// Sources: the yellow paper for Frontier, EIP-2 for Homestead, EIP-100 for Byzantium; the bomb is put off by EIP-649,
/// 1234, 2384, 3554, 4345 and 5133. No header makes it overflow: it saturates.
pub(super) fn difficulty(schedule: &ForkSchedule, parent: &Header, timestamp: u64) -> U256 {
    let number = parent.number.saturating_add(1);
    let spec = schedule.spec_at(number, timestamp);
    let age = timestamp.saturating_sub(parent.timestamp);
    let step = parent.difficulty / STEPS;
    let (up, down) = match spec {
        spec if spec.is_enabled_in(SpecId::BYZANTIUM) => {
            let has_ommers = parent.ommers_hash != alloy_consensus::EMPTY_OMMER_ROOT_HASH;
            steps(1 + u64::from(has_ommers), age / 9)
        }
        spec if spec.is_enabled_in(SpecId::HOMESTEAD) => steps(1, age / 10),
        _ if age < 13 => (1, 0),
        _ => (0, 1),
    };
    let raised = parent.difficulty.saturating_add(step.saturating_mul(U256::from(up)));
    let adjusted = raised.saturating_sub(step.saturating_mul(U256::from(down))).max(MIN);
    adjusted.saturating_add(bomb(number, schedule.bomb_delay_at(number)))
}

/// Steps up and down: `plus - minus`, at least -99.
fn steps(plus: u64, minus: u64) -> (u64, u64) {
    match plus.checked_sub(minus) {
        Some(up) => (up, 0),
        None => (0, (minus - plus).min(99)),
    }
}

fn bomb(number: u64, delay: u64) -> U256 {
    let period = number.saturating_sub(delay) / BOMB_PERIOD;
    let Some(exponent) = period.checked_sub(2) else { return U256::ZERO };
    let exponent = usize::try_from(exponent).unwrap_or(usize::MAX);
    U256::ONE.checked_shl(exponent).unwrap_or(U256::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child_of(spec: SpecId, parent: Header, age: u64) -> u64 {
        let timestamp = parent.timestamp + age;
        difficulty(&ForkSchedule::fixed(1, spec), &parent, timestamp).saturating_to()
    }

    fn parent(number: u64, difficulty: u64) -> Header {
        Header { number, difficulty: U256::from(difficulty), ..Header::default() }
    }

    #[test]
    fn it_follows_the_age_by_the_rules_of_the_fork() {
        let parent = || parent(10, 2_048_000);
        // Frontier knows two answers, Homestead a step per ten seconds, Byzantium one per nine.
        let cases = [
            (SpecId::FRONTIER, 12, 2_049_000),
            (SpecId::FRONTIER, 13, 2_047_000),
            (SpecId::HOMESTEAD, 9, 2_049_000),
            (SpecId::HOMESTEAD, 10, 2_048_000),
            (SpecId::HOMESTEAD, 35, 2_046_000),
            (SpecId::HOMESTEAD, 100_000, 2_048_000 - 99_000),
            (SpecId::BYZANTIUM, 8, 2_049_000),
            (SpecId::BYZANTIUM, 18, 2_047_000),
        ];
        for (spec, age, expected) in cases {
            assert_eq!(child_of(spec, parent(), age), expected, "{spec:?} after {age} s");
        }
        let with_ommers = Header { ommers_hash: Default::default(), ..parent() };
        assert_eq!(child_of(SpecId::BYZANTIUM, with_ommers, 8), 2_050_000);
        assert_eq!(child_of(SpecId::HOMESTEAD, self::parent(10, 131_072), 1_000), 131_072);
    }

    #[test]
    fn the_bomb_ticks_from_block_200_000_after_its_delay() {
        let difficulty = |spec, number: u64| child_of(spec, parent(number - 1, 2_048_000), 10);
        assert_eq!(difficulty(SpecId::HOMESTEAD, 199_999), 2_048_000);
        assert_eq!(difficulty(SpecId::HOMESTEAD, 200_000), 2_048_001);
        assert_eq!(difficulty(SpecId::HOMESTEAD, 1_000_000), 2_048_256);
        assert_eq!(difficulty(SpecId::BYZANTIUM, 3_199_999), 2_048_000);
        assert_eq!(difficulty(SpecId::BYZANTIUM, 3_200_000), 2_048_001);
    }

    #[test]
    fn no_header_makes_it_overflow() {
        let parent = Header { number: u64::MAX, difficulty: U256::MAX, ..Header::default() };
        let schedule = ForkSchedule::fixed(1, SpecId::HOMESTEAD);
        assert_eq!(difficulty(&schedule, &parent, 0), U256::MAX);
    }

    /// Mainnet: the parent of the first block of a fork, and what that block had.
    #[test]
    fn it_is_what_mainnet_had() {
        let mainnet = ForkSchedule::mainnet();
        // Block 1 follows the genesis block, whose timestamp is 0, after 46 years.
        let genesis = Header { difficulty: U256::from(17_179_869_184_u64), ..Header::default() };
        let first = difficulty(&mainnet, &genesis, 1_438_269_988);
        assert_eq!(first, U256::from(17_171_480_576_u64));
    }
}

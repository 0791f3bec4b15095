//! The difficulty of a block of proof of work, from its parent's.

use alloy_primitives::{U256, uint};
use revm::primitives::hardfork::SpecId;

use super::T8nFork;

/// The lowest difficulty of any block.
const MIN: U256 = uint!(131_072_U256);
/// The difficulty bomb doubles once in so many blocks.
const BOMB_PERIOD: u64 = 100_000;

/// What a difficulty follows from; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    pub(super) difficulty: U256,
    pub(super) timestamp: u64,
    pub(super) has_ommers: bool,
}

/// The difficulty of block `number` at `timestamp`, which comes after its parent; `None` if it exceeds 256 bits.
///
/// Sources: the yellow paper, section 4.3.4; EIP-2 from Homestead on, EIP-100 from Byzantium on.
pub(super) fn difficulty(
    fork: &T8nFork,
    number: u64,
    timestamp: u64,
    parent: Parent,
) -> Option<U256> {
    let seconds = timestamp.saturating_sub(parent.timestamp);
    // By how many steps it rises, and by how many it falls.
    let (up, down) = if fork.spec.is_enabled_in(SpecId::BYZANTIUM) {
        (1 + u64::from(parent.has_ommers), seconds / 9)
    } else if fork.spec.is_enabled_in(SpecId::HOMESTEAD) {
        (1, seconds / 10)
    } else {
        (u64::from(seconds < 13), u64::from(seconds >= 13))
    };
    let step = parent.difficulty / U256::from(2_048);
    let changed = if up >= down {
        parent.difficulty.checked_add(step.checked_mul(U256::from(up - down))?)?
    } else {
        parent.difficulty.saturating_sub(step * U256::from((down - up).min(99)))
    };
    Some(changed.checked_add(bomb(number.saturating_sub(fork.bomb_delay))?)?.max(MIN))
}

/// What the bomb adds in block `number`, counted without the delay.
fn bomb(number: u64) -> Option<U256> {
    match (number / BOMB_PERIOD).checked_sub(2) {
        None => Some(U256::ZERO),
        Some(exponent) => U256::ONE.checked_shl(usize::try_from(exponent).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, number: u64, seconds: u64, has_ommers: bool) -> Option<U256> {
        let fork = T8nFork::by_name(name, number, 0).expect("a known fork");
        let parent = Parent { difficulty: U256::from(2_048_000), timestamp: 100, has_ommers };
        difficulty(&fork, number, 100 + seconds, parent)
    }

    #[test]
    fn it_follows_the_pace_of_the_blocks() {
        let table = [
            ("Frontier", 12, false, 2_049_000),
            ("Frontier", 13, false, 2_047_000),
            ("Homestead", 9, false, 2_049_000),
            ("Homestead", 19, false, 2_048_000),
            ("Homestead", 25, false, 2_047_000),
            ("Homestead", 5_000, false, 1_949_000),
            ("Byzantium", 8, false, 2_049_000),
            ("Byzantium", 8, true, 2_050_000),
            ("Byzantium", 9, true, 2_049_000),
            ("London", u64::MAX - 200, false, 1_949_000),
        ];
        for (fork, seconds, ommers, expected) in table {
            assert_eq!(
                of(fork, 1, seconds, ommers),
                Some(U256::from(expected)),
                "{fork} {seconds}"
            );
        }
    }

    #[test]
    fn the_bomb_is_as_late_as_the_fork_says() {
        let table = [
            ("Homestead", 199_999, 0),
            ("Homestead", 200_000, 1),
            ("Homestead", 1_000_000, 256),
            ("Byzantium", 3_199_999, 0),
            ("Byzantium", 4_000_000, 256),
            ("ConstantinopleFix", 6_000_000, 256),
            ("MuirGlacier", 10_000_000, 256),
            ("London", 10_700_000, 256),
            ("ArrowGlacier", 11_700_000, 256),
            ("GrayGlacier", 12_400_000, 256),
        ];
        for (fork, number, bomb) in table {
            // 10 seconds change nothing from Homestead on.
            assert_eq!(of(fork, number, 10, false), Some(U256::from(2_048_000 + bomb)), "{fork}");
        }
        assert_eq!(of("Homestead", u64::MAX, 10, false), None);
    }
}

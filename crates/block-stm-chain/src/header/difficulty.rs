//! The difficulty of a block of proof of work, from its parent's.

use alloy_primitives::{U256, uint};
use revm::primitives::hardfork::SpecId;

/// The lowest difficulty of any block.
const MIN: U256 = uint!(131_072_U256);
const STEPS: U256 = uint!(2048_U256);
/// The most steps by which it falls at once.
const DOWN_MAX: u64 = 99;
/// The bomb doubles once in so many blocks.
const BOMB_PERIOD: u64 = 100_000;

/// What a difficulty follows from beside the block's own number and time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent {
    pub(crate) difficulty: U256,
    /// In seconds.
    pub(crate) timestamp: u64,
    pub(crate) has_ommers: bool,
}

/// The difficulty of block `number` at `timestamp` under the rules of `spec`, where the bomb is put
/// off by `bomb_delay` blocks.
///
/// `None` if it exceeds 256 bits, which no header can say. A block that is not younger than its
/// parent counts as one of the same age.
///
/// Sources: the yellow paper, section 4.3.4; EIP-2 from Homestead on, EIP-100 from Byzantium on. As
/// there, and in the executable specification of every fork, the minimum applies to the sum with
/// the bomb. Some clients apply it before the bomb is added: that is another value only where the
/// sum without the bomb is below the minimum.
pub(crate) fn difficulty(
    spec: SpecId,
    bomb_delay: u64,
    number: u64,
    timestamp: u64,
    parent: Parent,
) -> Option<U256> {
    let age = timestamp.saturating_sub(parent.timestamp);
    // By how many steps it rises, and by how many it falls.
    let (up, down) = if spec.is_enabled_in(SpecId::BYZANTIUM) {
        (1 + u64::from(parent.has_ommers), age / 9)
    } else if spec.is_enabled_in(SpecId::HOMESTEAD) {
        (1, age / 10)
    } else {
        (u64::from(age < 13), u64::from(age >= 13))
    };
    let step = parent.difficulty / STEPS;
    let adjusted = if up >= down {
        parent.difficulty.checked_add(step.checked_mul(U256::from(up - down))?)?
    } else {
        // At most 99 of 2048 parts.
        parent.difficulty - step * U256::from((down - up).min(DOWN_MAX))
    };
    Some(adjusted.checked_add(bomb(number.saturating_sub(bomb_delay))?)?.max(MIN))
}

/// What the bomb adds in block `number`, counted without the delay.
fn bomb(number: u64) -> Option<U256> {
    match (number / BOMB_PERIOD).checked_sub(2) {
        None => Some(U256::ZERO),
        Some(exponent) => U256::ONE.checked_shl(usize::try_from(exponent).ok()?),
    }
}

/// All that is expected here is what the executable specification (`ethereum-execution` 2.20.0)
/// comes to.
#[cfg(all(test, feature = "t8n"))]
mod tests {
    use super::*;
    use crate::t8n::T8nFork;

    /// Fork, number, age, the parent's difficulty, whether it has ommers; what is expected.
    type Row = (&'static str, u64, u64, u64, bool, u64);

    fn of(name: &str, number: u64, age: u64, parent: U256, has_ommers: bool) -> Option<U256> {
        let fork = T8nFork::by_name(name, number, 0).expect("a known fork");
        let parent = Parent { difficulty: parent, timestamp: 100, has_ommers };
        difficulty(fork.spec, fork.bomb_delay, number, 100 + age, parent)
    }

    fn check(table: &[Row]) {
        for &(name, number, age, parent, has_ommers, expected) in table {
            let found = of(name, number, age, U256::from(parent), has_ommers);
            assert_eq!(found, Some(U256::from(expected)), "{name}, block {number}, {age} s");
        }
    }

    #[test]
    fn it_follows_the_pace_of_the_blocks() {
        check(&[
            ("Frontier", 1, 12, 2_048_000, false, 2_049_000),
            ("Frontier", 1, 13, 2_048_000, false, 2_047_000),
            ("Homestead", 1, 9, 2_048_000, false, 2_049_000),
            ("Homestead", 1, 10, 2_048_000, false, 2_048_000),
            ("Homestead", 1, 35, 2_048_000, false, 2_046_000),
            ("Homestead", 1, 5_000, 2_048_000, false, 1_949_000),
            ("Byzantium", 1, 8, 2_048_000, false, 2_049_000),
            ("Byzantium", 1, 8, 2_048_000, true, 2_050_000),
            ("Byzantium", 1, 9, 2_048_000, true, 2_049_000),
            ("Byzantium", 1, 18, 2_048_000, false, 2_047_000),
            ("London", 1, 1 << 40, 2_048_000, false, 1_949_000),
        ]);
    }

    #[test]
    fn the_bomb_is_as_late_as_the_fork_says() {
        let first = [
            ("Frontier", 200_000),
            ("Homestead", 200_000),
            ("EIP150", 200_000),
            ("EIP158", 200_000),
            ("Byzantium", 3_200_000),
            ("ConstantinopleFix", 5_200_000),
            ("Istanbul", 5_200_000),
            ("MuirGlacier", 9_200_000),
            ("Berlin", 9_200_000),
            ("London", 9_900_000),
            ("ArrowGlacier", 10_900_000),
            ("GrayGlacier", 11_600_000),
        ];
        for (name, number) in first {
            let (age, without) = match name {
                "Frontier" => (13, 2_047_000),
                "Homestead" | "EIP150" | "EIP158" => (10, 2_048_000),
                _ => (9, 2_048_000),
            };
            check(&[
                (name, number - 1, age, 2_048_000, false, without),
                (name, number, age, 2_048_000, false, without + 1),
                (name, number + 800_000, age, 2_048_000, false, without + 256),
            ]);
        }
    }

    #[test]
    fn the_minimum_applies_to_the_sum_with_the_bomb() {
        check(&[
            ("Frontier", 1_800_000, 5_000, 131_072, false, 196_544),
            ("Frontier", 300_000, 5_000, 131_135, false, 131_073),
            ("Frontier", 1_900_000, 5_000, 1, false, 131_073),
            ("Homestead", 10, 5_000, 0, false, 131_072),
            ("Homestead", 1_800_000, 5_000, 131_072, false, 190_272),
            ("Homestead", 300_000, 5_000, 131_135, false, 131_072),
            ("Homestead", 1_900_000, 5_000, 1, false, 131_073),
            ("Byzantium", 4_800_000, 5_000, 131_072, false, 190_272),
            ("Byzantium", 3_300_000, 5_000, 131_135, false, 131_072),
            ("Byzantium", 4_900_000, 5_000, 1, false, 131_073),
            ("ConstantinopleFix", 6_800_000, 5_000, 131_072, false, 190_272),
            ("MuirGlacier", 10_800_000, 5_000, 131_072, false, 190_272),
            ("London", 11_500_000, 5_000, 131_072, false, 190_272),
            ("ArrowGlacier", 12_500_000, 5_000, 131_072, false, 190_272),
            ("GrayGlacier", 13_200_000, 5_000, 131_072, false, 190_272),
            ("GrayGlacier", 11_700_000, 5_000, 131_135, false, 131_072),
        ]);
    }

    #[test]
    fn it_is_exact_up_to_256_bits_and_nothing_beyond() {
        let high = U256::ONE << 255;
        // The first 16 bits of what comes of the greatest parent, the last of it, and of 2,048.
        let table = [
            ("Frontier", 0, 0xffe0, 0x01, 0x7ff),
            ("Homestead", 0, 0xf3a0, 0x63, 0x79d),
            ("Byzantium", 3_000_000, 0xf3a0, 0x63, 0x79d),
        ];
        for (name, delay, first, rest, slow) in table {
            let found = of(name, delay + 200_000, 5_000, U256::MAX, false);
            let greatest = (U256::from(first) << 240) | U256::from(rest);
            assert_eq!(found, Some(greatest), "{name}");
            let last = delay + 25_700_000;
            let found = of(name, last, 5_000, U256::from(2_048), false);
            assert_eq!(found, Some(high + U256::from(slow)), "{name}");
            assert_eq!(of(name, last, 5, high, false), None, "{name}");
            assert_eq!(of(name, last, 5_000, high + (high >> 1), false), None, "{name}");
            assert_eq!(of(name, last + 100_000, 5, U256::from(2_048), false), None, "{name}");
            assert_eq!(of(name, 1, 5, U256::MAX, false), None, "{name}");
            assert_eq!(of(name, u64::MAX, 5, U256::from(2_048), false), None, "{name}");
        }
    }
}

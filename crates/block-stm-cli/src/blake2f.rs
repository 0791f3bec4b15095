//! BLAKE2's compression function (EIP-152), the only precompile that can run for a minute.
//!
//! revm takes the vectorised code wherever there is AVX2. But a round is one long chain of
//! dependent steps, in which rows of four words must be rotated past each other; processors that
//! execute six additions at once are done sooner with plain words. Which of the two is faster is
//! found out by a race, once for each process.

use std::time::Instant;

use block_stm_evm::revm::precompile::{Crypto, blake2, install_crypto};

/// What is compressed: rounds, state, message, offset, and whether it is the last block.
type Compress = fn(u32, &mut [u64; 8], &[u64; 16], &[u64; 2], bool);

/// Rounds of one race: some 30 us for both.
const RACE: u32 = 1_500;
const RACES: usize = 3;

/// Lets this process execute the precompile BLAKE2F with the faster of revm's code and ours; what
/// comes out is the same. Holds for all executions with revm, sequential ones included, which takes
/// some 200 us.
///
/// revm takes one provider of cryptography for a process ([`install_crypto`]), and keeps the first.
pub(crate) fn choose() {
    if time(compress) < time(blake2::compress) {
        install_crypto(PlainWords);
    }
}

/// The shortest of a few races.
fn time(compress: Compress) -> u128 {
    let race = || {
        let (mut state, start) = ([7; 8], Instant::now());
        compress(RACE, std::hint::black_box(&mut state), &[3; 16], &[0; 2], true);
        std::hint::black_box(state);
        start.elapsed().as_nanos()
    };
    (0..RACES).map(|_| race()).min().unwrap_or_default()
}

/// revm's cryptography, but for this one function.
#[derive(Debug)]
struct PlainWords;

impl Crypto for PlainWords {
    fn blake2_compress(
        &self,
        rounds: u32,
        state: &mut [u64; 8],
        message: &[u64; 16],
        offset: &[u64; 2],
        is_last: bool,
    ) {
        compress(rounds, state, message, offset, is_last);
    }
}

/// The square roots of the first eight primes, their first 64 bits after the point (RFC 7693, 2.6).
const START: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// In which order a round takes the words of the message, a hexadecimal digit each; ten rounds in
/// turn (RFC 7693, 2.7).
const ORDERS: [u64; 10] = [
    0x0123_4567_89ab_cdef,
    0xea48_9fd6_1c02_b753,
    0xb8c0_52fd_ae36_7194,
    0x7931_dcbe_265a_40f8,
    0x9057_24af_e1bc_683d,
    0x2c6a_0b83_4d75_fe19,
    0xc51f_ed4a_0763_928b,
    0xdb7e_c139_50f4_862a,
    0x6fe9_b308_c2d7_14a5,
    0xa284_7615_fb9e_3cd0,
];

/// The compression function with as many rounds as are asked for (RFC 7693, 3.2).
fn compress(
    rounds: u32,
    state: &mut [u64; 8],
    message: &[u64; 16],
    offset: &[u64; 2],
    is_last: bool,
) {
    let mut words = [0; 16];
    words[..8].copy_from_slice(state);
    words[8..].copy_from_slice(&START);
    words[12] ^= offset[0];
    words[13] ^= offset[1];
    words[14] ^= if is_last { u64::MAX } else { 0 };
    // Each round is spelled out, so that the places of its words are known when this is compiled.
    for _ in 0..rounds / 10 {
        round(&mut words, message, ORDERS[0]);
        round(&mut words, message, ORDERS[1]);
        round(&mut words, message, ORDERS[2]);
        round(&mut words, message, ORDERS[3]);
        round(&mut words, message, ORDERS[4]);
        round(&mut words, message, ORDERS[5]);
        round(&mut words, message, ORDERS[6]);
        round(&mut words, message, ORDERS[7]);
        round(&mut words, message, ORDERS[8]);
        round(&mut words, message, ORDERS[9]);
    }
    for order in ORDERS.into_iter().take((rounds % 10) as usize) {
        round(&mut words, message, order);
    }
    for (place, word) in state.iter_mut().enumerate() {
        *word ^= words[place] ^ words[place + 8];
    }
}

/// Mixes the columns of the four rows of words, then the diagonals.
#[inline(always)]
fn round(words: &mut [u64; 16], message: &[u64; 16], order: u64) {
    let taken = |nth: u32| message[(order >> (60 - 4 * nth) & 0xf) as usize];
    mix(words, [0, 4, 8, 12], taken(0), taken(1));
    mix(words, [1, 5, 9, 13], taken(2), taken(3));
    mix(words, [2, 6, 10, 14], taken(4), taken(5));
    mix(words, [3, 7, 11, 15], taken(6), taken(7));
    mix(words, [0, 5, 10, 15], taken(8), taken(9));
    mix(words, [1, 6, 11, 12], taken(10), taken(11));
    mix(words, [2, 7, 8, 13], taken(12), taken(13));
    mix(words, [3, 4, 9, 14], taken(14), taken(15));
}

/// RFC 7693, 3.1.
#[inline(always)]
fn mix(words: &mut [u64; 16], [a, b, c, d]: [usize; 4], x: u64, y: u64) {
    words[a] = words[a].wrapping_add(words[b]).wrapping_add(x);
    words[d] = (words[d] ^ words[a]).rotate_right(32);
    words[c] = words[c].wrapping_add(words[d]);
    words[b] = (words[b] ^ words[c]).rotate_right(24);
    words[a] = words[a].wrapping_add(words[b]).wrapping_add(y);
    words[d] = (words[d] ^ words[a]).rotate_right(16);
    words[c] = words[c].wrapping_add(words[d]);
    words[b] = (words[b] ^ words[c]).rotate_right(63);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_comes_out_is_what_comes_out_of_revms_code(
            rounds in 0..60_u32,
            state: [u64; 8],
            message: [u64; 16],
            offset: [u64; 2],
            is_last: bool,
        ) {
            let (mut ours, mut theirs) = (state, state);
            compress(rounds, &mut ours, &message, &offset, is_last);
            blake2::compress(rounds, &mut theirs, &message, &offset, is_last);
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_precompile_is_right_whoever_has_won() {
        choose();
        // The sixth example of EIP-152: one round on "abc".
        let mut state = START;
        state[0] ^= 0x0101_0040;
        let mut message = [0; 16];
        message[0] = 0x0063_6261;
        block_stm_evm::revm::precompile::crypto().blake2_compress(
            1,
            &mut state,
            &message,
            &[3, 0],
            true,
        );
        let bytes = state.map(u64::to_le_bytes).concat();
        let expected = "b63a380cb2897d521994a85234ee2c181b5f844d2c624c002677e9703449d2fb\
                        a551b3a8333bcdf5f2f7e08993d53923de3d64fcc68c034e717b9293fed7a421";
        assert_eq!(block_stm_evm::revm::primitives::hex::encode(bytes), expected);
    }
}

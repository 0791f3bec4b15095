//! The hash of a mapping's key, remembered.
//!
//! A contract finds `balances[owner]` at the Keccak-256 of 64 bytes, the key and the mapping's own slot. It does so again for
//! each access, and the next transaction does so for the same pool or token: in blocks of DeFi an eighth of all time is
//! spent there. So each worker remembers the last hashes of 64 bytes in a small table. What is looked up is compared in
//! full; an entry can only be missing, never wrong. Nothing is remembered from block to block.

use alloy_primitives::{B256, U256, keccak256};
use revm::interpreter::{
    Host, InstructionContext, InstructionExecResult, instructions::system,
    interpreter::EthInterpreter, interpreter_types::MemoryTr,
};

/// Who remembers hashes.
pub(crate) trait HasKeccaks {
    fn keccaks(&mut self) -> &mut Keccaks;
}

const KEY: usize = 64;

/// How many hashes a worker remembers, in some 100 bytes each: so that they fit into a core's own cache.
const ENTRIES: usize = 2048;

#[derive(Clone)]
struct Entry {
    key: [u8; KEY],
    hash: B256,
}

/// Hashes of 64 bytes. Takes its memory when it is first asked.
#[derive(Default)]
pub(crate) struct Keccaks(Vec<Entry>);

impl Keccaks {
    fn hash(&mut self, key: &[u8; KEY]) -> B256 {
        if self.0.is_empty() {
            let key = [0; KEY];
            self.0 = vec![Entry { key, hash: keccak256(key) }; ENTRIES];
        }
        let entry = &mut self.0[place(key)];
        if entry.key != *key {
            *entry = Entry { key: *key, hash: keccak256(key) };
        }
        entry.hash
    }
}

/// Where a key is remembered. Somebody who makes many keys meet gets nothing but misses.
fn place(key: &[u8; KEY]) -> usize {
    let mixed = key.chunks_exact(8).fold(0_u64, |mixed, word| {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        (mixed.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (mixed >> 40) as usize % ENTRIES
}

/// KECCAK256: revm's, but for 64 bytes that lie in memory already.
pub(crate) fn keccak_of_memory<H: Host + HasKeccaks>(
    args: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = args;
    if let &[.., length, offset] = interpreter.stack.data().as_slice()
        && length == U256::from(KEY)
        && let Ok(offset) = usize::try_from(offset)
        && offset.checked_add(KEY).is_some_and(|end| end <= interpreter.memory.size())
        && let Ok(key) = <&[u8; KEY]>::try_from(&*interpreter.memory.slice_len(offset, KEY))
        && interpreter.gas.record_regular_cost(host.gas_params().keccak256_cost(KEY))
        && let Some(([_], top)) = interpreter.stack.popn_top()
    {
        *top = host.keccaks().hash(key).into();
        return Ok(());
    }
    system::keccak256(InstructionContext { interpreter, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_right_whether_it_was_remembered_or_not() {
        let mut keccaks = Keccaks::default();
        let key = |n: u32| {
            let mut key = [0; KEY];
            key[n as usize % KEY] = n as u8;
            key[7..11].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in (0..3 * ENTRIES as u32).chain(0..3 * ENTRIES as u32) {
            for _ in 0..2 {
                assert_eq!(keccaks.hash(&key(n)), keccak256(key(n)));
            }
        }
        assert_eq!(keccaks.hash(&[0; KEY]), keccak256([0; KEY]));
    }

    #[test]
    fn keys_that_differ_little_are_spread() {
        let place = |slot: u64| {
            let mut key = [0; KEY];
            key[24..32].copy_from_slice(&slot.to_be_bytes());
            super::place(&key)
        };
        let places: std::collections::HashSet<_> = (0..1000).map(place).collect();
        assert!(places.len() > 700, "{}", places.len());
    }
}

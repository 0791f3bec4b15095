//! What contracts hashed: the keys of mappings come to light by it.

use std::collections::BTreeMap;

use block_stm_evm::{
    Block, StateRef,
    revm::{
        DatabaseCommit, ExecuteEvm, InspectEvm, Inspector,
        bytecode::opcode,
        context::ContextTr,
        interpreter::{
            Interpreter,
            interpreter_types::{Jumps, MemoryTr},
        },
        primitives::{Bytes, U256, keccak256},
    },
    steps::apply_pre_block,
};

use crate::bounds::evm;

/// Inputs of 32 to so many bytes are kept: a base with a key of up to 128 bytes.
const MOST_BYTES: usize = 160;

/// How far from a hash its structs and arrays are looked for, in slots.
const REACH: u64 = 1 << 24;

/// How many hashes a slot may be made of.
const MOST_STEPS: usize = 16;

/// Inputs of Keccak-256 by their hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Preimages(BTreeMap<U256, Bytes>);

/// How the number of a slot comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The number itself: where every path begins.
    Root(U256),
    /// The value of a mapping at a key.
    Key(Bytes),
    /// What a dynamic array, or a long string, holds.
    Elements,
    /// So many slots further.
    Offset(u64),
}

impl Preimages {
    /// The inputs of all hashes that `block` computes on the state `state`.
    ///
    /// # Errors
    ///
    /// The block can't be executed, for this reason.
    pub(super) fn of_block<DB: StateRef>(block: &Block, state: &DB) -> Result<Self, String> {
        let mut evm = evm(block, block.cfg_env(), state);
        apply_pre_block(block, &mut evm).map_err(|error| error.to_string())?;
        let mut evm = evm.with_inspector(Self::default());
        for txn in &block.txns {
            let result = evm.inspect_one_tx(txn.clone());
            let changes = evm.finalize();
            result.map_err(|error| error.to_string())?;
            evm.ctx.db_mut().commit(changes);
        }
        Ok(std::mem::take(&mut evm.inspector))
    }

    fn add(&mut self, input: Bytes) {
        self.0.insert(keccak256(&input).into(), input);
    }

    /// How the slot `slot` comes about, as far as it is known.
    pub(super) fn path(&self, slot: U256) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = slot;
        while steps.len() < 2 * MOST_STEPS {
            let nearest = self.0.range(..=at).next_back();
            let near = nearest.map(|(hash, input)| (at - *hash, input));
            let Some((offset, input)) = near.filter(|(offset, _)| *offset < U256::from(REACH))
            else {
                break;
            };
            if let Some(offset) = u64::try_from(offset).ok().filter(|offset| *offset > 0) {
                steps.push(Step::Offset(offset));
            }
            let (key, base) = self.key_and_base(input);
            steps.push(if key.is_empty() { Step::Elements } else { Step::Key(key) });
            at = base;
        }
        steps.push(Step::Root(at));
        steps.reverse();
        steps
    }

    /// What was hashed: a key before its base, as Solidity does, or behind it, as Vyper does.
    fn key_and_base(&self, input: &Bytes) -> (Bytes, U256) {
        let word = |at: usize| U256::from_be_slice(&input[at..at + 32]);
        let end = input.len() - 32;
        let is_base = |number: U256| {
            number < U256::from(REACH)
                || self
                    .0
                    .range(..=number)
                    .next_back()
                    .is_some_and(|(hash, _)| number - *hash < U256::from(REACH))
        };
        if input.len() == 64 && !is_base(word(32)) && is_base(word(0)) {
            return (input.slice(32..), word(0));
        }
        (input.slice(..end), word(end))
    }

    #[cfg(test)]
    pub(super) fn of(inputs: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut all = Self::default();
        inputs.into_iter().for_each(|input| all.add(input.into()));
        all
    }
}

impl<CTX> Inspector<CTX> for Preimages {
    fn step(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        if interp.bytecode.opcode() != opcode::KECCAK256 {
            return;
        }
        let [.., size, offset] = interp.stack.data()[..] else { return };
        let (Ok(offset), Ok(size)) = (usize::try_from(offset), usize::try_from(size)) else {
            return;
        };
        // What lies beyond the memory is zero; no key of a mapping is put there without writing.
        let end = offset.checked_add(size).filter(|end| *end <= interp.memory.size());
        if let Some(end) = end.filter(|_| (32..=MOST_BYTES).contains(&size)) {
            self.add(Bytes::copy_from_slice(&interp.memory.slice(offset..end)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(number: u64) -> Vec<u8> {
        U256::from(number).to_be_bytes::<32>().to_vec()
    }

    #[test]
    fn a_path_leads_from_a_base_over_keys_and_elements() {
        let inner = [word(7), word(3)].concat();
        let inner_hash = keccak256(&inner).to_vec();
        let outer = [word(9), inner_hash].concat();
        let text = [b"key".to_vec(), word(5)].concat();
        let array = word(4);
        let vyper = [word(6), vec![0xff; 32]].concat();
        let all = [&inner, &outer, &text, &array, &vyper].map(Clone::clone);
        let preimages = Preimages::of(all);
        let at = |input: &[u8], offset: u64| {
            preimages.path(U256::from_be_bytes(keccak256(input).0) + U256::from(offset))
        };
        let root = |number: u64| Step::Root(U256::from(number));
        let key = |number: u64| Step::Key(word(number).into());
        assert_eq!(preimages.path(U256::from(2)), [root(2)]);
        assert_eq!(at(&inner, 0), [root(3), key(7)]);
        assert_eq!(at(&outer, 2), [root(3), key(7), key(9), Step::Offset(2)]);
        assert_eq!(at(&text, 0), [root(5), Step::Key(b"key".to_vec().into())]);
        assert_eq!(at(&array, 6), [root(4), Step::Elements, Step::Offset(6)]);
        assert_eq!(at(&vyper, 0), [root(6), Step::Key(vec![0xff; 32].into())]);
    }
}

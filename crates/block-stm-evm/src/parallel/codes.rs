//! Code by its hash: what the block created or deployed, and what came along with accounts.
//!
//! Code is named by its content, so it needs no versions: whatever incarnation stored it, it is
//! right. That some account *has* this code is versioned, in its
//! [`AccountState`](super::AccountState).

use std::sync::{PoisonError, RwLock};

use alloy_primitives::{B256, Bytes, map::B256Map};
use block_stm::BoxError;
use revm::state::Bytecode;

use super::{base::Base, code_hashes::CodeHashes};
use crate::{access_list::code_bytes, block_state::Fields};

/// Code that is not, or not necessarily, in the host's state under its hash. Shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    by_hash: RwLock<B256Map<Bytecode>>,
    pub(crate) hashes: CodeHashes,
}

impl Codes {
    pub(crate) fn get(&self, hash: &B256) -> Option<Bytecode> {
        let codes = self.by_hash.read().unwrap_or_else(PoisonError::into_inner);
        codes.get(hash).cloned()
    }

    /// The code of an account with `fields` that was given it in this block; empty if it has none.
    pub(crate) fn bytes(&self, fields: &Fields) -> Bytes {
        code_bytes(fields, self.get(&fields.code_hash).as_ref())
    }

    pub(crate) fn insert(&self, hash: B256, code: &Bytecode) {
        if self.get(&hash).is_none() {
            let mut codes = self.by_hash.write().unwrap_or_else(PoisonError::into_inner);
            codes.entry(hash).or_insert_with(|| code.clone());
        }
    }
}

/// How often a worker runs code before it pays for a copy of its own.
const USES_BEFORE_COPY: u32 = 256;

/// The code that one worker has run in this block.
#[derive(Debug, Default)]
pub(crate) struct WorkerCodes(B256Map<WorkerCode>);

#[derive(Debug)]
struct WorkerCode {
    code: Bytecode,
    uses: u32,
}

impl WorkerCodes {
    /// The code with the hash `hash`.
    ///
    /// revm counts references to code with each call, which, for code shared by all workers, would
    /// send its counter from core to core. So hot code is copied for each worker.
    pub(crate) fn get(
        &mut self,
        hash: B256,
        shared: &Codes,
        base: &dyn Base,
    ) -> Result<Bytecode, BoxError> {
        if let Some(known) = self.0.get_mut(&hash) {
            known.uses = known.uses.saturating_add(1);
            if known.uses == USES_BEFORE_COPY && known.code.is_legacy() {
                let bytes = Bytes::copy_from_slice(known.code.original_byte_slice());
                known.code = Bytecode::new_legacy(bytes);
            }
            return Ok(known.code.clone());
        }
        let code = match shared.get(&hash) {
            Some(code) => code,
            None => base.code(hash)?,
        };
        let first = WorkerCode { code: code.clone(), uses: 1 };
        self.0.insert(hash, first);
        Ok(code)
    }
}

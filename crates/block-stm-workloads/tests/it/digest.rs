//! A canonical encoding of a generated block, hashed.

use alloy_primitives::U256;
use block_stm_evm::revm::context::{BlockEnv, TxEnv};
use block_stm_workloads::Generated;

/// BLAKE3 of the block and the pre-state, in hexadecimal.
pub(crate) fn digest(generated: &Generated) -> String {
    let mut hasher = Encoder::default();
    let block = &generated.block;
    hasher.number(u8::from(block.spec));
    hasher.number(block.chain_id);
    hasher.bytes(block.parent_hash);
    hasher.bytes(block.parent_beacon_block_root.unwrap_or_default());
    hasher.env(&block.env);
    hasher.number(block.txns.len() as u64);
    block.txns.iter().for_each(|txn| hasher.txn(txn));
    hasher.pre_state(generated);
    for index in &generated.planned_reverts {
        hasher.number(*index as u64);
    }
    hasher.0.finalize().to_hex().to_string()
}

/// Every number is 32 bytes, every byte string comes after its length.
#[derive(Default)]
struct Encoder(blake3::Hasher);

impl Encoder {
    fn number(&mut self, number: impl Into<u128>) {
        self.word(U256::from(number.into()));
    }

    fn word(&mut self, word: U256) {
        self.0.update(&word.to_be_bytes::<32>());
    }

    fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.number(bytes.as_ref().len() as u64);
        self.0.update(bytes.as_ref());
    }

    fn env(&mut self, env: &BlockEnv) {
        self.word(env.number);
        self.bytes(env.beneficiary);
        self.word(env.timestamp);
        self.number(env.gas_limit);
        self.number(env.basefee);
        self.bytes(env.prevrandao.unwrap_or_default());
    }

    fn txn(&mut self, txn: &TxEnv) {
        self.number(txn.tx_type);
        self.bytes(txn.caller);
        self.number(txn.nonce);
        self.number(txn.gas_limit);
        self.number(txn.gas_price);
        self.number(txn.gas_priority_fee.unwrap_or_default());
        self.number(txn.chain_id.unwrap_or_default());
        self.bytes(txn.kind.to().copied().unwrap_or_default());
        self.word(txn.value);
        self.bytes(&txn.data);
    }

    fn pre_state(&mut self, generated: &Generated) {
        let mut accounts: Vec<_> = generated.pre_state.accounts().collect();
        accounts.sort_by_key(|(address, _)| **address);
        self.number(accounts.len() as u64);
        for (address, account) in accounts {
            self.bytes(address);
            self.word(account.info.balance);
            self.number(account.info.nonce);
            self.bytes(account.info.code_hash);
            let mut slots: Vec<_> = account.storage.iter().collect();
            slots.sort();
            self.number(slots.len() as u64);
            for (slot, value) in slots {
                self.word(*slot);
                self.word(*value);
            }
        }
        for (number, hash) in generated.pre_state.block_hashes() {
            self.number(*number);
            self.bytes(hash);
        }
    }
}

//! What a node is asked, and what its answers must be.

use block_stm_chain::import::json::{Alloc, Quantity};
use block_stm_evm::revm::{
    primitives::{Address, B256, Bytes, U256},
    state::{AccountInfo, Bytecode},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use super::rpc::{Rpc, RpcError};

/// Bytes of a number, a hash, an account.
const SMALL: u64 = 1 << 20;
/// Bytes of a block, its receipts, or proofs: several times what fits into the largest block.
const BLOCK: u64 = 1 << 28;
/// Bytes of the traces of a block.
const TRACES: u64 = 1 << 30;

/// A node with the state of a chain.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) rpc: Rpc,
}

/// What a block says of itself, as far as fetching goes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a block")]
pub(super) struct Facts {
    pub(super) hash: B256,
    pub(super) number: Quantity<u64>,
    pub(super) parent_hash: B256,
    #[serde(default)]
    pub(super) uncles: Vec<B256>,
}

/// A block as the node wrote it.
#[derive(Debug)]
pub(super) struct RawBlock {
    pub(super) json: Box<RawValue>,
    pub(super) facts: Facts,
}

/// One transaction's receipt, as far as it is compared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a receipt")]
pub(super) struct Receipt {
    pub(super) transaction_hash: B256,
    pub(super) cumulative_gas_used: Quantity<u64>,
    pub(super) status: Option<Quantity<u8>>,
    pub(super) logs: Vec<Value>,
}

/// An account with proofs of it and of some of its slots.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a proof of an account")]
pub(super) struct Proof {
    pub(super) address: Address,
    pub(super) account_proof: Vec<Bytes>,
    pub(super) balance: Quantity<U256>,
    pub(super) nonce: Quantity<u64>,
    pub(super) code_hash: B256,
    pub(super) storage_hash: B256,
    pub(super) storage_proof: Vec<SlotProof>,
}

/// A slot with its proof.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a proof of a slot")]
pub(super) struct SlotProof {
    pub(super) key: Quantity<U256>,
    pub(super) value: Quantity<U256>,
    pub(super) proof: Vec<Bytes>,
}

/// What the prestate tracer says of one transaction.
#[derive(Deserialize)]
#[serde(expecting = "a trace")]
pub(super) struct Trace {
    pub(super) result: Option<Alloc>,
}

impl Node {
    fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
        max: u64,
    ) -> Result<T, RpcError> {
        parsed(method, &self.rpc.call(method, params, max)?)
    }

    fn number(&self, method: &'static str) -> Result<u64, RpcError> {
        self.ask::<Quantity<u64>>(method, &json!([]), SMALL).map(|number| number.0)
    }

    /// The chain's id.
    pub(super) fn chain_id(&self) -> Result<u64, RpcError> {
        self.number("eth_chainId")
    }

    /// The number of the newest block.
    pub(super) fn head(&self) -> Result<u64, RpcError> {
        self.number("eth_blockNumber")
    }

    /// The block `number` with its transactions, if there is one.
    pub(super) fn block(&self, number: u64) -> Result<Option<RawBlock>, RpcError> {
        self.block_at(number, true)
    }

    /// The block `number` with the hashes of its transactions, if there is one.
    pub(super) fn header(&self, number: u64) -> Result<Option<RawBlock>, RpcError> {
        self.block_at(number, false)
    }

    fn block_at(&self, number: u64, whole: bool) -> Result<Option<RawBlock>, RpcError> {
        let method = "eth_getBlockByNumber";
        let json = self.rpc.call(method, &json!([hex(number), whole]), BLOCK)?;
        if json.get() == "null" {
            return Ok(None);
        }
        let facts: Facts = parsed(method, &json)?;
        if facts.number.0 != number {
            let message = format!("the answer is block {}, not {number}", facts.number.0);
            return Err(RpcError::Wrong { method, message });
        }
        Ok(Some(RawBlock { json, facts }))
    }

    /// The header of an ommer.
    pub(super) fn ommer(&self, block: B256, index: usize) -> Result<Box<RawValue>, RpcError> {
        let params = json!([block, hex(index as u64)]);
        self.rpc.call("eth_getUncleByBlockHashAndIndex", &params, SMALL)
    }

    /// The accounts that each transaction of a block touches, before it.
    pub(super) fn traces(&self, block: B256) -> Result<Vec<Trace>, RpcError> {
        // Without `includeEmpty`, geth leaves out what a transaction creates.
        let config = json!({"tracer": "prestateTracer", "tracerConfig": {"includeEmpty": true}});
        self.ask("debug_traceBlockByHash", &json!([block, config]), TRACES)
    }

    /// The receipts of a block, as the node wrote them, and parsed.
    pub(super) fn receipts(&self, block: B256) -> Result<(Box<RawValue>, Vec<Receipt>), RpcError> {
        let method = "eth_getBlockReceipts";
        let json = self.rpc.call(method, &json!([block]), BLOCK)?;
        let receipts = parsed(method, &json)?;
        Ok((json, receipts))
    }

    /// An account at the end of block `at`; one without anything is none.
    pub(super) fn account(
        &self,
        address: Address,
        at: u64,
    ) -> Result<Option<AccountInfo>, RpcError> {
        let params = json!([address, hex(at)]);
        let balance: Quantity<U256> = self.ask("eth_getBalance", &params, SMALL)?;
        let nonce: Quantity<u64> = self.ask("eth_getTransactionCount", &params, SMALL)?;
        let method = "eth_getCode";
        let code: Bytes = self.ask(method, &params, SMALL)?;
        let code = Bytecode::new_raw_checked(code)
            .map_err(|error| RpcError::Wrong { method, message: error.to_string() })?;
        let info = AccountInfo::default().with_balance(balance.0).with_nonce(nonce.0);
        let info = info.with_code(code);
        Ok((!info.is_empty()).then_some(info))
    }

    /// A slot at the end of block `at`.
    pub(super) fn slot(&self, address: Address, slot: U256, at: u64) -> Result<U256, RpcError> {
        let params = json!([address, B256::from(slot), hex(at)]);
        self.ask::<Quantity<U256>>("eth_getStorageAt", &params, SMALL).map(|value| value.0)
    }

    /// An account at the end of block `at` with proofs.
    pub(super) fn proof(
        &self,
        address: Address,
        slots: &[U256],
        at: u64,
    ) -> Result<(Box<RawValue>, Proof), RpcError> {
        let method = "eth_getProof";
        let slots: Vec<_> = slots.iter().map(|slot| B256::from(*slot)).collect();
        let json = self.rpc.call(method, &json!([address, slots, hex(at)]), BLOCK)?;
        let proof = parsed(method, &json)?;
        Ok((json, proof))
    }

    /// What the node says of itself and its chain, if it answers `method`.
    pub(super) fn about(&self, method: &'static str) -> Result<Option<Value>, RpcError> {
        match self.ask(method, &json!([]), SMALL) {
            Err(RpcError::Unsupported { .. } | RpcError::Refused { .. }) => Ok(None),
            other => other.map(Some),
        }
    }
}

fn parsed<T: DeserializeOwned>(method: &'static str, json: &RawValue) -> Result<T, RpcError> {
    let parsed = serde_json::from_str(json.get());
    parsed.map_err(|error| {
        let message = format!("the answer is not what it should be: {error}");
        RpcError::Wrong { method, message }
    })
}

/// A number as nodes take it.
fn hex(number: u64) -> String {
    format!("{number:#x}")
}

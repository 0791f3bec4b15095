//! The methods by their names, and the threads that answer them.

use std::{sync::Arc, time::Duration};

use jsonrpsee::{
    RpcModule,
    types::{ErrorObjectOwned, Params},
};
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;

use crate::{
    answer::{Answer, Args},
    blocks, call, chain,
    fault::Fault,
    logs,
    node::Node,
    proof, receipts, state, trace,
};

/// Answers a request.
type Method = fn(&Node, &mut Args<'_>) -> Result<Answer, Fault>;

/// How much a method asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// It reads a block or an account.
    Light,
    /// It executes, hashes, recovers signatures, or goes over many blocks.
    Heavy,
    /// It shows a block: heavy with its transactions, whose senders are recovered.
    Block,
}

impl Weight {
    /// Whether a request with these parameters is heavy.
    fn is_heavy(self, params: &Params<'_>) -> bool {
        match self {
            Self::Light => false,
            Self::Heavy => true,
            Self::Block => {
                let mut params = params.sequence();
                let block = params.next::<IgnoredAny>();
                block.is_ok() && matches!(params.optional_next::<bool>(), Ok(Some(true)))
            }
        }
    }
}

use Weight::{Block, Heavy, Light};

const METHODS: [(&str, Weight, Method); 24] = [
    ("web3_clientVersion", Light, chain::version),
    ("net_version", Light, chain::network),
    ("eth_chainId", Light, chain::chain_id),
    ("eth_blockNumber", Light, chain::block_number),
    ("eth_syncing", Light, chain::syncing),
    ("eth_getBlockByNumber", Block, blocks::block_by_number),
    ("eth_getBlockByHash", Block, blocks::block_by_hash),
    ("eth_getBlockTransactionCountByNumber", Light, blocks::txn_count_by_number),
    ("eth_getBlockTransactionCountByHash", Light, blocks::txn_count_by_hash),
    ("eth_getTransactionByHash", Light, blocks::txn_by_hash),
    ("eth_getTransactionByBlockNumberAndIndex", Light, blocks::txn_by_number),
    ("eth_getTransactionByBlockHashAndIndex", Light, blocks::txn_by_block_hash),
    ("eth_getTransactionReceipt", Light, receipts::receipt),
    ("eth_getBlockReceipts", Heavy, receipts::block_receipts),
    ("eth_getBalance", Light, state::balance),
    ("eth_getTransactionCount", Light, state::nonce),
    ("eth_getCode", Light, state::code),
    ("eth_getStorageAt", Light, state::slot),
    ("eth_call", Heavy, call::call),
    ("eth_estimateGas", Heavy, call::estimate_gas),
    ("eth_getLogs", Heavy, logs::logs),
    ("eth_getProof", Heavy, proof::proof),
    ("debug_traceBlockByNumber", Heavy, trace::by_number),
    ("debug_traceBlockByHash", Heavy, trace::by_hash),
];

/// The names of all methods.
pub fn method_names() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(name, _, _)| *name)
}

/// Who may work: so many of each weight at the same time.
#[derive(Debug)]
struct Gate {
    node: Arc<Node>,
    light: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    /// How long a request waits for others.
    patience: Duration,
}

impl Gate {
    /// Answers a request on a thread that may wait for the disk.
    async fn answer(
        &self,
        (weight, method): (Weight, Method),
        params: Params<'static>,
    ) -> Result<Answer, ErrorObjectOwned> {
        let semaphore = if weight.is_heavy(&params) { &self.heavy } else { &self.light };
        let turn = Arc::clone(semaphore).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(self.patience, turn).await else {
            return Err(Fault::Limit("the server is busy: ask again".to_owned()).into());
        };
        let node = Arc::clone(&self.node);
        let work = move || {
            // Held to the end, also if the client is gone by then.
            let _permit = permit;
            method(&node, &mut Args(params.sequence()))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => Ok(answer?),
            // A bug, whose message is on standard error.
            Err(_) => Err(Fault::Store("the request failed".to_owned()).into()),
        }
    }
}

/// All methods, on `node`.
pub(crate) fn module(node: Arc<Node>) -> RpcModule<()> {
    let limits = node.limits;
    let gate = Arc::new(Gate {
        node,
        light: Arc::new(Semaphore::new(limits.light)),
        heavy: Arc::new(Semaphore::new(limits.heavy)),
        // The rest of its time is for the work, and for the answer on its way.
        patience: limits.request_time.saturating_sub(limits.work_time) / 2,
    });
    let mut module = RpcModule::new(());
    for (name, weight, method) in METHODS {
        let gate = Arc::clone(&gate);
        let registered = module.register_async_method(name, move |params, _, _| {
            let gate = Arc::clone(&gate);
            async move { gate.answer((weight, method), params).await }
        });
        registered.expect("each method is there once");
    }
    module
}

//! A block and a state as a host of alloy-evm has them.

use std::{borrow::Cow, cell::Cell, rc::Rc, sync::Arc};

use alloy_consensus::{
    Header, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy,
    transaction::Recovered,
};
use alloy_evm::{
    EvmEnv,
    eth::EthBlockExecutionCtx,
    revm::{
        Database, DatabaseRef,
        context::{DBErrorMarker, TxEnv},
        state::{AccountInfo, Bytecode},
    },
};
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use block_stm_evm::{Block, PreState, PreStateError};

/// A block, and the state before it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) block: Block,
    pub(crate) state: Arc<PreState>,
    ommers: Vec<Header>,
    /// The transactions as they were signed, if they were.
    recovered: Vec<Recovered<TxEnvelope>>,
}

/// A transaction as an executor takes it.
pub(crate) type Txn = (TxEnv, Recovered<TxEnvelope>);

impl Given {
    pub(crate) fn new(block: &Block, state: &PreState) -> Self {
        let ommers = block.ommers.iter().map(|ommer| Header {
            number: ommer.number,
            beneficiary: ommer.beneficiary,
            ..Header::default()
        });
        let (ommers, recovered) = (ommers.collect(), Vec::new());
        Self { block: block.clone(), state: Arc::new(state.clone()), ommers, recovered }
    }

    pub(crate) fn with_ommers(mut self, ommers: Vec<Header>) -> Self {
        self.ommers = ommers;
        self
    }

    /// With the transactions as they were signed, and by whom.
    pub(crate) fn with_recovered(mut self, txns: Vec<(TxEnvelope, Address)>) -> Self {
        let txns = txns.into_iter();
        self.recovered = txns.map(|(txn, from)| Recovered::new_unchecked(txn, from)).collect();
        self
    }

    pub(crate) fn env(&self) -> EvmEnv {
        EvmEnv { cfg_env: self.block.cfg_env(), block_env: self.block.env.clone() }
    }

    pub(crate) fn ctx(&self) -> EthBlockExecutionCtx<'_> {
        EthBlockExecutionCtx {
            parent_hash: self.block.parent_hash,
            parent_beacon_block_root: self.block.parent_beacon_block_root,
            ommers: &self.ommers,
            withdrawals: Some(Cow::Borrowed(&self.block.withdrawals)),
            extra_data: Default::default(),
            tx_count_hint: None,
            slot_number: None,
        }
    }

    pub(crate) fn txns(&self) -> impl Iterator<Item = Txn> + Clone {
        self.block.txns.iter().enumerate().map(|(place, txn)| {
            let made = || Recovered::new_unchecked(envelope(txn), txn.caller);
            (txn.clone(), self.recovered.get(place).cloned().unwrap_or_else(made))
        })
    }

    /// A database for the thread that calls.
    pub(crate) fn database(&self) -> Local {
        let (state, fails_at) = (self.state.clone(), u64::MAX);
        Local { state, fails_at, panics: false, reads: Rc::new(Cell::new(0)) }
    }
}

/// A transaction of the same type, gas and blobs, without a valid signature.
fn envelope(txn: &TxEnv) -> TxEnvelope {
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    let (nonce, gas_limit, value) = (txn.nonce, txn.gas_limit, txn.value);
    let (to, input, chain_id) = (txn.kind, txn.data.clone(), 1);
    let called = match txn.kind {
        TxKind::Call(to) => to,
        TxKind::Create => Address::ZERO,
    };
    match txn.tx_type {
        0 => TxLegacy { nonce, gas_limit, value, to, input, ..TxLegacy::default() }
            .into_signed(signature)
            .into(),
        1 => TxEip2930 { chain_id, nonce, gas_limit, value, to, input, ..TxEip2930::default() }
            .into_signed(signature)
            .into(),
        2 => TxEip1559 { chain_id, nonce, gas_limit, value, to, input, ..TxEip1559::default() }
            .into_signed(signature)
            .into(),
        3 => {
            let blob_versioned_hashes = txn.blob_hashes.clone();
            let txn = TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                value,
                to: called,
                input,
                blob_versioned_hashes,
                ..TxEip4844::default()
            };
            txn.into_signed(signature).into()
        }
        4 => {
            let txn = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                value,
                to: called,
                input,
                ..TxEip7702::default()
            };
            txn.into_signed(signature).into()
        }
        other => panic!("transactions of type {other} are unknown"),
    }
}

/// A database that is neither `Sync` nor `Send` nor a `DatabaseRef`, and can be made to fail.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    state: Arc<PreState>,
    pub(crate) fails_at: u64,
    pub(crate) panics: bool,
    pub(crate) reads: Rc<Cell<u64>>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("disk on fire")]
    OnFire,
    #[error("{0}")]
    State(PreStateError),
}

impl DBErrorMarker for LocalError {}

impl Local {
    fn read<T>(
        &self,
        read: impl FnOnce(&PreState) -> Result<T, PreStateError>,
    ) -> Result<T, LocalError> {
        let number = self.reads.get();
        self.reads.set(number + 1);
        match number == self.fails_at {
            true if self.panics => std::panic::panic_any("disk exploded"),
            true => Err(LocalError::OnFire),
            false => read(&self.state).map_err(LocalError::State),
        }
    }
}

impl Database for Local {
    type Error = LocalError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, LocalError> {
        self.read(|state| state.basic_ref(address))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, LocalError> {
        self.read(|state| state.code_by_hash_ref(hash))
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, LocalError> {
        self.read(|state| state.storage_ref(address, key))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, LocalError> {
        self.read(|state| state.block_hash_ref(number))
    }
}

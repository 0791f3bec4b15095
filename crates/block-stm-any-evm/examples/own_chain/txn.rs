//! The chain's transactions: Ethereum's, and deposits.

use alloy_evm::{
    IntoTxEnv,
    revm::{
        context::{Transaction, TxEnv},
        primitives::{Address, B256, Bytes, TxKind, U256},
    },
};

/// The type of deposits, which Ethereum does not have.
pub(crate) const DEPOSIT: u8 = 0x7e;

/// A transaction of the chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnTxn {
    pub(crate) base: TxEnv,
    /// What a deposit brings from elsewhere to its sender.
    pub(crate) mint: U256,
}

impl OwnTxn {
    /// A deposit: it has no signature and no nonce, and pays no fees.
    pub(crate) fn deposit(caller: Address, mint: U256, to: Address, value: U256) -> Self {
        let kind = TxKind::Call(to);
        let base =
            TxEnv { tx_type: DEPOSIT, caller, kind, value, gas_limit: 200_000, ..TxEnv::default() };
        Self { base, mint }
    }

    pub(crate) fn is_deposit(&self) -> bool {
        self.base.tx_type == DEPOSIT
    }
}

impl From<TxEnv> for OwnTxn {
    fn from(base: TxEnv) -> Self {
        Self { base, mint: U256::ZERO }
    }
}

impl IntoTxEnv<Self> for OwnTxn {
    fn into_tx_env(self) -> Self {
        self
    }
}

impl Transaction for OwnTxn {
    type AccessListItem<'a> = <TxEnv as Transaction>::AccessListItem<'a>;
    type Authorization<'a> = <TxEnv as Transaction>::Authorization<'a>;

    fn tx_type(&self) -> u8 {
        self.base.tx_type()
    }

    fn caller(&self) -> Address {
        self.base.caller()
    }

    fn gas_limit(&self) -> u64 {
        self.base.gas_limit()
    }

    fn value(&self) -> U256 {
        self.base.value()
    }

    fn input(&self) -> &Bytes {
        self.base.input()
    }

    fn nonce(&self) -> u64 {
        self.base.nonce()
    }

    fn kind(&self) -> TxKind {
        self.base.kind()
    }

    fn chain_id(&self) -> Option<u64> {
        self.base.chain_id()
    }

    fn gas_price(&self) -> u128 {
        self.base.gas_price()
    }

    fn access_list(&self) -> Option<impl Iterator<Item = Self::AccessListItem<'_>>> {
        self.base.access_list()
    }

    fn blob_versioned_hashes(&self) -> &[B256] {
        self.base.blob_versioned_hashes()
    }

    fn max_fee_per_blob_gas(&self) -> u128 {
        self.base.max_fee_per_blob_gas()
    }

    fn authorization_list_len(&self) -> usize {
        self.base.authorization_list_len()
    }

    fn authorization_list(&self) -> impl Iterator<Item = Self::Authorization<'_>> {
        self.base.authorization_list()
    }

    fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.base.max_priority_fee_per_gas()
    }
}

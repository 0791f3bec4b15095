//! Whether a transaction still fits into the block, checked in block order.

use std::cmp::min;

use revm::{
    context::{
        Cfg, TransactionType, TxEnv,
        result::{InvalidTransaction, ResultGas},
        transaction::Transaction,
    },
    primitives::hardfork::SpecId,
};

use crate::{Block, InvalidTxnReason};

/// Gas and blob gas that a block has used so far, and what it has left.
///
/// Fed in block order with what every committed transaction used. A transaction that is left out
/// uses nothing.
#[derive(Clone, Debug)]
pub(crate) struct BlockGas {
    gas_limit: u64,
    blob_gas_limit: u64,
    /// Whether the rules know set-code transactions.
    set_code: bool,
    /// From Amsterdam on: most of a transaction's limit that counts as regular gas (EIP-8037).
    two_dimensional_cap: Option<u64>,
    cumulative: u64,
    regular: u64,
    state: u64,
    blob: u64,
}

impl BlockGas {
    /// Nothing used yet.
    pub(crate) fn new(block: &Block) -> Self {
        let amsterdam = block.spec.is_enabled_in(SpecId::AMSTERDAM);
        let blobs = block.blob_limits();
        Self {
            gas_limit: block.env.gas_limit,
            blob_gas_limit: blobs.map_or(0, |blobs| blobs.max_blob_gas_per_block()),
            set_code: block.spec.is_enabled_in(SpecId::PRAGUE),
            two_dimensional_cap: amsterdam.then(|| block.cfg_env().tx_gas_limit_cap()),
            cumulative: 0,
            regular: 0,
            state: 0,
            blob: 0,
        }
    }

    /// Checks that the block has room for all that `txn` may use.
    ///
    /// # Errors
    ///
    /// [`InvalidTxnReason::BlockGas`] or [`InvalidTxnReason::BlobGas`], and what revm leaves to
    /// others: [`InvalidTxnReason::SetCodeCreate`] and revm's
    /// [`BlobCreateTransaction`](InvalidTransaction::BlobCreateTransaction). A transaction of a
    /// type that comes later passes; that it is unknown is for revm to say.
    pub(crate) fn admit(&self, txn: &TxEnv) -> Result<(), InvalidTxnReason> {
        let fits = |gas_limit: u64, used: u64| {
            let available = self.gas_limit.saturating_sub(used);
            let reason = InvalidTxnReason::BlockGas { gas_limit, available };
            (gas_limit <= available).then_some(()).ok_or(reason)
        };
        match self.two_dimensional_cap {
            None => fits(txn.gas_limit, self.cumulative)?,
            Some(cap) => {
                fits(min(txn.gas_limit, cap), self.regular)?;
                fits(txn.gas_limit, self.state)?;
            }
        }
        if self.blob_gas_limit > 0
            && txn.tx_type == TransactionType::Eip4844
            && txn.kind.is_create()
        {
            // No encoding has room for it, and revm does not look.
            return Err(InvalidTransaction::BlobCreateTransaction.into());
        }
        if self.set_code && txn.tx_type == TransactionType::Eip7702 && txn.kind.is_create() {
            return Err(InvalidTxnReason::SetCodeCreate);
        }
        let blob_gas = txn.total_blob_gas();
        let available = self.blob_gas_limit.saturating_sub(self.blob);
        if self.blob_gas_limit > 0 && blob_gas > available {
            return Err(InvalidTxnReason::BlobGas { blob_gas, available });
        }
        Ok(())
    }

    /// Checks that the block has room for one transaction after another, each of which used what
    /// stands beside it.
    ///
    /// # Errors
    ///
    /// The place of the first that has no room, with the reason.
    pub(crate) fn admit_all<'t>(
        &self,
        txns: impl Iterator<Item = (&'t TxEnv, &'t ResultGas)>,
    ) -> Result<(), (usize, InvalidTxnReason)> {
        let mut gas = self.clone();
        for (place, (txn, used)) in txns.enumerate() {
            gas.admit(txn).map_err(|reason| (place, reason))?;
            gas.record(txn, used);
        }
        Ok(())
    }

    /// Counts a transaction that was executed, and returns the block's cumulative gas for its
    /// receipt.
    pub(crate) fn record(&mut self, txn: &TxEnv, gas: &ResultGas) -> u64 {
        self.cumulative = self.cumulative.saturating_add(gas.tx_gas_used());
        self.regular = self.regular.saturating_add(gas.block_regular_gas_used());
        self.state = self.state.saturating_add(gas.block_state_gas_used());
        self.blob = self.blob.saturating_add(txn.total_blob_gas());
        self.cumulative
    }

    /// How much of the block's gas limit `txn` has used if it was admitted: of admitted
    /// transactions, these never sum up to more than the limit.
    pub(crate) fn used_of_limit(&self, txn: &TxEnv, gas: &ResultGas) -> u64 {
        // Not more than was asked for, so that this holds whatever revm counts.
        match self.two_dimensional_cap {
            None => min(gas.tx_gas_used(), txn.gas_limit),
            Some(cap) => min(gas.block_regular_gas_used(), min(txn.gas_limit, cap)),
        }
    }

    /// The header's gas used: what the transactions paid for, from Amsterdam on the larger
    /// dimension before refunds.
    pub(crate) fn gas_used(&self) -> u64 {
        match self.two_dimensional_cap {
            None => self.cumulative,
            Some(_) => self.regular.max(self.state),
        }
    }

    /// The header's blob gas used.
    pub(crate) fn blob_gas_used(&self) -> u64 {
        self.blob
    }
}

#[cfg(test)]
mod tests {
    use revm::{
        context::BlockEnv,
        primitives::{B256, TxKind},
    };

    use super::*;

    fn block(spec: SpecId, gas_limit: u64) -> BlockGas {
        let env = BlockEnv { gas_limit, ..BlockEnv::default() };
        BlockGas::new(&Block::new(spec, env, Vec::new()))
    }

    fn txn(gas_limit: u64, blobs: usize) -> TxEnv {
        TxEnv { gas_limit, blob_hashes: vec![B256::ZERO; blobs], ..TxEnv::default() }
    }

    #[test]
    fn a_limit_may_use_up_the_block_but_not_one_more() {
        let mut gas = block(SpecId::LONDON, 100_000);
        gas.record(&txn(60_000, 0), &ResultGas::default().with_total_gas_spent(40_000));
        assert_eq!(gas.admit(&txn(60_000, 0)), Ok(()));
        let refused = InvalidTxnReason::BlockGas { gas_limit: 60_001, available: 60_000 };
        assert_eq!(gas.admit(&txn(60_001, 0)), Err(refused));
    }

    #[test]
    fn blobs_create_no_contracts() {
        let mut create = txn(0, 1);
        create.tx_type = TransactionType::Eip4844.into();
        assert_eq!(block(SpecId::CANCUN, u64::MAX).admit(&create), Ok(()));
        create.kind = TxKind::Create;
        let refused = InvalidTxnReason::Vm(InvalidTransaction::BlobCreateTransaction);
        assert_eq!(block(SpecId::CANCUN, u64::MAX).admit(&create), Err(refused));
    }

    #[test]
    fn set_code_transactions_create_no_contracts() {
        let mut create = txn(0, 0);
        create.tx_type = TransactionType::Eip7702.into();
        assert_eq!(block(SpecId::PRAGUE, u64::MAX).admit(&create), Ok(()));
        create.kind = TxKind::Create;
        for spec in [SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let admitted = block(spec, u64::MAX).admit(&create);
            assert_eq!(admitted, Err(InvalidTxnReason::SetCodeCreate), "{spec:?}");
        }
        // Of a type that does not exist yet, nothing else is wrong.
        assert_eq!(block(SpecId::CANCUN, u64::MAX).admit(&create), Ok(()));
        create.tx_type = TransactionType::Eip1559.into();
        assert_eq!(block(SpecId::PRAGUE, u64::MAX).admit(&create), Ok(()));
    }

    #[test]
    fn blobs_are_limited_per_block() {
        let mut gas = block(SpecId::CANCUN, u64::MAX);
        gas.record(&txn(0, 4), &ResultGas::default());
        assert_eq!(gas.blob_gas_used(), 4 << 17);
        assert_eq!(gas.admit(&txn(0, 2)), Ok(()));
        let refused = InvalidTxnReason::BlobGas { blob_gas: 3 << 17, available: 2 << 17 };
        assert_eq!(gas.admit(&txn(0, 3)), Err(refused));
    }

    #[test]
    fn from_amsterdam_on_regular_and_state_gas_have_a_budget_each() {
        let mut gas = block(SpecId::AMSTERDAM, 30_000_000);
        // The full limit counts against state gas, the capped one against regular gas.
        assert_eq!(gas.admit(&txn(30_000_000, 0)), Ok(()));
        let used =
            ResultGas::default().with_total_gas_spent(14_000_000).with_state_gas_spent(1_000_000);
        gas.record(&txn(14_000_000, 0), &used);
        assert_eq!(gas.gas_used(), 13_000_000);
        assert_eq!(gas.admit(&txn(29_000_000, 0)), Ok(()));
        assert!(gas.admit(&txn(29_000_001, 0)).is_err());
    }
}

//! Whether a transaction still fits into the block, by alloy-evm's rules.

use std::cmp::min;

use alloy_evm::{
    Evm,
    eth::{EthBlockExecutor, receipt_builder::ReceiptBuilder},
    revm::{
        context::{Block, CfgEnv, result::ResultGas},
        context_interface::Cfg,
        primitives::hardfork::SpecId,
    },
};
use block_stm_evm::InvalidTxnReason;

/// What the block has used so far, as `EthBlockExecutor` counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GasRoom {
    block_limit: u64,
    cumulative: u64,
    regular: u64,
    state: u64,
    /// The most that counts of a transaction's limit.
    cap: u64,
    /// From Amsterdam on: whether state gas has a budget of its own (EIP-8037).
    two_dimensional: bool,
    /// Whether the budget of state gas is enforced.
    limits_state: bool,
}

impl GasRoom {
    fn new<S: Into<SpecId> + Clone>(
        cfg: &CfgEnv<S>,
        block_limit: u64,
        skips_state_check: bool,
    ) -> Self {
        Self {
            block_limit,
            cumulative: 0,
            regular: 0,
            state: 0,
            cap: cfg.tx_gas_limit_cap(),
            two_dimensional: cfg.enable_amsterdam_eip8037,
            limits_state: cfg.enable_amsterdam_eip8037 && !skips_state_check,
        }
    }

    /// What the executor's block has used so far, and may use.
    pub(crate) fn of<E, Spec, R>(executor: &EthBlockExecutor<'_, E, Spec, R>) -> Self
    where
        E: Evm<Spec: Into<SpecId> + Clone>,
        R: ReceiptBuilder,
    {
        let limit = executor.evm.block().gas_limit();
        let skips = executor.skip_state_gas_capacity_check;
        Self {
            cumulative: executor.cumulative_tx_gas_used,
            regular: executor.block_regular_gas_used,
            state: executor.block_state_gas_used,
            ..Self::new(executor.evm.cfg_env(), limit, skips)
        }
    }

    /// Checks a transaction's gas limit against what is left.
    pub(crate) fn admit(&self, gas_limit: u64) -> Result<(), InvalidTxnReason> {
        let fits = |wanted: u64, used: u64| {
            let available = self.block_limit.saturating_sub(used);
            let reason = InvalidTxnReason::BlockGas { gas_limit, available };
            (wanted <= available).then_some(()).ok_or(reason)
        };
        let used = if self.two_dimensional { self.regular } else { self.cumulative };
        fits(min(gas_limit, self.cap), used)?;
        if self.limits_state { fits(gas_limit, self.state) } else { Ok(()) }
    }

    /// Counts what a transaction used.
    pub(crate) fn record(&mut self, gas: &ResultGas) {
        self.cumulative = self.cumulative.saturating_add(gas.tx_gas_used());
        self.regular = self.regular.saturating_add(gas.block_regular_gas_used());
        self.state = self.state.saturating_add(gas.block_state_gas_used());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(spec: SpecId, skips_state_check: bool) -> GasRoom {
        GasRoom::new(&CfgEnv::new_with_spec(spec), 30_000_000, skips_state_check)
    }

    fn used(total: u64, state: u64) -> ResultGas {
        ResultGas::default().with_total_gas_spent(total).with_state_gas_spent(state)
    }

    #[test]
    fn a_limit_may_use_up_the_block_but_not_one_more() {
        let mut room = room(SpecId::SHANGHAI, false);
        room.record(&used(10_000_000, 0));
        assert_eq!(room.admit(20_000_000), Ok(()));
        let reason = InvalidTxnReason::BlockGas { gas_limit: 20_000_001, available: 20_000_000 };
        assert_eq!(room.admit(20_000_001), Err(reason));
    }

    #[test]
    fn from_amsterdam_on_state_gas_has_a_budget_unless_the_host_has_none() {
        for skips in [false, true] {
            let mut room = room(SpecId::AMSTERDAM, skips);
            room.record(&used(12_000_000, 11_000_000));
            assert_eq!(room.admit(19_000_000), Ok(()));
            assert_eq!(room.admit(19_000_001).is_ok(), skips);
        }
    }
}

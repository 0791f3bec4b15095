//! The rules of one fork, for ever.

use alloy_eips::eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::Address;
use block_stm_evm::{Block, revm::primitives::hardfork::SpecId};

/// A chain on which a block's rules have always been in force.
#[derive(Clone, Debug)]
pub(crate) struct FixedSpec {
    spec: SpecId,
    deposits: Address,
}

impl FixedSpec {
    pub(crate) fn new(spec: SpecId) -> Self {
        Self { spec, deposits: MAINNET_DEPOSIT_CONTRACT_ADDRESS }
    }

    pub(crate) fn of(block: &Block) -> Self {
        Self { spec: block.spec, deposits: block.system_contracts.deposits }
    }
}

impl EthereumHardforks for FixedSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        let (spec, by_time) = match fork {
            EthereumHardfork::Frontier => (SpecId::FRONTIER, false),
            EthereumHardfork::Homestead => (SpecId::HOMESTEAD, false),
            EthereumHardfork::Tangerine => (SpecId::TANGERINE, false),
            EthereumHardfork::SpuriousDragon => (SpecId::SPURIOUS_DRAGON, false),
            EthereumHardfork::Byzantium => (SpecId::BYZANTIUM, false),
            EthereumHardfork::Constantinople | EthereumHardfork::Petersburg => {
                (SpecId::PETERSBURG, false)
            }
            EthereumHardfork::Istanbul => (SpecId::ISTANBUL, false),
            EthereumHardfork::Berlin => (SpecId::BERLIN, false),
            EthereumHardfork::London => (SpecId::LONDON, false),
            EthereumHardfork::Paris => (SpecId::MERGE, false),
            EthereumHardfork::Shanghai => (SpecId::SHANGHAI, true),
            EthereumHardfork::Cancun => (SpecId::CANCUN, true),
            EthereumHardfork::Prague => (SpecId::PRAGUE, true),
            EthereumHardfork::Osaka => (SpecId::OSAKA, true),
            EthereumHardfork::Amsterdam => (SpecId::AMSTERDAM, true),
            // Bombs that were put off, blob schedules, and the DAO.
            _ => return ForkCondition::Never,
        };
        match (self.spec.is_enabled_in(spec), by_time) {
            (false, _) => ForkCondition::Never,
            (true, false) => ForkCondition::Block(0),
            (true, true) => ForkCondition::Timestamp(0),
        }
    }
}

impl EthExecutorSpec for FixedSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        Some(self.deposits)
    }
}

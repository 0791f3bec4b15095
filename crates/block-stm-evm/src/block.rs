//! What a block's header and body mean to execution.

use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS, eip4895::Withdrawal,
    eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, eip7840::BlobParams,
};
use alloy_primitives::{Address, B256, U256};
use revm::{
    bytecode::opcode,
    context::{BlockEnv, CfgEnv, TxEnv},
    handler::instructions::EthInstructions,
    interpreter::{Host, Instruction, interpreter::EthInterpreter},
    primitives::hardfork::SpecId,
};

use crate::net_metering;

/// A block as execution sees it: rules, environment, transactions and what surrounds them.
///
/// The block is self-contained: nothing about it is looked up in a fork schedule or a header while
/// it is executed. [`Block::new`] fills in what follows from the rules alone; the methods that
/// return the block, and the public fields, set the rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Block {
    /// The rules that the block is executed under.
    pub spec: SpecId,
    /// EIP-155 chain id; a transaction for another chain is invalid.
    pub chain_id: u64,
    /// What the EVM's block opcodes answer, the gas limit and the beneficiary.
    pub env: BlockEnv,
    /// The transactions in order, senders already recovered.
    pub txns: Vec<TxEnv>,
    /// Hash of the parent block; written to the history contract from Prague on (EIP-2935).
    pub parent_hash: B256,
    /// Root of the parent beacon block; written to the beacon roots contract from Cancun on
    /// (EIP-4788).
    pub parent_beacon_block_root: Option<B256>,
    /// Withdrawals credited after the transactions, from Shanghai on (EIP-4895).
    pub withdrawals: Vec<Withdrawal>,
    /// Ommer headers that are rewarded after the transactions, before the Merge.
    pub ommers: Vec<Ommer>,
    /// Whether block and ommers are rewarded by the rules, or by a caller with rules of its own.
    pub rewards: Rewards,
    /// Whether this is the block at which the chain moves the DAO's balances (EIP-779).
    pub dao_fork: bool,
    /// Whether SSTORE costs what it did in Constantinople (EIP-1283), whose other rules are
    /// Petersburg's.
    pub net_metering: bool,
    /// Blob limits and the blob price's pace; `None` stands for the defaults of `spec`.
    pub blob_params: Option<BlobParams>,
    /// The contracts that the protocol itself calls or listens to.
    pub system_contracts: SystemContracts,
    /// Whether the transactions are all there is: no system calls, withdrawals, rewards or
    /// requests. The official state tests are made like that. As there, the producer's account is
    /// touched after the last transaction, which before EIP-161 brings it into being and later
    /// removes it if it is empty.
    pub txns_only: bool,
    /// Whether contracts are created where there is storage, as revm itself does it, against
    /// EIP-7610. Off, unless a host wants exactly what revm alone would do.
    pub creates_over_storage: bool,
    /// The host's configuration of revm, where it has one of its own.
    cfg: Option<Box<CfgEnv>>,
}

impl Block {
    /// A block of `txns` under the rules of `spec` on Ethereum mainnet's chain id, with nothing
    /// around the transactions.
    ///
    /// # Examples
    ///
    /// ```
    /// use block_stm_evm::{Block, revm::{context::BlockEnv, primitives::hardfork::SpecId}};
    ///
    /// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new()).chain_id(5);
    /// assert_eq!(block.cfg_env().chain_id, 5);
    /// ```
    pub fn new(spec: SpecId, env: BlockEnv, txns: Vec<TxEnv>) -> Self {
        Self {
            spec,
            chain_id: 1,
            env,
            txns,
            parent_hash: B256::ZERO,
            parent_beacon_block_root: None,
            withdrawals: Vec::new(),
            ommers: Vec::new(),
            rewards: Rewards::ByRules,
            dao_fork: false,
            net_metering: false,
            blob_params: None,
            system_contracts: SystemContracts::default(),
            txns_only: false,
            creates_over_storage: false,
            cfg: None,
        }
    }

    /// The same block with nothing around its transactions.
    pub fn txns_only(mut self) -> Self {
        self.txns_only = true;
        self
    }

    /// The same block under a configuration of the host's, which replaces all that follows from
    /// `spec`, `chain_id` and `blob_params`. It is honoured in every field, those of revm's
    /// `optional_*` features included. The first two are taken from it; to set `spec` to another
    /// value afterwards undoes this.
    ///
    /// # Cost
    ///
    /// Where a check of nonces or balances, or the charge of fees, is switched off, whatever
    /// changes a sender conflicts with its transactions, and no payment takes the short cut.
    ///
    /// # Examples
    ///
    /// ```
    /// use block_stm_evm::{
    ///     Block, revm::{context::{BlockEnv, CfgEnv}, primitives::hardfork::SpecId},
    /// };
    ///
    /// let mut cfg = CfgEnv::new_with_spec(SpecId::SHANGHAI).with_chain_id(7);
    /// cfg.limit_contract_code_size = Some(1 << 20);
    /// let block = Block::new(SpecId::CANCUN, BlockEnv::default(), Vec::new()).cfg(cfg.clone());
    /// assert_eq!((block.spec, block.chain_id, block.cfg_env()), (SpecId::SHANGHAI, 7, cfg));
    /// ```
    pub fn cfg(mut self, cfg: CfgEnv) -> Self {
        self.spec = cfg.spec;
        self.chain_id = cfg.chain_id;
        self.cfg = Some(Box::new(cfg));
        self
    }

    /// The same block on the chain `chain_id`.
    pub fn chain_id(mut self, chain_id: u64) -> Self {
        self.chain_id = chain_id;
        self
    }

    /// The same block after the parent `parent_hash`.
    pub fn parent_hash(mut self, parent_hash: B256) -> Self {
        self.parent_hash = parent_hash;
        self
    }

    /// The same block with the beacon chain's root of its parent.
    pub fn parent_beacon_block_root(mut self, root: B256) -> Self {
        self.parent_beacon_block_root = Some(root);
        self
    }

    /// The same block followed by `withdrawals`.
    pub fn withdrawals(mut self, withdrawals: Vec<Withdrawal>) -> Self {
        self.withdrawals = withdrawals;
        self
    }

    /// The same block with `blob_params` in place of the defaults of its rules.
    pub fn blob_params(mut self, blob_params: BlobParams) -> Self {
        self.blob_params = Some(blob_params);
        self
    }

    /// The block's number, saturated to 64 bits.
    pub fn number(&self) -> u64 {
        self.env.number.saturating_to()
    }

    /// The blob limits in force, or `None` before Cancun.
    pub fn blob_limits(&self) -> Option<BlobParams> {
        let default = match self.spec {
            spec if spec.is_enabled_in(SpecId::OSAKA) => BlobParams::osaka(),
            SpecId::PRAGUE => BlobParams::prague(),
            SpecId::CANCUN => BlobParams::cancun(),
            _ => return None,
        };
        Some(self.blob_params.unwrap_or(default))
    }

    /// Wei created for the block's producer, before the Merge: 5 ether, from Byzantium 3, from
    /// Constantinople 2.
    ///
    /// Sources: the yellow paper, EIP-649 and EIP-1234.
    pub fn block_reward(&self) -> u128 {
        const ETHER: u128 = 1_000_000_000_000_000_000;
        match self.spec {
            spec if spec.is_enabled_in(SpecId::MERGE) => 0,
            spec if spec.is_enabled_in(SpecId::PETERSBURG) => 2 * ETHER,
            spec if spec.is_enabled_in(SpecId::BYZANTIUM) => 3 * ETHER,
            _ => 5 * ETHER,
        }
    }

    /// The configuration under which revm executes this block's transactions.
    pub fn cfg_env(&self) -> CfgEnv {
        if let Some(cfg) = self.cfg.as_deref().filter(|cfg| cfg.spec == self.spec) {
            return cfg.clone().with_chain_id(self.chain_id);
        }
        let mut cfg = CfgEnv::new_with_spec(self.spec).with_chain_id(self.chain_id);
        if let Some(blobs) = self.blob_limits() {
            cfg.set_max_blobs_per_tx(blobs.max_blobs_per_tx.min(blobs.max_blob_count));
            cfg.blob_base_fee_update_fraction = u64::try_from(blobs.update_fraction).ok();
        }
        if self.net_metering {
            net_metering::set_prices(&mut cfg.gas_params);
        }
        cfg
    }

    /// Puts into revm's instructions for [`spec`](Self::spec) what this block has in place of them.
    /// Goes with [`cfg_env`](Self::cfg_env).
    pub fn adapt_instructions<H: Host>(
        &self,
        instructions: &mut EthInstructions<EthInterpreter, H>,
    ) {
        if self.net_metering {
            let table = instructions.instruction_table_mut();
            table[opcode::SSTORE as usize] = Instruction::new(net_metering::sstore::<H>);
        }
    }
}

/// What is credited for the work on a block, after its transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rewards {
    /// What the rules say: [`Block::block_reward`] and shares of it for [`Block::ommers`].
    #[default]
    ByRules,
    /// These amounts in wei, under any rules. A zero touches its account, which removes an empty
    /// one from Spurious Dragon on and creates it before.
    Given(Vec<(Address, U256)>),
}

/// An ommer (uncle) header, as far as the rewards need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ommer {
    /// Number of the ommer's own height; the reward falls with its distance from the block.
    pub number: u64,
    /// Who is rewarded.
    pub beneficiary: Address,
}

/// Addresses of the contracts that the protocol calls or listens to, the same on all chains but for
/// deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemContracts {
    /// Keeps the beacon chain's roots (EIP-4788).
    pub beacon_roots: Address,
    /// Keeps the hashes of past blocks (EIP-2935).
    pub history: Address,
    /// Emits deposit logs (EIP-6110); the address is mainnet's by default.
    pub deposits: Address,
    /// Queues withdrawal requests (EIP-7002).
    pub withdrawal_requests: Address,
    /// Queues consolidation requests (EIP-7251).
    pub consolidation_requests: Address,
}

impl Default for SystemContracts {
    fn default() -> Self {
        Self {
            beacon_roots: BEACON_ROOTS_ADDRESS,
            history: HISTORY_STORAGE_ADDRESS,
            deposits: MAINNET_DEPOSIT_CONTRACT_ADDRESS,
            withdrawal_requests: WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            consolidation_requests: CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_fall_with_the_rules() {
        let reward = |spec| Block::new(spec, BlockEnv::default(), Vec::new()).block_reward();
        let ether = 10_u128.pow(18);
        assert_eq!(reward(SpecId::SPURIOUS_DRAGON), 5 * ether);
        assert_eq!(reward(SpecId::BYZANTIUM), 3 * ether);
        assert_eq!(reward(SpecId::PETERSBURG), 2 * ether);
        assert_eq!(reward(SpecId::LONDON), 2 * ether);
        assert_eq!(reward(SpecId::MERGE), 0);
    }

    #[test]
    fn blob_limits_follow_the_rules_unless_set() {
        let block = |spec| Block::new(spec, BlockEnv::default(), Vec::new());
        assert_eq!(block(SpecId::SHANGHAI).blob_limits(), None);
        let cancun = block(SpecId::CANCUN).cfg_env();
        assert_eq!(cancun.max_blobs_per_tx, Some(6));
        assert_eq!(cancun.blob_base_fee_update_fraction, Some(3_338_477));
        let bpo2 = block(SpecId::OSAKA).blob_params(BlobParams::bpo2()).cfg_env();
        assert_eq!(bpo2.max_blobs_per_tx, Some(6));
        assert_eq!(bpo2.blob_base_fee_update_fraction, Some(11_684_671));
    }
}

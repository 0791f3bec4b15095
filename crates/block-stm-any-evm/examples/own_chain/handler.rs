//! The chain's rules for deposits and fees, over revm's handler.

use std::marker::PhantomData;

use alloy_evm::revm::{
    Inspector,
    context_interface::{
        Block, ContextTr, JournalTr, Transaction,
        journaled_state::account::JournaledAccountTr,
        result::{HaltReason, InvalidTransaction},
    },
    handler::{
        EthFrame, EvmTr, EvmTrError, FrameResult, Handler, post_execution::reimburse_caller,
        pre_execution, validation,
    },
    inspector::{InspectorEvmTr, InspectorHandler, JournalExt},
    interpreter::{InitialAndFloorGas, interpreter::EthInterpreter},
    primitives::{Address, U256},
    state::EvmState,
};

use super::txn::OwnTxn;

/// Where the base fee goes, which Ethereum burns.
pub(crate) const BASE_FEES: Address = Address::repeat_byte(0xf1);
/// Where the fee for data goes.
pub(crate) const DATA_FEES: Address = Address::repeat_byte(0xf2);

/// What each byte of a transaction's input costs, in wei, beside its gas.
const WEI_PER_BYTE: u64 = 100;

/// Ethereum's handler, but for deposits and fees.
#[derive(Debug)]
pub(crate) struct OwnHandler<EVM, ERROR>(PhantomData<(EVM, ERROR)>);

impl<EVM, ERROR> Default for OwnHandler<EVM, ERROR> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

fn data_fee(txn: &OwnTxn) -> U256 {
    U256::from(WEI_PER_BYTE) * U256::from(txn.input().len())
}

impl<EVM, ERROR> Handler for OwnHandler<EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>, Tx = OwnTxn>,
            Frame = EthFrame<EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn validate_env(&self, evm: &mut EVM) -> Result<(), ERROR> {
        if evm.ctx().tx().is_deposit() {
            return Ok(());
        }
        validation::validate_env(evm.ctx())
    }

    /// A deposit mints, and is not signed. Others pay for their data, too.
    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut EVM,
        _gas: &mut InitialAndFloorGas,
    ) -> Result<(), ERROR> {
        let (_, txn, _, journal, ..) = evm.ctx().all_mut();
        let mut caller = journal.load_account_mut(txn.caller())?.data;
        if txn.is_deposit() {
            if !caller.incr_balance(txn.mint) {
                return Err(InvalidTransaction::OverflowPaymentInTransaction.into());
            }
            caller.bump_nonce();
            return Ok(());
        }
        let (fee, balance) = (data_fee(txn), *caller.balance());
        if !caller.decr_balance(fee) {
            let (fee, balance) = (Box::new(fee), Box::new(balance));
            return Err(InvalidTransaction::LackOfFundForMaxFee { fee, balance }.into());
        }
        drop(caller);
        pre_execution::validate_against_state_and_deduct_caller(evm.ctx())
    }

    fn reimburse_caller(&self, evm: &mut EVM, result: &mut FrameResult) -> Result<(), ERROR> {
        if evm.ctx().tx().is_deposit() {
            return Ok(());
        }
        Ok(reimburse_caller(evm.ctx(), result.gas(), U256::ZERO)?)
    }

    /// Credits three vaults: the beneficiary with the tip, and those of base fees and data.
    fn reward_beneficiary(&self, evm: &mut EVM, result: &mut FrameResult) -> Result<(), ERROR> {
        let (block, txn, _, journal, ..) = evm.ctx().all_mut();
        if txn.is_deposit() {
            return Ok(());
        }
        let used = u128::from(result.gas().used());
        let base_fee = u128::from(block.basefee());
        let tip = txn.effective_gas_price(base_fee).saturating_sub(base_fee);
        journal.balance_incr(block.beneficiary(), U256::from(tip * used))?;
        journal.balance_incr(BASE_FEES, U256::from(base_fee * used))?;
        journal.balance_incr(DATA_FEES, data_fee(txn))?;
        Ok(())
    }
}

impl<EVM, ERROR> InspectorHandler for OwnHandler<EVM, ERROR>
where
    EVM: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState> + JournalExt, Tx = OwnTxn>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<EVM as EvmTr>::Context, EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type IT = EthInterpreter;
}

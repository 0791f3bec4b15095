//! What happens after a block's last transaction.

use std::collections::BTreeMap;

use alloy_eips::{
    eip4895::GWEI_TO_WEI, eip6110::DEPOSIT_REQUEST_TYPE, eip7002::WITHDRAWAL_REQUEST_TYPE,
    eip7251::CONSOLIDATION_REQUEST_TYPE, eip7685::Requests,
};
use alloy_primitives::{Address, U256};
use revm::{
    Database, DatabaseCommit,
    context::{Cfg, ContextSetters, ContextTr, JournalTr, TxEnv},
    handler::{ContextTrDbError, MainnetEvm},
    primitives::hardfork::SpecId,
    state::{Account, EvmState, TransactionId},
};

use crate::{
    Block, ExecutionError, Receipt, Rewards, Stage, SystemCall, deposits::deposit_requests,
    sequential::evm_for, state_ref::State,
};

/// The calls after the last transaction, from Prague on, each with the type of the requests it
/// returns: withdrawals (EIP-7002), then consolidations (EIP-7251).
pub(crate) fn post_block_calls(block: &Block) -> Vec<(u8, SystemCall)> {
    if block.txns_only || !block.spec.is_enabled_in(SpecId::PRAGUE) {
        return Vec::new();
    }
    let contracts = &block.system_contracts;
    let withdrawals = SystemCall::after("withdrawal requests", contracts.withdrawal_requests);
    let consolidations =
        SystemCall::after("consolidation requests", contracts.consolidation_requests);
    vec![(WITHDRAWAL_REQUEST_TYPE, withdrawals), (CONSOLIDATION_REQUEST_TYPE, consolidations)]
}

/// Wei that the end of `block` credits: withdrawals from Shanghai on, before the Merge the rewards
/// of its producer and of its ommers', or what [`Rewards::Given`] says instead.
///
/// By the rules, the producer gets the block reward and 1/32 of it per ommer, an ommer's producer
/// (8 - d)/8 of it if the ommer is d generations older (yellow paper, section 11.3). A credit of
/// zero still touches the account, which removes an empty one; but a given reward of zero from the
/// Merge on, which is no look at the account in the sense of EIP-7928.
///
/// # Errors
///
/// [`ExecutionError::Ommer`] for an ommer that is not 1 to 6 generations older.
pub(crate) fn balance_increments<E>(
    block: &Block,
) -> Result<BTreeMap<Address, U256>, ExecutionError<E>> {
    let mut increments = BTreeMap::<Address, U256>::new();
    let mut credit = |address, wei: U256| {
        let balance = increments.entry(address).or_default();
        *balance = balance.saturating_add(wei);
    };
    if block.txns_only {
        credit(block.env.beneficiary, U256::ZERO);
        return Ok(increments);
    }
    match &block.rewards {
        Rewards::ByRules => reward_by_rules(block, &mut credit)?,
        Rewards::Given(credits) => {
            let merged = block.spec.is_enabled_in(SpecId::MERGE);
            let due = credits.iter().filter(|(_, wei)| !merged || !wei.is_zero());
            due.for_each(|(address, wei)| credit(*address, *wei));
        }
    }
    if block.spec.is_enabled_in(SpecId::SHANGHAI) {
        for withdrawal in &block.withdrawals {
            let wei = U256::from(withdrawal.amount) * U256::from(GWEI_TO_WEI);
            credit(withdrawal.address, wei);
        }
    }
    Ok(increments)
}

fn reward_by_rules<E>(
    block: &Block,
    credit: &mut impl FnMut(Address, U256),
) -> Result<(), ExecutionError<E>> {
    let reward = U256::from(block.block_reward());
    if reward.is_zero() {
        return Ok(());
    }
    let number = block.number();
    for ommer in &block.ommers {
        let age = number.checked_sub(ommer.number);
        let age = age.filter(|age| (1..=6).contains(age));
        let age = age.ok_or(ExecutionError::Ommer { ommer: ommer.number, block: number })?;
        credit(ommer.beneficiary, reward * U256::from(8 - age) / U256::from(8));
    }
    let nephew = reward / U256::from(32) * U256::from(block.ommers.len());
    credit(block.env.beneficiary, reward + nephew);
    Ok(())
}

/// Makes all changes that follow the last transaction of `block`, and returns the requests to the
/// consensus layer, from Prague on.
///
/// # Errors
///
/// [`ExecutionError::Ommer`], [`ExecutionError::DepositLog`], [`ExecutionError::SystemCall`],
/// and what the database returns.
pub fn apply_post_block<CTX>(
    block: &Block,
    receipts: &[Receipt],
    evm: &mut MainnetEvm<CTX>,
) -> Result<Option<Requests>, ExecutionError<ContextTrDbError<CTX>>>
where
    CTX: ContextSetters<Tx = TxEnv, Journal: JournalTr<State = EvmState>>,
    CTX: ContextTr<Db: DatabaseCommit, Cfg: Cfg<Spec = SpecId>>,
{
    let requests = if block.spec.is_enabled_in(SpecId::PRAGUE) && !block.txns_only {
        let mut requests = Requests::default();
        let deposits = deposit_requests(receipts, block.system_contracts.deposits)?;
        requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
        for (request_type, call) in post_block_calls(block) {
            let (output, state) = call.run(evm)?;
            evm.ctx.db_mut().commit(state);
            requests.push_request_with_type(request_type, output);
        }
        Some(requests)
    } else {
        None
    };
    credit_rewards(block, evm.ctx.db_mut())?;
    Ok(requests)
}

fn credit_rewards<DB: Database + DatabaseCommit>(
    block: &Block,
    db: &mut DB,
) -> Result<(), ExecutionError<DB::Error>> {
    let increments = balance_increments(block)?;
    credit_all(db, block.spec, &increments)
        .map_err(|source| ExecutionError::Database { stage: Stage::PostBlock, source })
}

/// [`apply_post_block`] on a state, which is handed back. Builds revm only where it is needed.
pub(crate) fn finish_state<DB: State + DatabaseCommit>(
    block: &Block,
    receipts: &[Receipt],
    mut db: DB,
) -> Result<(DB, Option<Requests>), ExecutionError<DB::Error>> {
    if block.spec.is_enabled_in(SpecId::PRAGUE) {
        let mut evm = evm_for(block, db);
        let requests = apply_post_block(block, receipts, &mut evm)?;
        return Ok((evm.ctx.journaled_state.into_database(), requests));
    }
    credit_rewards(block, &mut db)?;
    Ok((db, None))
}

fn credit_all<DB: Database + DatabaseCommit>(
    db: &mut DB,
    spec: SpecId,
    increments: &BTreeMap<Address, U256>,
) -> Result<(), DB::Error> {
    let mut changes = Vec::with_capacity(increments.len());
    for (&address, wei) in increments {
        let info = db.basic(address)?;
        let exists = info.is_some();
        let mut account = match info {
            Some(info) => Account::from(info),
            None => Account::new_not_existing(TransactionId::ZERO),
        };
        account.info.balance = account.info.balance.saturating_add(*wei);
        account.mark_touch();
        // Before EIP-161 a touch creates an account, and an empty one stays.
        if account.is_empty() && !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            if exists {
                continue;
            }
            account.mark_created();
        }
        changes.push((address, account));
    }
    db.commit_iter(&mut changes.into_iter());
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_eips::eip4895::Withdrawal;
    use revm::{context::BlockEnv, state::AccountInfo};

    use super::*;
    use crate::{BlockState, Ommer, PreState, PreStateError};

    const MINER: Address = Address::repeat_byte(1);
    const UNCLE: Address = Address::repeat_byte(2);

    fn block(spec: SpecId, ommer: Option<u64>) -> Block {
        let env = BlockEnv { number: U256::from(100), beneficiary: MINER, ..BlockEnv::default() };
        let mut block = Block::new(spec, env, Vec::new());
        block.ommers.extend(ommer.map(|number| Ommer { number, beneficiary: UNCLE }));
        block
    }

    fn credits(block: &Block) -> Vec<(Address, u128)> {
        let increments = balance_increments::<PreStateError>(block).expect("valid ommers");
        let wei = increments.into_iter();
        wei.map(|(address, wei)| (address, wei.to())).collect()
    }

    #[test]
    fn ommers_and_their_nephew_are_rewarded_by_age() {
        let finney = 10_u128.pow(15);
        let with_ommer = block(SpecId::BYZANTIUM, Some(98));
        assert_eq!(
            credits(&with_ommer),
            [(MINER, 3_093_750 * finney / 1000), (UNCLE, 2_250 * finney)]
        );
        assert_eq!(credits(&block(SpecId::FRONTIER, None)), [(MINER, 5_000 * finney)]);
    }

    #[test]
    fn an_ommer_of_another_age_is_an_error() {
        for ommer in [0, 93, 100, u64::MAX] {
            let block = block(SpecId::LONDON, Some(ommer));
            let error = balance_increments::<PreStateError>(&block).expect_err("no such ommer");
            assert!(matches!(error, ExecutionError::Ommer { block: 100, .. }));
        }
    }

    #[test]
    fn transactions_alone_touch_their_producer_and_no_more() {
        for spec in [SpecId::FRONTIER, SpecId::SHANGHAI, SpecId::OSAKA] {
            let block = block(spec, None).txns_only();
            assert_eq!(credits(&block), [(MINER, 0)]);
            assert!(post_block_calls(&block).is_empty());
        }
    }

    #[test]
    fn given_rewards_are_paid_in_place_of_those_of_the_rules() {
        let mut given = block(SpecId::FRONTIER, Some(98));
        given.rewards = Rewards::Given(vec![(MINER, U256::from(7)), (UNCLE, U256::ZERO)]);
        assert_eq!(credits(&given), [(MINER, 7), (UNCLE, 0)]);
        given.spec = SpecId::SHANGHAI;
        assert_eq!(credits(&given), [(MINER, 7)]);
    }

    #[test]
    fn a_credit_of_nothing_creates_an_account_at_first_and_later_removes_an_empty_one() {
        let mut pre = PreState::new();
        pre.insert_account(UNCLE, AccountInfo::default());
        let after = |spec| {
            let mut state = BlockState::new(&pre);
            let nothing = [(MINER, U256::ZERO), (UNCLE, U256::ZERO)].into();
            credit_all(&mut state, spec, &nothing).expect("in memory");
            let mut after = pre.clone();
            after.apply(&state.into_changes());
            [MINER, UNCLE].map(|address| after.account(&address).is_some())
        };
        assert_eq!(after(SpecId::TANGERINE), [true, true]);
        assert_eq!(after(SpecId::SPURIOUS_DRAGON), [false, false]);
    }

    #[test]
    fn withdrawals_add_up_and_there_is_no_reward_after_the_merge() {
        let withdrawal = Withdrawal { address: UNCLE, amount: 3, ..Withdrawal::default() };
        let block = block(SpecId::SHANGHAI, None).withdrawals(vec![withdrawal; 2]);
        assert_eq!(credits(&block), [(UNCLE, 6 * 1_000_000_000)]);
    }
}

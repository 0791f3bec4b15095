//! What happens before a block's first transaction.

use alloy_primitives::U256;
use revm::{
    Database, DatabaseCommit,
    context::{Cfg, ContextSetters, ContextTr, JournalTr, TxEnv},
    handler::{ContextTrDbError, MainnetEvm},
    primitives::hardfork::SpecId,
    state::{Account, EvmState, TransactionId},
};

use crate::{Block, ExecutionError, Stage, SystemCall, dao, sequential::evm_for, state_ref::State};

/// The calls before the first transaction: the parent's beacon root from Cancun on (EIP-4788), and
/// the parent's hash from Prague on (EIP-2935).
///
/// # Errors
///
/// [`ExecutionError::MissingBeaconRoot`] if the block should name that root and doesn't.
pub(crate) fn pre_block_calls<E>(block: &Block) -> Result<Vec<SystemCall>, ExecutionError<E>> {
    let contracts = &block.system_contracts;
    let mut calls = Vec::new();
    if block.txns_only {
        return Ok(calls);
    }
    if block.spec.is_enabled_in(SpecId::CANCUN) {
        let root = block.parent_beacon_block_root;
        let root = root.ok_or(ExecutionError::MissingBeaconRoot)?;
        calls.push(SystemCall::before("beacon roots", contracts.beacon_roots, root.into()));
    }
    if block.spec.is_enabled_in(SpecId::PRAGUE) {
        calls.push(SystemCall::before("history", contracts.history, block.parent_hash.into()));
    }
    Ok(calls)
}

/// Makes all changes that precede the first transaction of `block`, on an instance configured for
/// it.
///
/// # Errors
///
/// [`ExecutionError::MissingBeaconRoot`] if the block should name that root and doesn't, and what
/// the database returns.
pub fn apply_pre_block<CTX>(
    block: &Block,
    evm: &mut MainnetEvm<CTX>,
) -> Result<(), ExecutionError<ContextTrDbError<CTX>>>
where
    CTX: ContextSetters<Tx = TxEnv, Journal: JournalTr<State = EvmState>>,
    CTX: ContextTr<Db: DatabaseCommit, Cfg: Cfg<Spec = SpecId>>,
{
    if block.dao_fork && !block.txns_only {
        let db = evm.ctx.db_mut();
        drain_dao(db)
            .map_err(|source| ExecutionError::Database { stage: Stage::PreBlock, source })?;
    }
    for call in pre_block_calls(block)? {
        let (_, state) = call.run(evm)?;
        evm.ctx.db_mut().commit(state);
    }
    Ok(())
}

/// [`apply_pre_block`] on a state, which is handed back. Builds revm only where it is needed.
pub(crate) fn prepare_state<DB: State + DatabaseCommit>(
    block: &Block,
    db: DB,
) -> Result<DB, ExecutionError<DB::Error>> {
    if !block.dao_fork && !block.spec.is_enabled_in(SpecId::CANCUN) {
        return Ok(db);
    }
    let mut evm = evm_for(block, db);
    apply_pre_block(block, &mut evm)?;
    Ok(evm.ctx.journaled_state.into_database())
}

/// Moves the balances of the DAO's accounts to the contract that pays them back (EIP-779).
///
/// # Errors
///
/// What reading an account returns; nothing has been moved then.
pub(crate) fn drain_dao<DB: Database + DatabaseCommit>(db: &mut DB) -> Result<(), DB::Error> {
    let mut total = U256::ZERO;
    let mut changes = Vec::with_capacity(dao::DRAINED_ACCOUNTS.len() + 1);
    for address in dao::DRAINED_ACCOUNTS {
        if let Some(info) = db.basic(address)? {
            total = total.saturating_add(info.balance);
            changes.push((address, Account::from(info).with_touched_mark()));
        }
    }
    for (_, account) in &mut changes {
        account.info.balance = U256::ZERO;
        // The account exists, and before EIP-161 it goes on to when it is empty.
        if account.is_empty() {
            account.mark_created();
        }
    }
    let refund = dao::REFUND_CONTRACT;
    let mut account = match db.basic(refund)? {
        Some(info) => Account::from(info),
        None => Account::new_not_existing(TransactionId::ZERO),
    };
    account.info.balance = account.info.balance.saturating_add(total);
    account.mark_touch();
    if account.is_empty() {
        account.mark_created();
    }
    changes.push((refund, account));
    db.commit_iter(&mut changes.into_iter());
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, Bytes};
    use revm::{context::BlockEnv, state::AccountInfo};

    use super::*;
    use crate::{BlockState, PreState, PreStateError};

    fn calls(spec: SpecId) -> Vec<SystemCall> {
        let block = Block::new(spec, BlockEnv::default(), Vec::new())
            .parent_hash(B256::repeat_byte(1))
            .parent_beacon_block_root(B256::repeat_byte(2));
        pre_block_calls::<PreStateError>(&block).expect("the root is there")
    }

    #[test]
    fn calls_come_with_their_forks() {
        assert!(calls(SpecId::SHANGHAI).is_empty());
        let cancun = calls(SpecId::CANCUN);
        assert_eq!(cancun.len(), 1);
        assert_eq!(cancun[0].data, Bytes::from(B256::repeat_byte(2)));
        let prague = calls(SpecId::PRAGUE);
        assert_eq!(prague[1].data, Bytes::from(B256::repeat_byte(1)));
        assert!(prague.iter().all(|call| !call.must_succeed));
    }

    #[test]
    fn cancun_wants_the_beacon_root() {
        let block = Block::new(SpecId::CANCUN, BlockEnv::default(), Vec::new());
        let error = pre_block_calls::<PreStateError>(&block).expect_err("no root");
        assert_eq!(error.to_string(), "the parent beacon block root is missing");
    }

    #[test]
    fn the_dao_is_drained_and_not_a_wei_is_lost() {
        let mut pre = PreState::new();
        for (ether, address) in (1_u64..).zip(dao::DRAINED_ACCOUNTS).take(3) {
            let info = AccountInfo::default().with_balance(U256::from(ether));
            pre.insert_account(address, info);
        }
        let mut state = BlockState::new(&pre);
        drain_dao(&mut state).expect("in memory");
        pre.apply(&state.into_changes());
        assert_eq!(pre.len(), 4, "drained accounts go on to exist");
        let refund = pre.account(&dao::REFUND_CONTRACT).expect("credited");
        assert_eq!(refund.info.balance, U256::from(6));
    }
}

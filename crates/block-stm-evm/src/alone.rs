//! A block on the calling thread alone: what [`execute_parallel`](crate::execute_parallel) does with one thread, or for a block
//! that is over before a second one has woken up.
//!
//! The plain loop over [`BlockState`], with the short cuts of the parallel path: ordinary payments, remembered hashes, no copies
//! of transactions. [`execute_sequential`](crate::execute_sequential) has none of them on purpose, as it is what both are
//! compared with.

use std::panic::{AssertUnwindSafe, catch_unwind};

use alloy_primitives::Address;
use revm::{
    Context, Database, DatabaseCommit, MainnetEvm,
    bytecode::opcode,
    context::{
        Block as _, BlockEnv, CfgEnv, ContextTr, Evm, JournalTr, LocalContext, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    handler::{EthFrame, EthPrecompiles, Handler, MainnetHandler, instructions::EthInstructions},
    interpreter::Instruction,
    state::AccountInfo,
};

use crate::{
    Block, BlockRecord, BlockResult, BlockState, ExecutionError, InvalidTxn, Stage, StateRef,
    access_list::{self, ListBuilder},
    block_state::CachedAccount,
    creation::CreationJournal,
    keccak::{HasKeccaks, Keccaks, keccak_of_memory},
    plain_call::{Costs, parties},
    state_ref::State,
};

pub(crate) type AloneContext<'s, DB> =
    Context<&'s BlockEnv, &'s TxEnv, &'s CfgEnv, DB, CreationJournal<DB>, Keccaks, LocalContext>;
pub(crate) type AloneEvm<'s, DB> = MainnetEvm<AloneContext<'s, DB>>;
pub(crate) type Handling<'s, DB> = MainnetHandler<
    AloneEvm<'s, DB>,
    EVMError<<DB as Database>::Error, InvalidTransaction>,
    EthFrame,
>;

impl<DB: State> HasKeccaks for AloneContext<'_, DB> {
    fn keccaks(&mut self) -> &mut Keccaks {
        &mut self.chain
    }
}

/// Executes `block`; a panic of the database within a transaction is an error that names it.
pub(crate) fn execute_alone<DB: StateRef>(
    block: &Block,
    db: &DB,
    policy: InvalidTxn,
    mut list: Option<ListBuilder>,
) -> Result<BlockResult, ExecutionError<DB::Error>> {
    let mut state = access_list::prepare(block, BlockState::new(db), list.as_mut())?;
    let mut record = BlockRecord::new(block);
    if !block.txns.is_empty() {
        state = execute_txns(block, policy, state, &mut record, list.as_mut())?;
    }
    let (state, requests) = access_list::finish(block, record.receipts(), state, list.as_mut())?;
    let result = record.finish(requests, state.into_changes());
    Ok(match list {
        Some(list) => result.with_access_list(list.finish()),
        None => result,
    })
}

fn execute_txns<'db, DB: StateRef>(
    block: &Block,
    policy: InvalidTxn,
    state: BlockState<&'db DB>,
    record: &mut BlockRecord,
    mut list: Option<&mut ListBuilder>,
) -> Result<BlockState<&'db DB>, ExecutionError<DB::Error>> {
    let (cfg, no_txn) = (block.cfg_env(), TxEnv::default());
    let mut evm = evm(block, &cfg, &no_txn, state);
    for (index, txn) in block.txns.iter().enumerate() {
        let executed = match record.admit(txn) {
            Err(reason) => Err(ExecutionError::InvalidTxn { index, reason }),
            Ok(()) => contained(index, || execute_txn(index, txn, &mut evm, list.as_deref_mut())),
        };
        match executed {
            Ok(result) => record.executed(txn, result),
            Err(ExecutionError::InvalidTxn { reason, .. }) if policy == InvalidTxn::Skip => {
                record.skipped(reason);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(evm.ctx.journaled_state.into_database())
}

pub(crate) fn evm<'s, DB: State>(
    block: &'s Block,
    cfg: &'s CfgEnv,
    no_txn: &'s TxEnv,
    db: DB,
) -> AloneEvm<'s, DB> {
    let mut journal = CreationJournal::new(db);
    journal.set_spec_id(block.spec);
    journal.set_eip7708_config(
        cfg.amsterdam_eip7708_disabled,
        cfg.amsterdam_eip8246_delayed_clear_disabled,
    );
    let context = Context {
        block: &block.env,
        tx: no_txn,
        cfg,
        journaled_state: journal,
        chain: Keccaks::default(),
        local: LocalContext::default(),
        error: Ok(()),
    };
    let mut instructions = EthInstructions::new_mainnet_with_spec(block.spec);
    block.adapt_instructions(&mut instructions);
    let table = instructions.instruction_table_mut();
    table[opcode::KECCAK256 as usize] = Instruction::new(keccak_of_memory::<AloneContext<'s, DB>>);
    Evm::new(context, instructions, EthPrecompiles::new(block.spec))
}

pub(crate) fn contained<T, E>(
    index: usize,
    execute: impl FnOnce() -> Result<T, ExecutionError<E>>,
) -> Result<T, ExecutionError<E>> {
    catch_unwind(AssertUnwindSafe(execute)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = text.unwrap_or_else(|| "a payload that is not text".to_owned());
        Err(ExecutionError::Panicked { stage: Stage::Txn(index), message })
    })
}

fn execute_txn<'s, DB: StateRef>(
    index: usize,
    txn: &'s TxEnv,
    evm: &mut AloneEvm<'s, BlockState<&DB>>,
    list: Option<&mut ListBuilder>,
) -> Result<ExecutionResult, ExecutionError<DB::Error>> {
    evm.ctx.tx = txn;
    // A list is told of what revm's journal holds.
    if list.is_none()
        && let Some(result) = pay(index, txn, evm)?
    {
        return Ok(result);
    }
    let result = Handling::default().run(evm);
    // Also after an error: the journal must not leak into the next transaction.
    let state = evm.ctx.journaled_state.finalize();
    let result = result.map_err(|error| ExecutionError::from_evm(Stage::Txn(index), error))?;
    if let Some(list) = list {
        list.run(&state);
        list.next_index();
    }
    evm.ctx.db_mut().commit(state);
    Ok(result)
}

/// Does an ordinary payment; `None` if it is none, or cannot be done.
fn pay<DB: StateRef>(
    index: usize,
    txn: &TxEnv,
    evm: &mut AloneEvm<'_, BlockState<&DB>>,
) -> Result<Option<ExecutionResult>, ExecutionError<DB::Error>> {
    let Some((sender, recipient)) = parties(evm, txn) else { return Ok(None) };
    let Some(costs) = Costs::of(&Handling::default(), evm, txn) else { return Ok(None) };
    let beneficiary = evm.ctx.block.beneficiary();
    let state = evm.ctx.db_mut();
    let failed = |source| ExecutionError::Database { stage: Stage::Txn(index), source };
    let mut account =
        |address: Address| -> Result<_, _> { Ok(payable(state.cached(address).map_err(failed)?)) };
    let Some(mut payer) = account(sender)? else { return Ok(None) };
    if payer.nonce != txn.nonce || payer.balance < costs.funds {
        return Ok(None);
    }
    payer.nonce += 1;
    payer.balance -= txn.value + costs.fee;
    let Some(mut payee) = account(recipient)? else { return Ok(None) };
    let Some(balance) = payee.balance.checked_add(txn.value) else { return Ok(None) };
    payee.balance = balance;
    let mut keeper = None;
    let paid = match beneficiary {
        address if address == sender => &mut payer,
        address if address == recipient => &mut payee,
        // Its balance alone counts, whether it has code or not.
        address => {
            let now = state.cached(address).map_err(failed)?.now.clone();
            keeper.insert(now.unwrap_or_default())
        }
    };
    paid.balance = paid.balance.checked_add(costs.reward).unwrap_or(paid.balance);
    // What is touched and empty ceases to exist, or not, depending on the rules.
    if paid.is_empty() || payee.is_empty() {
        return Ok(None);
    }
    let keeper = keeper.map(|keeper| (beneficiary, keeper));
    for (address, info) in [(sender, payer), (recipient, payee)].into_iter().chain(keeper) {
        state.cached(address).map_err(failed)?.now = Some(info);
    }
    Ok(Some(costs.result()))
}

/// The account as one that pays or is paid, if it has no code.
fn payable(cached: &CachedAccount) -> Option<AccountInfo> {
    match &cached.now {
        None => Some(AccountInfo::default()),
        Some(info) => info.is_empty_code_hash().then(|| info.clone()),
    }
}

//! A block on the calling thread alone: what [`execute_parallel`](crate::execute_parallel) does
//! with one thread, or for a block that is over before a second one has woken up.
//!
//! The plain loop over [`BlockState`], with the short cuts of the parallel path: ordinary payments,
//! remembered hashes, no copies of transactions. [`execute_sequential`](crate::execute_sequential)
//! has none of them on purpose, as it is what both are compared with.

use std::panic::{AssertUnwindSafe, catch_unwind};

use alloy_primitives::{Address, U256};
use revm::{
    Context, Database, DatabaseCommit, DatabaseRef, MainnetEvm,
    bytecode::opcode,
    context::{
        BlockEnv, CfgEnv, ContextTr, Evm, JournalTr, LocalContext, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    handler::{EthFrame, EthPrecompiles, Handler, MainnetHandler, instructions::EthInstructions},
    interpreter::Instruction,
    state::AccountInfo,
};

use crate::{
    Block, BlockRecord, BlockResult, BlockState, ExecutionError, InvalidTxn, Stage, StateRef,
    access_list::{self, ListBuilder},
    creation::CreationJournal,
    keccak::{HasKeccaks, Keccaks, keccak_of_memory},
    payment::{Payment, PaymentState},
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
        Some(list) => result.access_list(list.finish()),
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

/// Executes `txns` one after another on `state`, which is handed back; those that are invalid are
/// left out. `goes_on` says before each whether it is to be executed, `told` learns of it.
pub(crate) fn execute_each<'db, 't, DB: StateRef>(
    block: &Block,
    txns: impl Iterator<Item = &'t TxEnv>,
    state: BlockState<&'db DB>,
    record: &mut BlockRecord,
    goes_on: impl Fn() -> bool,
    mut told: impl FnMut(&BlockRecord, &BlockState<&'db DB>),
) -> Result<BlockState<&'db DB>, ExecutionError<DB::Error>> {
    let (cfg, no_txn) = (block.cfg_env(), TxEnv::default());
    let mut evm = evm(block, &cfg, &no_txn, state);
    for txn in txns {
        if !goes_on() {
            break;
        }
        let index = record.len();
        let executed = match record.admit(txn) {
            Err(reason) => Err(ExecutionError::InvalidTxn { index, reason }),
            Ok(()) => contained(index, || execute_txn(index, txn, &mut evm, None)),
        };
        match executed {
            Ok(result) => record.executed(txn, result),
            Err(ExecutionError::InvalidTxn { reason, .. }) => record.skipped(reason),
            Err(error) => return Err(error),
        }
        told(record, evm.ctx.db());
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
    journal.creates_over_storage = block.creates_over_storage;
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

/// Makes an ordinary payment; `None` if it is none, or cannot be made.
fn pay<DB: StateRef>(
    index: usize,
    txn: &TxEnv,
    evm: &mut AloneEvm<'_, BlockState<&DB>>,
) -> Result<Option<ExecutionResult>, ExecutionError<DB::Error>> {
    let Some(payment) = Payment::of(&Handling::default(), evm, txn) else { return Ok(None) };
    let failed = |source| ExecutionError::Database { stage: Stage::Txn(index), source };
    payment.make(evm.ctx.db_mut()).map_err(failed)
}

impl<DB: DatabaseRef> PaymentState for BlockState<DB> {
    type Account = (Address, AccountInfo);
    type Error = DB::Error;

    fn account(&mut self, address: Address) -> Result<Option<Self::Account>, DB::Error> {
        Ok(match &self.cached(address)?.now {
            None => Some((address, AccountInfo::default())),
            Some(info) => info.is_empty_code_hash().then(|| (address, info.clone())),
        })
    }

    fn may_send(
        &mut self,
        (_, payer): &Self::Account,
        nonce: u64,
        funds: U256,
    ) -> Result<bool, DB::Error> {
        Ok(payer.nonce == nonce && payer.balance >= funds)
    }

    fn has_room(&mut self, (_, payee): &Self::Account, credit: U256) -> Result<bool, DB::Error> {
        Ok(payee.balance.checked_add(credit).is_some())
    }

    fn settle(
        &mut self,
        (mut payer, debit): (Self::Account, U256),
        (mut payee, credit): (Self::Account, U256),
        reward: Option<(Address, U256)>,
    ) -> Result<bool, DB::Error> {
        payer.1.nonce += 1;
        payer.1.balance -= debit;
        payee.1.balance += credit;
        let keeper = match reward {
            // Its balance alone counts, whether it has code or not.
            Some((address, reward)) => {
                let mut keeper = self.cached(address)?.now.clone().unwrap_or_default();
                keeper.balance = keeper.balance.checked_add(reward).unwrap_or(keeper.balance);
                Some((address, keeper))
            }
            None => None,
        };
        // What is touched and empty ceases to exist, or not, depending on the rules.
        if payee.1.is_empty() || keeper.as_ref().is_some_and(|(_, keeper)| keeper.is_empty()) {
            return Ok(false);
        }
        for (address, info) in [payer, payee].into_iter().chain(keeper) {
            self.cached(address)?.now = Some(info);
        }
        Ok(true)
    }
}

//! What a session must come to: a plain loop over what was pushed.

use alloy_primitives::{I256, U256};
use revm::{
    Database, DatabaseCommit, ExecuteEvm, MainnetEvm,
    context::{
        ContextTr, TxEnv,
        result::{EVMError, ExecutionResult},
    },
    state::EvmState,
};

use super::{
    SessionBlock,
    push::{Push, Settled, Ticket},
};
use crate::{
    Block, BlockRecord, BlockState, ExecutionError, InvalidTxnReason, Stage, StateRef,
    access_list::{self, ListBuilder},
    parallel::Item,
    sequential::evm_for,
};

/// The block that a session makes of `pushes`, by a plain loop on the calling thread.
///
/// For each push, in order:
///
/// 1. Its first transaction must fit into what the block has left of gas and blobs.
/// 2. Its transactions are executed one after another, whatever the block has left. None may be
///    invalid, and none of a bundle may fail without being allowed to.
/// 3. Of a bundle, each must fit into what the block has left, given what those before it used.
///
/// A push that breaks a rule is left out with the first reason. The steps before the transactions
/// come first, those after them last. With `lists`, the result has the block's access list
/// (EIP-7928).
///
/// # Errors
///
/// As [`execute_sequential`](crate::execute_sequential).
///
/// # Examples
///
/// ```
/// use block_stm_evm::{Block, PreState, Push, build_sequential};
/// use block_stm_evm::revm::{context::{BlockEnv, TxEnv}, primitives::hardfork::SpecId};
///
/// let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
/// let too_little_gas = TxEnv { gas_limit: 20_000, ..TxEnv::default() };
/// let built = build_sequential(&block, &PreState::new(), &[Push::from(too_little_gas)], false)?;
/// assert!(built.txns.is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn build_sequential<DB: StateRef>(
    block: &Block,
    db: &DB,
    pushes: &[Push],
    lists: bool,
) -> Result<SessionBlock, ExecutionError<DB::Error>> {
    let mut list = lists.then(ListBuilder::default);
    let state = access_list::prepare(block, BlockState::new(db), list.as_mut())?;
    let mut builder = Builder {
        block,
        evm: evm_for(block, state),
        record: BlockRecord::new(block),
        list,
        txns: Vec::new(),
    };
    let mut settled = Vec::with_capacity(pushes.len());
    for (number, push) in (0..).zip(pushes) {
        let became = match builder.push(push.item())? {
            Ok(taken) => taken,
            Err(reason) => {
                let members = push.item().txns().iter();
                members.for_each(|_| builder.record.skipped(reason.clone()));
                Settled::LeftOut(reason)
            }
        };
        settled.push((Ticket(number), became));
    }
    let Builder { evm, record, mut list, txns, .. } = builder;
    let state = evm.ctx.journaled_state.into_database();
    let (state, requests) = access_list::finish(block, record.receipts(), state, list.as_mut())?;
    let mut result = record.finish(requests, state.into_changes());
    result.access_list = list.map(ListBuilder::finish);
    let executions = result.outcomes.len() as u64;
    let (cut, batches, attempts_stood) = (None, 1, 0);
    Ok(SessionBlock { result, txns, settled, cut, batches, executions, attempts_stood })
}

type EvmOn<'b, DB> = MainnetEvm<crate::sequential::ContextOn<BlockState<&'b DB>>>;

struct Builder<'b, DB: StateRef> {
    block: &'b Block,
    evm: EvmOn<'b, DB>,
    record: BlockRecord,
    list: Option<ListBuilder>,
    txns: Vec<TxEnv>,
}

type Failure<DB> = ExecutionError<<DB as revm::DatabaseRef>::Error>;

impl<'b, DB: StateRef> Builder<'b, DB> {
    fn push(&mut self, item: Item<'_>) -> Result<Result<Settled, InvalidTxnReason>, Failure<DB>> {
        if let Err(reason) = self.record.admit(item.first()) {
            return Ok(Err(item.reason(0, reason)));
        }
        let before = self.balance()?;
        let saved = matches!(item, Item::Bundle(_)).then(|| self.evm.ctx.db().clone());
        let executed = match self.execute(item)? {
            Ok(executed) => {
                let used = item.txns().iter().zip(executed.iter().map(|(result, _)| result.gas()));
                let admitted = match item {
                    Item::Txn(_) | Item::Attempted(_) => Ok(()),
                    Item::Bundle(_) => self.record.gas().admit_all(used),
                };
                admitted.map(|()| executed).map_err(|(member, reason)| item.reason(member, reason))
            }
            Err(reason) => Err(reason),
        };
        let executed = match (executed, saved) {
            (Ok(executed), _) => executed,
            (Err(reason), saved) => {
                if let Some(saved) = saved {
                    *self.evm.ctx.db_mut() = saved;
                }
                return Ok(Err(reason));
            }
        };
        let gain = I256::from_raw(self.balance()?.wrapping_sub(before));
        let (first, txns) = (self.record.receipts().len(), executed.len());
        let mut gas_used = 0;
        for (txn, (result, state)) in item.txns().iter().zip(executed) {
            gas_used += result.tx_gas_used();
            self.record.executed(txn, result);
            self.txns.push(txn.clone());
            if let Some(list) = &mut self.list {
                list.run(&state);
                list.next_index();
            }
        }
        Ok(Ok(Settled::Taken { first, txns, gas_used, gain }))
    }

    /// Executes and commits all transactions of an item; or says why it is left out, with a part of
    /// it committed.
    fn execute(&mut self, item: Item<'_>) -> Executed<DB> {
        let mut executed = Vec::with_capacity(item.txns().len());
        for (member, txn) in item.txns().iter().enumerate() {
            let result: Result<_, EVMError<_>> = self.evm.transact_one(txn.clone());
            let state = self.evm.finalize();
            let stage = Stage::Txn(self.record.len() + member);
            let result = match result.map_err(|error| ExecutionError::from_evm(stage, error)) {
                Ok(result) => result,
                Err(ExecutionError::InvalidTxn { reason, .. }) => {
                    return Ok(Err(item.reason(member, reason)));
                }
                Err(error) => return Err(error),
            };
            if let Item::Bundle(bundle) = item
                && !result.is_success()
                && !bundle.may_revert(member)
            {
                return Ok(Err(item.reason(member, InvalidTxnReason::Failed)));
            }
            let kept = if self.list.is_some() { state.clone() } else { EvmState::default() };
            self.evm.ctx.db_mut().commit(state);
            executed.push((result, kept));
        }
        Ok(Ok(executed))
    }

    fn balance(&mut self) -> Result<U256, Failure<DB>> {
        let info = self.evm.ctx.db_mut().basic(self.block.env.beneficiary);
        let stage = Stage::Txn(self.record.len());
        let info = info.map_err(|source| ExecutionError::Database { stage, source })?;
        Ok(info.unwrap_or_default().balance)
    }
}

/// What each transaction of an item came to and left, or why the item is left out.
type Executed<DB> = Result<Result<Vec<(ExecutionResult, EvmState)>, InvalidTxnReason>, Failure<DB>>;

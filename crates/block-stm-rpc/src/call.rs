//! `eth_call` and `eth_estimateGas`: a transaction on the state after a block, kept nowhere.

use std::time::Instant;

use alloy_eips::BlockId;
use alloy_primitives::{Bytes, TxKind, U64};
use alloy_rpc_types_eth::TransactionRequest;
use block_stm_chain::import::block_without_body;
use block_stm_evm::{
    Block,
    revm::{
        InspectEvm, Inspector, MainBuilder,
        context::{
            TxEnv,
            result::{EVMError, ExecutionResult},
        },
        database::CacheDB,
        interpreter::{InstructionResult, Interpreter},
    },
    steps::context_for,
};
use block_stm_pipeline::StoredState;
use block_stm_store::Snapshot;
use serde_json::Value;

use crate::{
    answer::{Answer, Args, answer},
    fault::Fault,
    node::{Node, unreadable},
};

/// After so many instructions the clock is read.
const STRIDE: u32 = 1_024;
/// The gas of a transaction that does nothing.
const LEAST_GAS: u64 = 21_000;

/// Ends an execution at its deadline.
struct Clock {
    deadline: Instant,
    steps: u32,
    is_over: bool,
}

impl<CTX> Inspector<CTX> for Clock {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        self.steps += 1;
        if self.steps >= STRIDE {
            self.steps = 0;
            self.is_over = self.is_over || Instant::now() >= self.deadline;
        }
        if self.is_over {
            // The frames above are ended at their next instruction.
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }
}

/// A call that is ready: rules and environment, and the transaction.
struct Call<'a> {
    node: &'a Node,
    block: Block,
    txn: TxEnv,
    deadline: Instant,
}

pub(crate) fn call(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let (state, call) = Call::read(node, args)?;
    let output = match call.run(&StoredState::new(state), call.txn.gas_limit)? {
        ExecutionResult::Success { output, .. } => output.into_data(),
        failed => return Err(why(failed)),
    };
    answer(&output, node.limits.answer_bytes)
}

/// The least gas with which the call does not fail.
pub(crate) fn estimate_gas(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let (state, call) = Call::read(node, args)?;
    let state = StoredState::new(state);
    let mut high = call.txn.gas_limit;
    let used = match call.run(&state, high)? {
        result @ ExecutionResult::Success { .. } => result.tx_gas_used(),
        failed => return Err(why(failed)),
    };
    // More may be needed than is used in the end: for refunds, and for what calls hold back.
    let mut low = used.saturating_sub(1).max(LEAST_GAS - 1);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        let is_enough = match call.run(&state, middle) {
            Ok(result) => result.is_success(),
            // Less than the transaction takes before it begins.
            Err(Fault::Call(_)) => false,
            Err(other) => return Err(other),
        };
        if is_enough { high = middle } else { low = middle }
    }
    answer(&U64::from(high), node.limits.answer_bytes)
}

impl<'a> Call<'a> {
    /// The call that a request asks for, and the state that it is to run on.
    fn read(node: &'a Node, args: &mut Args<'_>) -> Result<(Snapshot, Self), Fault> {
        let request: TransactionRequest = args.next("transaction")?;
        let at: Option<BlockId> = args.optional("block")?;
        for overrides in ["state overrides", "block overrides"] {
            match args.optional::<Value>(overrides)? {
                None => {}
                Some(Value::Object(given)) if given.is_empty() => {}
                Some(_) => return Err(Fault::Params(format!("{overrides} are not supported"))),
            }
        }
        args.end()?;
        let state = node.state_at(at)?;
        let number = state.number();
        let (_, header) = node.header(&state, number)?;
        let block = block_without_body(header, &node.schedule);
        let mut block = block.map_err(|error| unreadable(number, error))?;
        let caller = request.from.unwrap_or_default();
        let nonce = state.account(&caller)?.map_or(0, |account| account.nonce);
        let gas = node.limits.call_gas.min(block.env.gas_limit);
        let txn = txn(request, nonce, gas, node.schedule.chain_id())?;
        if txn.gas_price == 0 {
            // As nodes do it: a call that names no price pays none.
            block.env.basefee = 0;
        }
        Ok((state, Self { node, block, txn, deadline: node.deadline() }))
    }

    fn run(&self, state: &StoredState, gas: u64) -> Result<ExecutionResult, Fault> {
        let mut context = context_for(&self.block, CacheDB::new(state));
        // What a transaction may have at the most (EIP-7825) does not bind a call.
        context.cfg.tx_gas_limit_cap = Some(u64::MAX);
        let clock = Clock { deadline: self.deadline, steps: 0, is_over: false };
        let mut evm = context.build_mainnet_with_inspector(clock);
        self.block.adapt_instructions(&mut evm.instruction);
        let result = evm.inspect_one_tx(TxEnv { gas_limit: gas, ..self.txn.clone() });
        if evm.inspector.is_over {
            return Err(self.node.too_long());
        }
        self.node.in_time(self.deadline)?;
        result.map_err(|error| match error {
            EVMError::Database(error) => error.into(),
            error => Fault::Call(error.to_string()),
        })
    }
}

/// Why there is no output.
fn why(result: ExecutionResult) -> Fault {
    match result {
        ExecutionResult::Revert { output, .. } => Fault::Reverted(output),
        ExecutionResult::Halt { reason, .. } => {
            Fault::Call(format!("execution failed: {reason:?}"))
        }
        ExecutionResult::Success { .. } => unreachable!("it did not fail"),
    }
}

/// The transaction that `request` describes, with `gas` at the most.
fn txn(request: TransactionRequest, nonce: u64, gas: u64, chain: u64) -> Result<TxEnv, Fault> {
    let wrong = |what: &str| Err(Fault::Params(what.to_owned()));
    if request.chain_id.is_some_and(|given| given != chain) {
        return wrong("the transaction is of another chain");
    }
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return wrong("calls with blobs are not supported");
    }
    if request.authorization_list.is_some() {
        return wrong("calls with authorizations are not supported");
    }
    let is_dynamic =
        request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    if request.gas_price.is_some() && is_dynamic {
        return wrong("gasPrice and maxFeePerGas exclude each other");
    }
    let data = request.input.try_into_unique_input();
    let data = data.map_err(|error| Fault::Params(error.to_string()))?;
    let tx_type = match (is_dynamic, &request.access_list) {
        (true, _) => 2,
        (false, Some(_)) => 1,
        (false, None) => 0,
    };
    Ok(TxEnv {
        tx_type,
        caller: request.from.unwrap_or_default(),
        gas_limit: request.gas.unwrap_or(gas).min(gas),
        gas_price: request.gas_price.or(request.max_fee_per_gas).unwrap_or_default(),
        gas_priority_fee: request.max_priority_fee_per_gas.or(is_dynamic.then_some(0)),
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_else(Bytes::new),
        nonce,
        chain_id: Some(chain),
        access_list: request.access_list.unwrap_or_default(),
        ..TxEnv::default()
    })
}

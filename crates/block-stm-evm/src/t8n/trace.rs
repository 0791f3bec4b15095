//! What each executed transaction of a transition does, opcode by opcode (EIP-3155), in the words of geth's
//! JSON logger.
//!
//! Traces come from an execution of their own, one transaction after the other: nothing is watched while the
//! engine works, and nothing that was thrown away is traced.

use std::{collections::BTreeMap, fmt, io};

use alloy_primitives::{B256, Bytes, hex};
use revm::{
    ExecuteEvm, InspectEvm, Inspector, MainBuilder,
    bytecode::opcode::OpCode,
    context::{ContextTr, JournalTr, result::EVMError},
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, InterpreterResult,
        interpreter_types::{Jumps, LoopControl, MemoryTr, ReturnData},
    },
};
use serde::Serialize;

use super::{T8nError, Transition};
use crate::{
    BlockRecord, BlockState, ExecutionError, PreState, Stage, apply_pre_block,
    sequential::{context_for, evm_for},
};

/// What a line of a trace holds beside the place, the opcode and the gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceOptions {
    /// All of the memory before the opcode, where there is any.
    pub memory: bool,
    /// All of the stack before the opcode.
    pub stack: bool,
    /// What the last call returned.
    pub return_data: bool,
}

/// How often each opcode was executed, by its name.
pub type OpcodeCounts = BTreeMap<String, u64>;

/// Makes the file for the trace of a transaction, of which it gets the place among the executed ones and the hash.
pub type OpenTrace<'a> = dyn FnMut(usize, B256) -> io::Result<Box<dyn io::Write>> + 'a;

/// Why a transition could not be traced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The block can't be executed.
    #[error(transparent)]
    Transition(#[from] T8nError),
    /// A trace can't be written.
    #[error("the trace of txn {index}: {source}")]
    Io {
        /// The transaction's place among those that are executed.
        index: usize,
        /// What the system said.
        source: io::Error,
    },
}

impl Transition {
    /// Executes the block once more and writes a trace of each executed transaction, if `options` are given;
    /// how often each opcode ran.
    ///
    /// # Errors
    ///
    /// Those of [`execute`](Self::execute), and what writing returns.
    ///
    /// # Cost
    ///
    /// A microsecond and some hundred bytes per opcode, more with the memory, which is written whole each time.
    pub fn trace(
        &self,
        options: Option<TraceOptions>,
        open: &mut OpenTrace<'_>,
    ) -> Result<OpcodeCounts, TraceError> {
        let failed = |error: ExecutionError<_>| TraceError::Transition(error.into());
        let mut state = BlockState::new(&self.state);
        self.trace_pre_block(&mut state).map_err(failed)?;
        let mut record = BlockRecord::new(&self.block);
        let mut counts = [0; 256];
        for (place, txn) in self.block.txns.iter().enumerate() {
            if let Err(reason) = record.admit(txn) {
                record.skipped(reason);
                continue;
            }
            let index = record.receipts().len();
            let hash =
                self.txns[self.places[place]].as_ref().map_or(B256::ZERO, |txn| *txn.tx_hash());
            let mut evm = context_for(&self.block, &mut state)
                .build_mainnet_with_inspector(Tracer::new(options, || open(index, hash)));
            self.block.adapt_instructions(&mut evm.instruction);
            let executed = evm.inspect_one_tx(txn.clone());
            let changes = evm.finalize();
            let tracer = evm.inspector;
            match executed {
                Ok(result) => {
                    tracer.add_to(&mut counts);
                    tracer.finish().map_err(|source| TraceError::Io { index, source })?;
                    record.executed(txn, result);
                    revm::DatabaseCommit::commit(&mut state, changes);
                }
                // Found out before the first opcode: nothing was written.
                Err(EVMError::Transaction(reason)) => record.skipped(reason.into()),
                Err(error) => {
                    return Err(failed(ExecutionError::from_evm(Stage::Txn(place), error)));
                }
            }
        }
        let named =
            |(opcode, count): (usize, u64)| (count > 0).then(|| (name(opcode as u8), count));
        Ok((0..256).zip(counts).filter_map(named).collect())
    }

    fn trace_pre_block(
        &self,
        state: &mut BlockState<&PreState>,
    ) -> Result<(), ExecutionError<crate::PreStateError>> {
        apply_pre_block(&self.block, &mut evm_for(&self.block, state))
    }
}

/// One opcode, as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    pc: usize,
    op: u8,
    gas: String,
    gas_cost: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Bytes>,
    mem_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_data: Option<Bytes>,
    depth: usize,
    refund: i64,
    op_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The last line of a trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// Without a prefix.
    output: String,
    /// Of the code, without what a transaction costs at least, and before refunds.
    gas_used: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Watches one transaction. Its file is opened with the first line.
struct Tracer<F> {
    options: Option<TraceOptions>,
    open: F,
    output: Option<io::BufWriter<Box<dyn io::Write>>>,
    failure: Option<io::Error>,
    /// The opcode under way, until its cost is known.
    step: Option<(Step, u64)>,
    counts: [u64; 256],
}

impl<F: FnMut() -> io::Result<Box<dyn io::Write>>> Tracer<F> {
    fn new(options: Option<TraceOptions>, open: F) -> Self {
        Self { options, open, output: None, failure: None, step: None, counts: [0; 256] }
    }

    fn write(&mut self, line: &impl Serialize) {
        if self.failure.is_none() {
            self.failure = self.try_write(line).err();
        }
    }

    fn try_write(&mut self, line: &impl Serialize) -> io::Result<()> {
        if self.output.is_none() {
            self.output = Some(io::BufWriter::new((self.open)()?));
        }
        let Some(output) = &mut self.output else { return Ok(()) };
        serde_json::to_writer(&mut *output, line)?;
        io::Write::write_all(output, b"\n")
    }

    fn summarize(&mut self, depth: usize, result: &InterpreterResult) {
        if depth > 0 || self.options.is_none() {
            return;
        }
        let used = result.gas.limit().saturating_sub(result.gas.remaining());
        let failed = !result.result.is_ok();
        self.write(&Summary {
            output: hex::encode(&result.output),
            gas_used: format!("{used:#x}"),
            error: failed.then(|| error(result.result)),
        });
    }

    fn add_to(&self, counts: &mut [u64; 256]) {
        counts.iter_mut().zip(self.counts).for_each(|(all, own)| *all += own);
    }

    fn finish(self) -> io::Result<()> {
        match (self.failure, self.output) {
            (Some(failure), _) => Err(failure),
            (None, Some(mut output)) => io::Write::flush(&mut output),
            (None, None) => Ok(()),
        }
    }
}

impl<CTX, F> Inspector<CTX> for Tracer<F>
where
    CTX: ContextTr,
    F: FnMut() -> io::Result<Box<dyn io::Write>>,
{
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        let op = interp.bytecode.opcode();
        self.counts[usize::from(op)] += 1;
        let Some(options) = self.options else { return };
        let memory = || Bytes::copy_from_slice(&interp.memory.slice(0..interp.memory.size()));
        let stack = || interp.stack.data().iter().map(|word| format!("{word:#x}")).collect();
        let step = Step {
            pc: interp.bytecode.pc(),
            op,
            gas: format!("{:#x}", interp.gas.remaining()),
            gas_cost: String::new(),
            memory: options.memory.then(memory).filter(|memory| !memory.is_empty()),
            mem_size: interp.memory.size(),
            stack: options.stack.then(stack),
            return_data: options.return_data.then(|| interp.return_data.buffer().clone()),
            depth: context.journal_ref().depth(),
            refund: interp.gas.refunded(),
            op_name: name(op),
            error: None,
        };
        self.step = Some((step, interp.gas.remaining()));
    }

    fn step_end(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        let Some((mut step, before)) = self.step.take() else { return };
        step.gas_cost = format!("{:#x}", before.saturating_sub(interp.gas.remaining()));
        let result =
            interp.bytecode.action().as_ref().and_then(|action| action.instruction_result());
        step.error = result.filter(|result| result.is_halt()).map(error);
        self.write(&step);
    }

    fn call_end(&mut self, context: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.summarize(context.journal_ref().depth(), &outcome.result);
    }

    fn create_end(&mut self, context: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.summarize(context.journal_ref().depth(), &outcome.result);
    }
}

impl<F> fmt::Debug for Tracer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("options", &self.options).finish_non_exhaustive()
    }
}

fn name(opcode: u8) -> String {
    match OpCode::new(opcode) {
        Some(known) => known.as_str().to_owned(),
        None => format!("opcode {opcode:#x} not defined"),
    }
}

fn error(result: revm::interpreter::InstructionResult) -> String {
    format!("{result:?}")
}

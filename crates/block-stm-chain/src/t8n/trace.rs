//! What each executed transaction of a transition does, opcode by opcode (EIP-3155), in the words
//! of geth's JSON logger.
//!
//! Traces come from an execution of their own, one transaction after the other: nothing is watched
//! while the engine works, and nothing that was thrown away is traced.

use std::{collections::BTreeMap, fmt, io};

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use block_stm_evm::{
    Block, ExecutionError, PreState, PreStateError, Stage,
    steps::{BlockRecord, BlockState, apply_pre_block, context_for},
};
use revm::{
    ExecuteEvm, InspectEvm, Inspector, MainBuilder,
    bytecode::opcode::{self, OpCode},
    context::{ContextTr, JournalTr, result::EVMError},
    context_interface::CreateScheme,
    interpreter::{
        CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, FrameInput,
        InstructionResult, Interpreter, InterpreterAction, InterpreterResult,
        interpreter_types::{Jumps, LoopControl, MemoryTr, ReturnData},
    },
};
use serde::Serialize;

use super::{T8nError, Transition};

/// What a line of a trace holds beside the place, the opcode and the gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceOptions {
    /// All of the memory before the opcode, where there is any.
    pub memory: bool,
    /// All of the stack before the opcode.
    pub stack: bool,
    /// What the last call returned.
    pub return_data: bool,
    /// A line where a call or a creation begins: who calls what with which gas and value.
    pub call_frames: bool,
}

/// How often each opcode was executed, by its name.
pub type OpcodeCounts = BTreeMap<String, u64>;

/// Makes the file for the trace of a transaction, of which it gets the place among the executed
/// ones and the hash.
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
    /// Executes the block once more and writes a trace of each executed transaction, if `options`
    /// are given; how often each opcode ran.
    ///
    /// # Errors
    ///
    /// Those of [`execute`](Self::execute), and what writing returns.
    ///
    /// # Cost
    ///
    /// That of [`trace_block`].
    pub fn trace(
        &self,
        options: Option<TraceOptions>,
        open: &mut OpenTrace<'_>,
    ) -> Result<OpcodeCounts, TraceError> {
        let hash = |place: usize| {
            self.txns[self.places[place]].as_ref().map_or(B256::ZERO, |txn| *txn.tx_hash())
        };
        trace_block(&self.block, &self.state, options, &mut |index, place| open(index, hash(place)))
    }
}

/// Executes `block` on `state`, one transaction after another, invalid ones left out, and writes a
/// trace of each, if `options` are given; how often each opcode ran. `open` gets a transaction's
/// place among the executed ones, and in the block.
///
/// # Errors
///
/// Those of executing the block, and what writing returns.
///
/// # Cost
///
/// A microsecond and some hundred bytes per opcode, more with the memory, which is written whole
/// each time.
pub fn trace_block<'a>(
    block: &Block,
    state: &PreState,
    options: Option<TraceOptions>,
    open: &mut dyn FnMut(usize, usize) -> io::Result<Box<dyn io::Write + 'a>>,
) -> Result<OpcodeCounts, TraceError> {
    let failed = |error: ExecutionError<_>| TraceError::Transition(error.into());
    let mut state = BlockState::new(state);
    trace_pre_block(block, &mut state).map_err(failed)?;
    let mut record = BlockRecord::new(block);
    let mut counts = [0; 256];
    for (place, txn) in block.txns.iter().enumerate() {
        if let Err(reason) = record.admit(txn) {
            record.skipped(reason);
            continue;
        }
        let index = record.receipts().len();
        let mut evm = context_for(block, &mut state)
            .build_mainnet_with_inspector(Tracer::new(options, || open(index, place)));
        block.adapt_instructions(&mut evm.instruction);
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
    let named = |(opcode, count): (usize, u64)| (count > 0).then(|| (name(opcode as u8), count));
    Ok((0..256).zip(counts).filter_map(named).collect())
}

fn trace_pre_block(
    block: &Block,
    state: &mut BlockState<&PreState>,
) -> Result<(), ExecutionError<PreStateError>> {
    let mut evm = context_for(block, state).build_mainnet();
    block.adapt_instructions(&mut evm.instruction);
    apply_pre_block(block, &mut evm)
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

/// The first line of a call or a creation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    from: Address,
    to: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Bytes>,
    gas: String,
    /// None in a call that can't have any.
    value: Option<U256>,
    r#type: &'static str,
}

/// The last line of a call or a creation.
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
struct Tracer<'a, F> {
    options: Option<TraceOptions>,
    open: F,
    output: Option<io::BufWriter<Box<dyn io::Write + 'a>>>,
    failure: Option<io::Error>,
    /// The opcode under way, until its cost is known.
    step: Option<(Step, u64)>,
    counts: [u64; 256],
    /// What each of the frames on the stack adds to the refund, but for those that it called and
    /// that ended.
    refunds: Vec<i64>,
}

impl<'a, F: FnMut() -> io::Result<Box<dyn io::Write + 'a>>> Tracer<'a, F> {
    fn new(options: Option<TraceOptions>, open: F) -> Self {
        Self {
            options,
            open,
            output: None,
            failure: None,
            step: None,
            counts: [0; 256],
            refunds: Vec::new(),
        }
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

    /// The transaction's refund, of which the frame at `depth`, from 1 on, adds `own`.
    fn refund(&mut self, depth: usize, own: i64) -> i64 {
        self.refunds.resize(depth, 0);
        if let Some(last) = self.refunds.last_mut() {
            *last = own;
        }
        self.refunds.iter().sum()
    }

    fn begin(&mut self, frame: impl FnOnce() -> Frame) {
        if self.options.is_some_and(|options| options.call_frames) {
            self.write(&frame());
        }
    }

    /// The bytes that a frame gets, where the memory is traced.
    fn input(&self, bytes: impl FnOnce() -> Bytes) -> Option<Bytes> {
        let is_wanted = self.options.is_some_and(|options| options.memory);
        is_wanted.then(bytes).filter(|bytes| !bytes.is_empty())
    }

    fn summarize(&mut self, result: &InterpreterResult) {
        let used = result.gas.limit().saturating_sub(result.gas.remaining());
        let failed = !result.result.is_ok();
        self.end(&result.output, used, failed.then(|| error(result.result)));
    }

    fn end(&mut self, output: &[u8], gas_used: u64, error: Option<String>) {
        if self.options.is_some() {
            let (output, gas_used) = (hex::encode(output), format!("{gas_used:#x}"));
            self.write(&Summary { output, gas_used, error });
        }
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

impl<'a, CTX, F> Inspector<CTX> for Tracer<'a, F>
where
    CTX: ContextTr,
    F: FnMut() -> io::Result<Box<dyn io::Write + 'a>>,
{
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        let op = interp.bytecode.opcode();
        self.counts[usize::from(op)] += 1;
        let Some(options) = self.options else { return };
        let depth = context.journal_ref().depth();
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
            depth,
            refund: self.refund(depth, interp.gas.refunded()),
            op_name: name(op),
            error: None,
        };
        self.step = Some((step, interp.gas.remaining()));
    }

    fn step_end(&mut self, interp: &mut Interpreter, _: &mut CTX) {
        let Some((mut step, before)) = self.step.take() else { return };
        let cost = before.saturating_sub(interp.gas.remaining());
        let action = interp.bytecode.action().as_ref();
        // What a call passes on is a part of its cost, what a creation does is not.
        let passed = match action {
            Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) => inputs.gas_limit(),
            _ => 0,
        };
        step.gas_cost = format!("{:#x}", cost.saturating_sub(passed));
        // These are told with the refund that they lead to.
        if [opcode::SSTORE, opcode::SELFDESTRUCT].contains(&step.op) {
            step.refund = self.refund(step.depth, interp.gas.refunded());
        }
        let result = action.and_then(InterpreterAction::instruction_result);
        step.error = result.filter(|result| result.is_halt()).map(error);
        self.write(&step);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let input = self.input(|| inputs.input.bytes(context));
        self.begin(|| {
            let (value, own) = (inputs.call_value(), inputs.target_address);
            let (from, r#type, value) = match inputs.scheme {
                CallScheme::Call => (inputs.caller, "CALL", Some(value)),
                CallScheme::CallCode => (own, "CALLCODE", Some(value)),
                CallScheme::DelegateCall => (own, "DELEGATECALL", Some(value)),
                CallScheme::StaticCall => (inputs.caller, "STATICCALL", None),
            };
            let gas = format!("{:#x}", inputs.gas_limit);
            Frame { from, to: inputs.bytecode_address, input, gas, value, r#type }
        });
        None
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let input = self.input(|| inputs.init_code().clone());
        let from = inputs.caller();
        let sender = context.journal_mut().load_account(from);
        let nonce = sender.map_or(0, |sender| sender.info.nonce);
        self.begin(|| {
            let r#type = match inputs.scheme() {
                CreateScheme::Create2 { .. } => "CREATE2",
                _ => "CREATE",
            };
            let (to, value) = (inputs.created_address(nonce), Some(inputs.value()));
            Frame { from, to, input, gas: format!("{:#x}", inputs.gas_limit()), value, r#type }
        });
        None
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        let (gas, value, r#type) = ("0x0".to_owned(), Some(value), "SELFDESTRUCT");
        self.begin(|| Frame { from: contract, to: target, input: None, gas, value, r#type });
        self.end(&[], 0, None);
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.summarize(&outcome.result);
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.summarize(&outcome.result);
    }
}

impl<F> fmt::Debug for Tracer<'_, F> {
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

/// In the words of geth, where it has some.
fn error(result: InstructionResult) -> String {
    use InstructionResult::*;
    let words = match result {
        Revert => "execution reverted",
        CallTooDeep => "max call depth exceeded",
        OutOfFunds => "insufficient balance for transfer",
        OutOfGas | MemoryOOG | MemoryLimitOOG | PrecompileOOG | InvalidOperandOOG
        | ReentrancySentryOOG => "out of gas",
        OpcodeNotFound | NotActivated | InvalidFEOpcode => "invalid opcode",
        CallNotAllowedInsideStatic | StateChangeDuringStaticCall => "write protection",
        InvalidJump => "invalid jump destination",
        StackUnderflow => "stack underflow",
        StackOverflow => "stack limit reached",
        OutOfOffset => "return data out of bounds",
        CreateCollision => "contract address collision",
        CreateContractSizeLimit => "max code size exceeded",
        CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        CreateInitCodeSizeLimit => "max initcode size exceeded",
        NonceOverflow => "nonce uint64 overflow",
        other => return format!("{other:?}"),
    };
    words.to_owned()
}

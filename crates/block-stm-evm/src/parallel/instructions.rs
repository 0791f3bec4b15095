//! The instructions that look at accounts, each saying what it is going to look at; and KECCAK256,
//! which has a memory.
//!
//! The instructions themselves are revm's. What is not listed here is watched without an intent.

use revm::{
    bytecode::opcode,
    context::JournalTr,
    handler::instructions::EthInstructions,
    interpreter::{
        Instruction, InstructionContext, InstructionExecResult,
        instructions::{contract, host},
        interpreter::EthInterpreter,
        interpreter_types::RuntimeFlag,
    },
    primitives::hardfork::SpecId,
};

use super::{handler::TxnContext, journal::Intent};
use crate::{
    Block,
    keccak::{HasKeccaks, Keccaks, keccak_of_memory},
};

/// The instructions of `block`, with intents.
pub(crate) fn watched_instructions<'b, 's: 'b>(
    block: &Block,
) -> EthInstructions<EthInterpreter, TxnContext<'b, 's>> {
    let mut instructions = EthInstructions::new_mainnet_with_spec(block.spec);
    block.adapt_instructions(&mut instructions);
    let table = instructions.instruction_table_mut();
    table[opcode::KECCAK256 as usize] = Instruction::new(keccak_of_memory::<TxnContext<'b, 's>>);
    table[opcode::BALANCE as usize] = Instruction::new(balance);
    table[opcode::SELFBALANCE as usize] = Instruction::new(self_balance);
    table[opcode::EXTCODESIZE as usize] = Instruction::new(ext_code_size);
    table[opcode::EXTCODECOPY as usize] = Instruction::new(ext_code_copy);
    table[opcode::EXTCODEHASH as usize] = Instruction::new(ext_code_hash);
    table[opcode::CALL as usize] = Instruction::new(call);
    table[opcode::CALLCODE as usize] = Instruction::new(borrow_code::<{ opcode::CALLCODE }>);
    table[opcode::DELEGATECALL as usize] =
        Instruction::new(borrow_code::<{ opcode::DELEGATECALL }>);
    table[opcode::STATICCALL as usize] = Instruction::new(borrow_code::<{ opcode::STATICCALL }>);
    instructions
}

impl HasKeccaks for TxnContext<'_, '_> {
    fn keccaks(&mut self) -> &mut Keccaks {
        &mut self.journaled_state.db_mut().keccaks
    }
}

type Args<'a, 'b, 's> = InstructionContext<'a, TxnContext<'b, 's>, EthInterpreter>;

/// Runs an instruction of revm's for `intent`.
fn watched<'a, 'b, 's>(
    intent: Intent,
    args: Args<'a, 'b, 's>,
    instruction: impl FnOnce(Args<'_, 'b, 's>) -> InstructionExecResult,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = args;
    host.journaled_state.intent = intent;
    let result = instruction(InstructionContext { interpreter, host });
    host.journaled_state.intent = Intent::Everything;
    result
}

fn balance(args: Args<'_, '_, '_>) -> InstructionExecResult {
    watched(Intent::Balance, args, host::balance)
}

fn self_balance(args: Args<'_, '_, '_>) -> InstructionExecResult {
    watched(Intent::Balance, args, host::selfbalance)
}

fn ext_code_size(args: Args<'_, '_, '_>) -> InstructionExecResult {
    watched(Intent::Code, args, host::extcodesize)
}

fn ext_code_copy(args: Args<'_, '_, '_>) -> InstructionExecResult {
    watched(Intent::Code, args, host::extcodecopy)
}

fn ext_code_hash(args: Args<'_, '_, '_>) -> InstructionExecResult {
    watched(Intent::Emptiness, args, host::extcodehash)
}

/// A call that brings an account into being costs more: since EIP-161 only one with value can.
fn call(args: Args<'_, '_, '_>) -> InstructionExecResult {
    let spec = args.interpreter.runtime_flag.spec_id();
    let value = args.interpreter.stack.data().iter().rev().nth(2);
    let without_value = value.is_some_and(|value| value.is_zero());
    let intent = if without_value && spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
        Intent::Code
    } else {
        Intent::Presence
    };
    watched(intent, args, contract::call::<{ opcode::CALL }, _, _>)
}

/// A call that runs another account's code on the caller's own state.
fn borrow_code<const KIND: u8>(args: Args<'_, '_, '_>) -> InstructionExecResult {
    watched(Intent::Code, args, contract::call::<KIND, _, _>)
}

//! A small assembler.

use alloy_primitives::Address;
use block_stm_evm::revm::bytecode::opcode as op;

/// Code under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Code(Vec<u8>);

impl Code {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    pub(super) fn ops(mut self, ops: &[u8]) -> Self {
        self.0.extend_from_slice(ops);
        self
    }

    /// Pushes a number with as few bytes as hold it, at least one.
    pub(super) fn push(self, number: u64) -> Self {
        let bytes = number.to_be_bytes();
        let zeroes = bytes.iter().take_while(|&&byte| byte == 0).count().min(7);
        self.push_bytes(&bytes[zeroes..])
    }

    pub(super) fn push_address(self, address: Address) -> Self {
        self.push_bytes(address.as_slice())
    }

    pub(super) fn push_bytes(self, bytes: &[u8]) -> Self {
        assert!((1..=32).contains(&bytes.len()));
        self.ops(&[op::PUSH0 + bytes.len() as u8]).ops(bytes)
    }

    /// `slot[key] = value`
    pub(super) fn sstore(self, key: u64, value: u64) -> Self {
        self.push(value).push(key).ops(&[op::SSTORE])
    }

    /// `slot[key] = top of the stack`
    pub(super) fn sstore_top(self, key: u64) -> Self {
        self.push(key).ops(&[op::SSTORE])
    }

    pub(super) fn sload(self, key: u64) -> Self {
        self.push(key).ops(&[op::SLOAD])
    }

    pub(super) fn balance(self, of: Address) -> Self {
        self.push_address(of).ops(&[op::BALANCE])
    }

    /// Calls with `kind`, no data and all of `gas`; leaves success on the stack.
    pub(super) fn call(self, kind: u8, to: Address, value: u64, gas: u64) -> Self {
        let code = self.push(0).push(0).push(0).push(0);
        let code = match kind {
            op::CALL | op::CALLCODE => code.push(value),
            _ => code,
        };
        code.push_address(to).push(gas).ops(&[kind])
    }

    /// Creates a contract from at most 32 bytes of init code; leaves its address on the stack.
    pub(super) fn create(self, init: &[u8], value: u64, salt: Option<u64>) -> Self {
        let code = match init.len() {
            0 => self,
            _ => self.push_bytes(init).push(0).ops(&[op::MSTORE]),
        };
        let code = match salt {
            Some(salt) => code.push(salt),
            None => code,
        };
        let offset = 32 - init.len() as u64;
        let create = if salt.is_some() { op::CREATE2 } else { op::CREATE };
        code.push(init.len() as u64).push(offset).push(value).ops(&[create])
    }

    pub(super) fn selfdestruct(self, to: Address) -> Self {
        self.push_address(to).ops(&[op::SELFDESTRUCT])
    }

    pub(super) fn revert(self) -> Self {
        self.push(0).push(0).ops(&[op::REVERT])
    }

    /// Runs `body`, which holds no jumps, only if the top of the stack, which stays there, is even.
    pub(super) fn if_even(self, body: Code) -> Self {
        let code = self.ops(&[op::DUP1]).push(1).ops(&[op::AND]);
        let after = code.0.len() + 4 + body.0.len();
        let after = u16::try_from(after).expect("a short program");
        code.push_bytes(&after.to_be_bytes()).ops(&[op::JUMPI]).ops(&body.0).ops(&[op::JUMPDEST])
    }

    /// Runs `body`, which holds no jumps, only if the top of the stack, which stays there, is
    /// `number`.
    pub(super) fn if_equal(self, number: u64, body: Code) -> Self {
        let code = self.ops(&[op::DUP1]).push(number).ops(&[op::EQ, op::ISZERO]);
        let after = code.0.len() + 4 + body.0.len();
        let after = u16::try_from(after).expect("a short program");
        code.push_bytes(&after.to_be_bytes()).ops(&[op::JUMPI]).ops(&body.0).ops(&[op::JUMPDEST])
    }

    /// Copies `data`, which is put behind all code, to the start of the memory; then `rest` goes
    /// on, which holds no jumps.
    pub(super) fn with_data(self, data: &[u8], rest: Code) -> Self {
        let size = |len: usize| u16::try_from(len).expect("a short program").to_be_bytes();
        let code = self.push_bytes(&size(data.len()));
        let after = code.0.len() + 3 + 2 + 1 + rest.0.len();
        let code = code.push_bytes(&size(after)).push(0).ops(&[op::CODECOPY]);
        code.ops(&rest.0).ops(data)
    }

    /// Init code, of at most 32 bytes, that deploys `runtime`, after `before`.
    pub(super) fn deploying(before: Code, runtime: &[u8]) -> Vec<u8> {
        let length = runtime.len() as u64;
        let code = before.push_bytes(runtime).push(0).ops(&[op::MSTORE]);
        code.push(length).push(32 - length).ops(&[op::RETURN]).0
    }
}

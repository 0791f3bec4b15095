//! What a transaction looks at, read off its instructions.
//!
//! Each is seen before revm executes it. What it looks at counts as soon as all is paid for that is
//! known without the state: the table of EIP-7928, "Gas Validation Before State Access". The prices
//! are revm's, but for the bases; which of them come first is not.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use block_stm_evm::{
    Block,
    revm::{
        Database, Inspector,
        bytecode::opcode as op,
        context::{Cfg, JournalTr, TxEnv},
        context_interface::{
            Host, journaled_state::account::JournaledAccountTr, transaction::AuthorizationTr,
        },
        handler::MainnetContext,
        interpreter::{
            CallInputs, CallOutcome, CreateInputs, CreateOutcome, Gas, InstructionResult,
            Interpreter, InterpreterResult,
            interpreter_types::{InputsTr, Jumps, RuntimeFlag},
        },
        primitives::{TxKind, hardfork::SpecId},
    },
};

use super::{Accesses, world::HasStorage};

/// Watches a transaction.
#[derive(Default)]
pub(super) struct Looked {
    seen: Accesses,
    /// Whether the first call or creation began.
    begun: bool,
}

/// An instruction's words and prices, before it is executed.
struct Step<'a, DB: Database> {
    interp: &'a Interpreter,
    ctx: &'a mut MainnetContext<DB>,
    opcode: u8,
}

const STIPEND: u64 = 2_300;
const DEPTH_MAX: usize = 1_024;

impl Looked {
    /// All that the transaction looked at, of which the protocol itself looks at some. `None` if it
    /// ended before the first call or creation began, which since EIP-2780 it may.
    pub(super) fn accesses(mut self, block: &Block, txn: &TxEnv) -> Option<Accesses> {
        if !self.begun {
            return None;
        }
        let to = match txn.kind {
            TxKind::Call(to) => to,
            TxKind::Create => txn.caller.create(txn.nonce),
        };
        for address in [txn.caller, to, block.env.beneficiary] {
            self.account(address);
        }
        let chain_id = block.cfg_env().chain_id;
        let is_read = |authorization: &&_| {
            let ids = [U256::ZERO, U256::from(chain_id)];
            ids.contains(&AuthorizationTr::chain_id(*authorization))
                && AuthorizationTr::nonce(*authorization) < u64::MAX
        };
        if txn.tx_type == 4 {
            let authorizations = txn.authorization_list.iter().filter(is_read);
            let authorities = authorizations.filter_map(AuthorizationTr::authority);
            authorities.for_each(|authority| self.account(authority));
        }
        Some(self.seen)
    }

    fn account(&mut self, address: Address) {
        self.seen.entry(address).or_default();
    }

    fn begin<DB: Database>(&mut self, ctx: &mut MainnetContext<DB>, to: Option<Address>) {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(delegate) = to.and_then(|to| delegate(ctx, to))
        {
            self.account(delegate);
        }
    }
}

impl<DB: Database + HasStorage> Inspector<MainnetContext<DB>> for Looked {
    fn call(
        &mut self,
        ctx: &mut MainnetContext<DB>,
        inputs: &mut CallInputs,
    ) -> Option<CallOutcome> {
        self.begin(ctx, Some(inputs.target_address));
        None
    }

    fn create(
        &mut self,
        ctx: &mut MainnetContext<DB>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        self.begin(ctx, None);
        collision(ctx, inputs)
    }

    fn step(&mut self, interp: &mut Interpreter, ctx: &mut MainnetContext<DB>) {
        let own = interp.input.target_address();
        let opcode = interp.bytecode.opcode();
        let mut step = Step { interp, ctx, opcode };
        match opcode {
            op::SLOAD | op::SSTORE => {
                if let Some(key) = step.slot() {
                    self.seen.entry(own).or_default().insert(key);
                }
            }
            _ => {
                let accounts = step.accounts().into_iter().flatten().flatten();
                accounts.for_each(|address| self.account(address));
            }
        }
    }
}

impl<DB: Database> Step<'_, DB> {
    fn since(&self, fork: SpecId) -> bool {
        self.ctx.cfg.spec.is_enabled_in(fork)
    }

    /// The word at `depth` below the top of the stack.
    fn word(&self, depth: usize) -> Option<U256> {
        self.interp.stack.peek(depth).ok()
    }

    fn address(&self, depth: usize) -> Option<Address> {
        Some(Address::from_word(self.word(depth)?.into()))
    }

    fn affords(&self, gas: u64) -> bool {
        self.interp.gas.remaining() >= gas
    }

    fn writes(&self) -> bool {
        !self.interp.runtime_flag.is_static()
    }

    /// What the instruction costs whatever it is about.
    fn base(&self) -> u64 {
        match self.opcode {
            op::SELFDESTRUCT if self.since(SpecId::TANGERINE) => 5_000,
            op::SELFDESTRUCT => 0,
            op::EXTCODESIZE | op::EXTCODECOPY if self.since(SpecId::AMSTERDAM) => 200,
            _ if self.since(SpecId::BERLIN) => 100,
            op::SLOAD if self.since(SpecId::ISTANBUL) => 800,
            op::SLOAD if self.since(SpecId::TANGERINE) => 200,
            op::SLOAD => 50,
            op::BALANCE | op::EXTCODEHASH if self.since(SpecId::ISTANBUL) => 700,
            op::BALANCE | op::EXTCODEHASH if self.since(SpecId::TANGERINE) => 400,
            _ if self.since(SpecId::TANGERINE) => 700,
            op::CALL | op::CALLCODE | op::DELEGATECALL => 40,
            _ => 20,
        }
    }

    /// What `address` costs more if nothing has looked at it yet.
    fn cold(&mut self, address: Address) -> u64 {
        match self.ctx.load_account_info_skip_cold_load(address, false, true) {
            Ok(_) => 0,
            Err(_) => self.ctx.cfg.gas_params().cold_account_additional_cost(),
        }
    }

    /// The slot that the instruction looks at.
    fn slot(&mut self) -> Option<U256> {
        let key = self.word(0)?;
        let is_load = self.opcode == op::SLOAD;
        if !is_load {
            self.word(1)?;
            let sentry = self.since(SpecId::ISTANBUL);
            if !self.writes() || sentry && self.interp.gas.remaining() <= STIPEND {
                return None;
            }
        }
        let own = self.interp.input.target_address();
        let is_cold =
            self.since(SpecId::BERLIN) && self.ctx.sload_skip_cold_load(own, key, true).is_err();
        let cost = match is_cold {
            true => 2_100,
            false if is_load => self.base(),
            false => self.ctx.cfg.gas_params().sstore_static_gas(),
        };
        self.affords(cost).then_some(key)
    }

    /// The account that the instruction looks at, and the one that it delegates to.
    fn accounts(&mut self) -> Option<[Option<Address>; 2]> {
        let is_known = match self.opcode {
            op::EXTCODEHASH | op::CREATE2 => self.since(SpecId::PETERSBURG),
            op::STATICCALL => self.since(SpecId::BYZANTIUM),
            op::DELEGATECALL => self.since(SpecId::HOMESTEAD),
            _ => true,
        };
        if !is_known {
            return None;
        }
        match self.opcode {
            op::BALANCE | op::EXTCODESIZE | op::EXTCODEHASH => {
                let address = self.address(0)?;
                let cost = self.base() + self.cold(address);
                self.affords(cost).then_some([Some(address), None])
            }
            op::EXTCODECOPY => {
                let (address, len) = (self.address(0)?, self.word(3)?);
                let copied = 3 * words(U256::ZERO, len)?;
                let memory = self.memory(&[(self.word(1)?, len)])?;
                let cost = self.base() + copied + memory + self.cold(address);
                self.affords(cost).then_some([Some(address), None])
            }
            op::SELFDESTRUCT => {
                let address = self.address(0)?;
                let cold = match self.cold(address) {
                    0 => 0,
                    _ => self.ctx.cfg.gas_params().selfdestruct_cold_cost(),
                };
                let is_seen = self.writes() && self.affords(self.base() + cold);
                is_seen.then_some([Some(address), None])
            }
            op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL => self.called(),
            op::CREATE | op::CREATE2 => Some([self.created(), None]),
            _ => None,
        }
    }

    fn called(&mut self) -> Option<[Option<Address>; 2]> {
        let to = self.address(1)?;
        let (value, rest) = match self.opcode {
            op::CALL | op::CALLCODE => (self.word(2)?, 3),
            _ => (U256::ZERO, 2),
        };
        if !value.is_zero() && self.opcode == op::CALL && !self.writes() {
            return None;
        }
        let input = (self.word(rest)?, self.word(rest + 1)?);
        let output = (self.word(rest + 2)?, self.word(rest + 3)?);
        let mut cost = self.base() + self.memory(&[input, output])? + self.cold(to);
        if !value.is_zero() {
            cost += self.ctx.cfg.gas_params().transfer_value_cost();
        }
        if !self.affords(cost) {
            return None;
        }
        let delegate = delegate(self.ctx, to).filter(|delegate| {
            let warm = self.ctx.cfg.gas_params().warm_storage_read_cost();
            // The first account, which revm has not looked at yet, is warm by then.
            let cold = if *delegate == to { 0 } else { self.cold(*delegate) };
            self.affords(cost + warm + cold)
        });
        Some([Some(to), delegate])
    }

    fn created(&self) -> Option<Address> {
        let with_salt = self.opcode == op::CREATE2;
        let (value, offset, len) = (self.word(0)?, self.word(1)?, self.word(2)?);
        let salt = if with_salt { self.word(3)? } else { U256::ZERO };
        let (code_words, params) = (words(U256::ZERO, len)?, self.ctx.cfg.gas_params());
        let mut cost = params.create_cost() + self.memory(&[(offset, len)])?;
        if self.since(SpecId::SHANGHAI) {
            if len > U256::from(self.ctx.max_initcode_size()) {
                return None;
            }
            cost += 2 * code_words;
        }
        if with_salt {
            cost += 6 * code_words;
        }
        if !self.writes() || !self.affords(cost) || self.interp.input.depth() >= DEPTH_MAX {
            return None;
        }
        let creator = self.interp.input.target_address();
        let account = &self.ctx.journaled_state.inner.state[&creator].info;
        if account.balance < value || account.nonce == u64::MAX {
            return None;
        }
        if !with_salt {
            return Some(creator.create(account.nonce));
        }
        let len = len.to::<usize>();
        let memory = self.interp.memory.context_memory();
        let there = memory.iter().copied().skip(offset.saturating_to()).take(len);
        let mut code: Vec<u8> = there.collect();
        code.resize(len, 0);
        Some(creator.create2(salt.to_be_bytes(), keccak256(code)))
    }

    /// What it costs that the memory reaches to the ends of all `ranges`.
    fn memory(&self, ranges: &[(U256, U256)]) -> Option<u64> {
        let cost = |words: u64| 3 * words + words * words / 512;
        let now = self.interp.memory.len().div_ceil(32) as u64;
        let mut needed = now;
        for &(offset, len) in ranges {
            needed = needed.max(words(offset, len)?);
        }
        Some(cost(needed) - cost(now))
    }
}

/// The words of memory up to the end of a range; `None` for more than can be paid for.
fn words(offset: U256, len: U256) -> Option<u64> {
    if len.is_zero() {
        return Some(0);
    }
    let end = offset.checked_add(len)?;
    let end = u64::try_from(end).ok()?;
    (end < 1 << 32).then_some(end.div_ceil(32))
}

/// Who the code at `address` delegates to (EIP-7702). Leaves no trace in revm's journal.
fn delegate<DB: Database>(ctx: &mut MainnetContext<DB>, address: Address) -> Option<Address> {
    if !ctx.cfg.spec.is_enabled_in(SpecId::PRAGUE) {
        return None;
    }
    let journal = &mut ctx.journaled_state;
    let info = match journal.inner.state.get(&address) {
        Some(account) => account.info.clone(),
        None => journal.database.basic(address).ok()??,
    };
    let code = match info.code {
        Some(code) => code,
        None => journal.database.code_by_hash(info.code_hash).ok()?,
    };
    code.eip7702_address()
}

/// What becomes of a creation where there is storage (EIP-7610), which revm does not look for: the
/// creator's nonce rises, the place is looked at, and all gas is gone. `None` for any other.
fn collision<DB: Database + HasStorage>(
    ctx: &mut MainnetContext<DB>,
    inputs: &CreateInputs,
) -> Option<CreateOutcome> {
    let journal = &mut ctx.journaled_state;
    let (balance, nonce) = {
        let creator = journal.load_account_mut(inputs.caller()).ok()?;
        (*creator.balance(), creator.nonce())
    };
    if balance < inputs.value() || nonce == u64::MAX {
        return None;
    }
    let place = inputs.created_address(nonce);
    let (nonce, is_code, is_created, own) = match journal.inner.state.get(&place) {
        Some(account) => {
            let mut slots = account.storage.values();
            let own = slots.any(|slot| !slot.present_value().is_zero());
            let info = &account.info;
            (info.nonce, !info.is_empty_code_hash(), account.is_created(), own)
        }
        None => {
            let info = journal.database.basic(place).ok()?.unwrap_or_default();
            (info.nonce, !info.is_empty_code_hash(), false, false)
        }
    };
    let occupied = own || !is_created && journal.database.has_storage(place);
    if nonce > 0 || is_code || !occupied {
        return None;
    }
    journal.load_account_mut(inputs.caller()).ok()?.bump_nonce();
    journal.load_account(place).ok()?;
    let result = InterpreterResult {
        result: InstructionResult::CreateCollision,
        gas: Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit(), inputs.reservoir()),
        output: Bytes::new(),
    };
    let charged_create_state_gas = inputs.charged_create_state_gas();
    Some(CreateOutcome { result, address: None, charged_create_state_gas })
}

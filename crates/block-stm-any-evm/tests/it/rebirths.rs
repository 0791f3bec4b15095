//! A contract that is destroyed and created again holds what its last life wrote.

use alloy_evm::revm::{
    context::{BlockEnv, TxEnv},
    primitives::{Address, B256, TxKind, U256, hardfork::SpecId, keccak256},
    state::{AccountInfo, Bytecode},
};
use block_stm_evm::{Block, PreState, revm::bytecode::opcode as op};

use crate::{code::Code, same::assert_same};

const FACTORY: Address = Address::repeat_byte(0xfa);
const SENDER: Address = Address::repeat_byte(0x01);

/// Destroys itself without input; with it, copies slot 7 to slot 8.
fn runtime() -> Vec<u8> {
    let code = Code::new().ops(&[op::CALLDATASIZE]).push(7).ops(&[op::JUMPI, op::CALLER]);
    let code = code.ops(&[op::SELFDESTRUCT, op::STOP, op::JUMPDEST]);
    assert_eq!(code.bytes().len(), 7 + 1, "where the jump leads");
    code.sload(7).sstore_top(8).bytes()
}

/// Keeps what it is sent in slot 7.
fn init() -> Vec<u8> {
    Code::deploying(Code::new().ops(&[op::CALLVALUE]).sstore_top(7), &runtime())
}

#[test]
fn slots_of_earlier_lives_are_gone() {
    let mut state = PreState::new();
    let info = AccountInfo::from_balance(U256::from(10_u64.pow(18)));
    state.insert_account(SENDER, info);
    // Creates a contract from its input, at an address that does not depend on how often.
    let code = Code::new().ops(&[op::CALLDATASIZE, op::PUSH0, op::PUSH0, op::CALLDATACOPY]);
    let code = code.ops(&[op::PUSH0, op::CALLDATASIZE, op::PUSH0, op::CALLVALUE, op::CREATE2]);
    let code = Bytecode::new_legacy(code.bytes().into());
    state.insert_account(FACTORY, AccountInfo::default().with_nonce(1).with_code(code));
    let child = FACTORY.create2(B256::ZERO, keccak256(init()));

    let creates = |wei| (FACTORY, wei, init());
    let (destroys, copies) = ((child, 0, Vec::new()), (child, 0, vec![1]));
    let steps = [creates(9), copies.clone(), destroys.clone(), creates(0), copies, destroys];
    let steps = steps.iter().cycle().take(24);
    let txns = steps.enumerate().map(|(nonce, (to, wei, data))| TxEnv {
        caller: SENDER,
        nonce: nonce as u64,
        kind: TxKind::Call(*to),
        value: U256::from(*wei),
        data: data.clone().into(),
        gas_limit: 300_000,
        gas_price: 1,
        ..TxEnv::default()
    });
    let env = BlockEnv { beneficiary: Address::repeat_byte(0xbe), ..BlockEnv::default() };
    let vaults = [env.beneficiary];
    let block = Block::new(SpecId::SHANGHAI, env, txns.collect());
    let came = assert_same(&block, &state, &[&[], &vaults]);
    let copied = |place: usize| {
        let account = &came[place].as_ref().expect("valid").state[&child];
        account.storage.get(&U256::from(8)).map(|slot| slot.present_value)
    };
    assert_eq!(copied(1), Some(U256::from(9)));
    assert_eq!(copied(4), Some(U256::ZERO));
}

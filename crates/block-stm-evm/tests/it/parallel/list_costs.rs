//! Whether an instruction that can't be paid for counts as a look at the state, for each amount of
//! gas that may make a difference.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use block_stm_evm::{
    InvalidTxn, execute_sequential,
    revm::{
        bytecode::opcode as op,
        context::TxEnv,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{
    code::Code,
    lists::assert_same_lists,
    scene::{block, call, contract, eoa, set_balance, state, watched},
};

/// Every instruction that looks at an account or a slot, about the one that the first word of its
/// input names.
fn looking(spec: SpecId) -> Vec<(u8, Code)> {
    let input = || Code::new().push(0).ops(&[op::CALLDATALOAD]);
    let calling = |kind, wei| {
        let code = Code::new().push(0).push(0).push(0).push(0);
        let code = if matches!(kind, op::CALL | op::CALLCODE) { code.push(wei) } else { code };
        code.push(0).ops(&[op::CALLDATALOAD]).push(0).ops(&[kind])
    };
    let mut all = vec![
        (op::BALANCE, input().ops(&[op::BALANCE])),
        (op::EXTCODESIZE, input().ops(&[op::EXTCODESIZE])),
        (
            op::EXTCODECOPY,
            Code::new().push(64).push(0).push(32).push(0).ops(&[op::CALLDATALOAD, op::EXTCODECOPY]),
        ),
        (op::SLOAD, input().ops(&[op::SLOAD])),
        (op::SSTORE, Code::new().push(7).push(0).ops(&[op::CALLDATALOAD, op::SSTORE])),
        (op::SELFDESTRUCT, input().ops(&[op::SELFDESTRUCT])),
        (op::CALL, calling(op::CALL, 0)),
        (op::CALL, calling(op::CALL, 1)),
        (op::CALL, calling(op::CALL, 1_000_000)),
        (op::CALLCODE, calling(op::CALLCODE, 1)),
    ];
    if spec.is_enabled_in(SpecId::HOMESTEAD) {
        all.push((op::DELEGATECALL, calling(op::DELEGATECALL, 0)));
    }
    if spec.is_enabled_in(SpecId::BYZANTIUM) {
        all.push((op::STATICCALL, calling(op::STATICCALL, 0)));
    }
    if spec.is_enabled_in(SpecId::PETERSBURG) {
        all.push((op::EXTCODEHASH, input().ops(&[op::EXTCODEHASH])));
        let create = Code::new().push(0).ops(&[op::CALLDATALOAD]).push(32).push(0).push(1);
        all.push((op::CREATE2, create.ops(&[op::CREATE2])));
    }
    all
}

/// Around each sum of prices that an instruction may come to, whatever it pushes before.
fn amounts() -> Vec<u64> {
    let prices = [
        0, 20, 40, 50, 100, 200, 400, 700, 800, 2_100, 2_300, 2_600, 3_000, 5_000, 5_200, 6_700,
        7_600, 8_000, 9_040, 9_100, 9_700, 10_000, 11_600, 12_000, 12_100, 15_000, 20_000, 25_000,
        32_000, 34_700, 44_000,
    ];
    let around = prices.into_iter().flat_map(|price| price..price + 45);
    let mut amounts: Vec<_> = around.collect();
    amounts.dedup();
    amounts
}

/// Calls the contract that the third word says, with so much gas as the second one says, and the
/// first one.
fn forwards() -> Code {
    let word = |code: Code, n: u64| code.push(32 * n).ops(&[op::CALLDATALOAD]);
    let code = word(Code::new(), 0).push(0).ops(&[op::MSTORE]);
    let code = code.push(0).push(0).push(32).push(0).push(0);
    word(word(code, 2), 1).ops(&[op::CALL])
}

/// The account that is like `named`, and yet another one.
fn beside(named: Address, kind: u8) -> Address {
    let mut address = named;
    address.0[0] = kind;
    address
}

const LENDER: u8 = 0x44;
const LOOKING: u8 = 0x55;

/// One transaction for each amount of gas, each of which names an account or slot of its own.
fn txns() -> Vec<(Address, TxEnv)> {
    let amounts = amounts().into_iter().enumerate();
    let txns = amounts.map(|(n, gas)| {
        let mut named = Address::repeat_byte(0x33);
        named.0[18..].copy_from_slice(&(n as u16).to_be_bytes());
        let words = [named.into_word(), U256::from(gas).into(), beside(named, LOOKING).into_word()];
        let data = Bytes::from(words.concat());
        let txn = TxEnv { data, gas_limit: 2_000_000, ..call(eoa(0), n as u64, contract(0), 0) };
        (named, txn)
    });
    txns.collect()
}

/// The forks whose prices or order of payment differ.
const SPECS: [SpecId; 9] = [
    SpecId::FRONTIER,
    SpecId::TANGERINE,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::SHANGHAI,
    SpecId::PRAGUE,
    SpecId::AMSTERDAM,
];

#[test]
fn what_cannot_be_paid_for_is_not_looked_at() {
    for spec in SPECS {
        watched(move || {
            looking(spec).into_iter().for_each(|(opcode, looks)| check(spec, opcode, looks))
        });
    }
}

fn check(spec: SpecId, opcode: u8, looks: Code) {
    let mut state = state([forwards()]);
    set_balance(&mut state, eoa(0), u64::MAX);
    let (named, txns): (Vec<_>, Vec<_>) = txns().into_iter().unzip();
    // A third of the accounts is there; a third borrows its code from one of its own, where there
    // is such a thing.
    let looks = Bytecode::new_legacy(looks.bytes().into());
    for (n, address) in named.iter().enumerate() {
        // Each has a contract of its own that looks at it, as some destroy themselves.
        let looking = AccountInfo::default().with_nonce(1).with_balance(U256::from(9));
        state.insert_account(beside(*address, LOOKING), looking.with_code(looks.clone()));
        let mut info = AccountInfo::default().with_balance(U256::ONE);
        if n % 3 == 1 && spec.is_enabled_in(SpecId::PRAGUE) {
            let code = Bytecode::new_eip7702(beside(*address, LENDER));
            info = info.with_nonce(1).with_code(code);
        }
        if n % 3 < 2 {
            state.insert_account(*address, info);
        }
    }
    let mut block = block(spec, txns);
    block.env.gas_limit = 1 << 50;
    let expected = execute_sequential(&block, &state, InvalidTxn::Reject);
    let expected = expected.map_err(|error| error.to_string());
    let list = assert_same_lists(&block, &state, InvalidTxn::Reject, &expected);
    let list = list.unwrap_or_else(|| panic!("{spec:?}, opcode {opcode:#x}: {expected:?}"));
    // Some are looked at, and some are not.
    let is_slot = matches!(opcode, op::SLOAD | op::SSTORE);
    let slots = list.iter().flat_map(|account| account.storage_slots()).count();
    let target = |named: Address| match opcode {
        op::CREATE2 => beside(named, LOOKING).create2(named.into_word(), keccak256([0; 32])),
        _ => named,
    };
    let targets = named.iter().map(|named| target(*named));
    let accounts = targets.filter(|target| list.iter().any(|account| account.address == *target));
    let seen = if is_slot { slots } else { accounts.count() };
    assert!((20..named.len()).contains(&seen), "{spec:?}, opcode {opcode:#x}: {seen}");
}

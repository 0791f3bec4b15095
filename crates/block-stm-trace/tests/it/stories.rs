//! Transactions that find what others have left: contracts that come, go and come again,
//! delegations, failures, and fees.

use alloy_primitives::{Address, B256, U256, keccak256};
use block_stm_evm::revm::{
    bytecode::opcode as op, primitives::hardfork::SpecId, state::AccountInfo,
};
use block_stm_testkit::watchdog::{PATIENCE, within};
use block_stm_trace::{
    TracedBlock,
    alloy_rpc_types_trace::geth::{AccountState, GethTrace, PreStateFrame},
};

use crate::{
    code::Code,
    rebirths::{Before, GAS, Heir, Step, Story, toy},
    same::{assert_same, engines, in_parallel, tracer, tracers},
    scene::{BENEFICIARY, block, call, contract, create, delegating, eoa, state, transfer},
};

use Step::*;

const MAKE: Step = Make { toy: 0, order: 24 };
const READ: Step = Read { toy: 0, key: 0 };
const DESTROY: Step = Destroy { toy: 0, to: Heir::Other };
const WRITE: Step = Write { toy: 0, key: 0, value: 12 };

/// What the prestate tracer says of the account before each transaction.
fn before(
    block: &block_stm_evm::Block,
    state: &block_stm_evm::PreState,
    address: Address,
) -> Vec<Option<AccountState>> {
    let traced = TracedBlock::new(block);
    let tracer = tracer("prestateTracer", "{}");
    let traces = in_parallel(&engines()[3], &traced, state, &tracer, |trace| trace.trace);
    let of = |trace: GethTrace| match trace {
        GethTrace::PreStateTracer(PreStateFrame::Default(trace)) => trace.0.get(&address).cloned(),
        other => panic!("{other:?}"),
    };
    traces.expect("valid").0.into_iter().map(of).collect()
}

#[test]
fn a_contract_that_goes_takes_its_storage_along_and_comes_again_without() {
    within(PATIENCE, || {
        let with_slot = Before { exists: true, balance: 3, slots: [5, 6] };
        let txns: &[&[Step]] = &[
            &[READ],
            &[WRITE],
            &[READ],
            &[DESTROY],
            &[READ],
            &[MAKE],
            &[READ, Read { toy: 0, key: 1 }],
            &[WRITE, DESTROY],
            &[MAKE],
            &[READ],
        ];
        let txns: Vec<_> = txns.iter().map(|steps| (GAS, steps.to_vec())).collect();
        let specs = [
            SpecId::FRONTIER,
            SpecId::TANGERINE,
            SpecId::SPURIOUS_DRAGON,
            SpecId::PETERSBURG,
            SpecId::LONDON,
            SpecId::SHANGHAI,
            SpecId::CANCUN,
            SpecId::AMSTERDAM,
        ];
        for spec in specs {
            let before = [with_slot, Before::default()];
            let story = Story { spec, net_metering: false, before, txns: txns.clone() };
            let (mut block, mut state) = (story.block(), story.state());
            assert_same(&block, &state, &tracers(0));
            // The same where the list does not say all: an empty account ceases to exist.
            let husk = Address::repeat_byte(0xe0);
            state.insert_account(husk, AccountInfo::default());
            block.txns.insert(0, transfer(eoa(12), 0, husk, 0));
            assert_same(&block, &state, &tracers(0));
        }
        // What the states are, by hand: in Shanghai the toy goes in transaction 3 and comes again
        // in 5.
        let before_toys = [with_slot, Before::default()];
        let story =
            Story { spec: SpecId::SHANGHAI, net_metering: false, before: before_toys, txns };
        let found = before(&story.block(), &story.state(), toy(0));
        let slot = |n: usize| {
            let account = found[n].as_ref()?;
            let value = account.storage.get(&B256::ZERO)?;
            Some(U256::from_be_bytes(value.0).to::<u64>())
        };
        assert_eq!([slot(0), slot(1), slot(2), slot(3)], [Some(5), Some(5), Some(12), None]);
        assert!(found[4].is_none(), "it is gone: {:?}", found[4]);
        assert_eq!(slot(6), Some(12), "made with 24 wei, of which it stores half");
        assert_eq!(slot(9), Some(12));
    })
    .expect("no hang");
}

#[test]
fn deployed_code_is_run_by_the_next_transaction() {
    within(PATIENCE, || {
        let runtime = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0).bytes();
        let deploy = Code::new().push(runtime.len() as u64).push(0).ops(&[op::RETURN]);
        let init = Code::new().with_data(&runtime, deploy).bytes();
        let new = eoa(0).create(0);
        for spec in [SpecId::FRONTIER, SpecId::BYZANTIUM, SpecId::SHANGHAI, SpecId::PRAGUE] {
            let txns = [
                create(eoa(0), 0, &init),
                call(eoa(1), 0, new, 0),
                call(eoa(2), 0, new, 5),
                transfer(eoa(3), 0, new, 1),
            ];
            let (block, state) = (block(spec, txns), state([]));
            assert_same(&block, &state, &tracers(0));
            let found = before(&block, &state, new);
            let code = found[1].as_ref().and_then(|account| account.code.clone());
            assert_eq!(code.map(keccak256), Some(keccak256(&runtime)), "{spec:?}");
            let slot = found[2].as_ref().and_then(|account| account.storage.get(&B256::ZERO));
            assert_eq!(slot, Some(&B256::with_last_byte(1)), "{spec:?}");
        }
    })
    .expect("no hang");
}

#[test]
fn delegations_hold_from_the_next_transaction_on() {
    within(PATIENCE, || {
        let code = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
        let state = state([code, Code::new().ops(&[op::INVALID])]);
        for spec in [SpecId::PRAGUE, SpecId::OSAKA, SpecId::AMSTERDAM] {
            let txns = [
                delegating(call(eoa(0), 0, eoa(5), 0), &[(eoa(5), 0, contract(0))]),
                call(eoa(1), 0, eoa(5), 3),
                delegating(call(eoa(2), 0, eoa(6), 0), &[(eoa(5), 1, contract(1))]),
                call(eoa(3), 0, eoa(5), 0),
                delegating(call(eoa(4), 0, eoa(6), 0), &[(eoa(5), 2, Address::ZERO)]),
                transfer(eoa(5), 3, eoa(7), 9),
            ];
            let block = block(spec, txns);
            assert_same(&block, &state, &tracers(0));
            let found = before(&block, &state, eoa(5));
            let codes: Vec<_> = found
                .iter()
                .map(|account| account.as_ref().and_then(|account| account.code.clone()))
                .map(|code| code.map_or(0, |code| code.len()))
                .collect();
            // Transaction 2 and 4 look at the account to delegate.
            assert_eq!(codes, [0, 23, 23, 23, 23, 0], "{spec:?}");
        }
    })
    .expect("no hang");
}

#[test]
fn what_fails_leaves_its_fee_alone() {
    within(PATIENCE, || {
        let state = state([
            Code::new().sstore(0, 7).push(0).push(0).ops(&[op::REVERT]),
            Code::new().sstore(0, 7).ops(&[op::INVALID]),
            Code::new().balance(BENEFICIARY).sstore_top(0),
        ]);
        for spec in [SpecId::BYZANTIUM, SpecId::LONDON, SpecId::CANCUN] {
            let mut starved = call(eoa(2), 0, contract(2), 0);
            starved.gas_limit = 30_000;
            let txns = [
                call(eoa(0), 0, contract(0), 5),
                call(eoa(1), 0, contract(1), 5),
                starved,
                call(eoa(3), 0, contract(2), 0),
                transfer(eoa(4), 0, BENEFICIARY, 1),
                call(eoa(5), 0, contract(2), 0),
            ];
            let block = block(spec, txns);
            assert_same(&block, &state, &tracers(0));
            let found = before(&block, &state, BENEFICIARY);
            let balance = |n: usize| {
                let account = found[n].as_ref().expect("it was paid");
                account.balance.expect("is told").to::<u64>()
            };
            // All of the gas of the second and third, at the price of 10.
            assert!(balance(3) > 10 * (400_000 + 30_000), "{spec:?}");
            assert_eq!(balance(5) - balance(4), 210_000 + 1, "{spec:?}");
        }
    })
    .expect("no hang");
}

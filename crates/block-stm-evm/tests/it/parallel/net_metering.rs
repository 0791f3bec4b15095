//! Constantinople's SSTORE, by the examples of EIP-1283.

use alloy_primitives::{Address, U256};
use block_stm_evm::{
    Block,
    revm::{
        bytecode::opcode as op,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{same::assert_same, scene::*};

/// What is in slot 0 before, what is written there one after another; the gas of the whole code,
/// and its refund.
type Example = (u8, &'static [u8], u64, u64);

const EXAMPLES: [Example; 17] = [
    (0, &[0, 0], 412, 0),
    (0, &[0, 1], 20_212, 0),
    (0, &[1, 0], 20_212, 19_800),
    (0, &[1, 2], 20_212, 0),
    (0, &[1, 1], 20_212, 0),
    (1, &[0, 0], 5_212, 15_000),
    (1, &[0, 1], 5_212, 4_800),
    (1, &[0, 2], 5_212, 0),
    (1, &[2, 0], 5_212, 15_000),
    (1, &[2, 3], 5_212, 0),
    (1, &[2, 1], 5_212, 4_800),
    (1, &[2, 2], 5_212, 0),
    (1, &[1, 0], 5_212, 15_000),
    (1, &[1, 2], 5_212, 0),
    (1, &[1, 1], 412, 0),
    (0, &[1, 0, 1], 40_218, 19_800),
    (1, &[0, 1, 0], 10_218, 19_800),
];

#[test]
fn each_example_costs_what_the_proposal_says() {
    watched(|| {
        let mut state = state([]);
        let mut txns = Vec::new();
        for (n, (before, writes, ..)) in (0..).zip(EXAMPLES) {
            let writer = Address::repeat_byte(0xa0 + n);
            let write = |value: &u8| [op::PUSH1, *value, op::PUSH1, 0, op::SSTORE];
            let code: Vec<u8> = writes.iter().flat_map(write).collect();
            let code = Bytecode::new_legacy(code.into());
            state.insert_account(writer, AccountInfo::default().with_code(code));
            state.insert_storage(writer, U256::ZERO, U256::from(before));
            txns.push(call(eoa(n), 0, writer, 0));
        }
        let mut block = block(SpecId::PETERSBURG, txns);
        let gas = |block: &Block| {
            let result = assert_same(block, &state).expect("valid");
            let total = result.receipts.iter().map(|receipt| receipt.cumulative_gas_used);
            let steps = std::iter::once(0).chain(total.clone()).zip(total);
            steps.map(|(before, after)| after - before).collect::<Vec<_>>()
        };
        let petersburg = gas(&block);
        block.net_metering = true;
        // At most half of what a transaction costs is given back.
        let expected = EXAMPLES.map(|(.., gas, refund)| {
            let gas = 21_000 + gas;
            gas - refund.min(gas / 2)
        });
        assert_eq!(gas(&block), expected);
        assert_ne!(petersburg, expected);
    });
}

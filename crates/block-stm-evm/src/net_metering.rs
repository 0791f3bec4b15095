//! The gas of SSTORE as Constantinople had it (EIP-1283), until Petersburg took it back.
//!
//! It is that of Istanbul (EIP-2200) with 200 gas in place of 800 for what changes no slot for the
//! first time, and without the least gas that a frame must have left. revm has the latter and not
//! the former: so a block with [`Block::net_metering`](crate::Block) has the rules of Petersburg,
//! these prices, and an SSTORE that reckons as from Istanbul on.

use revm::{
    context_interface::cfg::{GasId, GasParams},
    interpreter::{
        Host, InstructionContext, InstructionExecResult, InstructionResult,
        instructions::host::sstore_with_gas_accounting, interpreter::EthInterpreter,
    },
};

/// What an SSTORE costs that writes a slot again, or what is there already.
const AGAIN: u64 = 200;
const SET: u64 = 20_000;
const RESET: u64 = 5_000;

/// Puts the prices of EIP-1283 in place of Petersburg's.
pub(crate) fn set_prices(params: &mut GasParams) {
    params.override_gas([
        (GasId::sstore_static(), AGAIN),
        (GasId::sstore_set_without_load_cost(), SET - AGAIN),
        (GasId::sstore_reset_without_cold_load_cost(), RESET - AGAIN),
        (GasId::sstore_set_refund(), SET - AGAIN),
        (GasId::sstore_reset_refund(), RESET - AGAIN),
    ]);
}

/// SSTORE at these prices.
pub(crate) fn sstore<H: Host>(
    args: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    sstore_with_gas_accounting(args, |args, _, load| {
        let params = args.host.gas_params();
        let gas = params.sstore_dynamic_gas(true, &load.data, load.is_cold);
        let refund = params.sstore_refund(true, &load.data);
        if !args.interpreter.gas.record_regular_cost(gas) {
            return Err(InstructionResult::OutOfGas);
        }
        args.interpreter.gas.record_refund(refund);
        Ok(())
    })
}

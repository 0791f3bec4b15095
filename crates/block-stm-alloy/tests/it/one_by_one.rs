//! Transactions one by one, as alloy-evm means it, also before a whole block.

use alloy_consensus::{ReceiptEnvelope, TxEnvelope};
use alloy_evm::{
    Evm, EvmFactory,
    block::{
        BlockExecutionResult, BlockExecutor, BlockExecutorFactory, CommitChanges, GasOutput,
        TxResult,
    },
    eth::EthBlockExecutionCtx,
    revm::{
        context::{BlockEnv, TxEnv},
        database::{BundleState, State, states::bundle_state::BundleRetention},
        primitives::hardfork::SpecId,
    },
};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*};

use crate::{
    blocks::possible,
    decode::Case,
    given::Given,
    same::{all_ours, theirs},
};

/// What came of each transaction: gas, nothing as it was not to be committed, or an error.
type Steps = Vec<Result<Option<GasOutput>, String>>;

type Came = (Steps, Result<BlockExecutionResult<ReceiptEnvelope>, String>, BundleState);

/// Executes one transaction after the other, of which `committed` says which ones are to stay.
fn stepped<F>(factory: &F, given: &Given, committed: impl Fn(usize) -> bool) -> Came
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<Tx = TxEnv, Spec = SpecId, BlockEnv = BlockEnv>,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
{
    let builder = State::builder().with_database(given.database()).with_bundle_update();
    let mut state = builder.build();
    let evm = factory.evm_factory().create_evm(&mut state, given.env());
    let mut executor = factory.create_executor(evm, given.ctx());
    let mut steps = Vec::new();
    if let Err(error) = executor.apply_pre_execution_changes() {
        return (steps, Err(format!("{error:?}")), BundleState::default());
    }
    for (place, txn) in given.txns().enumerate() {
        let step = match place % 3 {
            0 => executor.execute_transaction(txn).map(Some),
            1 => executor.execute_transaction_without_commit(txn).map(|output| {
                let used = output.result().result.tx_gas_used();
                committed(place).then(|| {
                    let gas = executor.commit_transaction(output);
                    assert_eq!(gas.tx_gas_used(), used);
                    gas
                })
            }),
            _ => executor.execute_transaction_with_commit_condition(txn, |_| {
                if committed(place) { CommitChanges::Yes } else { CommitChanges::No }
            }),
        };
        steps.push(step.map_err(|error| format!("{error:?}")));
    }
    assert_eq!(executor.receipts().len(), steps.iter().flatten().flatten().count());
    assert_eq!(executor.evm().block().number, given.block.env.number);
    let result = executor.apply_post_execution_changes().map_err(|error| format!("{error:?}"));
    state.merge_transitions(BundleRetention::Reverts);
    let mut bundle = state.take_bundle();
    bundle.reverts.sort();
    (steps, result, bundle)
}

proptest! {
    #[test]
    fn one_by_one_is_as_ever(
        case in vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes)),
        kept in any::<u32>(),
    ) {
        let state = possible(&case);
        let given = Given::new(&case.block(&state), &state);
        within(PATIENCE, move || {
            let committed = |place: usize| kept >> (place % 32) & 1 == 1;
            let expected = stepped(&theirs(&given), &given, committed);
            for (name, ours) in all_ours(&given) {
                assert_eq!(stepped(&ours, &given, committed), expected, "{name}");
            }
        }).expect("no hang");
    }

    #[test]
    fn a_whole_block_may_follow_on_single_txns(
        case in vec(any::<u8>(), 40..260).prop_map(|bytes| Case::decode(&bytes)),
        first in 1..5_usize,
    ) {
        let state = possible(&case);
        let given = Given::new(&case.block(&state), &state);
        within(PATIENCE, move || {
            let expected = followed(&theirs(&given), &given, first);
            for (name, ours) in all_ours(&given) {
                assert_eq!(followed(&ours, &given, first), expected, "{name}");
            }
        }).expect("no hang");
    }
}

/// Executes the first transactions one by one, and then the rest as a block.
fn followed<F>(factory: &F, given: &Given, first: usize) -> Came
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<Tx = TxEnv, Spec = SpecId, BlockEnv = BlockEnv>,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
{
    let builder = State::builder().with_database(given.database()).with_bundle_update();
    let mut state = builder.build();
    let evm = factory.evm_factory().create_evm(&mut state, given.env());
    let mut executor = factory.create_executor(evm, given.ctx());
    let single = given.txns().take(first).map(|txn| {
        let gas = executor.execute_transaction(txn);
        gas.map(Some).map_err(|error| format!("{error:?}"))
    });
    let steps = single.collect();
    let rest = given.txns().skip(first);
    let result = executor.execute_block(rest).map_err(|error| format!("{error:?}"));
    state.merge_transitions(BundleRetention::Reverts);
    let mut bundle = state.take_bundle();
    bundle.reverts.sort();
    (steps, result, bundle)
}

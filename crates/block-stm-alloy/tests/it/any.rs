//! The executor for any EVM against alloy-evm's own, on Ethereum's EVM.

use std::{
    error::Error,
    sync::{Arc, Mutex},
};

use alloy_evm::{
    EthEvmFactory, Evm, EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::receipt_builder::AlloyReceiptBuilder,
    revm::{
        Inspector,
        database::State,
        inspector::NoOpInspector,
        interpreter::{Interpreter, InterpreterTypes},
    },
};
use block_stm_alloy::{Obstacle, any::AnyExecutorFactory, block_stm::Engine};
use block_stm_chain::import::{import_chain, import_folder};
use block_stm_evm::{InvalidTxn, execute_sequential};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*};

use crate::{
    blocks::{fixtures, possible, valid},
    decode::Case,
    given::Given,
    same::{Came, Node, assert_same_as, engines, executed, name, theirs},
    spec::FixedSpec,
};

type Any = AnyExecutorFactory<EthEvmFactory, AlloyReceiptBuilder, FixedSpec>;

fn any_factory(given: &Given, engine: &Arc<Engine>) -> Any {
    let (builder, spec) = (AlloyReceiptBuilder::default(), FixedSpec::of(&given.block));
    let factory = EthEvmFactory::default();
    AnyExecutorFactory::new(engine.clone(), builder, spec, factory)
        .with_vaults(|block| vec![block.beneficiary])
}

/// Checks that the executor for any EVM comes to what alloy-evm's does, and returns that.
fn assert_any_same(given: &Given) -> Came {
    let expected = executed(&theirs(given), given, given.database());
    for engine in engines() {
        let name = name(engine);
        let came = executed(&any_factory(given, engine), given, given.database());
        assert_same_as(&expected, &came, &name);
        let sharing = any_factory(given, engine).with_states(Node::of(given));
        let came = executed(&sharing, given, given.database());
        assert_same_as(&expected, &came, &format!("{name}, shared state"));
    }
    expected
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn random_blocks_come_out_the_same(bytes in vec(any::<u8>(), 40..260)) {
        let case = Case::decode(&bytes);
        let state = possible(&case);
        let block = case.block(&state);
        within(PATIENCE, move || {
            assert_any_same(&Given::new(&block, &state));
            let whole = valid(&block, &state);
            assert_any_same(&Given::new(&whole, &state));
        }).expect("no hang");
    }
}

#[test]
fn mainnet_blocks_come_out_the_same() -> Result<(), Box<dyn Error>> {
    let test = "any::mainnet_blocks_come_out_the_same";
    let Some(root) = fixtures(test, "mainnet") else { return Ok(()) };
    let mut blocks = 0;
    for entry in std::fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let came = assert_any_same(&Given::new(&imported.block, &imported.pre_state));
        let result = came.result?;
        assert_eq!(result.receipts.len(), imported.block.txns.len(), "{}", imported.name);
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    Ok(())
}

#[test]
fn a_chain_through_all_forks_comes_out_the_same() -> Result<(), Box<dyn Error>> {
    let test = "any::a_chain_through_all_forks_comes_out_the_same";
    let Some(folder) = fixtures(test, "chain") else { return Ok(()) };
    let chain = import_chain(&folder)?;
    let mut state = chain.genesis;
    for block in &chain.blocks {
        let came = assert_any_same(&Given::new(&block.block, &state));
        came.result.map_err(|error| format!("block {}: {error}", block.block.number()))?;
        state.apply(&execute_sequential(&block.block, &state, InvalidTxn::Reject)?.state);
    }
    Ok(())
}

/// Counts the instructions of a transaction.
#[derive(Clone, Debug, Default, PartialEq)]
struct Steps(u64);

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for Steps {
    fn step(&mut self, _: &mut Interpreter<INTR>, _: &mut CTX) {
        self.0 += 1;
    }
}

/// A block of many calls.
fn calls() -> Result<Option<Given>, Box<dyn Error>> {
    let Some(root) = fixtures("any::inspectors", "mainnet") else { return Ok(None) };
    let entry = std::fs::read_dir(root)?.next().ok_or("there are blocks")?;
    let imported = import_folder(&entry?.path())?;
    Ok(Some(Given::new(&imported.block, &imported.pre_state)))
}

#[test]
fn each_transaction_has_its_inspector_in_order() -> Result<(), Box<dyn Error>> {
    let Some(given) = calls()? else { return Ok(()) };
    // What an inspector sees of each transaction in a loop.
    let mut state = State::builder().with_database(given.database()).build();
    let theirs = theirs(&given);
    let evm =
        theirs.evm_factory().create_evm_with_inspector(&mut state, given.env(), Steps::default());
    let mut executor = theirs.create_executor(evm, given.ctx());
    executor.apply_pre_execution_changes()?;
    executor.evm_mut().inspector_mut().0 = 0;
    let mut expected = Vec::new();
    for txn in given.txns() {
        executor.execute_transaction(txn)?;
        expected.push(std::mem::take(executor.evm_mut().inspector_mut()));
    }

    for engine in engines() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let take = {
            let seen = seen.clone();
            move |index: usize, steps| {
                let mut seen = seen.lock().expect("no panic");
                assert_eq!(index, seen.len());
                seen.push(steps);
            }
        };
        let factory = any_factory(&given, engine).with_states(Node::of(&given));
        let factory = factory.with_inspectors(|_: usize, _: &_| Steps::default(), take);
        let mut state = State::builder().with_database(given.database()).build();
        let evm = factory.evm_factory().create_evm(&mut state, given.env());
        factory.create_executor(evm, given.ctx()).execute_block(given.txns())?;
        assert_eq!(*seen.lock().expect("no panic"), expected, "{}", name(engine));
    }
    assert!(expected.iter().any(|steps| steps.0 > 1_000), "the block has long transactions");
    Ok(())
}

#[test]
fn inspectors_that_were_asked_for_are_never_left_out() -> Result<(), Box<dyn Error>> {
    let Some(given) = calls()? else { return Ok(()) };
    let factory = any_factory(&given, &engines()[2]).with_states(Node::of(&given));
    let factory = factory.with_inspectors(|_: usize, _: &_| Steps::default(), |_, _| {});
    let mut state = State::builder().with_database(given.database()).build();
    let evms = factory.evm_factory();
    let evm = evms.create_evm_with_inspector(&mut state, given.env(), NoOpInspector);
    let executor = factory.create_executor(evm, given.ctx());
    assert_eq!(executor.obstacle(), Some(Obstacle::Inspector));
    let refused = executor.execute_block(given.txns()).expect_err("it has an inspector");
    let refused = refused.as_internal().and_then(|error| error.downcast_other::<Obstacle>());
    assert_eq!(refused, Some(&Obstacle::Inspector));

    let mut state = State::builder().with_database(given.database()).build();
    let mut evm = factory.evm_factory().create_evm(&mut state, given.env());
    evm.precompiles_mut();
    let executor = factory.create_executor(evm, given.ctx());
    assert_eq!(executor.obstacle(), Some(Obstacle::Precompiles));
    Ok(())
}

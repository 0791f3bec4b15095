//! Databases and hooks that fail, and configurations that stand in the way.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use alloy_evm::{
    Evm, EvmFactory,
    block::{
        BlockExecutionError, BlockExecutor, BlockExecutorFactory, InternalBlockExecutionError,
    },
    revm::{
        Inspector,
        context::{CfgEnv, TxEnv, result::EVMError, result::InvalidTransaction},
        database::State,
        database_interface::bal::EvmDatabaseError,
        inspector::NoOpInspector,
        interpreter::{Interpreter, InterpreterTypes},
        primitives::{Address, B256, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, EvmState},
    },
};
use block_stm_alloy::{Obstacle, SharedState, StateError, States};
use block_stm_evm::{
    Block, HandlePool, PreState,
    revm::{bytecode::opcode as op, context::BlockEnv, state::Bytecode},
};
use block_stm_testkit::watchdog::{PATIENCE, within};

use crate::{
    code::Code,
    given::{Given, LocalError},
    same::{
        Came, Node, assert_same, assert_same_as, engines, executed, name, ours, sharing, theirs,
    },
};

const CONTRACT: Address = Address::repeat_byte(0xcc);

fn sender(n: u8) -> Address {
    Address::repeat_byte(0x10 + n)
}

/// Payments and calls that count, under the rules of Cancun.
fn mixed() -> Given {
    let mut state = PreState::new();
    for n in 0..12 {
        let ether = U256::from(10_u64.pow(18));
        state.insert_account(sender(n), AccountInfo::default().with_balance(ether));
    }
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let code = Bytecode::new_legacy(counts.bytes().into());
    state.insert_account(CONTRACT, AccountInfo::default().with_nonce(1).with_code(code));
    let txns = (0..12).map(|n| TxEnv {
        caller: sender(n),
        kind: TxKind::Call(if n % 2 == 0 { CONTRACT } else { sender(n / 2) }),
        value: U256::from(n % 2),
        gas_limit: 100_000,
        gas_price: 10,
        ..TxEnv::default()
    });
    let env = BlockEnv {
        number: U256::from(9),
        beneficiary: Address::repeat_byte(0xbe),
        basefee: 7,
        ..BlockEnv::default()
    };
    let block = Block::new(SpecId::CANCUN, env, txns.collect());
    Given::new(&block.parent_beacon_block_root(B256::ZERO), &state)
}

/// What is changed, and how.
type Tampering = (&'static str, fn(&mut Came));

/// The comparison that all other tests rest on.
#[test]
fn whatever_differs_is_seen() {
    let given = mixed();
    let expected = assert_same(&given);
    let tampered: [Tampering; 6] = [
        ("an error", |came| came.result = Err("boo".to_owned())),
        ("gas", |came| came.result.as_mut().expect("valid").gas_used += 1),
        ("a call less", |came| drop(came.hooked.pop())),
        ("calls in another order", |came| came.hooked.swap(3, 4)),
        ("a mark", |came| {
            came.hooked[5].values_mut().for_each(|account| account.mark_created());
        }),
        ("a balance", |came| {
            let account = came.bundle.state.values_mut().next().expect("some were changed");
            account.info.get_or_insert_default().balance += U256::ONE;
        }),
    ];
    for (what, tamper) in tampered {
        let mut came = executed(&theirs(&given), &given, given.database());
        assert_same_as(&expected, &came, "untouched");
        tamper(&mut came);
        let compare = || assert_same_as(&expected, &came, "tampered");
        assert!(catch_unwind(AssertUnwindSafe(compare)).is_err(), "{what} is not seen");
    }
}

#[test]
fn whichever_read_fails_the_error_is_the_databases_own() {
    within(PATIENCE, || {
        let given = mixed();
        let right = assert_same(&given);
        let mut failed = 0;
        for fails_at in 0..40 {
            for engine in engines() {
                let mut db = given.database();
                db.fails_at = fails_at;
                let came = executed(&ours(&given, engine), &given, db);
                match &came.result {
                    Ok(_) => assert_same_as(&right, &came, &format!("read {fails_at}")),
                    Err(error) => {
                        // alloy-evm has words of its own for the steps around transactions.
                        let says = ["OnFire", "disk on fire", "IncrementBalanceFailed"];
                        let said = says.iter().any(|words| error.contains(words));
                        assert!(said, "read {fails_at}: {error}");
                        assert!(right.hooked.starts_with(&came.hooked), "read {fails_at}");
                        // With more threads, a read that fails ahead of its turn may fail no block.
                        failed += usize::from(engine.threads() == 1);
                    }
                }
            }
        }
        assert!(failed > 20, "only {failed} blocks failed on one thread");
    })
    .expect("no hang");
}

#[test]
fn an_error_of_the_database_comes_with_its_type_and_the_txn() {
    let given = mixed();
    let error_of = |executor: Result<_, BlockExecutionError>| {
        let Err(BlockExecutionError::Internal(error)) = executor.map(drop) else {
            panic!("an internal error");
        };
        error
    };
    let mut db = given.database();
    // The two looks of the steps before the transactions, and the first sender.
    db.fails_at = 2;
    let mut state = State::builder().with_database(db).build();
    let ours = ours(&given, &engines()[0]);
    let evm = ours.evm_factory().create_evm(&mut state, given.env());
    let error = error_of(ours.create_executor(evm, given.ctx()).execute_block(given.txns()));
    type DbError = EVMError<EvmDatabaseError<LocalError>, InvalidTransaction>;
    let error: InternalBlockExecutionError = error;
    let (hash, _) = error.as_evm().expect("of the vm");
    let first = given.txns().next().expect("there are some").1;
    assert_eq!(hash, first.tx_hash());
    let source = error.downcast_evm::<DbError>();
    let expected = EvmDatabaseError::Database(LocalError::OnFire);
    assert!(matches!(source, Some(EVMError::Database(source)) if *source == expected));
}

#[test]
fn whichever_read_panics_the_caller_sees_it_and_nothing_hangs() {
    within(PATIENCE, || {
        let given = mixed();
        let right = assert_same(&given);
        let mut panicked = 0;
        for fails_at in 0..40 {
            for engine in engines() {
                let mut db = given.database();
                (db.fails_at, db.panics) = (fails_at, true);
                let ours = ours(&given, engine);
                let run = || executed(&ours, &given, db);
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(came) => assert_same_as(&right, &came, &format!("read {fails_at}")),
                    Err(payload) => {
                        assert_eq!(payload.downcast_ref(), Some(&"disk exploded"));
                        panicked += 1;
                    }
                }
            }
        }
        assert!(panicked > 20, "only {panicked} blocks panicked");
        assert_same(&given);
    })
    .expect("no hang");
}

#[test]
fn a_hook_that_panics_ends_the_block_and_leaves_the_engine_whole() {
    within(PATIENCE, || {
        let given = mixed();
        for engine in engines() {
            let mut seen = 0;
            let hook = move |_: EvmState| {
                seen += 1;
                assert!(seen < 6, "enough");
            };
            let mut state = State::builder().with_database(given.database()).build();
            state.set_state_hook(Some(Box::new(hook)));
            let ours = ours(&given, engine);
            let evm = ours.evm_factory().create_evm(&mut state, given.env());
            let executor = ours.create_executor(evm, given.ctx());
            let run = || executor.execute_block(given.txns());
            let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("the hook panics");
            assert_eq!(payload.downcast_ref(), Some(&"enough"));
        }
        assert_same(&given);
    })
    .expect("no hang");
}

/// A node whose state can't be opened.
struct Closed;

#[derive(Debug, thiserror::Error)]
#[error("no such snapshot")]
struct NoSnapshot;

impl alloy_evm::revm::context::DBErrorMarker for NoSnapshot {}

impl States for Closed {
    fn after(&self, _block: B256) -> Option<Box<dyn SharedState + '_>> {
        use alloy_evm::revm::database_interface::EmptyDBTyped;
        let open = || Err::<EmptyDBTyped<NoSnapshot>, _>(NoSnapshot);
        Some(Box::new(HandlePool::new(open)))
    }
}

#[test]
fn a_shared_state_that_fails_says_so_in_its_own_words() {
    let given = mixed();
    for engine in engines() {
        let ours = ours(&given, engine).with_states(Closed);
        let mut state = State::builder().with_database(given.database()).build();
        let evm = ours.evm_factory().create_evm(&mut state, given.env());
        let result = ours.create_executor(evm, given.ctx()).execute_block(given.txns());
        let Err(BlockExecutionError::Internal(error)) = result else {
            panic!("an internal error");
        };
        let source = error.downcast_evm::<EVMError<StateError, InvalidTransaction>>();
        assert!(matches!(source, Some(EVMError::Database(source))
            if source.to_string() == "no such snapshot"));
    }
}

/// Counts instructions.
#[derive(Debug, Default)]
struct Steps(u64);

impl<CTX, INTR: InterpreterTypes> Inspector<CTX, INTR> for Steps {
    fn step(&mut self, _: &mut Interpreter<INTR>, _: &mut CTX) {
        self.0 += 1;
    }
}

#[test]
fn an_inspector_sees_all_in_order_or_is_refused_by_name() {
    let given = mixed();
    let mut counts = Vec::new();
    let mut expected = Steps::default();
    {
        let theirs = theirs(&given);
        let mut state = State::builder().with_database(given.database()).build();
        let factory = theirs.evm_factory();
        let evm = factory.create_evm_with_inspector(&mut state, given.env(), &mut expected);
        theirs.create_executor(evm, given.ctx()).execute_block(given.txns()).expect("valid");
    }
    for refusing in [false, true] {
        let mut inspector = Steps::default();
        let mut ours = ours(&given, &engines()[2]);
        if refusing {
            ours = ours.refusing();
        }
        let mut state = State::builder().with_database(given.database()).build();
        let factory = ours.evm_factory();
        let evm = factory.create_evm_with_inspector(&mut state, given.env(), &mut inspector);
        let executor = ours.create_executor(evm, given.ctx());
        assert_eq!(executor.obstacle(), Some(Obstacle::Inspector));
        let result = executor.execute_block(given.txns());
        match (refusing, result) {
            (false, Ok(_)) => {}
            (true, Err(BlockExecutionError::Internal(error))) => {
                assert_eq!(error.downcast_other(), Some(&Obstacle::Inspector));
            }
            (_, result) => panic!("{result:?}"),
        }
        counts.push(inspector.0);
    }
    assert_eq!(counts, [expected.0, 0]);
    assert!(expected.0 > 0);
}

#[test]
fn an_inspector_that_is_disabled_is_no_obstacle() {
    let given = mixed();
    let ours = sharing(&given, &engines()[2]).refusing();
    let mut state = State::builder().with_database(given.database()).build();
    let factory = ours.evm_factory();
    let mut evm = factory.create_evm_with_inspector(&mut state, given.env(), NoOpInspector);
    evm.disable_inspector();
    let executor = ours.create_executor(evm, given.ctx());
    assert_eq!(executor.obstacle(), None);
    assert!(executor.execute_block(given.txns()).is_ok());
}

#[test]
fn a_state_that_only_the_caller_can_read_is_an_obstacle_unless_the_caller_has_a_core() {
    let given = mixed();
    let right = executed(&theirs(&given), &given, given.database());
    let other = || {
        Node::of(&Given::new(
            &Block::new(SpecId::CANCUN, BlockEnv::default(), vec![])
                .parent_hash(B256::repeat_byte(9)),
            &PreState::new(),
        ))
    };
    for engine in engines() {
        let database = (engine.threads() == engine.cores()).then_some(Obstacle::Database);
        let cases = [
            (ours(&given, engine), database),
            (ours(&given, engine).with_states(other()), database),
            (sharing(&given, engine), None),
        ];
        for (factory, expected) in cases {
            let mut state = State::builder().with_database(given.database()).build();
            let evm = factory.evm_factory().create_evm(&mut state, given.env());
            assert_eq!(factory.create_executor(evm, given.ctx()).obstacle(), expected);
            assert_same_as(&right, &executed(&factory, &given, given.database()), &name(engine));
            let came = executed(&factory.refusing(), &given, given.database());
            match expected {
                None => assert_same_as(&right, &came, &name(engine)),
                Some(obstacle) => {
                    assert!(came.result.expect_err("refused").contains(&format!("{obstacle:?}")));
                    assert!(came.hooked.is_empty(), "before anything is done");
                }
            }
        }
    }
}

#[test]
fn precompiles_in_the_hosts_hand_are_honoured_or_refused_by_name() {
    let given = mixed();
    for refusing in [false, true] {
        let mut ours = ours(&given, &engines()[2]);
        if refusing {
            ours = ours.refusing();
        }
        let mut state = State::builder().with_database(given.database()).build();
        let mut evm = ours.evm_factory().create_evm(&mut state, given.env());
        let sha = Address::with_last_byte(2);
        let moved = Address::repeat_byte(0x55);
        evm.precompiles_mut().move_precompiles([(sha, moved)]).expect("it is there");
        let executor = ours.create_executor(evm, given.ctx());
        assert_eq!(executor.obstacle(), Some(Obstacle::Precompiles));
        match (refusing, executor.execute_block(given.txns())) {
            (false, Ok(result)) => assert_eq!(result.receipts.len(), 12),
            (true, Err(error)) => assert_eq!(error.to_string(), Obstacle::Precompiles.to_string()),
            (_, result) => panic!("{result:?}"),
        }
    }
}

#[test]
fn an_invalid_txn_ends_the_block_as_it_does_there() {
    let cancun = |change: fn(&mut TxEnv)| {
        let mut given = mixed();
        change(&mut given.block.txns[5]);
        let came = assert_same(&given);
        came.result.expect_err("one is invalid")
    };
    let error = cancun(|txn| txn.nonce = 3);
    assert!(error.contains("NonceTooHigh"), "{error}");
    let error = cancun(|txn| txn.value = U256::MAX);
    assert!(error.contains("LackOfFund") || error.contains("Overflow"), "{error}");
    let error = cancun(|txn| txn.gas_limit = u64::MAX);
    assert!(error.contains("TransactionGasLimitMoreThanAvailableBlockGas"), "{error}");
    let error = cancun(|txn| txn.gas_price = 1);
    assert!(error.contains("GasPriceLessThanBasefee"), "{error}");
}

#[test]
fn without_the_beacon_root_there_is_the_same_error() {
    let mut given = mixed();
    given.block.parent_beacon_block_root = None;
    let came = assert_same(&given);
    assert!(came.result.expect_err("missing").contains("MissingParentBeaconBlockRoot"));
    assert!(came.hooked.is_empty());
}

#[test]
fn what_a_configuration_switches_off_is_off() {
    let mut given = mixed();
    let mut cfg: CfgEnv = given.block.cfg_env();
    cfg.disable_nonce_check = true;
    for txn in &mut given.block.txns {
        txn.nonce = 77;
    }
    let (block, state) = (given.block.clone().cfg(cfg), Arc::unwrap_or_clone(given.state));
    let came = assert_same(&Given::new(&block, &state));
    assert_eq!(came.result.expect("nonces don't matter").receipts.len(), 12);
}

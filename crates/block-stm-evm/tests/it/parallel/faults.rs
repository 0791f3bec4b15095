//! Databases that fail or panic, at an account or at the k-th read.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{
    Block, ExecutionError, InvalidTxn, ParallelOptions, PreState, Stage, StateRef,
    execute_sequential,
    revm::{
        DatabaseRef,
        bytecode::opcode as op,
        database_interface::DBErrorMarker,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{code::Code, same::parallel_runs, scene::*};

#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    #[error("disk on fire")]
    OnFire,
    #[error("{0}")]
    State(block_stm_evm::PreStateError),
}

impl DBErrorMarker for Fault {}

/// A state whose reads go wrong.
pub(super) struct Faulty {
    state: PreState,
    victim: Option<Address>,
    /// Which read goes wrong, counted from 0.
    at: usize,
    /// Every read after that one goes wrong too.
    lasting: bool,
    reads: AtomicUsize,
    panics: bool,
}

impl Faulty {
    pub(super) fn failing_on(state: PreState, victim: Address) -> Self {
        Self { victim: Some(victim), ..Self::at(state, usize::MAX, false) }
    }

    pub(super) fn panicking_on(state: PreState, victim: Address) -> Self {
        Self { victim: Some(victim), ..Self::at(state, usize::MAX, true) }
    }

    pub(super) fn at(state: PreState, at: usize, panics: bool) -> Self {
        Self { state, victim: None, at, lasting: false, reads: AtomicUsize::new(0), panics }
    }

    fn fault(&self, wrong: bool) -> Result<(), Fault> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        match wrong || read == self.at || (self.lasting && read > self.at) {
            true if self.panics => std::panic::panic_any("disk exploded"),
            true => Err(Fault::OnFire),
            false => Ok(()),
        }
    }
}

impl DatabaseRef for Faulty {
    type Error = Fault;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Fault> {
        self.fault(self.victim == Some(address))?;
        self.state.basic_ref(address).map_err(Fault::State)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Fault> {
        self.fault(false)?;
        self.state.code_by_hash_ref(hash).map_err(Fault::State)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Fault> {
        self.fault(false)?;
        self.state.storage_ref(address, slot).map_err(Fault::State)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Fault> {
        self.fault(false)?;
        self.state.block_hash_ref(number).map_err(Fault::State)
    }
}

impl StateRef for Faulty {
    fn has_storage_ref(&self, address: Address) -> Result<Option<bool>, Fault> {
        self.fault(false)?;
        self.state.has_storage_ref(address).map_err(Fault::State)
    }
}

/// Payments, counting calls of one contract, a block hash, and an invalid transaction.
fn mixed() -> (Block, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[op::ADD]).sstore_top(0);
    let hashes = Code::new().push(99).ops(&[op::BLOCKHASH]).sstore_top(1);
    let mut state = state([counts, hashes]);
    state.insert_block_hash(99, B256::repeat_byte(9));
    let txns = [
        transfer(eoa(0), 0, eoa(1), 5),
        call(eoa(2), 0, contract(0), 0),
        transfer(eoa(3), 7, eoa(1), 5),
        call(eoa(4), 0, contract(0), 0),
        call(eoa(5), 0, contract(1), 0),
        transfer(eoa(1), 0, eoa(6), 5),
    ];
    (block(SpecId::CANCUN, txns), state)
}

/// The oracle, alone, and with 1, 2, 4 and 8 workers.
const PATHS: usize = 6;

/// The reads of a block, one worker after another: more than any path needs.
const READS: usize = 40;

#[test]
fn whichever_read_fails_the_block_fails_or_comes_out_right() {
    watched(|| {
        let (block, state) = mixed();
        let right = execute_sequential(&block, &state, InvalidTxn::Skip).expect("right");
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        for at in 0..READS {
            for path in 0..PATHS {
                let db = Faulty::at(state.clone(), at, false);
                let (name, result) =
                    parallel_runs(&block, &db, &options).nth(path).expect("that many paths");
                match result {
                    Ok(executed) => assert_eq!(executed.result, right, "{name}, read {at}"),
                    Err(ExecutionError::Database { source, .. }) => {
                        assert_eq!(source, Fault::OnFire, "{name}, read {at}");
                    }
                    Err(error) => panic!("{name}, read {at}: {error}"),
                }
            }
        }
    });
}

#[test]
fn a_database_that_stays_broken_fails_every_path() {
    watched(|| {
        let (block, state) = mixed();
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        // Each path needs at least every sender and contract, whatever else it tries.
        for at in 0..8 {
            for path in 0..PATHS {
                let db = Faulty { lasting: true, ..Faulty::at(state.clone(), at, false) };
                let (name, result) =
                    parallel_runs(&block, &db, &options).nth(path).expect("that many paths");
                let broken =
                    matches!(result, Err(ExecutionError::Database { source: Fault::OnFire, .. }));
                assert!(broken, "{name} came through after {at} good reads");
            }
        }
    });
}

#[test]
fn on_the_oracle_a_failing_read_is_blamed_on_a_txn_that_needs_it() {
    watched(|| {
        let (block, state) = mixed();
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        let mut last = 0;
        for at in 0..READS {
            let db = Faulty::at(state.clone(), at, false);
            let (_, result) = parallel_runs(&block, &db, &options).next().expect("the oracle");
            let stage = match result {
                Err(ExecutionError::Database { stage: Stage::Txn(n), .. }) => n,
                Err(ExecutionError::Database { stage: Stage::PreBlock, .. }) => 0,
                Err(ExecutionError::Database { stage: Stage::PostBlock, .. }) | Ok(_) => 6,
                Err(error) => panic!("{error}"),
            };
            assert!(stage >= last, "reads go on from txn to txn");
            last = stage;
        }
        assert_eq!(last, 6);
    });
}

#[test]
fn whichever_read_panics_nothing_hangs_and_nothing_is_wrong() {
    watched(|| {
        let (block, state) = mixed();
        let right = execute_sequential(&block, &state, InvalidTxn::Skip).expect("right");
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        for at in 0..READS {
            for path in 0..PATHS {
                let db = Faulty::at(state.clone(), at, true);
                let run =
                    || parallel_runs(&block, &db, &options).nth(path).expect("that many paths");
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok((name, Ok(executed))) => assert_eq!(executed.result, right, "{name}, {at}"),
                    Ok((_, Err(ExecutionError::Panicked { message, .. }))) => {
                        assert_eq!(message, "disk exploded");
                    }
                    Ok((name, Err(error))) => panic!("{name}, read {at}: {error}"),
                    // Before and after the transactions, panics are the caller's.
                    Err(payload) => assert_eq!(payload.downcast_ref(), Some(&"disk exploded")),
                }
            }
        }
    });
}

#[test]
fn an_error_comes_with_its_source() -> Result<(), Box<dyn Error>> {
    let (block, state) = mixed();
    let db = Faulty::failing_on(state, eoa(4));
    let options = ParallelOptions::default().policy(InvalidTxn::Skip);
    for (path, result) in parallel_runs(&block, &db, &options) {
        let error = result.map(|executed| executed.result).expect_err(&path);
        let is_it = matches!(
            error,
            ExecutionError::Database { stage: Stage::Txn(3), source: Fault::OnFire }
        );
        assert!(is_it, "{path}: {error}");
    }
    Ok(())
}

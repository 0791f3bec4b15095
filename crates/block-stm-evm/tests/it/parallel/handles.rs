//! Databases that threads cannot share, through a handle for each.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{
    Block, ExecutionError, HandlePool, InvalidTxn, ParallelOptions, PreState, StateHandles,
    execute_parallel, execute_sequential,
    revm::{
        Database, DatabaseRef,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

use super::{
    code::Code,
    faults::Fault,
    same::{assert_same, engines},
    scene::*,
};

/// A state behind handles; what is called when, opening included, counted over all of them.
struct Store {
    state: PreState,
    calls: AtomicUsize,
    opened: AtomicUsize,
    /// Which call goes wrong.
    wrong: usize,
    panics: bool,
    /// How many readers are waited for, for a moment.
    crowd: usize,
    inside: Mutex<usize>,
    most: AtomicUsize,
    entered: Condvar,
}

/// Not `Sync`: counts its reads in a cell.
struct Handle<'a> {
    store: &'a Store,
    reads: Cell<usize>,
}

impl Store {
    fn new(state: PreState) -> Self {
        Self {
            state,
            calls: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            wrong: usize::MAX,
            panics: false,
            crowd: 0,
            inside: Mutex::new(0),
            most: AtomicUsize::new(0),
            entered: Condvar::new(),
        }
    }

    fn call(&self) -> Result<(), Fault> {
        match self.calls.fetch_add(1, Ordering::Relaxed) == self.wrong {
            true if self.panics => std::panic::panic_any("handle exploded"),
            true => Err(Fault::OnFire),
            false => Ok(()),
        }
    }

    /// A read that takes its time, less if others come.
    fn linger(&self) {
        if self.crowd == 0 {
            return;
        }
        let mut inside = self.inside.lock().expect("no panic inside");
        *inside += 1;
        self.most.fetch_max(*inside, Ordering::Relaxed);
        self.entered.notify_all();
        let waiting = |inside: &mut usize| *inside < self.crowd;
        let moment = Duration::from_millis(20);
        let (mut inside, _) =
            self.entered.wait_timeout_while(inside, moment, waiting).expect("no panic inside");
        *inside -= 1;
    }
}

impl<'a> StateHandles for &'a Store {
    type Handle = Handle<'a>;
    type Error = Fault;

    fn open(&self) -> Result<Handle<'a>, Fault> {
        self.call()?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Handle { store: self, reads: Cell::new(0) })
    }

    fn has_storage(
        &self,
        handle: &mut Handle<'a>,
        address: Address,
    ) -> Result<Option<bool>, Fault> {
        handle.read()?;
        Ok(Some(self.state.account(&address).is_some_and(|account| !account.storage.is_empty())))
    }
}

impl Handle<'_> {
    fn read(&self) -> Result<(), Fault> {
        self.reads.set(self.reads.get() + 1);
        self.store.linger();
        self.store.call()
    }
}

impl Database for Handle<'_> {
    type Error = Fault;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Fault> {
        self.read()?;
        self.store.state.basic_ref(address).map_err(Fault::State)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Fault> {
        self.read()?;
        self.store.state.code_by_hash_ref(hash).map_err(Fault::State)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Fault> {
        self.read()?;
        self.store.state.storage_ref(address, slot).map_err(Fault::State)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Fault> {
        self.read()?;
        self.store.state.block_hash_ref(number).map_err(Fault::State)
    }
}

fn counting(txns: u8) -> (Block, PreState) {
    let counts = Code::new().sload(0).push(1).ops(&[0x01]).sstore_top(0);
    let txns = (0..txns).map(|n| match n % 3 {
        0 => call(eoa(n), 0, contract(0), 0),
        _ => transfer(eoa(n), 0, eoa(n + 1), 5),
    });
    (block(SpecId::CANCUN, txns), state([counts]))
}

#[test]
fn a_database_behind_handles_comes_to_the_same_on_every_path() {
    watched(|| {
        let (block, state) = counting(15);
        let store = Store::new(state.clone());
        let pool = HandlePool::new(&store);
        let result = assert_same(&block, &pool).expect("valid");
        let expected = execute_sequential(&block, &state, InvalidTxn::Reject).expect("valid");
        assert_eq!(result, expected);
        let opened = store.opened.load(Ordering::Relaxed);
        let handles = pool.into_handles();
        assert_eq!(handles.len(), opened);
        assert!(opened <= 8, "{opened} handles for at most 8 threads");
        let reads: usize = handles.iter().map(|handle| handle.reads.get()).sum();
        assert_eq!(reads + opened, store.calls.load(Ordering::Relaxed));
    });
}

#[test]
fn slow_handles_overlap_and_are_no_more_than_threads() {
    watched(|| {
        for engine in engines() {
            let (block, state) = counting(19);
            let threads = engine.threads();
            let store = Store { crowd: threads, ..Store::new(state.clone()) };
            let pool = HandlePool::new(&store);
            let options = ParallelOptions::default();
            let executed = execute_parallel(engine, &block, &pool, &options).expect("valid");
            let expected = execute_sequential(&block, &state, InvalidTxn::Reject).expect("valid");
            assert_eq!(executed.result, expected);
            let most = store.most.load(Ordering::Relaxed);
            assert!(most <= threads && store.opened.load(Ordering::Relaxed) <= threads);
            assert!(most >= threads.min(2), "{threads} threads, {most} reads at once");
        }
    });
}

#[test]
fn whichever_call_fails_the_error_is_the_handles_own() {
    watched(|| {
        let (block, state) = counting(9);
        let right = execute_sequential(&block, &state, InvalidTxn::Reject).expect("valid");
        let mut failed = 0;
        for (wrong, panics) in (0..40).flat_map(|wrong| [(wrong, false), (wrong, true)]) {
            for engine in engines() {
                let store = Store { wrong, panics, ..Store::new(state.clone()) };
                let pool = HandlePool::new(&store);
                let options = ParallelOptions::default();
                let run = || execute_parallel(engine, &block, &pool, &options);
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(Ok(executed)) => assert_eq!(executed.result, right, "call {wrong}"),
                    Ok(Err(ExecutionError::Database { source, .. })) => {
                        assert!(!panics && source == Fault::OnFire, "call {wrong}");
                        // With more threads, a read that fails ahead of its turn may fail no block.
                        failed += usize::from(engine.threads() == 1);
                    }
                    Ok(Err(ExecutionError::Panicked { message, .. })) => {
                        assert!(panics && message == "handle exploded", "call {wrong}");
                        failed += usize::from(engine.threads() == 1);
                    }
                    Ok(Err(error)) => panic!("call {wrong}: {error}"),
                    // Before and after the transactions, panics are the caller's.
                    Err(payload) => {
                        assert_eq!(payload.downcast_ref(), Some(&"handle exploded"));
                    }
                }
                if store.calls.load(Ordering::Relaxed) <= wrong {
                    continue;
                }
                // What failed is over; the pool and the engine are ready for the next block.
                let again = execute_parallel(engine, &block, &pool, &options);
                assert_eq!(again.expect("whole again").result, right, "after call {wrong}");
            }
        }
        assert!(failed > 20, "only {failed} calls failed a block on one thread");
    });
}

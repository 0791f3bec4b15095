//! A stored state answers as the state in memory does, and blocks execute on it to the same result.

use block_stm_pipeline::{
    StoredState, StoredStateError, Unwatched,
    block_stm_evm::{
        Block, InvalidTxn, ParallelOptions, PreState, StateRef,
        block_stm::{Config, Engine},
        execute_parallel, execute_sequential,
        revm::{
            DatabaseRef,
            context::{BlockEnv, TxEnv},
            primitives::{Address, B256, TxKind, U256, hardfork::SpecId},
        },
    },
    block_stm_store::StoreError,
};
use block_stm_workloads::Workload;

use super::{TestResult, made, open, run, workers};

#[test]
fn a_stored_state_answers_as_the_one_in_memory() -> TestResult {
    let made = made(Workload::Mixed, 7)?;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    run(&workers(2)?, (&mut world, &store), &made.tasks, &Unwatched);
    let (memory, stored) = (world.state(), StoredState::new(store.snapshot()?));
    let mut slots = 0;
    for (address, account) in memory.accounts() {
        let info = stored.basic_ref(*address)?.ok_or("the account is there")?;
        assert_eq!(Some(&info), memory.basic_ref(*address)?.as_ref(), "{address}");
        let has_storage = stored.has_storage_ref(*address)?;
        assert_eq!(has_storage, Some(!account.storage.is_empty()), "{address}");
        if !info.is_empty_code_hash() {
            let code = stored.code_by_hash_ref(info.code_hash)?;
            assert_eq!(code, memory.code_by_hash_ref(info.code_hash)?);
        }
        for (slot, value) in &account.storage {
            assert_eq!(stored.storage_ref(*address, *slot)?, *value, "{address} {slot}");
            slots += 1;
        }
    }
    assert!(slots > 100, "{slots} slots are too few to tell");
    let nobody = Address::repeat_byte(0xee);
    assert_eq!(stored.basic_ref(nobody)?, None);
    assert_eq!(stored.storage_ref(nobody, U256::from(7))?, U256::ZERO);
    let (head, _) = world.head();
    for number in made.genesis.header.number..=head {
        assert_eq!(stored.block_hash_ref(number)?, memory.block_hash_ref(number)?);
    }
    Ok(())
}

#[test]
fn what_a_store_does_not_have_is_an_error() -> TestResult {
    let made = made(Workload::Transfers, 2)?;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    let stored = StoredState::new(store.snapshot()?);
    let code = stored.code_by_hash_ref(B256::repeat_byte(7));
    assert!(matches!(code, Err(StoredStateError::NoCode(_))), "{code:?}");
    let (head, _) = world.head();
    let hash = stored.block_hash_ref(head + 1);
    assert!(matches!(hash, Err(StoredStateError::NoBlock(_))), "{hash:?}");
    // The snapshot is that of the genesis block, and stays so.
    run(&workers(2)?, (&mut world, &store), &made.tasks, &Unwatched);
    let (sender, _) = made.genesis.state.accounts().next().ok_or("an account")?;
    assert_eq!(stored.basic_ref(*sender)?, made.genesis.state.basic_ref(*sender)?);
    store.rewind(head)?;
    assert_eq!(stored.basic_ref(*sender)?, made.genesis.state.basic_ref(*sender)?);
    Ok(())
}

#[test]
fn a_snapshot_that_has_ended_fails_the_block() -> TestResult {
    let made = made(Workload::Transfers, 6)?;
    let folder = tempfile::tempdir()?;
    let disk = block_stm_pipeline::block_stm_store::disk::Folder::create(folder.path())?;
    let options = block_stm_pipeline::block_stm_store::Options::default();
    let options = options.snapshot_age(2).flush_blocks(1).recent_blocks(1);
    let genesis = made.genesis.clone();
    let (mut world, store) = block_stm_pipeline::World::open(disk, genesis, options)?;
    let stored = StoredState::new(store.snapshot()?);
    run(&workers(2)?, (&mut world, &store), &made.tasks, &Unwatched);
    let block = payments(&made.genesis.state);
    let engine = Engine::new(Config::default())?;
    let executed = execute_parallel(&engine, &block, &stored, &ParallelOptions::default());
    let error = executed.err().ok_or("it fails")?.to_string();
    let (number, oldest) = (made.genesis.header.number, world.head().0);
    assert!(error.contains(&format!("{number}")), "{error}");
    let read = stored.basic_ref(Address::ZERO);
    let Err(StoredStateError::Store(StoreError::TooOld { number: old, .. })) = read else {
        return Err(format!("{read:?}").into());
    };
    assert!(old == number && oldest > number);
    Ok(())
}

#[test]
fn blocks_execute_on_it_with_any_number_of_threads() -> TestResult {
    let made = made(Workload::Mixed, 3)?;
    let folder = tempfile::tempdir()?;
    let (mut world, store) = open(folder.path(), &made)?;
    run(&workers(2)?, (&mut world, &store), &made.tasks, &Unwatched);
    let block = payments(world.state());
    let expected = execute_sequential(&block, world.state(), InvalidTxn::Skip)?;
    assert!(expected.state.iter().count() > 10);
    let stored = StoredState::new(store.snapshot()?);
    for threads in [1, 2, 16] {
        let threads = std::num::NonZeroUsize::new(threads).ok_or("no thread")?;
        let engine = Engine::new(Config::default().threads(threads))?;
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        let executed = execute_parallel(&engine, &block, &stored, &options)?.result;
        assert_eq!(
            (executed.state, executed.receipts),
            (expected.state.clone(), expected.receipts.clone())
        );
    }
    Ok(())
}

/// A payment by each account without code to the next one.
fn payments(state: &PreState) -> Block {
    let accounts = state.accounts().filter(|(_, account)| account.info.is_empty_code_hash());
    let mut payers: Vec<_> =
        accounts.map(|(address, account)| (*address, account.info.nonce)).collect();
    payers.sort_unstable();
    let payees = payers.iter().skip(1).map(|(address, _)| *address);
    let pay = |(&(caller, nonce), payee): (&(Address, u64), Address)| TxEnv {
        caller,
        nonce,
        kind: TxKind::Call(payee),
        value: U256::from(3),
        gas_limit: 21_000,
        chain_id: Some(1),
        ..TxEnv::default()
    };
    let txns = payers.iter().zip(payees).map(pay).collect();
    let env = BlockEnv { gas_limit: u64::MAX, ..BlockEnv::default() };
    Block::new(SpecId::SHANGHAI, env, txns)
}

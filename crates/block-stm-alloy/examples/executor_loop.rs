//! An executor of alloy-evm in a loop, as a node's sync has it: one `State` over a batch of blocks,
//! whose changes come out as one bundle with the reverts of each block.
//!
//! The loop knows alloy-evm alone. It is given the factory of Ethereum that comes with alloy-evm,
//! and then the one of this crate: the same receipts, the same bundle, the same calls of the hook.
//! For the latter, what the hook saw is kept in a state of which all threads can read, as it is not
//! stored before the batch is over.

use std::{
    error::Error,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy_consensus::{
    ReceiptEnvelope, SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered,
};
use alloy_evm::{
    EvmEnv, EvmFactory,
    block::{BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockExecutorFactory},
    eth::{
        EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory,
        receipt_builder::AlloyReceiptBuilder, spec::EthSpec,
    },
    revm::{
        DatabaseCommit,
        context::{BlockEnv, CfgEnv, TxEnv},
        database::{BundleState, CacheDB, EmptyDB, State, states::bundle_state::BundleRetention},
        primitives::{Address, B256, Bytes, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode, EvmState},
    },
};
use alloy_primitives::Signature;
use block_stm_alloy::{
    BlockStmExecutorFactory, SharedState, States,
    block_stm::{Config, Engine},
};

/// A block as the loop takes it: header's part, and transactions whose senders were recovered.
struct RecoveredBlock {
    env: EvmEnv,
    hash: B256,
    parent: B256,
    transactions: Vec<Recovered<TxEnvelope>>,
}

/// What a batch comes to.
#[derive(PartialEq)]
struct Batch {
    results: Vec<BlockExecutionResult<ReceiptEnvelope>>,
    bundle: BundleState,
    hooked: usize,
}

/// The state after the last block that was executed, and that block's hash.
struct Latest(Mutex<(B256, Arc<CacheDB<EmptyDB>>)>);

impl Latest {
    fn advance(&self, block: &RecoveredBlock, changes: Vec<EvmState>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let db = Arc::make_mut(&mut latest.1);
        changes.into_iter().for_each(|changes| db.commit(changes));
        latest.0 = block.hash;
    }
}

impl States for Latest {
    fn after(&self, block: B256) -> Option<Box<dyn SharedState + '_>> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (latest.0 == block).then(|| Box::new(latest.1.clone()) as _)
    }
}

/// The loop. `advance` is given each block with what it changed.
fn execute_batch<F>(
    factory: &F,
    db: CacheDB<EmptyDB>,
    blocks: &[RecoveredBlock],
    advance: impl Fn(&RecoveredBlock, Vec<EvmState>),
) -> Result<(Batch, Duration), BlockExecutionError>
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory: EvmFactory<Tx = TxEnv, Spec = SpecId, BlockEnv = BlockEnv>,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
{
    let start = Instant::now();
    let hooked = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let hooked = hooked.clone();
        // Here a node feeds its state root task.
        move |state: EvmState| hooked.lock().unwrap_or_else(PoisonError::into_inner).push(state)
    };
    let mut state = State::builder().with_database(db).with_bundle_update().build();
    state.set_state_hook(Some(Box::new(hook)));
    let (mut results, mut calls) = (Vec::new(), 0);
    for block in blocks {
        let evm = factory.evm_factory().create_evm(&mut state, block.env.clone());
        let ctx = EthBlockExecutionCtx {
            parent_hash: block.parent,
            parent_beacon_block_root: Some(B256::ZERO),
            ommers: &[],
            withdrawals: None,
            extra_data: Bytes::new(),
            tx_count_hint: Some(block.transactions.len()),
            slot_number: None,
        };
        let executor = factory.create_executor(evm, ctx);
        results.push(executor.execute_block(&block.transactions)?);
        state.merge_transitions(BundleRetention::Reverts);
        let changes = mem::take(&mut *hooked.lock().unwrap_or_else(PoisonError::into_inner));
        calls += changes.len();
        advance(block, changes);
    }
    let mut bundle = state.take_bundle();
    bundle.reverts.sort();
    Ok((Batch { results, bundle, hooked: calls }, start.elapsed()))
}

const SENDERS: u64 = 400;
const COUNTER: Address = Address::repeat_byte(0xc0);

fn sender(n: u64) -> Address {
    Address::left_padding_from(&(n + 0x1_0000).to_be_bytes())
}

/// A state with funds for all, and a contract that counts its calls for each caller.
fn genesis() -> CacheDB<EmptyDB> {
    let mut db = CacheDB::new(EmptyDB::default());
    let ether = AccountInfo::default().with_balance(U256::from(10_u64.pow(18)));
    (0..SENDERS).for_each(|n| db.insert_account_info(sender(n), ether.clone()));
    // CALLER SLOAD PUSH1 1 ADD CALLER SSTORE STOP
    let code = Bytecode::new_legacy([0x33, 0x54, 0x60, 0x01, 0x01, 0x33, 0x55, 0x00].into());
    db.insert_account_info(COUNTER, AccountInfo::default().with_nonce(1).with_code(code));
    db
}

/// A block of payments and of calls to the contract.
fn block(number: u64) -> RecoveredBlock {
    let cfg_env = CfgEnv::new_with_spec(SpecId::CANCUN);
    let block_env = BlockEnv {
        number: U256::from(20_000_000 + number),
        // After Cancun on mainnet, and before Prague.
        timestamp: U256::from(1_720_000_000 + 12 * number),
        beneficiary: Address::repeat_byte(0xbe),
        basefee: 7,
        gas_limit: 36_000_000,
        ..BlockEnv::default()
    };
    let transactions = (0..SENDERS).map(|n| {
        let to = if n % 2 == 0 { COUNTER } else { sender((n + number) % SENDERS) };
        let txn = TxEip1559 {
            chain_id: 1,
            nonce: number,
            gas_limit: 60_000,
            max_fee_per_gas: 20,
            max_priority_fee_per_gas: 2,
            to: TxKind::Call(to),
            value: U256::from(n % 2),
            ..TxEip1559::default()
        };
        // Nobody has signed it; a node recovers the sender from the signature.
        let signature = Signature::new(U256::ONE, U256::ONE, false);
        Recovered::new_unchecked(txn.into_signed(signature).into(), sender(n))
    });
    RecoveredBlock {
        env: EvmEnv { cfg_env, block_env },
        hash: B256::with_last_byte(number as u8 + 1),
        parent: B256::with_last_byte(number as u8),
        transactions: transactions.collect(),
    }
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let blocks: Vec<_> = (0..8).map(block).collect();
    let theirs = EthBlockExecutorFactory::new(
        AlloyReceiptBuilder::default(),
        EthSpec::mainnet(),
        EthEvmFactory::default(),
    );
    let engine = Arc::new(Engine::new(Config::default())?);
    let latest = Arc::new(Latest(Mutex::new((B256::ZERO, Arc::new(genesis())))));
    let ours =
        BlockStmExecutorFactory::new(engine, AlloyReceiptBuilder::default(), EthSpec::mainnet())
            .with_states(latest.clone());

    let (expected, sequential) = execute_batch(&theirs, genesis(), &blocks, |_, _| {})?;
    let advance = |block: &_, changes| latest.advance(block, changes);
    let (batch, parallel) = execute_batch(&ours, genesis(), &blocks, advance)?;
    if batch != expected {
        return Err("the two factories differ".into());
    }
    let txns: usize = batch.results.iter().map(|result| result.receipts.len()).sum();
    println!("{} blocks, {txns} transactions, {} states hooked", blocks.len(), batch.hooked);
    println!("one after another {sequential:.1?}, in parallel {parallel:.1?}");
    Ok(())
}

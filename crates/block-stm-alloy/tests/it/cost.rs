//! What this crate's executor costs beside alloy-evm's, and beside the engine without alloy-evm;
//! what a session costs beside a block that is known; and what work saves that was done before.
//!
//! Prints tables, of a single round unless the environment has more in `BLOCK_STM_ROUNDS`; figures
//! are those of a release build:
//!
//! ```sh
//! BLOCK_STM_ROUNDS=15 cargo test --release -p block-stm-alloy --test it cost -- --nocapture
//! ```

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use alloy_consensus::{EthereumReceipt, TxEnvelope, TxType};
use alloy_evm::{
    Evm, EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
    eth::{
        EthBlockExecutorFactory, EthEvmFactory, EthTxResult,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
    revm::{
        context::{TxEnv, result::ResultAndState},
        database::{BundleState, State, states::bundle_state::BundleRetention},
    },
};
use block_stm_alloy::{
    BlockStmExecutorFactory,
    block_stm::{Admission, Config, Engine, Flow},
};
use block_stm_chain::import::import_folder;
use block_stm_evm::{
    Attempts, Block, BlockSession, CommittedTxn, InvalidTxnReason, ParallelOptions, PreState,
    SessionOptions, TxnSink, execute_parallel, steps::execute_txns,
};

use crate::{
    blocks::fixtures,
    given::Given,
    same::{Node, bundled, sharing, theirs},
    spec::FixedSpec,
};

/// Seconds for all blocks, and the logarithms of what each takes beside alloy-evm's executor.
#[derive(Clone, Copy, Default)]
struct Sum {
    seconds: f64,
    logs: f64,
}

/// How often everything is timed.
fn rounds() -> Result<usize, Box<dyn Error>> {
    let rounds = std::env::var("BLOCK_STM_ROUNDS").ok().map(|rounds| rounds.parse());
    let rounds: NonZeroUsize = rounds.transpose()?.unwrap_or(NonZeroUsize::MIN);
    Ok(rounds.get())
}

/// The medians of what each of `runs` times, which take turns.
fn in_turn<const N: usize>(rounds: usize, mut run: impl FnMut(usize) -> Duration) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        times.iter_mut().enumerate().for_each(|(n, times)| times.push(run(n)));
    }
    times.map(|mut times| {
        times.sort();
        times[rounds / 2].as_secs_f64()
    })
}

/// How long the engine takes for a block, with attempts if there are some; how many stood.
fn timed(
    engine: &Engine,
    block: &Block,
    state: &PreState,
    attempts: Option<&Attempts>,
) -> (Duration, usize) {
    let mut options = ParallelOptions::default();
    if let Some(attempts) = attempts {
        options = options.attempts(attempts);
    }
    let start = Instant::now();
    let executed = execute_parallel(engine, block, state, &options).expect("valid");
    let time = start.elapsed();
    (time, executed.attempts_stood)
}

/// How long a session takes whose transactions are all at hand.
fn session(engine: &Arc<Engine>, block: &Block, state: &Arc<PreState>) -> Duration {
    let mut empty = block.clone();
    let txns = std::mem::take(&mut empty.txns);
    let (engine, state) = (Arc::clone(engine), Arc::clone(state));
    let start = Instant::now();
    let session = BlockSession::start(engine, empty, state, SessionOptions::default());
    let session = session.expect("a thread starts");
    session.push_all(txns).expect("open");
    let built = session.finish().expect("valid");
    let time = start.elapsed();
    assert_eq!(built.txns.len(), block.txns.len());
    time
}

#[test]
fn sessions_over_real_blocks() -> Result<(), Box<dyn Error>> {
    let Some(root) = fixtures("sessions_over_real_blocks", "mainnet") else { return Ok(()) };
    let rounds = rounds()?;
    let threads = std::thread::available_parallelism()?;
    let engine = Arc::new(Engine::new(Config::default().threads(threads))?);
    let (mut sums, mut logs, mut blocks) = ([0.0; 3], 0.0, 0);
    for entry in fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let (block, state) = (imported.block, Arc::new(imported.pre_state));
        let known = || timed(&engine, &block, &state, None).0;
        let times = in_turn::<3>(rounds, |n| match n {
            0 => known(),
            1 => {
                let start = Instant::now();
                thread::scope(|scope| scope.spawn(known).join()).expect("valid");
                start.elapsed()
            }
            _ => session(&engine, &block, &state),
        });
        sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        logs += (times[2] / times[0]).ln();
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    println!("{blocks} mainnet blocks, {threads} threads, median of {rounds}");
    println!("execute_parallel {:8.1} ms", sums[0] * 1e3);
    println!("on a new thread  {:8.1} ms", sums[1] * 1e3);
    let over = (sums[2] / sums[0] - 1.0) * 100.0;
    let mean = ((logs / f64::from(blocks)).exp() - 1.0) * 100.0;
    println!("session          {:8.1} ms  {over:+.1} % over all, {mean:+.1} % mean", sums[2] * 1e3);
    Ok(())
}

/// Those of `attempts` that are known if `percent` are.
fn some(attempts: &Attempts, percent: usize) -> Attempts {
    let known = |n: usize| n * 61 % 100 < percent;
    let attempts = attempts.iter().enumerate();
    attempts.map(|(n, attempt)| attempt.filter(|_| known(n)).cloned()).collect()
}

#[test]
fn work_done_before_real_blocks() -> Result<(), Box<dyn Error>> {
    let Some(root) = fixtures("work_done_before_real_blocks", "mainnet") else { return Ok(()) };
    let rounds = rounds()?;
    let threads = std::thread::available_parallelism()?;
    let engine = Engine::new(Config::default().threads(threads))?;
    let shares = [0, 50, 90, 100];
    let (mut sums, mut txns, mut blocks) = ([0.0; 5], 0, 0);
    let (mut made, mut stood) = ([0; 5], [0; 5]);
    for entry in fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let (block, state) = (imported.block, imported.pre_state);
        // On the parent's state, as from a pool; and by a run of the block itself.
        let ahead = Attempts::ahead(&engine, &block, &state);
        let keeping = ParallelOptions::default().keep_attempts();
        let own = execute_parallel(&engine, &block, &state, &keeping)?.attempts;
        let own = own.expect("it was asked for");
        let mut given: Vec<_> = shares.iter().map(|share| some(&ahead, *share)).collect();
        given.push(own);
        for (n, given) in given.iter().enumerate() {
            made[n] += given.count();
            stood[n] += timed(&engine, &block, &state, Some(given)).1;
        }
        let times = in_turn::<5>(rounds, |n| timed(&engine, &block, &state, Some(&given[n])).0);
        sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        txns += block.txns.len();
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    assert_eq!(made[4], stood[4], "what the block did itself stands");
    println!("{blocks} mainnet blocks, {txns} txns, {threads} threads, median of {rounds}");
    let names = ["0 % known", "50 % known", "90 % known", "100 % known", "executed before"];
    for (n, name) in names.iter().enumerate() {
        let (time, faster) = (sums[n] * 1e3, sums[0] / sums[n]);
        let (made, stood) = (made[n], stood[n]);
        println!("{name:16} {time:8.1} ms  {faster:.2}x  {made:6} attempts, {stood:6} stood");
    }
    Ok(())
}

/// Builds receipts without blooms, as reth's builder does.
#[derive(Clone, Copy, Debug)]
struct WithoutBlooms;

impl ReceiptBuilder for WithoutBlooms {
    type Transaction = TxEnvelope;
    type Receipt = EthereumReceipt;

    fn build_receipt<E: Evm>(&self, ctx: ReceiptBuilderCtx<'_, TxType, E>) -> EthereumReceipt {
        EthereumReceipt {
            tx_type: ctx.tx_type,
            success: ctx.result.is_success(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}

/// alloy-evm's factory, and this crate's, with such receipts.
fn theirs_plain(given: &Given) -> EthBlockExecutorFactory<WithoutBlooms, FixedSpec, EthEvmFactory> {
    let spec = FixedSpec::of(&given.block);
    EthBlockExecutorFactory::new(WithoutBlooms, spec, EthEvmFactory::default())
}

fn ours_plain(
    given: &Given,
    engine: &Arc<Engine>,
) -> BlockStmExecutorFactory<WithoutBlooms, FixedSpec> {
    let spec = FixedSpec::of(&given.block);
    BlockStmExecutorFactory::new(engine.clone(), WithoutBlooms, spec)
}

/// Keeps what a block's transactions came to.
#[derive(Default)]
struct Kept(Vec<CommittedTxn>);

impl TxnSink for Kept {
    fn admit(&mut self, _index: usize, _txn: &TxEnv) -> Admission<InvalidTxnReason> {
        Admission::Admit
    }

    fn commit(&mut self, txn: CommittedTxn) -> Flow {
        self.0.push(txn);
        Flow::Continue
    }
}

/// How long alloy-evm's executor takes to commit what transactions came to, one after another.
fn committing(given: &Given, txns: Vec<CommittedTxn>) -> Duration {
    let builder = State::builder().with_database(given.database()).with_bundle_update();
    let mut state = builder.build();
    let theirs = theirs_plain(given);
    let evm = theirs.evm_factory().create_evm(&mut state, given.env());
    let mut executor = theirs.create_executor(evm, given.ctx());
    let types: Vec<_> = given.txns().map(|(_, txn)| txn.tx_type()).collect();
    let start = Instant::now();
    for txn in txns {
        let tx_type = types[txn.index];
        let state = txn.state.expect("they are told");
        let result = ResultAndState { result: txn.result, state };
        executor.commit_transaction(EthTxResult { result, blob_gas_used: 0, tx_type });
    }
    drop(executor);
    state.merge_transitions(BundleRetention::Reverts);
    let bundle = state.take_bundle();
    let time = start.elapsed();
    drop(bundle);
    time
}

#[test]
fn real_blocks() -> Result<(), Box<dyn Error>> {
    let Some(root) = fixtures("real_blocks", "mainnet") else { return Ok(()) };
    let rounds = rounds()?;
    let threads = std::thread::available_parallelism()?;
    let engine: Arc<Engine> = Arc::new(Engine::new(Config::default().threads(threads))?);
    let (mut sums, mut blocks) = ([Sum::default(); 8], 0);
    for entry in fs::read_dir(root)? {
        let imported = import_folder(&entry?.path())?;
        let given = Given::new(&imported.block, &imported.pre_state);
        let (block, state) = (&given.block, &*given.state);
        let options = ParallelOptions::default();
        let keeping = || {
            let mut kept = Kept::default();
            let executed = execute_txns(&engine, block, state, &options, &mut kept);
            executed.map(|_| kept.0).expect("valid")
        };
        let timed = |run: &dyn Fn() -> BundleState| {
            let start = Instant::now();
            let bundle = run();
            let time = start.elapsed();
            drop(bundle);
            time
        };
        let times = in_turn::<8>(rounds, |n| match n {
            0 => timed(&|| bundled(&theirs_plain(&given), &given)),
            1 => timed(&|| bundled(&ours_plain(&given, &engine), &given)),
            2 => timed(&|| {
                let ours = ours_plain(&given, &engine).with_states(Node::of(&given));
                bundled(&ours, &given)
            }),
            3 => timed(&|| {
                let executed = execute_parallel(&engine, block, state, &options);
                let changes = executed.expect("valid").result.state;
                changes.to_bundle(state).expect("it can be read")
            }),
            4 => {
                let start = Instant::now();
                drop(keeping());
                start.elapsed()
            }
            5 => committing(&given, keeping()),
            6 => timed(&|| bundled(&theirs(&given), &given)),
            _ => timed(&|| bundled(&sharing(&given, &engine), &given)),
        });
        for (sum, time) in sums.iter_mut().zip(times) {
            sum.seconds += time;
            sum.logs += (times[0] / time).ln();
        }
        blocks += 1;
    }
    assert!(blocks >= 40, "only {blocks} blocks");
    println!("{blocks} mainnet blocks, {threads} threads, median of {rounds}");
    let names = [
        "EthBlockExecutor",
        "BlockStmExecutor on its database",
        "BlockStmExecutor with_states",
        "execute_parallel and to_bundle",
        "the transactions alone, told whole",
        "EthBlockExecutor's commits, bundle",
        "EthBlockExecutor, with blooms",
        "BlockStmExecutor, states and blooms",
    ];
    for (name, sum) in names.iter().zip(sums) {
        let mean = (sum.logs / f64::from(blocks)).exp();
        let all = sums[0].seconds / sum.seconds;
        println!("{name:36} {:8.1} ms  {all:.2}x over all, {mean:.2}x mean", sum.seconds * 1e3);
    }
    Ok(())
}

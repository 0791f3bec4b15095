//! Generated chains, and what is asked of a pipeline after each run.

mod failures;
mod same;
mod stored;
mod wrong;

use std::{num::NonZeroUsize, path::Path};

use alloy_primitives::{Address, keccak256};
use block_stm_pipeline::{
    BoxError, Draft, Maker, Outcome, Pipeline, PipelineError, PipelineOptions, Task, Watch,
    Workers, World,
    block_stm_chain::{Genesis, StateTrie, t8n::sign_txns},
    block_stm_store::{Options, Store, disk::Folder},
};
use block_stm_workloads::{Format, Overrides, Params, Scenario, Workload};

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A chain: what it begins with, and its blocks with their senders.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) genesis: Genesis,
    pub(crate) tasks: Vec<Task>,
}

/// A chain of `blocks` blocks of 40 transactions each.
pub(crate) fn made(workload: Workload, blocks: usize) -> Result<Made, Box<dyn std::error::Error>> {
    let params = Params { txns: 40, accounts: 60, pools: 3, ..Params::default() };
    let text = workload.scenario(&params)?;
    let overrides = Overrides { blocks: Some(blocks), ..Overrides::default() };
    let mut no_files = |path: &str| Err(format!("{path} is not here"));
    let scenario = Scenario::parse(&text, Format::Json, &overrides, &mut no_files)?;
    let series = scenario.generate_with_keys()?;
    let gas = series.blocks.iter().map(|made| made.block.env.gas_limit).max();
    let first = &series.blocks.first().ok_or("no block")?.block;
    let mut maker = Maker::before(first, 2 * gas.ok_or("no block")?, series.genesis.clone());
    let mut tasks = Vec::new();
    for made in series.blocks {
        let signed = sign_txns(&made.block.txns, &series.secret_keys)?;
        tasks.push(maker.make(Draft { block: made.block, signed })?);
    }
    Ok(Made { genesis: maker.genesis().clone(), tasks })
}

pub(crate) fn workers(threads: usize) -> Result<Workers, Box<dyn std::error::Error>> {
    Ok(Workers::new(NonZeroUsize::new(threads).ok_or("no thread")?)?)
}

pub(crate) fn open(
    folder: &Path,
    made: &Made,
) -> Result<(World, Store), Box<dyn std::error::Error>> {
    let disk = Folder::create(folder)?;
    Ok(World::open(disk, made.genesis.clone(), Options::default())?)
}

pub(crate) fn run(
    workers: &Workers,
    (world, store): (&mut World, &Store),
    tasks: &[Task],
    watch: &dyn Watch,
) -> (Outcome, Option<PipelineError>) {
    let options = PipelineOptions::default().queue(2).group(3).flush(2);
    let tasks = tasks.iter().map(|task| Ok::<_, BoxError>(task.clone()));
    Pipeline::new(workers, store, options).run(world, tasks, watch)
}

/// World and store are those after `blocks` blocks: all is durable, and the state has the root that
/// the header names.
pub(crate) fn assert_at(world: &World, store: &Store, made: &Made, blocks: u64) {
    let number = made.genesis.header.number + blocks;
    assert_eq!(world.head().0, number);
    assert_eq!((store.head(), store.durable()), (world.head(), number));
    let root = StateTrie::from(world.state()).root();
    assert_eq!(root, world.head_header().state_root, "block {number}");
    // Proofs are of that block, also where others were taken back.
    let prover = world.prover();
    assert_eq!(prover.block(), Some(world.head()));
    let (_, _, proof) = prover.prove(&Address::ZERO, &[]).expect("the block is right");
    assert_eq!(proof.proof.first().map(keccak256), Some(root), "block {number}");
    assert!(prover.prove_at(&world.head().1, &Address::ZERO, &[]).is_some());
    assert!(prover.prove_at(&world.head_header().parent_hash, &Address::ZERO, &[]).is_none());
}

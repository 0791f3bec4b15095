//! A chain of generated blocks, with headers that are right.

use block_stm_chain::{Genesis, t8n::sign_txns};
use block_stm_pipeline::{Draft, Maker, Task, Workers};
use block_stm_workloads::{Format, Overrides, Params, Scenario, Series, Workload};

use crate::{args::ChainRunArgs, error::CliError, interrupt, memory, progress};

/// Genesis and blocks.
pub(super) struct Made {
    pub(super) genesis: Genesis,
    /// With their senders.
    pub(super) tasks: Vec<Task>,
}

/// Makes the chain, each block executed sequentially.
///
/// # Errors
///
/// Parameters out of their range, more than there is memory for.
pub(super) fn make(args: &ChainRunArgs, workers: &Workers) -> Result<Made, CliError> {
    let params = args.shape.params(args.blocks);
    params.validate()?;
    memory::check(args.shape.txns.saturating_mul(args.blocks), params.accounts)?;
    let failed =
        |message: String| CliError::Workload { name: args.workload.name().to_owned(), message };
    let series = series(args.workload, &params, args.blocks).map_err(failed)?;
    let first = &series.blocks.first().expect("one block at the least").block;
    let most = series.blocks.iter().map(|made| made.block.env.gas_limit).max();
    let gas_limit = most.unwrap_or_default().saturating_mul(2);
    let mut maker = Maker::before(first, gas_limit, series.genesis.clone());
    let bar = progress::bar(series.blocks.len());
    bar.set_message("the chain is made");
    let mut tasks = Vec::with_capacity(series.blocks.len());
    for made in series.blocks {
        if interrupt::came() {
            break;
        }
        let block = made.block;
        let signed = workers.install(|| sign_txns(&block.txns, &series.secret_keys));
        let signed = signed.map_err(|error| failed(error.to_string()))?;
        let task = maker.make(Draft { block, signed });
        tasks.push(task.map_err(|error| failed(error.to_string()))?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Made { genesis: maker.genesis().clone(), tasks })
}

/// The workload as a row of blocks.
fn series(workload: Workload, params: &Params, blocks: usize) -> Result<Series, String> {
    let text = workload.scenario(params).map_err(|error| error.to_string())?;
    let overrides = Overrides { blocks: Some(blocks), ..Overrides::default() };
    let mut no_files = |path: &str| Err(format!("{path} is not here"));
    let scenario = Scenario::parse(&text, Format::Json, &overrides, &mut no_files);
    let series = scenario.and_then(|scenario| scenario.generate_with_keys());
    series.map_err(|error| error.to_string())
}

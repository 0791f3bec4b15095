//! `block-stm trace-block`: traces of whole blocks, made in parallel.

mod compare;
mod output;
mod report;

use block_stm_evm::StateChanges;
use block_stm_trace::{TraceError, TracedBlock, Tracer, write_traces};
use tracing::info;

use self::{compare::compare, output::Traces, report::Report};
use crate::{
    args::TraceBlockArgs,
    blocks::{BlockAt, for_each_block},
    discover::sources,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput},
    interrupt,
    output::{error, print_styled},
};

/// Traces the blocks, up to the first that can't be executed or is not what its header says.
///
/// # Errors
///
/// A tracer that is none, files that can't be read or written, blocks that can't be executed,
/// threads that can't be started.
pub(crate) fn trace_block(args: &TraceBlockArgs) -> Result<Exit, CliError> {
    let tracer = Tracer::parse(&args.tracer, args.tracer_config.as_deref())?;
    if !args.compare && (args.json.json || args.json.json_file.is_some() || args.csv.csv.is_some())
    {
        return Err(CliError::Usage("--json, --json-file and --csv are for --compare"));
    }
    let mut files = Files::new();
    let sources = sources(&args.blocks.paths, &mut files)?;
    let target = match &args.out {
        Some(path) => Some(files.writes(path)?),
        None if args.compare => None,
        None => Some(files.writes("-".as_ref())?),
    };
    if args.compare && matches!(target, Some(crate::files::Target::Stdout)) {
        return Err(CliError::Usage("--compare prints a table: --out needs a file"));
    }
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let _patience = args.compare.then(interrupt::Patience::new);
    let mut traces = target.map(|target| Traces::open(&target)).transpose()?;
    let (mut exit, mut rows) = (Exit::Success, Vec::new());
    let visited = for_each_block(&args.blocks, &sources, |at| {
        if interrupt::came() {
            return Ok(None);
        }
        let mut changes = None;
        if let Some(traces) = &mut traces {
            changes = write(at, &tracer, traces)?;
            if changes.is_none() {
                if !traces.is_closed() {
                    exit = Exit::CheckFailed;
                }
                return Ok(None);
            }
        }
        if args.compare {
            let compared = compare(at, &tracer, args.repeat)?;
            let is_right = compared.ok();
            changes = changes.or_else(|| compared.changes.clone());
            rows.push(compared);
            if !is_right {
                exit = Exit::CheckFailed;
                return Ok(None);
            }
        }
        Ok(changes)
    });
    if args.compare && !rows.is_empty() {
        tell(&Report::new(args, &tracer, rows), &json, &csv)?;
    }
    visited?;
    if exit == Exit::Success && !interrupt::came() {
        traces.map_or(Ok(()), Traces::publish)?;
    }
    Ok(exit)
}

/// Prints and writes what the comparison came to.
fn tell(report: &Report, json: &JsonOutput, csv: &CsvOutput) -> Result<(), CliError> {
    if !json.replaces_text() {
        print_styled(&report.text())?;
    }
    for difference in report.differences() {
        error(difference);
    }
    csv.write(|| report.rows())?;
    json.write(|| report.json())
}

fn traced<'a>(at: &BlockAt<'a>) -> TracedBlock<'a> {
    TracedBlock::new(at.block).hash(at.hash).txn_hashes(at.txn_hashes)
}

/// Writes the traces of a block as a line. What the block changes; `None` if it is not what its
/// header says, or if no reader is left.
fn write(
    at: &BlockAt<'_>,
    tracer: &Tracer,
    traces: &mut Traces,
) -> Result<Option<StateChanges>, CliError> {
    let written = write_traces(at.engine, &traced(at), at.state, tracer, traces.out());
    let result = match written {
        Ok(result) => result,
        Err(TraceError::Execution(error)) => return Err(at.failed(error)),
        Err(TraceError::Write(error)) => return traces.failed(error).map(|()| None),
        Err(error) => return Err(at.failed(error)),
    };
    if let Err(error) = traces.end_line() {
        return traces.failed(error).map(|()| None);
    }
    info!("block {} is traced: {} txns", at.number, at.block.txns.len());
    Ok(matches_header(at, &result).then_some(result.state))
}

/// Whether the result is what the header says, which is told if it is not.
fn matches_header(at: &BlockAt<'_>, result: &block_stm_evm::BlockResult) -> bool {
    let differences = at.header.differences(result);
    for difference in &differences {
        error(format!("{}: block {}: {difference}", at.path.display(), at.number));
    }
    differences.is_empty()
}

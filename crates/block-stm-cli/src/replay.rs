//! `block-stm replay`: real blocks, sequentially and in parallel, against each other and their
//! headers.

use std::{num::NonZeroUsize, path::Path};

use block_stm::{Config, Engine};
use block_stm_chain::{
    HeaderChecks,
    import::{ChainBlock, import_chain, import_folder},
    state_root, state_roots_within,
};
use block_stm_evm::{Block, BlockResult, InvalidTxn, PreState};
use indicatif::ProgressBar;
use tracing::info;

use crate::{
    args::ReplayArgs,
    bounds::{Bounder, Bounds},
    check::Check,
    command,
    delivery::Delivery,
    discover::{Source, sources},
    error::CliError,
    escape::shown,
    exit::Exit,
    files::Files,
    interrupt,
    machine::Machine,
    measure::{Lists, Measured, measure_as_asked},
    notes, progress,
    report::{Kind, Report, Row},
    units::count,
};

/// Replays what lies at the paths, once for each number of threads.
///
/// What can't be read is reported at the end, and does not keep the rest from being replayed.
///
/// # Errors
///
/// A path without blocks, threads that can't be started, results that can't be written.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let all = sources(&args.paths, &mut files)?;
    let mut delivery = Delivery::open(&args.common, &mut files)?;
    notes::print(&args.common.threads);
    let _patience = interrupt::Patience::new();
    for &threads in &args.common.threads {
        if interrupt::came() {
            break;
        }
        delivery.show(report(args, &all, threads)?)?;
    }
    delivery.finish()
}

/// Replays all blocks with so many threads.
///
/// # Errors
///
/// Threads that can't be started.
pub(crate) fn report(
    args: &ReplayArgs,
    all: &[Source],
    threads: NonZeroUsize,
) -> Result<Report, CliError> {
    let mut replay = Replay {
        args,
        engine: Engine::new(Config::default().threads(threads))?,
        bounder: Bounder::if_wanted(&args.common, threads)?,
        bar: progress::bar(all.len()),
        rows: Vec::new(),
    };
    let mut errors = Vec::new();
    for source in all {
        if interrupt::came() {
            break;
        }
        let done = match source {
            Source::Block(folder) => replay.block(folder),
            Source::Chain(folder) => replay.chain(folder),
        };
        errors.extend(done.err().map(|error| error.to_string()));
        replay.bar.inc(1);
    }
    replay.bar.finish_and_clear();
    let blocks = count(replay.rows.len(), "block");
    let latency = args.common.latency_in_words();
    let title = format!("{blocks}{latency}; {}", count(threads.get(), "thread"));
    Ok(Report {
        kind: Kind::Blocks,
        title,
        machine: Machine::look(),
        threads: threads.get(),
        repeat: args.common.repeat,
        rows: replay.rows,
        errors,
    })
}

/// A replay under way.
struct Replay<'a> {
    args: &'a ReplayArgs,
    engine: Engine,
    bounder: Option<Bounder>,
    bar: ProgressBar,
    rows: Vec<Row>,
}

impl Replay<'_> {
    /// Replays the block in `folder`.
    fn block(&mut self, folder: &Path) -> Result<(), CliError> {
        self.bar.set_message(shown(format_args!("reading {}", folder.display())));
        let imported = import_folder(folder)?;
        let (txns, accounts) = (imported.block.txns.len(), imported.pre_state.len());
        info!("{} is read: {txns} txns, {accounts} accounts", shown(folder.display()));
        let (block, number) = (&imported.block, imported.number);
        let header = &imported.header;
        let (mut measured, bounds) =
            self.measure(folder, (number, block, header), &imported.pre_state)?;
        let checks = match &mut measured.reference {
            Ok(result) => {
                result.access_list = measured.list.take();
                Check::all_of_header(header, result)
            }
            Err(_) => Vec::new(),
        };
        let mut row = Row::new(imported.name, block, measured, checks).with_number(number);
        row.unknown_ommers = imported.unknown_ommers;
        self.push(row.with_bounds(bounds), folder);
        Ok(())
    }

    /// Replays the chain in `folder`, each block on the state that the one before it left.
    fn chain(&mut self, folder: &Path) -> Result<(), CliError> {
        self.bar.set_message(shown(format_args!("reading {}", folder.display())));
        let chain = import_chain(folder)?;
        info!("{} is read: {} blocks", folder.display(), chain.blocks.len());
        // The chain itself is one of the steps.
        self.bar.inc_length(chain.blocks.len() as u64);
        let mut state = chain.genesis;
        for block in &chain.blocks {
            if interrupt::came() {
                return Ok(());
            }
            let parts = (block.number, &block.block, &block.header);
            let (mut measured, bounds) = self.measure(folder, parts, &state)?;
            let Ok(mut result) = measured.reference.clone() else {
                // The state that the next block starts from is unknown.
                let row = Row::new(chain.name, &block.block, measured, Vec::new());
                self.push(row.with_number(block.number), folder);
                return Ok(());
            };
            result.access_list = measured.list.take();
            let checks = chain_checks(block, &mut state, result);
            let checks = checks.map_err(|error| CliError::Execution {
                path: folder.to_owned(),
                number: block.number,
                message: error.to_string(),
            })?;
            let row = Row::new(chain.name.clone(), &block.block, measured, checks);
            self.push(row.with_number(block.number).with_bounds(bounds), folder);
            self.bar.inc(1);
        }
        Ok(())
    }

    fn measure(
        &self,
        folder: &Path,
        (number, block, header): (u64, &Block, &HeaderChecks),
        state: &PreState,
    ) -> Result<(Measured, Option<Bounds>), CliError> {
        self.bar.set_message(format!("block {number}"));
        let (common, bounder) = (&self.args.common, self.bounder.as_ref());
        let lists = match (self.args.bal, header.access_list_hash) {
            (true, _) => Lists::Timed,
            (false, Some(_)) => Lists::Built,
            (false, None) => Lists::Unbuilt,
        };
        let measured = measure_as_asked(common, &self.engine, bounder, block, state, lists);
        let path = folder.to_owned();
        let measured = measured.map_err(|message| CliError::Execution { path, number, message })?;
        let (one, other) = (measured.0.sequential, measured.0.parallel);
        info!("block {number} is measured: {one:.2?} in order, {other:.2?} in parallel");
        Ok(measured)
    }

    fn push(&mut self, row: Row, folder: &Path) {
        let command = command::replay(self.args, folder, self.engine.threads());
        self.rows.push(row.repeated_by(command));
    }
}

/// Checks a result against the header of a block in a chain, and takes `state` past the block.
///
/// The whole state is known here, so that the state root can be checked, and the receipts root
/// before Byzantium.
fn chain_checks(
    block: &ChainBlock,
    state: &mut PreState,
    mut result: BlockResult,
) -> Result<Vec<Check>, impl std::fmt::Display> {
    if result.receipts_root().is_none() {
        match state_roots_within(state, &block.block, InvalidTxn::Reject) {
            Ok(roots) => result.set_state_roots(&roots),
            Err(error) => return Err(error),
        }
    }
    let mut checks = Check::all_of_header(&block.header, &result);
    state.apply(&result.state);
    checks.push(Check::header("state_root", block.header.state_root, state_root(state)));
    Ok(checks)
}

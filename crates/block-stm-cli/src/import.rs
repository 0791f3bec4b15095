//! `block-stm import`: a chain from its genesis, every block checked in full.

mod store;

use std::{
    fmt::Display,
    path::Path,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine};
use block_stm_chain::{
    BlockError, Chain, Genesis, Imported,
    import::{block_number, json::read_file},
    rlp_blocks,
};
use serde::Serialize;

use self::store::Keeper;
use crate::{
    args::ImportArgs,
    error::CliError,
    escape::shown,
    exit::Exit,
    files::{Files, JsonOutput, rendered},
    interrupt, output, progress,
    units::{count, grouped, si, time},
};

/// Imports the files one after another, up to the first block that is refused or can't be read.
///
/// # Errors
///
/// A genesis file that can't be read, threads that can't be started, results that can't be written.
pub(crate) fn import(args: &ImportArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    files.reads(&args.genesis);
    args.files.iter().for_each(|file| files.reads(file));
    let json = JsonOutput::open(&args.json, &mut files)?;
    let genesis = Genesis::parse(&args.genesis, &read_file(&args.genesis)?)?;
    let mut chain = Chain::new(genesis).branch_depth(args.branch_depth);
    let keeper = args.store.as_ref();
    let keeper = keeper.map(|folder| Keeper::open(folder, &mut chain, args.branch_depth));
    let mut import = Import {
        engine: Engine::new(Config::default().threads(args.threads))?,
        chain,
        keeper: keeper.transpose()?,
        durable: None,
        blocks: 0,
        txns: 0,
        gas: 0,
        stopped: None,
        elapsed: Duration::ZERO,
    };
    let _patience = interrupt::Patience::new();
    for file in &args.files {
        import.stopped = import.file(file).err();
        if import.stopped.is_some() {
            break;
        }
    }
    if import.blocks == 0 && import.stopped.is_none() && !args.allow_empty {
        let reason = "nothing was checked: no block in these files (see --allow-empty)".to_owned();
        import.stopped = Some(Stopped { reason, exit: Exit::CheckFailed });
    }
    import.durable = import.keeper.as_ref().map(Keeper::finish).transpose()?;
    let unread = import.stopped.as_ref().is_some_and(|stopped| stopped.exit == Exit::BadInput);
    if !json.replaces_text() && (import.blocks > 0 || !unread) {
        output::print(import.text().as_bytes())?;
    }
    if let Some(stopped) = &import.stopped {
        output::error(&stopped.reason);
    }
    json.write(|| rendered(&import.json()))?;
    Ok(import.stopped.map_or(Exit::Success, |stopped| stopped.exit))
}

/// An import under way.
struct Import {
    engine: Engine,
    chain: Chain,
    /// The store that is written to.
    keeper: Option<Keeper>,
    /// The newest block that is durable there, in the end.
    durable: Option<u64>,
    blocks: usize,
    txns: u64,
    gas: u64,
    /// What the import ended at, if not at the end of the files.
    stopped: Option<Stopped>,
    elapsed: Duration,
}

/// The first block that was refused or can't be read, or the file that can't.
struct Stopped {
    /// Where it is, and why.
    reason: String,
    exit: Exit,
}

impl Import {
    fn file(&mut self, file: &Path) -> Result<(), Stopped> {
        let bytes = read_file(file)
            .map_err(|error| Stopped { reason: error.to_string(), exit: Exit::BadInput })?;
        tracing::info!("{} is read: {} bytes", file.display(), bytes.len());
        let start = Instant::now();
        let bar = progress::bar(bytes.len());
        bar.set_message(shown(file.display()));
        let done = rlp_blocks(&bytes).enumerate().try_for_each(|(index, (offset, block))| {
            if interrupt::came() {
                let reason = "interrupted".to_owned();
                return Err(Stopped { reason, exit: Exit::Interrupted });
            }
            let done = self.block(block);
            bar.set_position((offset + block.map_or(0, <[u8]>::len)) as u64);
            done.map_err(|Stopped { reason, exit }| {
                let file = file.display();
                let number = block.ok().and_then(block_number);
                let place = match number {
                    Some(number) => format!("{file}: block {number}"),
                    None => format!("{file}: block {index} of the file"),
                };
                Stopped { reason: format!("{place}, at byte {offset}: {reason}"), exit }
            })
        });
        bar.finish_and_clear();
        self.elapsed += start.elapsed();
        done
    }

    fn block(&mut self, block: Result<&[u8], impl Display>) -> Result<(), Stopped> {
        let stopped = |reason: String, exit| Stopped { reason, exit };
        let block = block.map_err(|error| stopped(error.to_string(), Exit::BadInput))?;
        match self.chain.import(block, &self.engine) {
            Ok(imported) => {
                self.count(imported);
                let Some(keeper) = &mut self.keeper else { return Ok(()) };
                let kept = keeper.take(&self.chain, &imported, block);
                kept.map_err(|error| stopped(error.to_string(), Exit::BadInput))
            }
            Err(BlockError::Encoding(message)) => Err(stopped(message, Exit::BadInput)),
            Err(error) => Err(stopped(error.to_string(), Exit::CheckFailed)),
        }
    }

    fn count(&mut self, imported: Imported) {
        tracing::debug!("a block is imported: {} txns, {} gas", imported.txns, imported.gas_used);
        self.blocks += 1;
        self.txns += imported.txns as u64;
        self.gas += imported.gas_used;
    }

    fn text(&self) -> String {
        let (head, hash) = (self.chain.head_header().number, self.chain.head());
        let txns = count(usize::try_from(self.txns).unwrap_or(usize::MAX), "txn");
        let durable = self.durable.map_or_else(String::new, |number| {
            format!("In the store: all up to block {}\n", grouped(number))
        });
        format!(
            "{} imported in {}: {txns}, {} gas; {}.\nHead: block {} {hash}\n{durable}",
            count(self.blocks, "block"),
            time(self.elapsed),
            si(self.gas as f64),
            if self.blocks == 0 {
                "no header was checked"
            } else {
                "every header, receipts root and state root holds"
            },
            grouped(head),
        )
    }

    fn json(&self) -> Json<'_> {
        Json {
            head: self.chain.head().to_string(),
            number: self.chain.head_header().number,
            state_root: self.chain.head_header().state_root.to_string(),
            blocks: self.blocks,
            txns: self.txns,
            gas_used: self.gas,
            seconds: self.elapsed.as_secs_f64(),
            durable: self.durable,
            ok: self.stopped.is_none(),
            error: self.stopped.as_ref().map(|stopped| stopped.reason.as_str()),
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    head: String,
    number: u64,
    state_root: String,
    blocks: usize,
    txns: u64,
    gas_used: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    durable: Option<u64>,
    ok: bool,
    error: Option<&'a str>,
}

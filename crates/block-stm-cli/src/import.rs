//! `block-stm import`: a chain from its genesis, every block checked in full.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine};
use block_stm_evm::{BlockError, Chain, Genesis, Imported, import::json::read_file, rlp_blocks};
use serde::Serialize;

use crate::{
    args::ImportArgs,
    error::CliError,
    exit::Exit,
    output, progress,
    target::Target,
    units::{count, grouped, si, time},
};

/// Imports the files one after another, up to the first block that is refused.
///
/// # Errors
///
/// A file that can't be read or is no sequence of blocks, threads that can't be started, results that can't be written.
pub(crate) fn import(args: &ImportArgs) -> Result<Exit, CliError> {
    let json = args.json.as_deref().map(Target::open).transpose()?;
    let genesis = Genesis::parse(&args.genesis, &read_file(&args.genesis)?)?;
    let mut import = Import {
        engine: Config::default().threads(args.threads).build()?,
        chain: Chain::new(genesis).with_branch_depth(args.branch_depth),
        blocks: 0,
        txns: 0,
        gas: 0,
        refused: None,
        elapsed: Duration::ZERO,
    };
    for file in &args.files {
        import.file(file)?;
        if import.refused.is_some() {
            break;
        }
    }
    if !matches!(json, Some(Target::Stdout)) {
        output::print(import.text().as_bytes())?;
    }
    if let Some(refused) = &import.refused {
        output::error(refused);
    }
    if let Some(target) = json {
        let mut bytes = serde_json::to_vec_pretty(&import.json()).expect("plain numbers and text");
        bytes.push(b'\n');
        target.write(&bytes)?;
    }
    Ok(if import.refused.is_some() { Exit::CheckFailed } else { Exit::Success })
}

/// An import under way.
struct Import {
    engine: Engine,
    chain: Chain,
    blocks: usize,
    txns: u64,
    gas: u64,
    /// The first block that was refused: where it is, and why.
    refused: Option<String>,
    elapsed: Duration,
}

impl Import {
    fn file(&mut self, file: &Path) -> Result<(), CliError> {
        let bytes = read_file(file)?;
        let start = Instant::now();
        let bar = progress::bar(bytes.len());
        bar.set_message(file.display().to_string());
        for (index, (offset, block)) in rlp_blocks(&bytes).enumerate() {
            let place = format!("{}: block {index} of the file, at byte {offset}", file.display());
            let malformed = |message: String| CliError::Malformed { place: place.clone(), message };
            let block = block.map_err(|error| malformed(error.to_string()))?;
            match self.chain.import(block, &self.engine) {
                Ok(imported) => self.count(imported),
                Err(BlockError::Encoding(message)) => return Err(malformed(message)),
                Err(error) => {
                    self.refused = Some(format!("{place}: {error}"));
                    break;
                }
            }
            bar.set_position((offset + block.len()) as u64);
        }
        bar.finish_and_clear();
        self.elapsed += start.elapsed();
        Ok(())
    }

    fn count(&mut self, imported: Imported) {
        self.blocks += 1;
        self.txns += imported.txns as u64;
        self.gas += imported.gas_used;
    }

    fn text(&self) -> String {
        let (head, hash) = (self.chain.head_header().number, self.chain.head());
        let txns = count(usize::try_from(self.txns).unwrap_or(usize::MAX), "txn");
        format!(
            "{} imported in {}: {txns}, {} gas; {}.\nHead: block {} {hash}\n",
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
            ok: self.refused.is_none(),
            error: self.refused.as_deref(),
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
    ok: bool,
    error: Option<&'a str>,
}

//! `block-stm explain`: what keeps a block from running in parallel.

mod analysis;
mod artifact;
mod detail;
mod dot;
mod findings;
mod labels;
mod layout;
mod names;
mod preimages;
#[cfg(test)]
mod replica;
mod selectors;
mod study;
mod text;

use std::num::NonZeroUsize;

use block_stm::{Config, Engine};
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) use self::{
    artifact::LayoutFile,
    detail::{Detail, Explorer},
};
use self::{
    findings::{Brake, Findings, brakes},
    names::Names,
    study::Study,
};
use crate::{
    args::ExplainArgs,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput, Target, deliver, rendered},
    given::{Given, NEXT, Placed, Wants},
    interrupt, notes, output,
};

const ONE_DOT: CliError = CliError::Usage("--dot draws one block: name one");

/// Explains the blocks at the paths, or generated ones.
///
/// # Errors
///
/// Input that can't be read or executed, names that contradict each other, results that can't be
/// written.
pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    args.names.files().for_each(|file| files.reads(file));
    let given = Given::open(&args.paths, &args.blocks, &mut files)?;
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let dot = args.dot.as_ref().map(|path| files.writes(path)).transpose()?;
    let prints_dot = matches!(dot, Some(Target::Stdout));
    if prints_dot && json.replaces_text() {
        return Err(CliError::Usage("--json and --dot - both want standard output"));
    }
    if dot.is_some() && given.len() > 1 {
        return Err(ONE_DOT);
    }
    let names = Names::new(&args.names)?;
    notes::warn_of_noise();
    let _patience = interrupt::Patience::new();
    let mut explainer = Explainer {
        args,
        engine: Engine::new(Config::default().threads(NonZeroUsize::MIN))?,
        names,
        findings: Vec::new(),
        dot: None,
    };
    given.each(|placed| explainer.study(placed))?;
    if explainer.findings.is_empty() && interrupt::came() {
        return Ok(Exit::Success);
    }
    for file in explainer.names.unused() {
        output::note(&format!(
            "{}: no contract of these blocks has this code",
            file.file.display()
        ));
    }
    if let Some(target) = &dot {
        let Some(dot) = explainer.dot.take().filter(|_| explainer.findings.len() == 1) else {
            return Err(ONE_DOT);
        };
        deliver([(target, dot)])?;
    }
    let report = Report::new(explainer.findings, args.top);
    if !json.replaces_text() && !prints_dot {
        output::print_styled(&report.text())?;
    }
    csv.write(|| report.rows())?;
    json.write(|| rendered(&report))?;
    Ok(Exit::Success)
}

/// All that was found.
#[derive(Debug, Serialize)]
struct Report {
    blocks: Vec<Findings>,
    /// Which contracts hold back all of these blocks together.
    contracts: Vec<Brake>,
}

impl Report {
    fn new(blocks: Vec<Findings>, top: usize) -> Self {
        let contracts = brakes(&blocks, top);
        Self { blocks, contracts }
    }

    /// A row for each location of each block.
    fn rows(&self) -> Vec<Value> {
        let rows = self.blocks.iter().flat_map(|block| {
            block.locations.iter().map(move |location| {
                let mut row = json!(location);
                row["block"] = json!(block.block);
                row
            })
        });
        rows.collect()
    }

    fn text(&self) -> String {
        match self.blocks.as_slice() {
            [one] => text::one(one),
            all => text::many(all, &self.contracts),
        }
    }
}

struct Explainer<'a> {
    args: &'a ExplainArgs,
    engine: Engine,
    names: Names,
    findings: Vec<Findings>,
    /// The first block's.
    dot: Option<Vec<u8>>,
}

impl Explainer<'_> {
    fn study(&mut self, placed: Placed<'_>) -> Result<Wants, String> {
        let Placed { title, block, state, .. } = placed;
        let (title, repeat) = (title.to_owned(), self.args.repeat.get());
        let study = Study::new(title, (block, state), &self.engine, repeat, &mut self.names)?;
        if self.args.dot.is_some() && self.findings.is_empty() {
            self.dot = Some(dot::render(&study));
        }
        self.findings.push(Findings::new(&study, &self.names, self.args.top));
        Ok(NEXT)
    }
}

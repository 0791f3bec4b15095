//! What a fetch came to: a row for each block as it comes, a sentence, and JSON.

use std::time::{Duration, Instant};

use anstyle::Style;
use serde::Serialize;

use super::{
    fetcher::{Fetched, News},
    rpc::Rpc,
};
use crate::{
    args::FetchArgs,
    check::Outcome,
    error::CliError,
    exit::Exit,
    files::rendered,
    output,
    units::{count, grouped, si, speedup, time},
};

const BOLD: Style = Style::new().bold();

/// All blocks so far.
#[derive(Debug)]
pub(super) struct Report<'a> {
    rpc: &'a Rpc,
    chain_id: u64,
    follows: bool,
    shows: bool,
    start: Instant,
    fetched: usize,
    present: usize,
    disagreed: usize,
    /// For JSON, where that is wanted.
    blocks: Option<Vec<Block>>,
    errors: Vec<Failure>,
}

#[derive(Debug, Serialize)]
struct Block {
    number: u64,
    hash: String,
    folder: String,
    #[serde(flatten)]
    news: Option<JsonNews>,
    was_there: bool,
}

#[derive(Debug, Serialize)]
struct JsonNews {
    txns: usize,
    gas_used: u64,
    accounts: usize,
    slots: usize,
    pre_state: &'static str,
    sequential_ms: f64,
    parallel_ms: f64,
    checks: std::collections::BTreeMap<&'static str, Option<bool>>,
}

#[derive(Debug, Serialize)]
struct Failure {
    number: u64,
    error: String,
}

#[derive(Serialize)]
struct Json<'a> {
    version: &'static str,
    node: String,
    chain_id: u64,
    ok: bool,
    seconds: f64,
    requests: u64,
    fetched: usize,
    were_there: usize,
    blocks: &'a [Block],
    errors: &'a [Failure],
}

impl<'a> Report<'a> {
    /// Nothing was fetched yet.
    pub(super) fn new(rpc: &'a Rpc, args: &FetchArgs, chain_id: u64, shows: bool) -> Self {
        let wants_blocks =
            args.json.json || args.json.json_file.is_some() || args.csv.csv.is_some();
        Self {
            rpc,
            chain_id,
            follows: args.follow,
            shows,
            start: Instant::now(),
            fetched: 0,
            present: 0,
            disagreed: 0,
            blocks: wants_blocks.then(Vec::new),
            errors: Vec::new(),
        }
    }

    /// Adds a block, and shows its row.
    pub(super) fn add(&mut self, number: u64, block: Fetched) -> Result<(), CliError> {
        let Fetched { facts, folder, news } = block;
        match &news {
            Some(news) if self.shows => {
                let header = if self.fetched == 0 { self.header() } else { String::new() };
                output::print_styled(&format!("{header}{}", self.row(number, news)))?;
            }
            _ => {}
        }
        match news {
            Some(_) => self.fetched += 1,
            None => self.present += 1,
        }
        if let Some(blocks) = &mut self.blocks {
            blocks.push(Block {
                number,
                hash: facts.hash.to_string(),
                folder: folder.to_string_lossy().into_owned(),
                was_there: news.is_none(),
                news: news.as_ref().map(JsonNews::from),
            });
        }
        Ok(())
    }

    /// Notes why the block `number` is not there, and says it.
    pub(super) fn fail(&mut self, number: u64, why: &str, disagrees: bool) {
        output::error(format_args!("block {number}: {why}"));
        self.disagreed += usize::from(disagrees);
        self.errors.push(Failure { number, error: why.to_owned() });
    }

    fn header(&self) -> String {
        let names = if self.follows {
            ["block", "txns", "gas", "sequential", "parallel", "speed-up"]
        } else {
            ["block", "txns", "gas", "accounts", "slots", "from"]
        };
        format!("{BOLD}{}  checks{BOLD:#}\n", columns(&names.map(str::to_owned)))
    }

    fn row(&self, number: u64, news: &News) -> String {
        let mut cells =
            [number.to_string(), grouped(news.txns as u64), si(news.gas_used as f64)].to_vec();
        if self.follows {
            let factor = nanos(news.sequential) / nanos(news.parallel);
            cells.extend([time(news.sequential), time(news.parallel), speedup(factor)]);
        } else {
            let (accounts, slots) = (grouped(news.accounts as u64), grouped(news.slots as u64));
            cells.extend([accounts, slots, source(news).to_owned()]);
        }
        let all = news.checks.iter().all(|check| matches!(check.outcome, Outcome::Holds));
        format!("{}  {}\n", columns(&cells), if all { "ok" } else { "ok*" })
    }

    /// What was done, in words.
    pub(super) fn sentence(&self) -> String {
        let there = match self.present {
            0 => String::new(),
            present => format!(", {} were there", grouped(present as u64)),
        };
        let failed = match self.errors.len() {
            0 => String::new(),
            failed => format!(", {} FAILED", grouped(failed as u64)),
        };
        format!(
            "{}{} fetched{there}{failed}; {} to {} in {}.\n",
            if self.fetched > 0 { "\n" } else { "" },
            count(self.fetched, "block"),
            count(usize::try_from(self.rpc.sent()).unwrap_or(usize::MAX), "request"),
            self.rpc.endpoint(),
            time(self.start.elapsed()),
        )
    }

    /// A row for each block.
    pub(super) fn rows(&self) -> Vec<serde_json::Value> {
        let blocks = self.blocks.iter().flatten();
        blocks.map(|block| serde_json::json!(block)).collect()
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Vec<u8> {
        rendered(&Json {
            version: env!("CARGO_PKG_VERSION"),
            node: self.rpc.endpoint().to_string(),
            chain_id: self.chain_id,
            ok: self.errors.is_empty(),
            seconds: self.start.elapsed().as_secs_f64(),
            requests: self.rpc.sent(),
            fetched: self.fetched,
            were_there: self.present,
            blocks: self.blocks.as_deref().unwrap_or_default(),
            errors: &self.errors,
        })
    }

    /// How the command ends.
    pub(super) fn exit(&self) -> Exit {
        match self.errors.len() {
            0 => Exit::Success,
            failed if failed == self.disagreed => Exit::CheckFailed,
            _ => Exit::BadInput,
        }
    }
}

impl From<&News> for JsonNews {
    fn from(news: &News) -> Self {
        let checks = news.checks.iter().map(|check| {
            let outcome = match check.outcome {
                Outcome::Holds => Some(true),
                Outcome::Fails(_) => Some(false),
                Outcome::NotCheckable(_) => None,
            };
            (check.name, outcome)
        });
        Self {
            txns: news.txns,
            gas_used: news.gas_used,
            accounts: news.accounts,
            slots: news.slots,
            pre_state: source(news),
            sequential_ms: nanos(news.sequential) / 1e6,
            parallel_ms: nanos(news.parallel) / 1e6,
            checks: checks.collect(),
        }
    }
}

fn source(news: &News) -> &'static str {
    if news.by_tracer { "tracer" } else { "execution" }
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos().max(1) as f64
}

/// Cells of rows that come one by one: the widths can't follow the content.
fn columns(cells: &[String]) -> String {
    let widths = [10, 7, 8, 11, 11, 11];
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
    cells.collect::<Vec<_>>().join(" ")
}

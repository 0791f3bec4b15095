//! `block-stm fetch`: blocks from a node, as folders that the other commands read.

mod chain_config;
mod endpoint;
mod fetcher;
mod node;
mod pace;
mod proofs;
mod remote;
mod report;
mod rpc;

use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use block_stm::{Config, Engine};
use block_stm_evm::revm::primitives::B256;
use indicatif::ProgressBar;
use tracing::info;

use self::{
    endpoint::Endpoint,
    fetcher::{FetchError, Fetched, Fetcher},
    node::Node,
    pace::Pace,
    report::Report,
    rpc::{Patience, Rpc, RpcError},
};
use crate::{
    args::{FetchArgs, Place},
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput},
    interrupt, output, progress,
};

/// Threads that wait for the node while a block is executed to see what it reads.
const READERS: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// So many blocks in a row that can't be fetched end the command.
const GIVE_UP: usize = 3;

/// Links between blocks are remembered for so many blocks.
const LINKS: usize = 1_000;

/// Fetches blocks, and with `--follow` the new ones, until it is interrupted.
///
/// # Errors
///
/// A URL or a genesis that is none, a node that does not answer at all, results that can't be
/// written. What keeps single blocks from being fetched is told, and the exit code says it.
pub(crate) fn fetch(args: &FetchArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    args.genesis.iter().for_each(|file| files.reads(file));
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    if args.out.exists() && !args.out.is_dir() {
        return Err(CliError::not_written(&args.out, io::ErrorKind::NotADirectory.into()));
    }
    let node = Node { rpc: rpc(args)? };
    let _patience = interrupt::Patience::new();
    let id = node.chain_id().map_err(hopeless)?;
    info!("{} answers for chain {id}", node.rpc.endpoint());
    let chain_json = chain_config::chain_json(&node, id, args.genesis.as_deref())?;
    let has_no_requests = id != 1 && chain_config::is_anvil(&node).map_err(hopeless)?;
    fs::create_dir_all(&args.out).map_err(|error| CliError::not_written(&args.out, error))?;
    let engine = |threads: NonZeroUsize| -> Result<Engine, CliError> {
        Ok(Engine::new(Config::default().threads(threads))?)
    };
    let fetcher = Fetcher {
        node: &node,
        out: &args.out,
        chain_json,
        source: args.pre_state,
        proofs: args.proofs,
        engine: engine(args.threads)?,
        reader: engine(READERS)?,
        has_no_requests,
        has_no_tracer: AtomicBool::new(false),
        has_no_receipts: AtomicBool::new(false),
    };
    let ranges = ranges(args, &node)?;
    let report = Report::new(&node.rpc, args, id, !json.replaces_text());
    let mut fetch =
        Fetch { args, fetcher, report, links: BTreeMap::new(), failures: 0, hopeless: false };
    fetch.all(&ranges)?;
    if args.follow {
        let last = ranges.iter().map(|(_, last)| *last).max().unwrap_or(0);
        fetch.follow(last)?;
    }
    let Fetch { report, .. } = fetch;
    if !json.replaces_text() {
        output::print_styled(&report.sentence())?;
    }
    csv.write(|| report.rows())?;
    json.write(|| report.json())?;
    Ok(report.exit())
}

fn rpc(args: &FetchArgs) -> Result<Rpc, CliError> {
    let endpoint = Endpoint::new(&args.rpc);
    let endpoint = endpoint.map_err(|why| CliError::Node(format!("the URL of --rpc: {why}")))?;
    let patience = Patience {
        retries: args.retries,
        backoff: args.backoff.0,
        timeout: Duration::from_secs(args.timeout),
    };
    Ok(Rpc::new(endpoint, Pace::new(args.rate), patience))
}

fn hopeless(error: RpcError) -> CliError {
    CliError::Node(error.to_string())
}

/// The ranges of blocks that are asked for, both ends included.
fn ranges(args: &FetchArgs, node: &Node) -> Result<Vec<(u64, u64)>, CliError> {
    let mut head = None;
    let mut number = |place| -> Result<u64, CliError> {
        match (place, head) {
            (Place::Number(number), _) | (Place::Latest, Some(number)) => Ok(number),
            (Place::Latest, None) => {
                let number = node.head().map_err(hopeless)?;
                head = Some(number);
                Ok(number)
            }
        }
    };
    let mut ranges = Vec::new();
    for blocks in &args.blocks {
        let (first, last) = (number(blocks.first)?, number(blocks.last)?);
        if last == 0 {
            return Err(CliError::Node("the chain has no block after its genesis".to_owned()));
        }
        if first > last {
            let message = format!("the newest block is {last}: there is no block {first} yet");
            return Err(CliError::Node(message));
        }
        ranges.push((first, last));
    }
    Ok(ranges)
}

/// A fetch under way.
struct Fetch<'a> {
    args: &'a FetchArgs,
    fetcher: Fetcher<'a>,
    report: Report<'a>,
    /// The newest blocks: number to hash and parent.
    links: BTreeMap<u64, (B256, B256)>,
    /// How many blocks in a row could not be fetched.
    failures: usize,
    hopeless: bool,
}

impl Fetch<'_> {
    /// Fetches all blocks in `ranges`, several at once.
    fn all(&mut self, ranges: &[(u64, u64)]) -> Result<(), CliError> {
        let length: u64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
        let bar = progress::bar_with_rest(length);
        let numbers = ranges.iter().flat_map(|(first, last)| *first..=*last);
        let numbers = &Mutex::new(numbers);
        let stop = &AtomicBool::new(false);
        let next = move || {
            // ORDERING: Relaxed: one block more or less does not matter.
            let is_over = stop.load(Ordering::Relaxed) || interrupt::came();
            let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.next().filter(|_| !is_over)
        };
        let jobs = self.args.jobs.min(usize::try_from(length).unwrap_or(usize::MAX));
        let Self { fetcher, .. } = self;
        let fetcher = &*fetcher;
        let (report, links) = (&mut self.report, &mut self.links);
        let (failures, is_hopeless) = (&mut self.failures, &mut self.hopeless);
        thread::scope(|scope| {
            let (done, results) = mpsc::channel();
            for _ in 0..jobs {
                let done = done.clone();
                scope.spawn(move || {
                    while let Some(number) = next() {
                        if done.send((number, fetcher.fetch(number))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut told = Ok(());
            for (number, result) in results {
                bar.inc(1);
                if told.is_ok() {
                    let mut state = State { report, links, failures, hopeless: is_hopeless };
                    told = state.tell(number, result, &bar);
                }
                if *is_hopeless || told.is_err() {
                    // ORDERING: Relaxed: as above.
                    stop.store(true, Ordering::Relaxed);
                }
            }
            bar.finish_and_clear();
            told
        })
    }

    /// Fetches each block after `last` as it comes.
    fn follow(&mut self, mut last: u64) -> Result<(), CliError> {
        let bar = ProgressBar::hidden();
        while !interrupt::came() && !self.hopeless {
            let asked = Instant::now();
            let head = match self.fetcher.node.head() {
                Ok(head) => head,
                Err(RpcError::Interrupted) => return Ok(()),
                Err(error) => return Err(hopeless(error)),
            };
            if last < head {
                info!("the newest block is {head}");
            }
            while last < head && !interrupt::came() && !self.hopeless {
                let result = self.fetcher.fetch(last + 1);
                // The node's parts may not agree yet on the newest block.
                if matches!(result, Err(FetchError::Missing)) {
                    break;
                }
                last += 1;
                let Self { report, links, failures, hopeless, .. } = self;
                State { report, links, failures, hopeless }.tell(last, result, &bar)?;
            }
            interrupt::sleep(self.args.poll.0.saturating_sub(asked.elapsed()));
        }
        Ok(())
    }
}

/// What the results of blocks go into.
struct State<'r, 'a> {
    report: &'r mut Report<'a>,
    links: &'r mut BTreeMap<u64, (B256, B256)>,
    failures: &'r mut usize,
    hopeless: &'r mut bool,
}

impl State<'_, '_> {
    fn tell(
        &mut self,
        number: u64,
        result: Result<Fetched, FetchError>,
        bar: &ProgressBar,
    ) -> Result<(), CliError> {
        match result {
            Ok(fetched) => {
                *self.failures = 0;
                let place = (fetched.facts.hash, fetched.facts.parent_hash);
                let loose = self.linked(number, place);
                bar.suspend(|| self.report.add(number, fetched))?;
                if let Some(message) = loose {
                    bar.suspend(|| self.report.fail(number, &message, false));
                }
            }
            Err(FetchError::Rpc(RpcError::Interrupted)) => {}
            Err(error) => {
                *self.failures += 1;
                let disagrees = matches!(error, FetchError::Disagrees(_));
                bar.suspend(|| self.report.fail(number, &error.to_string(), disagrees));
                let is_over = matches!(error, FetchError::Rpc(RpcError::Hopeless(_)));
                if is_over || *self.failures == GIVE_UP {
                    *self.hopeless = true;
                    if !is_over {
                        output::note(&format!("gave up after {GIVE_UP} failed blocks in a row"));
                    }
                }
            }
        }
        Ok(())
    }

    /// What is wrong if the block is not the child of the one before it, or not the parent of the
    /// one after it.
    fn linked(&mut self, number: u64, (hash, parent): (B256, B256)) -> Option<String> {
        let before = number.checked_sub(1).and_then(|number| self.links.get(&number));
        let after = self.links.get(&(number + 1));
        let loose = if before.is_some_and(|(before, _)| *before != parent) {
            Some((number, number - 1))
        } else if after.is_some_and(|(_, parent)| *parent != hash) {
            Some((number + 1, number))
        } else {
            None
        };
        self.links.insert(number, (hash, parent));
        if self.links.len() > LINKS {
            self.links.pop_first();
        }
        loose.map(|(child, parent)| {
            format!(
                "block {child} is not the child of block {parent}: the chain has changed \
                 meanwhile; remove the folder of the old one and fetch it again"
            )
        })
    }
}

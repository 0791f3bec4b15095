//! The command line: its words, their ranges and what `--help` says about them.

use std::{fmt, num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use block_stm_workloads::{Params, Workload};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, RangedU64ValueParser, TypedValueParser},
};
use clap_complete::Shell;
use regex::Regex;

use crate::t8n::T8nArgs;

const EXAMPLES: &str = "\
Examples:
  block-stm                                    run all workloads on all cores
  block-stm run --workload amm --pools 1       one pair, on which all trades depend
  block-stm run --threads 1,2,4,8 --json -     how it scales, as JSON
  block-stm replay blocks/17034870             replay a real block and check its header
  block-stm replay blocks --json results.json  replay a folder of blocks
  block-stm sim --minutes 5                    look for a schedule that changes a result
  block-stm sweep --svg sweep.svg              throughput over threads, as in the Block-STM paper
  block-stm forecast --workload mixed          how a block would scale to 64 workers
  block-stm t8n --state.fork Prague            alloc.json, env.json and txs.json to a result

Exit codes:
  0  every check holds
  1  a check failed: a result differs from sequential execution or from a block's header
  2  bad usage, input that can't be read, or output that can't be written
t8n has those of geth's, see `block-stm t8n --help`.";

const RUN_EXAMPLES: &str = "\
Each block is executed by the plain sequential revm loop and by the parallel engine in turn, first
untimed and then --repeat times; times are medians. After every execution, receipts and state
are compared: a difference ends in exit code 1.

Examples:
  block-stm run
  block-stm run --workload mixed --txns 50000 --zipf 1.1
  block-stm run --workload transfers,chain --threads 1,2,4
  block-stm run --workload amm,mixed --threads 8 --bounds
  block-stm run --workload erc20 --txns 1000 --threads 16 --read-latency 50us";

const REPLAY_EXAMPLES: &str = "\
PATH is one of
  a block folder   block.json     the answer of eth_getBlockByNumber with full transactions
                   prestate.json  the accounts before it, as geth's prestate tracer writes them
                   optional: blockhashes.json, ommers.json, and genesis.json or chain.json for
                   the config of a chain other than mainnet
  a chain folder   genesis.json and chain.rlp, as clients export them; each block is executed on
                   the state that the one before it left
  a folder of such folders

Each block is executed sequentially and in parallel. Both results are compared after every
execution, and with the header: gas used, blob gas used, receipts root, logs bloom, requests
hash, and in a chain the state root. A check that can't be made (the receipts root of a lone
block from before Byzantium takes the whole state) is null in JSON and marked in the table. A
block that can't be read is reported and left out; the exit code is then 2.

Examples:
  block-stm replay blocks/17034870
  block-stm replay blocks --threads 1,2,4 --repeat 9
  block-stm replay blocks --threads 16 --read-latency 50us
  block-stm replay chain --json - | jq .totals";

const FORECAST_EXAMPLES: &str = "\
The engine executes each block on virtual workers, each with a core of its own, step by step on
one thread. First the steps are measured, then each is charged its median. The bound is what no
schedule of these executions can beat: all of them shared evenly by the workers, or the most
costly chain of dependencies. Where there are enough cores, the real time stands beside.

A forecast knows nothing of the caches and the memory that cores share or have for themselves:
trust it where transactions take 10 us and more.

Examples:
  block-stm forecast --workload amm --pools 4
  block-stm forecast blocks --workers 2,8,32 --json -
  block-stm forecast --workload erc20 --workers 16,128 --read-latency 50us";

const SIM_EXAMPLES: &str = "\
A seed stands for a small block of a tiny language, made to conflict, and for a schedule: which of
2 to 8 workers acts at each step, what is slow, what fails, when the block is cancelled. The
workers run the engine's own code. Everything that a host can see is compared with sequential
execution. A seed does the same each time, with the same version of block-stm.

A finding is shrunk to a small block, and printed with the steps that lead to it and the command
that repeats it; the exit code is then 1.

Examples:
  block-stm sim
  block-stm sim --seed 123456 --seeds 1
  block-stm sim --minutes 60 --json -";

const SWEEP_EXAMPLES: &str = "\
Each cell is a block of payments between accounts that are drawn uniformly, executed by a plain
sequential loop and by the engine in turn, first untimed and then --repeat times; times are
medians. The fewer accounts, the more payments depend on each other. After every execution the
result is compared: a difference ends in exit code 1.

`diem` and `aptos` are the payments of the paper (Gelashvili et al., PPoPP 2023), on the engine
itself: 21 reads and 4 writes, 8 reads and 5 writes, all read and written as such, and work of as
long as a payment takes there, computed and not waited for. `evm` is the transfers workload on revm.

Examples:
  block-stm sweep
  block-stm sweep --vm aptos --threads 1,2,4,8,16,32 --svg aptos.svg --csv aptos.csv
  block-stm sweep --vm diem --work 0us --accounts 2,10000 --blocks 10000
  block-stm sweep --vm evm --json -";

const IMPORT_EXAMPLES: &str = "\
Each block is checked in full: its header against its parent's, ommers, roots of the body,
signatures, and, by executing it in parallel, gas used, receipts root, bloom, requests hash and
state root. The seal of proof of work is not checked. The state trie is kept in memory, and only
what a block changed is hashed again, partly while the block still runs. Branches are followed;
the head is the heaviest, after the Merge the last one.

The first block that is refused ends the import, with its reason and exit code 1.

Examples:
  block-stm import --genesis genesis.json chain.rlp
  block-stm import --genesis genesis.json --threads 8 --json - part1.rlp part2.rlp";

const STATETEST_EXAMPLES: &str = "\
Each case, a transaction under a fork, is executed by the parallel engine, and must lead to the state
root and the logs that the test names; a transaction that must be rejected must be, for the reason
that the test names. All variants of a test are then joined into one block, which is executed in
parallel and one after another; both must agree in everything.

JSON is a list of objects with name, pass, fork, stateRoot and error, as `evm statetest` of geth
prints it, with the variant beside. A case that is skipped does not pass; the reason is there.

Examples:
  block-stm statetest GeneralStateTests
  block-stm statetest GeneralStateTests/stCreate2 --run 'create2collision.*' --threads 8
  block-stm statetest add.json --json -";

const BLOCKTEST_EXAMPLES: &str = "\
Each block is checked in full, as by `block-stm import`, and executed by the parallel engine. A block
with an exception must be refused, for a reason of the class that the exception names; all others
must be accepted. In the end the head and its state must be those that the test names.

JSON is a list of objects with name, pass, fork, stateRoot and error, as `evm blocktest` of geth
prints it. A test that is skipped does not pass; the reason is there.

Examples:
  block-stm blocktest BlockchainTests
  block-stm blocktest BlockchainTests/InvalidBlocks --run '_London$' --threads 8
  block-stm blocktest uncles.json --json -";

const T8N_INPUT_EXAMPLES: &str = "\
The blocks are those of `run`, but from accounts whose keys are known, so that the transactions
are signed. They are for the rules of Cancun and later, chain 1, and no block reward.

Examples:
  block-stm t8n-input --workload amm --txns 100 in
  cd in && block-stm t8n --state.fork Osaka --state.reward -1";

/// Execute blocks of Ethereum transactions in parallel, and measure what that brings
///
/// Transactions run on all cores, and the result is exactly the one of executing them one after
/// another. `run` measures generated blocks of DeFi transactions, `replay` real ones.
#[derive(Debug, Parser)]
#[command(name = "block-stm", version, propagate_version = true, after_help = EXAMPLES)]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    /// Print the version in the form of geth's `evm`, by which test fillers tell what they drive
    #[arg(short = 'v', exclusive = true)]
    pub(crate) evm_version: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do; `run` if nothing is said.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate DeFi blocks and execute them sequentially and in parallel (the default command)
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Replay real blocks sequentially and in parallel, and check the results against their headers
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Measure the throughput of payments over accounts, block sizes and threads, as the Block-STM paper does
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(SweepArgs),
    /// Execute drawn blocks under drawn schedules, step by step, and look for a difference
    #[command(after_help = SIM_EXAMPLES)]
    Sim(SimArgs),
    /// Forecast how blocks scale to more workers than there are cores, by simulation with measured costs
    #[command(after_help = FORECAST_EXAMPLES)]
    Forecast(ForecastArgs),
    /// Import a chain from its genesis, and check every block in full
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Execute official state tests (GeneralStateTests) with the parallel engine
    #[command(after_help = STATETEST_EXAMPLES)]
    Statetest(TestArgs),
    /// Import the blocks of official blockchain tests, valid and invalid ones, with the parallel engine
    #[command(after_help = BLOCKTEST_EXAMPLES)]
    Blocktest(TestArgs),
    /// Make a state transition from JSON to JSON, as geth's `evm t8n` does, in parallel
    #[command(after_help = crate::t8n::after_help())]
    T8n(Box<T8nArgs>),
    /// Write generated blocks as inputs of `t8n`: alloc.json, env.json and txs.json
    #[command(after_help = T8N_INPUT_EXAMPLES)]
    T8nInput(T8nInputArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

impl Command {
    /// What a bare `block-stm` does.
    pub(crate) fn default_run() -> Self {
        Cli::parse_from(["block-stm", "run"]).command.expect("a subcommand was given")
    }
}

/// What blocks are generated.
#[derive(Debug, Args)]
pub(crate) struct WorkloadArgs {
    /// Workloads to run, separated by commas
    #[arg(long, value_name = "NAME", default_value = "all", value_delimiter = ',')]
    #[arg(value_parser = workload_parser())]
    pub(crate) workload: Vec<WorkloadChoice>,
    /// Transactions in a block
    #[arg(long, value_name = "N", default_value_t = Params::default().txns)]
    #[arg(value_parser = size_parser(0, Params::TXNS_MAX))]
    pub(crate) txns: usize,
    /// Accounts that send and receive [default: twice the transactions]
    #[arg(long, value_name = "N", value_parser = size_parser(1, Params::ACCOUNTS_MAX))]
    pub(crate) accounts: Option<usize>,
    /// Tokens, pairs, lending pools, collections or markets: the fewer, the more conflicts
    #[arg(long, value_name = "N", default_value_t = Params::default().pools)]
    #[arg(value_parser = size_parser(1, Params::POOLS_MAX))]
    pub(crate) pools: usize,
    /// Skew of accounts and pools, the exponent of a Zipf law: 0 is uniform, 1 is like real life
    #[arg(long, value_name = "EXPONENT", default_value_t = Params::default().zipf)]
    #[arg(value_parser = parse_zipf)]
    pub(crate) zipf: f64,
    /// Seed of all random choices: the same seed gives the same blocks on every machine
    #[arg(long, value_name = "N", default_value_t = Params::default().seed)]
    pub(crate) seed: u64,
}

impl WorkloadArgs {
    /// The parameters of the blocks.
    pub(crate) fn params(&self) -> Params {
        Params {
            txns: self.txns,
            accounts: self.accounts.unwrap_or((2 * self.txns).max(1)),
            pools: self.pools,
            zipf: self.zipf,
            seed: self.seed,
        }
    }

    /// The chosen workloads, each once, in the order in which they are documented.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        let chosen = |workload: &Workload| {
            self.workload.iter().any(|choice| match choice {
                WorkloadChoice::All => true,
                WorkloadChoice::One(one) => one == workload,
            })
        };
        Workload::ALL.into_iter().filter(chosen).collect()
    }
}

/// Options of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// How and where to.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Options of `forecast`.
#[derive(Debug, Args)]
pub(crate) struct ForecastArgs {
    /// Block folders, chain folders, or folders of these, instead of workloads
    #[arg(value_name = "PATH", conflicts_with = "workload")]
    pub(crate) paths: Vec<PathBuf>,
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
    /// Numbers of virtual workers
    #[arg(
        long,
        value_name = "N[,N...]",
        value_delimiter = ',',
        default_value = "1,2,4,8,16,32,64"
    )]
    #[arg(value_parser = threads_parser())]
    pub(crate) workers: Vec<NonZeroUsize>,
    /// Virtual time that each first read of the state takes, such as 50us or 1ms
    #[arg(long, value_name = "TIME", default_value = "0us")]
    pub(crate) read_latency: Latency,
    /// How often each block is measured
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(5).expect("not zero"))]
    #[arg(value_parser = repeat_parser())]
    pub(crate) repeat: NonZeroUsize,
    /// Write the results as JSON, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Block folders, chain folders, or folders of these
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How and where to.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Options that `run` and `replay` share.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Threads of the parallel side [default: all cores]; several numbers make one table each
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', hide_default_value = true)]
    #[arg(default_values_t = [default_threads()])]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// How often each block is timed, on both sides
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = size_parser(1, REPEAT_MAX))]
    pub(crate) repeat: usize,
    /// Time that each read of the state takes, for both sides, such as 50us or 1ms
    ///
    /// From 50us on the reader sleeps, so that more threads than cores pay off, and a read takes some
    /// 60us longer than asked for on Linux. Below 50us it spins.
    #[arg(long, value_name = "TIME", default_value = "0us")]
    pub(crate) read_latency: Latency,
    /// Measure also bounds of the speed-up: threads without coordination, and the dependencies
    ///
    /// The hardware bound is the speed-up of threads that each execute a share of the transactions on the
    /// state before the block; the results are wrong. The graph bound is what all transactions take over
    /// what the most costly chain of dependencies takes, at most the number of threads.
    #[arg(long)]
    pub(crate) bounds: bool,
    /// Write the results as JSON, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// What executes the payments
    #[arg(long, value_name = "NAME", default_value = "diem")]
    pub(crate) vm: SweepVm,
    /// Numbers of accounts
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',')]
    #[arg(default_value = "2,10,100,1000,10000", value_parser = size_parser(2, Params::ACCOUNTS_MAX))]
    pub(crate) accounts: Vec<usize>,
    /// Numbers of transactions in a block
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', default_value = "1000,10000")]
    #[arg(value_parser = size_parser(1, Params::TXNS_MAX))]
    pub(crate) blocks: Vec<usize>,
    /// Numbers of threads [default: 1, 2, 4 and so on up to all cores]
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', hide_default_value = true)]
    #[arg(default_values_t = sweep_threads(default_threads()), value_parser = threads_parser())]
    pub(crate) threads: Vec<NonZeroUsize>,
    /// Time on a core that executing a payment takes beside its reads and writes, not for evm
    /// [default: 180us for diem, 100us for aptos, as in the paper]
    #[arg(long, value_name = "TIME")]
    pub(crate) work: Option<Latency>,
    /// How often each cell is timed
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = size_parser(1, REPEAT_MAX))]
    pub(crate) repeat: usize,
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write the results as JSON, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Write the cells as CSV, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) csv: Option<PathBuf>,
    /// Draw the throughput over threads as SVG, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) svg: Option<PathBuf>,
}

/// What executes the payments of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SweepVm {
    /// Diem's payments, on the engine itself
    Diem,
    /// Aptos's payments, on the engine itself
    Aptos,
    /// Ether transfers, on revm
    Evm,
}

impl CommonArgs {
    /// What a read takes, for a title; empty if nothing is added.
    pub(crate) fn latency_in_words(&self) -> String {
        match self.read_latency {
            Latency(Duration::ZERO) => String::new(),
            latency => format!(", {latency} a read"),
        }
    }
}

/// Options of `sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The first seed
    #[arg(long, value_name = "FIRST", default_value_t = 0)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(..=SEED_MAX))]
    pub(crate) seed: u64,
    /// How many seeds, one execution each
    #[arg(long, value_name = "N", default_value_t = 100_000, conflicts_with = "minutes")]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..=SEED_MAX))]
    pub(crate) seeds: u64,
    /// Go on for so long instead
    #[arg(long, value_name = "M")]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..=MINUTES_MAX))]
    pub(crate) minutes: Option<u64>,
    /// Seeds at the same time [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) jobs: NonZeroUsize,
    /// Write what was found as JSON, `-` for standard output in place of the text
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The genesis file, in geth's format
    #[arg(long, value_name = "PATH")]
    pub(crate) genesis: PathBuf,
    /// Files of RLP blocks, as clients export them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Threads that execute a block [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Write the result as JSON, `-` for standard output in place of the text
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `statetest` and `blocktest`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Files of tests, or folders, which are searched for .json files
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only tests whose name matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) run: Option<Regex>,
    /// Files at the same time [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) jobs: NonZeroUsize,
    /// Threads that execute a block, the job's own and helpers that the jobs share [default: all cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// Write what became of each case as JSON, `-` for standard output in place of the table
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `t8n-input`.
#[derive(Debug, Args)]
pub(crate) struct T8nInputArgs {
    /// Where to write; several workloads make one folder each within it
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Which blocks.
    #[command(flatten)]
    pub(crate) blocks: WorkloadArgs,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// So that a first seed and a number of them always come to a last one.
const SEED_MAX: u64 = u64::MAX / 4;
/// A year.
const MINUTES_MAX: u64 = 366 * 24 * 60;
const REPEAT_MAX: usize = 10_000;
const THREADS_MAX: u64 = 1_024;

pub(crate) fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let max = NonZeroUsize::new(THREADS_MAX as usize).expect("a positive limit");
    cores.min(max)
}

/// The powers of two up to the number of cores, and that number.
fn sweep_threads(cores: NonZeroUsize) -> Vec<NonZeroUsize> {
    let powers = std::iter::successors(Some(NonZeroUsize::MIN), |n| n.checked_mul(TWO));
    let mut threads: Vec<_> = powers.take_while(|&n| n < cores).collect();
    threads.push(cores);
    threads
}

const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

fn size_parser(min: usize, max: usize) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min as u64..=max as u64)
}

fn repeat_parser() -> impl TypedValueParser<Value = NonZeroUsize> {
    let range = RangedU64ValueParser::<usize>::new().range(1..=REPEAT_MAX as u64);
    range.map(|times| NonZeroUsize::new(times).expect("the range starts at 1"))
}

pub(crate) fn threads_parser() -> impl TypedValueParser<Value = NonZeroUsize> {
    let range = RangedU64ValueParser::<usize>::new().range(1..=THREADS_MAX);
    range.map(|threads| NonZeroUsize::new(threads).expect("the range starts at 1"))
}

fn parse_zipf(text: &str) -> Result<f64, String> {
    let zipf: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let params = Params { zipf, ..Params::default() };
    params.validate().map_err(|error| error.to_string())?;
    Ok(zipf)
}

/// One word of `--workload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkloadChoice {
    /// Every workload.
    All,
    /// This one.
    One(Workload),
}

fn workload_parser() -> impl TypedValueParser<Value = WorkloadChoice> {
    let all = PossibleValue::new("all").help("every workload");
    let ones = Workload::ALL.map(|one| PossibleValue::new(one.name()).help(one.description()));
    let names = PossibleValuesParser::new(std::iter::once(all).chain(ones));
    names.try_map(|name| match name.as_str() {
        "all" => Ok(WorkloadChoice::All),
        name => name.parse().map(WorkloadChoice::One),
    })
}

/// A time span on the command line, such as `50us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency(pub(crate) Duration);

/// A read that takes longer is no storage anyone has.
const LATENCY_MAX: Duration = Duration::from_secs(1);

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let wanted =
            || "expected a whole number with a unit (ns, us, ms, s), such as 50us".to_owned();
        let number: u64 = number.parse().map_err(|_| wanted())?;
        let nanos = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "" if number == 0 => 0,
            _ => return Err(wanted()),
        };
        let latency = number.checked_mul(nanos).map(Duration::from_nanos);
        match latency {
            Some(latency) if latency <= LATENCY_MAX => Ok(Self(latency)),
            _ => Err("more than 1s".to_owned()),
        }
    }
}

impl fmt::Display for Latency {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_nanos() {
            nanos if nanos % 1_000_000 == 0 && nanos > 0 => write!(f, "{}ms", nanos / 1_000_000),
            nanos if nanos % 1_000 == 0 => write!(f, "{}us", nanos / 1_000),
            nanos => write!(f, "{nanos}ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run_args(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let words = ["block-stm", "run"].iter().chain(args);
        match Cli::try_parse_from(words)?.command {
            Some(Command::Run(args)) => Ok(args),
            other => panic!("run was asked for, not {other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_means_run_with_the_defaults() {
        let Command::Run(args) = Command::default_run() else {
            panic!("the default is run");
        };
        assert_eq!(args.blocks.workloads(), Workload::ALL);
        assert_eq!(args.blocks.params(), Params::default());
        assert_eq!(args.common.threads, [default_threads()]);
    }

    #[test]
    fn accounts_follow_the_transactions_unless_given() -> Result<(), clap::Error> {
        assert_eq!(run_args(&["--txns", "70"])?.blocks.params().accounts, 140);
        assert_eq!(run_args(&["--txns", "0"])?.blocks.params().accounts, 1);
        let given = run_args(&["--txns", "70", "--accounts", "9"])?;
        assert_eq!(given.blocks.params().accounts, 9);
        Ok(())
    }

    #[test]
    fn workloads_are_chosen_by_name_and_each_runs_once() -> Result<(), clap::Error> {
        let some = run_args(&["--workload", "nft,amm", "--workload", "nft"])?;
        assert_eq!(some.blocks.workloads(), [Workload::Amm, Workload::Nft]);
        assert_eq!(run_args(&["--workload", "nft,all"])?.blocks.workloads(), Workload::ALL);
        Ok(())
    }

    #[test]
    fn a_sweep_goes_over_the_powers_of_two_and_all_cores() {
        let threads = |cores| {
            let cores = NonZeroUsize::new(cores).expect("some cores");
            sweep_threads(cores).into_iter().map(NonZeroUsize::get).collect::<Vec<_>>()
        };
        assert_eq!(threads(1), [1]);
        assert_eq!(threads(8), [1, 2, 4, 8]);
        assert_eq!(threads(12), [1, 2, 4, 8, 12]);
    }

    #[test]
    fn latencies_have_units_and_bounds() {
        let parse = |text: &str| text.parse::<Latency>().map(|latency| latency.0);
        assert_eq!(parse("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("1s"), Ok(Duration::from_secs(1)));
        for bad in ["", "us", "50", "5.5us", "-1us", "2s", "99999999999999999999s", "1001ms"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for text in ["0us", "7ns", "50us", "3ms", "1000ms"] {
            assert_eq!(text.parse::<Latency>().map(|latency| latency.to_string()), Ok(text.into()));
        }
    }
}

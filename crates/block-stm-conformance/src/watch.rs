//! What is wanted of a case beside its verdict: a trace, the state at its end, the time that it
//! takes.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use block_stm::Engine;
use block_stm_chain::{
    storage_root,
    t8n::{TraceOptions, trace_block},
};
use block_stm_evm::{Block, InvalidTxn, ParallelOptions, PreState, execute_parallel};
use serde::Serialize;

/// What is wanted beside verdicts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch<'a> {
    /// The state at the end of each case.
    pub state: bool,
    /// What the transaction of each state test takes.
    pub stats: bool,
    /// Whether each valid block of a block test must also hold with its witness alone, without the
    /// state.
    pub stateless: bool,
    /// Traces of all transactions.
    pub trace: Option<TraceTo<'a>>,
}

/// Where traces go. Cases that run at the same time take turns by transaction.
#[derive(Clone, Copy)]
pub struct TraceTo<'a> {
    /// What a line holds.
    pub options: TraceOptions,
    /// Where it is written.
    pub output: &'a Mutex<dyn Write + Send + 'a>,
}

impl fmt::Debug for TraceTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceTo").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What was found beside the verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watched {
    /// The state at the end.
    pub state: Option<StateDump>,
    /// What the transaction takes.
    pub stats: Option<Stats>,
}

/// What a transaction takes, executed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// On average.
    pub time: Duration,
    /// The gas that it used.
    pub gas_used: u64,
}

/// A whole state, in the form in which geth's `evm` dumps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateDump {
    /// The state root, without a prefix.
    root: String,
    accounts: BTreeMap<String, AccountDump>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountDump {
    /// In decimal digits.
    balance: String,
    nonce: u64,
    root: B256,
    code_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, String>,
    address: Address,
    key: B256,
}

impl StateDump {
    /// All of `state`, whose root is `root`.
    pub(crate) fn of(state: &PreState, root: B256) -> Self {
        let accounts = state.accounts().map(|(address, account)| {
            let code = state.code(&account.info.code_hash).unwrap_or_default();
            let slots = account.storage.iter();
            let dump = AccountDump {
                balance: account.info.balance.to_string(),
                nonce: account.info.nonce,
                root: storage_root(account),
                code_hash: account.info.code_hash,
                code: (!code.is_empty()).then(|| code.original_bytes()),
                storage: slots.map(|(slot, value)| ((*slot).into(), digits(value))).collect(),
                address: *address,
                key: keccak256(address),
            };
            // The name of an account has the checksum, its address has not.
            (address.to_checksum(None), dump)
        });
        Self { root: digits_of(&root.0), accounts: accounts.collect() }
    }
}

/// The bytes of `value` without leading zeroes, in hexadecimal digits.
fn digits(value: &U256) -> String {
    digits_of(&value.to_be_bytes_trimmed_vec())
}

fn digits_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Watch<'_> {
    /// Writes a trace of each transaction of `block`, if that is wanted, and then the state root,
    /// if there is one.
    ///
    /// # Errors
    ///
    /// What writing returns. A block that can't be executed has no more to trace.
    pub(crate) fn trace(&self, block: &Block, state: &PreState) -> io::Result<()> {
        use block_stm_chain::t8n::TraceError;
        let Some(trace) = self.trace else { return Ok(()) };
        let mut open = |_, _| Ok(Box::new(Shared(trace.output)) as Box<dyn Write + '_>);
        match trace_block(block, state, Some(trace.options), &mut open) {
            Err(TraceError::Io { source, .. }) => Err(source),
            _ => Ok(()),
        }
    }

    /// Writes a line after the trace of a case.
    pub(crate) fn note(&self, line: &str) -> io::Result<()> {
        match self.trace {
            Some(trace) => Shared(trace.output).write_all(line.as_bytes()),
            None => Ok(()),
        }
    }
}

/// An output that several write to.
struct Shared<'a>(&'a Mutex<dyn Write + Send + 'a>);

impl Write for Shared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// How long a transaction is measured.
const MEASURED: Duration = Duration::from_millis(100);

/// The average time of `block`, after a first execution that does not count, and the gas that it
/// uses.
pub(crate) fn stats(block: &Block, state: &PreState, engine: &Engine) -> Option<Stats> {
    let options = ParallelOptions::default().policy(InvalidTxn::Skip);
    let gas_used = execute_parallel(engine, block, state, &options).ok()?.result.gas_used;
    let (start, mut runs) = (Instant::now(), 0_u32);
    while start.elapsed() < MEASURED {
        execute_parallel(engine, block, state, &options).ok()?;
        runs += 1;
    }
    Some(Stats { time: start.elapsed() / runs.max(1), gas_used })
}

//! GeneralStateTests: one transaction on a state, under each fork.
//!
//! Each case is a block of its transaction and a companion: the same sender's, with a nonce that is
//! far too high, so that it is invalid and left out. But a block of several transactions is
//! executed speculatively, and that is what is to be tested.
//!
//! A joined block has all variants of a file's tests that start from one state under one fork, each
//! with the nonce after the one before it. No test says what it must lead to: it is executed in
//! parallel and by plain revm, one after another, and both must agree in everything.
//!
//! A transaction with a number that its field has no room for is in no block, whatever the rules:
//! its case is the companion alone.

mod format;
mod joined;
mod run;
mod txn;

use std::path::Path;

use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use block_stm::Engine;
use block_stm_chain::{
    StateTrie,
    import::{
        ImportError,
        json::{Document, pre_state},
    },
};
use block_stm_evm::{
    Block, PreState, StateChanges,
    revm::{
        context::{BlockEnv, TxEnv},
        context_interface::block::BlobExcessGasAndPrice,
        primitives::hardfork::SpecId,
    },
};

use rayon::prelude::*;

use self::{
    format::{JsonEnv, JsonPost, JsonTest},
    txn::Encodable,
};
use crate::{
    CaseReport, Rejection, SkipReason, StateDump, Watch, Watched, config::JsonConfig,
    entries::Entries, exception::Exception, info::JsonInfo, network, watch::stats,
};

/// A file of state tests, checked and ready to run.
#[derive(Debug)]
pub struct StateTestFile {
    tests: Vec<StateTest>,
}

/// One test of a file.
#[derive(Debug)]
struct StateTest {
    name: String,
    pre: PreState,
    trie: StateTrie,
    /// Of `pre`.
    root: B256,
    forks: Vec<Fork>,
}

/// One test under one fork.
#[derive(Debug)]
struct Fork {
    name: String,
    rules: Result<Rules, NotRun>,
    variants: Vec<Variant>,
}

/// Why the cases under a fork are not run.
#[derive(Clone, Debug)]
enum NotRun {
    Skipped(SkipReason),
    /// There are no such rules.
    Unknown(String),
}

/// Under which a test's transactions are executed.
#[derive(Debug, PartialEq)]
struct Rules {
    spec: SpecId,
    chain_id: u64,
    /// Constantinople's prices for SSTORE.
    net_metering: bool,
    blobs: Option<BlobParams>,
    env: BlockEnv,
}

impl Rules {
    /// A block of `txns` alone.
    fn block(&self, txns: Vec<TxEnv>) -> Block {
        let block = Block::new(self.spec, self.env.clone(), txns).txns_only();
        let mut block = block.chain_id(self.chain_id);
        block.net_metering = self.net_metering;
        block.blob_params = self.blobs;
        block
    }
}

/// One variant of the transaction.
#[derive(Debug)]
struct Variant {
    /// Which one, as `d0g1v0`.
    label: String,
    sender: Address,
    txn: Encodable,
    /// Why it must be rejected, if it must.
    exception: Option<Exception<Rejection>>,
    post: JsonPost,
}

impl StateTestFile {
    /// Reads the tests of `json`, which errors call `file`.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the field: it is not the JSON that is expected, or an index is
    /// beyond its list, or two fields contradict each other.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, ImportError> {
        let document = Document::bare(file, json);
        let Entries::<JsonTest>(tests) = document.parse()?;
        let tests = tests.into_iter().map(|(name, test)| state_test(name, test, document));
        Ok(Self { tests: tests.collect::<Result<_, _>>()? })
    }

    /// The names of the tests, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|test| test.name.as_str())
    }

    /// Runs every case, and every joined block, of the tests that `wanted` wants by their names.
    ///
    /// # Cost
    ///
    /// Executes each transaction once as a case, and twice in its joined block. Tests and forks run
    /// at the same time, on the threads of rayon's current pool.
    pub fn run(&self, engine: &Engine, wanted: impl Fn(&str) -> bool) -> Vec<CaseReport> {
        self.run_watched(engine, wanted, &Watch::default())
    }

    /// Runs as [`run`](Self::run) does, with what `watch` wants beside.
    pub fn run_watched(
        &self,
        engine: &Engine,
        wanted: impl Fn(&str) -> bool,
        watch: &Watch<'_>,
    ) -> Vec<CaseReport> {
        let tests = self.tests.iter().filter(|test| wanted(&test.name));
        let forks: Vec<_> =
            tests.flat_map(|test| test.forks.iter().map(move |fork| (test, fork))).collect();
        let groups = joined::groups(&forks);
        let reports = forks.into_par_iter().flat_map_iter(|(test, fork)| {
            let mut reports = Vec::new();
            test.run_fork(fork, engine, watch, &mut reports);
            reports
        });
        let mut reports: Vec<_> = reports.collect();
        reports.par_extend(groups.par_iter().map(|group| group.report(engine)));
        reports
    }
}

impl StateTest {
    fn run_fork(
        &self,
        fork: &Fork,
        engine: &Engine,
        watch: &Watch<'_>,
        reports: &mut Vec<CaseReport>,
    ) {
        for variant in &fork.variants {
            let report = match &fork.rules {
                Ok(rules) => {
                    let (root, state, result) = self.run_variant(variant, rules, engine);
                    let report = CaseReport::ran(&self.name, &fork.name, result);
                    let watched = self.watch(variant, rules, engine, watch, (root, state));
                    report.state_root(root).watched(watched)
                }
                Err(NotRun::Skipped(reason)) => {
                    CaseReport::skipped(&self.name, &fork.name, *reason)
                }
                Err(NotRun::Unknown(message)) => {
                    CaseReport::ran(&self.name, &fork.name, Err(message.clone()))
                }
            };
            reports.push(report.of_variant(&variant.label));
        }
    }
}

impl StateTest {
    /// What else is wanted of a variant that ends with `end`: the transaction alone, without its
    /// companion.
    fn watch(
        &self,
        variant: &Variant,
        rules: &Rules,
        engine: &Engine,
        watch: &Watch<'_>,
        end: (Option<B256>, Option<StateChanges>),
    ) -> Watched {
        let block = rules.block(variant.txn.iter().cloned().collect());
        let mut watched = Watched::default();
        // Whatever reads the trace may go away.
        let _ = watch.trace(&block, &self.pre);
        if let (Some(root), Some(changes)) = end {
            let _ = watch.note(&format!("{{\"stateRoot\": \"{root}\"}}\n"));
            if watch.state {
                let mut state = self.pre.clone();
                state.apply(&changes);
                watched.state = Some(StateDump::of(&state, root));
            }
        }
        if watch.stats {
            watched.stats = stats(&block, &self.pre, engine);
        }
        watched
    }
}

fn state_test(
    name: String,
    json: JsonTest,
    document: Document<'_>,
) -> Result<StateTest, ImportError> {
    let JsonTest { info, config, env, pre, transaction, post } = json;
    let field = |rest: &str| format!("{name}.{rest}");
    let pre = pre_state(pre);
    let mut pre = pre.map_err(|(address, error)| {
        document.wrong(&field(&format!("pre.{address}.code")), error)
    })?;
    add_block_hashes(&mut pre, env.current_number.0);
    let chain_id = config.chain_id().ok_or_else(|| {
        document.wrong(&field("config"), "chainid and chainId contradict each other")
    })?;
    let authorizations = transaction.authorization_list.iter().flatten().enumerate();
    for (index, authorization) in authorizations {
        authorization.parity().ok_or_else(|| {
            let place = field(&format!("transaction.authorizationList[{index}]"));
            document.wrong(&place, "yParity and v are missing, or contradict each other")
        })?;
    }
    let mut forks = Vec::new();
    for (fork, posts) in post {
        let place = field(&format!("post.{fork}"));
        let rules = match skip_reason(&fork, &info) {
            Some(reason) => Err(NotRun::Skipped(reason)),
            None => rules(&fork, &env, &config, chain_id).map_err(NotRun::Unknown),
        };
        let mut variants = Vec::new();
        for (index, post) in posts.into_iter().enumerate() {
            let place = format!("{place}[{index}]");
            let txn = transaction.variant(post.indexes, chain_id).map_err(|missing| {
                let message = "the transaction has no such variant";
                document.wrong(&format!("{place}.indexes.{}", missing.0), message)
            })?;
            let exception = post.expect_exception.clone().map(|text| {
                Exception::parse(text, |name| Rejection::named(name).map(<[_]>::to_vec))
            });
            let indexes = post.indexes;
            let label = format!("d{}g{}v{}", indexes.data, indexes.gas, indexes.value);
            let sender = transaction.sender;
            variants.push(Variant { label, sender, txn, exception, post });
        }
        forks.push(Fork { name: fork, rules, variants });
    }
    let mut trie = StateTrie::from(&pre);
    Ok(StateTest { root: trie.root(), trie, name, pre, forks })
}

/// A transaction of `sender` that is invalid, whatever its other ones do, and costs nothing to find
/// so.
fn companion(sender: Address, gas_price: u128) -> TxEnv {
    TxEnv {
        caller: sender,
        gas_limit: 30_000,
        gas_price,
        kind: TxKind::Call(sender),
        nonce: u64::MAX - 1,
        chain_id: None,
        ..TxEnv::default()
    }
}

/// The hash of each block is that of its number in decimal digits, in state tests.
fn add_block_hashes(pre: &mut PreState, number: u64) {
    for earlier in number.saturating_sub(256)..number {
        pre.insert_block_hash(earlier, keccak256(earlier.to_string()));
    }
}

/// Why no test is run under `fork`, if none is.
fn skip_reason(fork: &str, info: &JsonInfo) -> Option<SkipReason> {
    (fork == "Prague" && info.is_by_retesteth()).then_some(SkipReason::PragueDraft)
}

/// Rules and environment of `fork`.
///
/// # Errors
///
/// What is wrong with the fork's name or limits, or with the environment under its rules.
fn rules(fork: &str, env: &JsonEnv, config: &JsonConfig, chain_id: u64) -> Result<Rules, String> {
    let schedule = network::schedule(fork, chain_id, &config.blobs())?;
    let (number, timestamp) = (env.current_number.0, env.current_timestamp.0);
    let spec = schedule.spec_at(number, timestamp);
    let blobs = schedule.blob_params_at(timestamp);
    let merged = spec.is_enabled_in(SpecId::MERGE);
    let base_fee = env.current_base_fee.map_or(10, |fee| fee.0);
    let mut block = BlockEnv {
        number: U256::from(number),
        beneficiary: env.current_coinbase,
        timestamp: U256::from(timestamp),
        // What exceeds 64 bits limits nothing.
        gas_limit: env.current_gas_limit.0.saturating_to(),
        basefee: if spec.is_enabled_in(SpecId::LONDON) { base_fee } else { 0 },
        difficulty: if merged { U256::ZERO } else { env.current_difficulty.0 },
        prevrandao: merged.then(|| env.current_random.unwrap_or_default()),
        ..BlockEnv::default()
    };
    block.blob_excess_gas_and_price = None;
    if let Some(blobs) = blobs {
        let excess = env.current_excess_blob_gas.unwrap_or_default().0;
        let fraction = u64::try_from(blobs.update_fraction).unwrap_or_default();
        let price = block_stm_chain::blob_gas_price(excess, fraction);
        let blob_gasprice = price.ok_or("currentExcessBlobGas makes a price beyond 128 bits")?;
        block.blob_excess_gas_and_price =
            Some(BlobExcessGasAndPrice { excess_blob_gas: excess, blob_gasprice });
    }
    let net_metering = schedule.has_net_metering_at(number);
    Ok(Rules { spec, chain_id, net_metering, blobs, env: block })
}

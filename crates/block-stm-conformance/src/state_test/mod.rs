//! GeneralStateTests: one transaction on a state, under each fork.
//!
//! Each case is a block of its transaction and a companion: the same sender's, with a nonce that is far too high, so
//! that it is invalid and left out. But a block of several transactions is executed speculatively, and that is what is to
//! be tested.
//!
//! A joined block has all variants of one test under one fork, each with the nonce after the one before it.
//! What it must lead to nobody has written down; it is executed in parallel and by plain revm, one after another,
//! and both must agree in everything.

mod format;
mod joined;
mod run;
mod txn;

use std::{collections::BTreeMap, path::Path};

use alloy_primitives::{B256, TxKind, U256, keccak256};
use block_stm::Engine;
use block_stm_evm::{
    Block, PreState, StateChanges, StateTrie,
    import::{
        ImportError,
        json::{Document, pre_state},
    },
    revm::{
        context::{BlockEnv, TxEnv},
        context_interface::block::BlobExcessGasAndPrice,
        primitives::hardfork::SpecId,
    },
    spec_by_name,
};

use rayon::prelude::*;

use self::format::{JsonEnv, JsonPost, JsonTest};
use crate::{
    CaseReport, Rejection, SkipReason, StateDump, Watch, Watched, expected_rejections,
    info::JsonInfo, watch::stats,
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
    forks: Vec<Fork>,
}

/// One test under one fork.
#[derive(Debug)]
struct Fork {
    name: String,
    rules: Result<Rules, SkipReason>,
    variants: Vec<Variant>,
}

/// Under which a test's transactions are executed.
#[derive(Debug)]
struct Rules {
    spec: SpecId,
    /// Constantinople's prices for SSTORE.
    net_metering: bool,
    env: BlockEnv,
}

impl Rules {
    /// A block of `txns` alone.
    fn block(&self, txns: Vec<TxEnv>) -> Block {
        let mut block = Block::new(self.spec, self.env.clone(), txns).with_txns_only();
        block.net_metering = self.net_metering;
        block
    }
}

/// One variant of the transaction.
#[derive(Debug)]
struct Variant {
    /// Which one, as `d0g1v0`.
    label: String,
    txn: TxEnv,
    /// The classes of which the rejection must be one, if there must be one.
    rejection: Option<Vec<Rejection>>,
    post: JsonPost,
}

impl StateTestFile {
    /// Reads the tests of `json`, which errors call `file`.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the field: it is not the JSON that is expected, or an index is beyond its
    /// list, or a fork or an exception is unknown.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, ImportError> {
        let document = Document::bare(file, json);
        let tests: BTreeMap<String, JsonTest> = document.parse()?;
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
    /// Executes each transaction once as a case, and twice in its joined block. Tests and forks run at the same
    /// time, on the threads of rayon's current pool.
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
        let reports = forks.into_par_iter().flat_map_iter(|(test, fork)| {
            let mut reports = Vec::new();
            test.run_fork(fork, engine, watch, &mut reports);
            reports
        });
        reports.collect()
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
        let rules = match &fork.rules {
            Ok(rules) => rules,
            Err(reason) => {
                let skipped = CaseReport::skipped(&self.name, &fork.name, *reason);
                let labels = fork.variants.iter().map(|variant| &variant.label);
                reports.extend(labels.map(|label| skipped.clone().of_variant(label)));
                return;
            }
        };
        for variant in &fork.variants {
            let txns = vec![variant.txn.clone(), companion(&variant.txn)];
            let (root, state, result) = self.run_variant(variant, &rules.block(txns), engine);
            let report = CaseReport::ran(&self.name, &fork.name, result).with_state_root(root);
            let watched = self.watch(variant, rules, engine, watch, (root, state));
            reports.push(report.of_variant(&variant.label).with_watched(watched));
        }
        if fork.variants.len() > 1 {
            let joined = joined::joined(&self.pre, rules, &fork.variants);
            let report = CaseReport::ran(&self.name, &fork.name, joined.run(engine));
            reports.push(report.of_variant("joined"));
        }
    }
}

impl StateTest {
    /// What else is wanted of a variant that ends with `end`: the transaction alone, without its companion.
    fn watch(
        &self,
        variant: &Variant,
        rules: &Rules,
        engine: &Engine,
        watch: &Watch<'_>,
        end: (Option<B256>, Option<StateChanges>),
    ) -> Watched {
        let block = rules.block(vec![variant.txn.clone()]);
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
    let JsonTest { info, env, pre, transaction, post } = json;
    let field = |rest: &str| format!("{name}.{rest}");
    let pre = pre_state(pre);
    let mut pre = pre.map_err(|(address, error)| {
        document.wrong(&field(&format!("pre.{address}.code")), error)
    })?;
    add_block_hashes(&mut pre, env.current_number.0);
    let mut forks = Vec::new();
    for (fork, posts) in post {
        let place = field(&format!("post.{fork}"));
        let rules = rules(&fork, &env).map_err(|message| document.wrong(&place, message))?;
        let rules = match skip_reason(&name, &fork, &info) {
            Some(reason) => Err(reason),
            None => Ok(rules),
        };
        let mut variants = Vec::new();
        for (index, post) in posts.into_iter().enumerate() {
            let place = format!("{place}[{index}]");
            let txn = transaction.variant(post.indexes).map_err(|missing| {
                let message = "the transaction has no such variant";
                document.wrong(&format!("{place}.indexes.{}", missing.0), message)
            })?;
            let rejection = post.expect_exception.as_deref().map(expected_rejections).transpose();
            let rejection = rejection.map_err(|unknown| {
                document.wrong(&format!("{place}.expectException"), unknown.to_string())
            })?;
            let indexes = post.indexes;
            let label = format!("d{}g{}v{}", indexes.data, indexes.gas, indexes.value);
            variants.push(Variant { label, txn, rejection, post });
        }
        forks.push(Fork { name: fork, rules, variants });
    }
    Ok(StateTest { trie: StateTrie::from(&pre), name, pre, forks })
}

/// A transaction of the same sender that is invalid, whatever `txn` does, and costs nothing to find so.
fn companion(txn: &TxEnv) -> TxEnv {
    TxEnv {
        caller: txn.caller,
        gas_limit: 30_000,
        gas_price: txn.gas_price,
        kind: TxKind::Call(txn.caller),
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

/// Why the test can't be run under `fork`, if it can't.
fn skip_reason(name: &str, fork: &str, info: &JsonInfo) -> Option<SkipReason> {
    const OVER_STORAGE: [&str; 2] =
        ["dynamicAccountOverwriteEmpty", "dynamicAccountOverwriteEmpty_Paris"];
    match fork {
        "Prague" if info.is_by_retesteth() => Some(SkipReason::PragueDraft),
        _ => OVER_STORAGE.contains(&name).then_some(SkipReason::CreateOverStorage),
    }
}

/// Rules and environment of `fork`.
fn rules(fork: &str, env: &JsonEnv) -> Result<Rules, String> {
    let net_metering = fork == "Constantinople";
    let known = if net_metering { "Petersburg" } else { fork };
    let spec = spec_by_name(known).map_err(|error| error.to_string())?;
    let merged = spec.is_enabled_in(SpecId::MERGE);
    let base_fee = env.current_base_fee.map_or(10, |fee| fee.0);
    let mut block = BlockEnv {
        number: U256::from(env.current_number.0),
        beneficiary: env.current_coinbase,
        timestamp: U256::from(env.current_timestamp.0),
        // What exceeds 64 bits limits nothing.
        gas_limit: env.current_gas_limit.0.saturating_to(),
        basefee: if spec.is_enabled_in(SpecId::LONDON) { base_fee } else { 0 },
        difficulty: if merged { U256::ZERO } else { env.current_difficulty.0 },
        prevrandao: merged.then(|| env.current_random.unwrap_or_default()),
        ..BlockEnv::default()
    };
    block.blob_excess_gas_and_price = None;
    if spec.is_enabled_in(SpecId::CANCUN) {
        let excess = env.current_excess_blob_gas.unwrap_or_default().0;
        let fraction = Block::new(spec, block.clone(), Vec::new()).cfg_env();
        let fraction = fraction.blob_base_fee_update_fraction.unwrap_or_default();
        let price = block_stm_evm::blob_gas_price(excess, fraction);
        let blob_gasprice = price.ok_or("currentExcessBlobGas makes a price beyond 128 bits")?;
        block.blob_excess_gas_and_price =
            Some(BlobExcessGasAndPrice { excess_blob_gas: excess, blob_gasprice });
    }
    Ok(Rules { spec, net_metering, env: block })
}

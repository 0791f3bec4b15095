//! BlockchainTests: blocks, valid and invalid and on several branches, imported one after another.
//!
//! Each block is imported into a [`Chain`], which checks it in full and executes it in parallel. A
//! block with an exception must be refused, for a reason of the class that the exception names; all
//! others must be accepted. In the end the head must be the block that the test names, with the
//! state that the test lists.
//!
//! Where a test has the block's access list (EIP-7928), the block is imported twice, with the list
//! and without, and must be accepted or refused both times. Without, the list is built, and
//! compared with the one that the header names.

mod format;
mod rejection;

use std::path::Path;

use alloy_primitives::{B256, Bytes};
use block_stm::Engine;
use block_stm_chain::{
    BlockError, Chain, Genesis, Imported,
    import::{
        ImportError,
        json::{Alloc, Document, pre_state},
    },
    state_root,
    witness::check_block,
};
use block_stm_evm::{PreState, alloy_eip7928::BlockAccessList};

use rayon::prelude::*;

use self::{
    format::{JsonBlock, JsonTest},
    rejection::BlockRejection,
};
use crate::{
    CaseReport, SkipReason, StateDump, Watch, Watched,
    entries::Entries,
    exception::{Compared, Exception},
    info::JsonInfo,
    network,
};

/// A file of blockchain tests, checked and ready to run.
#[derive(Debug)]
pub struct BlockTestFile {
    tests: Vec<BlockTest>,
}

/// One test of a file.
#[derive(Debug)]
struct BlockTest {
    name: String,
    network: String,
    start: Result<Genesis, NotRun>,
    blocks: Vec<BlockCase>,
    last: B256,
    /// The state after the last block, or its root.
    post: Post,
}

/// Why a test can't be run.
#[derive(Clone, Debug)]
enum NotRun {
    Skipped(SkipReason),
    /// Nothing is known of its network.
    Unknown(String),
}

#[derive(Debug)]
enum Post {
    State(PreState),
    Root(B256),
}

/// One block of a test.
#[derive(Debug)]
struct BlockCase {
    rlp: Bytes,
    hash: Option<B256>,
    /// Why it must be refused, if it must.
    exception: Option<Exception<BlockRejection>>,
    list: Option<BlockAccessList>,
}

impl BlockTestFile {
    /// Reads the tests of `json`, which errors call `file`.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the field: it is not the JSON that is expected.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, ImportError> {
        let document = Document::bare(file, json);
        let Entries::<JsonTest>(tests) = document.parse()?;
        let tests = tests.into_iter().map(|(name, test)| block_test(name, test, document));
        Ok(Self { tests: tests.collect::<Result<_, _>>()? })
    }

    /// The names of the tests, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|test| test.name.as_str())
    }

    /// Runs the tests that `wanted` wants by their names.
    ///
    /// # Cost
    ///
    /// Executes each block once, and before Byzantium twice. Tests run at the same time, on the
    /// threads of rayon's current pool.
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
        let tests: Vec<_> = self.tests.iter().filter(|test| wanted(&test.name)).collect();
        tests.into_par_iter().map(|test| test.report(engine, watch)).collect()
    }
}

impl BlockTest {
    fn report(&self, engine: &Engine, watch: &Watch<'_>) -> CaseReport {
        let genesis = match &self.start {
            Ok(genesis) => genesis.clone(),
            Err(NotRun::Skipped(reason)) => {
                return CaseReport::skipped(&self.name, &self.network, *reason);
            }
            Err(NotRun::Unknown(message)) => {
                return CaseReport::ran(&self.name, &self.network, Err(message.clone()));
            }
        };
        let mut chain = match Chain::with_genesis_header(genesis) {
            // A test may branch off anywhere.
            Ok(chain) => chain.branch_depth(u64::MAX),
            Err(error) => {
                return CaseReport::ran(&self.name, &self.network, Err(error.to_string()));
            }
        };
        let result = self.run(&mut chain, engine, watch);
        let root = chain.head_header().state_root;
        let mut watched = Watched::default();
        if watch.state {
            watched.state = Some(StateDump::of(chain.head_state(), root));
        }
        let report = CaseReport::ran(&self.name, &self.network, result);
        report.state_root(Some(root)).watched(watched)
    }

    /// Imports all blocks; the exceptions that were not compared.
    fn run(
        &self,
        chain: &mut Chain,
        engine: &Engine,
        watch: &Watch<'_>,
    ) -> Result<Vec<String>, String> {
        let mut not_compared = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            if watch.trace.is_some()
                && let Ok((block, state)) = chain.block_and_state(&block.rlp)
            {
                // Whatever reads the trace may go away.
                let _ = watch.trace(&block, state);
            }
            if watch.stateless && block.exception.is_none() {
                let checked = self.check_stateless(&block.rlp, chain, engine);
                checked.map_err(|error| format!("block {index} from its witness: {error}"))?;
            }
            let compared = block.run(chain, engine);
            if compared.map_err(|error| format!("block {index}: {error}"))? == Compared::Not {
                not_compared.extend(block.exception.as_ref().map(ToString::to_string));
            }
        }
        if chain.head() != self.last {
            return Err(format!("the head is {}, not {}", chain.head(), self.last));
        }
        let root = chain.head_header().state_root;
        match &self.post {
            Post::Root(expected) if *expected == root => Ok(not_compared),
            Post::Root(expected) => Err(format!("the state root is {root}, not {expected}")),
            Post::State(expected) if state_root(expected) == root => Ok(not_compared),
            Post::State(expected) => Err(difference(expected, chain.head_state())),
        }
    }
}

impl BlockTest {
    /// Makes the witness of a block, and checks the block with it alone.
    fn check_stateless(
        &self,
        rlp: &[u8],
        chain: &mut Chain,
        engine: &Engine,
    ) -> Result<(), String> {
        let Ok(genesis) = &self.start else { return Ok(()) };
        let made = chain.witness(rlp, engine).map_err(|error| error.to_string())?;
        let checked = check_block(rlp, &genesis.schedule, &made.witness, engine);
        let checked = checked.map_err(|error| error.to_string())?;
        if checked.rooted == made.rooted { Ok(()) } else { Err("another result".to_owned()) }
    }
}

impl BlockCase {
    fn run(&self, chain: &mut Chain, engine: &Engine) -> Result<Compared, String> {
        if let Some(list) = &self.list {
            let mut beside = chain.clone();
            let imported = beside.import_with_access_list(&self.rlp, list.clone(), engine);
            let judged = self.judge(imported, &mut beside, engine);
            judged.map_err(|error| format!("with its access list: {error}"))?;
        }
        let imported = chain.import(&self.rlp, engine);
        self.judge(imported, chain, engine)
    }

    fn judge(
        &self,
        imported: Result<Imported, BlockError>,
        chain: &mut Chain,
        engine: &Engine,
    ) -> Result<Compared, String> {
        match (imported, &self.exception) {
            (Ok(_), Some(exception)) => {
                Err(format!("it is accepted, but must be refused: {exception}"))
            }
            (Err(error), None) => Err(format!("it is refused: {error}")),
            (Err(error), Some(exception)) => {
                let error = self.more_of(error, chain, engine);
                exception.compare(&error, |class| class.is_class_of(&error))
            }
            (Ok(imported), None) => match self.hash {
                Some(hash) if hash != imported.hash => {
                    Err(format!("its hash is {}, not {hash}", imported.hash))
                }
                _ => Ok(Compared::Same),
            },
        }
    }
}

impl BlockCase {
    /// What is wrong with the transactions of a block whose header names others, if there is more
    /// to say.
    ///
    /// The tool that fills tests leaves invalid transactions out of the header's root.
    fn more_of(&self, error: BlockError, chain: &mut Chain, engine: &Engine) -> BlockError {
        match error {
            BlockError::Body { field: "transactionsRoot", .. } => {
                chain.check_txns(&self.rlp, engine).err().unwrap_or(error)
            }
            _ => error,
        }
    }
}

/// The first account that is not as expected, by address.
fn difference(expected: &PreState, state: &PreState) -> String {
    let mut addresses: Vec<_> =
        expected.accounts().chain(state.accounts()).map(|(address, _)| *address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    for address in addresses {
        match (state.account(&address), expected.account(&address)) {
            (Some(_), None) => return format!("account {address} exists, but must not"),
            (None, Some(_)) => return format!("account {address} does not exist, but must"),
            (Some(account), Some(expected)) => {
                let (is, must) = (&account.info, &expected.info);
                if (is.balance, is.nonce, is.code_hash)
                    != (must.balance, must.nonce, must.code_hash)
                {
                    return format!("account {address} is {is:?}, not {must:?}");
                }
                if account.storage != expected.storage {
                    return format!("the storage of account {address} is different");
                }
            }
            (None, None) => {}
        }
    }
    "the state root is different, but no account".to_owned()
}

fn block_test(
    name: String,
    json: JsonTest,
    document: Document<'_>,
) -> Result<BlockTest, ImportError> {
    let field = |rest: &str| format!("{name}.{rest}");
    let state = |alloc: Alloc, part: &str| {
        pre_state(alloc).map_err(|(address, error)| {
            document.wrong(&field(&format!("{part}.{address}.code")), error)
        })
    };
    let chain_id = json.config.chain_id().ok_or_else(|| {
        document.wrong(&field("config"), "chainid and chainId contradict each other")
    })?;
    let schedule = network::schedule(&json.network, chain_id, &json.config.blobs());
    let pre = state(json.pre, "pre")?;
    let start =
        match (skip_reason(&json.network, json.seal_engine.as_deref(), &json.info), schedule) {
            (Some(reason), _) => Err(NotRun::Skipped(reason)),
            (None, Err(message)) => Err(NotRun::Unknown(message)),
            (None, Ok(schedule)) => {
                let genesis = Genesis::from_rlp(schedule, &json.genesis_rlp, pre);
                Ok(genesis
                    .map_err(|error| document.wrong(&field("genesisRLP"), error.to_string()))?)
            }
        };
    let post = match (json.post_state, json.post_state_hash) {
        (Some(alloc), _) => Post::State(state(alloc, "postState")?),
        (None, Some(root)) => Post::Root(root),
        (None, None) => {
            let message = "neither postState nor postStateHash is there";
            return Err(document.wrong(&field("postState"), message));
        }
    };
    let blocks = json.blocks.into_iter().map(block_case).collect();
    Ok(BlockTest { name, network: json.network, start, blocks, last: json.lastblockhash, post })
}

fn block_case(block: JsonBlock) -> BlockCase {
    let exception = block.expect_exception;
    let exception = exception.map(|text| Exception::parse(text, BlockRejection::named));
    let hash = block.block_header.map(|header| header.hash);
    let list = block.block_access_list;
    let list = list.or_else(|| block.rlp_decoded?.block_access_list);
    BlockCase { rlp: block.rlp, hash, exception, list }
}

/// Why a test is not run, if it isn't.
fn skip_reason(network: &str, seal_engine: Option<&str>, info: &JsonInfo) -> Option<SkipReason> {
    if network == "Prague" && info.is_by_retesteth() {
        Some(SkipReason::PragueDraft)
    } else if seal_engine.is_some_and(|engine| engine != "NoProof") {
        Some(SkipReason::Seal)
    } else {
        None
    }
}

//! Loads that a file describes: contracts, accounts, and a mix of calls with drawn arguments.
//!
//! ```json
//! {
//!   "txns": 1000,
//!   "accounts": { "count": 500, "zipf": 0.8 },
//!   "contracts": { "token": { "artifact": "built-in:Token", "count": 4 } },
//!   "mix": [
//!     {
//!       "draw": {
//!         "payer": { "account": "sender" },
//!         "payee": { "account": { "other than": "$payer" } },
//!         "token": { "contract": "token" }
//!       },
//!       "from": "$payer",
//!       "to": "$token",
//!       "call": "transfer(address,uint256)",
//!       "args": ["$payee", { "uniform": [1, 100] }],
//!       "needs": [{ "in": "$token", "slot": "balanceOf[$payer]", "value": "1000 ether" }]
//!     }
//!   ]
//! }
//! ```
//!
//! The book's chapter on scenarios describes the form in full. A file is compiled once, with all
//! names, types and signatures checked. A transaction is then made in the order of the file: an
//! entry of the mix is drawn by weight, then what stands in `draw`, sender, receiver, value and
//! arguments, and fees last. So a file and a seed give the same blocks on every machine.
//!
//! The workloads are scenarios: [`Workload::scenario`] writes one that makes the same block.
//! Payments and transfers are written as calls. What follows the state of its contracts, or signs
//! (`amm`, `lending`, `nft`, `orders`, `chain`), stays a part that a scenario names, with weights
//! for its actions.
//!
//! Nothing that a file says takes memory or time beyond a bound: at most 1,000,000 transactions
//! in all blocks, a billion values, a gibibyte of calls, 256 contracts of at most 100,000
//! instances, of which 1,000 are created by their constructors.
//!
//! [`Workload::scenario`]: crate::Workload::scenario

mod code;
mod deploy;
mod error;
mod file;
mod plan;
mod print;
mod scope;
mod slot;
mod stage;
mod value;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use block_stm_evm::{Block, PreState};
use serde_json::Value;

use self::{
    code::Code,
    deploy::Compiled,
    error::{Result, list},
    file::File,
    plan::{Compiler, Plan},
    stage::Stage,
};
pub use self::{error::ScenarioError, file::Format};
use crate::{chain, draw::Draw, params::Params, senders::Senders, world::World};

/// The most contracts that a file names.
const CONTRACTS_MAX: usize = 256;

/// A load that a file describes, with all that it names found and checked.
///
/// # Examples
///
/// ```
/// use block_stm_workloads::{Format, Overrides, Params, Scenario, Workload};
///
/// let params = Params { txns: 100, ..Params::default() };
/// let text = Workload::Erc20.scenario(&params)?;
/// let mut no_files = |path: &str| Err(format!("{path} is not here"));
/// let scenario = Scenario::parse(&text, Format::Json, &Overrides::default(), &mut no_files)?;
/// let series = scenario.generate()?;
/// assert_eq!(series.blocks[0].block.txns.len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    txns: usize,
    blocks: usize,
    seed: u64,
    accounts: usize,
    zipf: f64,
    pools: (u32, f64),
    funds: Option<U256>,
    named: Vec<(String, Option<U256>)>,
    compiled: Compiled,
    counters: Vec<U256>,
    parts: Vec<plan::PartPlan>,
    entries: Vec<String>,
    /// `None` for the chain, which makes whole blocks.
    plan: Option<Plan>,
}

/// What takes the place of what the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Transactions in a block.
    pub txns: Option<usize>,
    /// Blocks in a row.
    pub blocks: Option<usize>,
    /// Accounts that are drawn from.
    pub accounts: Option<usize>,
    /// Seed of all random choices.
    pub seed: Option<u64>,
}

/// The blocks of a scenario, in a row.
#[derive(Clone, Debug)]
pub struct Series {
    /// The state before the first block.
    pub genesis: PreState,
    /// The blocks, each on the state that the one before leaves.
    pub blocks: Vec<SeriesBlock>,
    /// The secret key of every sender, or none where the senders' addresses are not made from
    /// keys.
    pub secret_keys: BTreeMap<Address, B256>,
}

/// One block of several.
#[derive(Clone, Debug)]
pub struct SeriesBlock {
    /// The block.
    pub block: Block,
    /// Places of the transactions that are meant to revert, ascending.
    pub planned_reverts: Vec<usize>,
    /// The entry of the mix that made each transaction, as a place in [`Scenario::entries`].
    pub made_by: Vec<usize>,
}

impl Scenario {
    /// The scenario that `text` describes; `read` returns the text of a file that it names.
    ///
    /// # Errors
    ///
    /// Text of another form, a name that is not known, a number out of its range, an artefact that
    /// can't be read or lacks what is asked of it. The message says where.
    pub fn parse(
        text: &str,
        format: Format,
        overrides: &Overrides,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self> {
        let mut file = File::parse(text, format)?;
        file.txns = overrides.txns.unwrap_or(file.txns);
        file.blocks = overrides.blocks.unwrap_or(file.blocks);
        file.accounts.count = overrides.accounts.or(file.accounts.count);
        file.seed = overrides.seed.unwrap_or(file.seed);
        Self::compile(&file, read)
    }

    fn compile(file: &File, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<Self> {
        let total = file.txns.checked_mul(file.blocks).filter(|total| *total <= Params::TXNS_MAX);
        let total = total.ok_or_else(|| {
            let message = format!("more than {} transactions in all blocks", Params::TXNS_MAX);
            ScenarioError::new("txns", message)
        })?;
        if file.blocks == 0 {
            return Err(ScenarioError::new("blocks", "there is no block"));
        }
        let accounts = file.accounts.count.unwrap_or((2 * total).max(1));
        let pools = file.pools.as_ref().map_or((16, 0.0), |pools| (pools.count, pools.zipf));
        let params = |accounts, pools, zipf| Params { txns: 0, accounts, pools, zipf, seed: 0 };
        let checks = [
            ("accounts", params(accounts, 1, file.accounts.zipf)),
            ("pools", params(1, pools.0, pools.1)),
        ];
        for (place, params) in checks {
            params.validate().map_err(|error| ScenarioError::new(place, error.to_string()))?;
        }
        if file.contracts.0.len() > CONTRACTS_MAX {
            let message = format!("{} are more than {CONTRACTS_MAX}", file.contracts.0.len());
            return Err(ScenarioError::new("contracts", message));
        }
        let mut contracts = BTreeMap::new();
        for (index, (name, contract)) in file.contracts.0.iter().enumerate() {
            let place = format!("contracts.{name}");
            well_named(name, &place)?;
            let count = u32::try_from(contract.count).ok();
            let count = count.filter(|count| (1..=Params::POOLS_MAX as u32).contains(count));
            let count = count.ok_or_else(|| {
                let (count, most) = (contract.count, Params::POOLS_MAX);
                ScenarioError::new(&place, format!("count {count} is not within 1 to {most}"))
            })?;
            let skew = params(1, 1, contract.zipf);
            skew.validate().map_err(|error| ScenarioError::new(&place, error.to_string()))?;
            contracts.insert(name.clone(), (index, count));
        }
        let mut named = BTreeMap::new();
        for (index, name) in file.named.names().enumerate() {
            let place = format!("named.{name}");
            well_named(name, &place)?;
            if contracts.contains_key(name) {
                return Err(ScenarioError::new(place, "a contract has this name"));
            }
            named.insert(name.to_owned(), index);
        }
        let codes = file.contracts.0.iter().map(|(name, contract)| {
            Code::load(&contract.artifact, read).map_err(|message| {
                let at = format!("contracts.{name}.artifact");
                ScenarioError::new(at, format!("{}: {message}", contract.artifact))
            })
        });
        let codes: Vec<Code> = codes.collect::<Result<_>>()?;
        let names = (&contracts, &named);
        let compiled = Compiled::new(&file.contracts, &codes, names)?;
        let balance = |json: &Option<Value>, place: &str| {
            json.as_ref().map(|json| value::fixed(json, &format!("{place}.balance"))).transpose()
        };
        let funded = file.named.0.iter().map(|(name, one)| {
            Ok((name.clone(), balance(&one.balance, &format!("named.{name}"))?))
        });
        let mut compiler = Compiler {
            codes: &codes,
            contracts: &contracts,
            named: &named,
            counters: Vec::new(),
            parts: Vec::new(),
            entries: Vec::new(),
            txns: total,
        };
        let chain = matches!(file.mix.as_slice(),
            [only] if only.workload.as_deref() == Some("chain") && only.actions.is_none());
        if chain {
            compiler.entries.push("chain".to_owned());
        }
        let plan = (!chain).then(|| compiler.mix(&file.mix, "mix")).transpose()?;
        Ok(Self {
            txns: file.txns,
            blocks: file.blocks,
            seed: file.seed,
            accounts,
            zipf: file.accounts.zipf,
            // It is within its range.
            pools: (pools.0 as u32, pools.1),
            funds: balance(&file.accounts.balance, "accounts")?,
            named: funded.collect::<Result<_>>()?,
            counters: compiler.counters,
            parts: compiler.parts,
            entries: compiler.entries,
            compiled,
            plan,
        })
    }

    /// Transactions in a block.
    pub fn txns(&self) -> usize {
        self.txns
    }

    /// Blocks in a row.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Accounts that are drawn from.
    pub fn accounts(&self) -> usize {
        self.accounts
    }

    /// Seed of all random choices.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What the entries of the mix are called that make transactions, in the order of the file.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// The contracts: name, how many there are, and the address of the first.
    pub fn contracts(&self) -> impl Iterator<Item = (&str, usize, Address)> {
        let deployer = Senders::Named.address(stage::DEPLOYER, 0);
        self.compiled.sites.iter().map(move |site| {
            (site.name.as_str(), site.count as usize, site.address_of(0, deployer))
        })
    }

    /// Makes the blocks and the state before them.
    ///
    /// # Errors
    ///
    /// A drawn number that does not fit its type, a constructor that fails. The message says where.
    ///
    /// # Cost
    ///
    /// Some microseconds and about a kilobyte per transaction. Constructors are executed.
    pub fn generate(&self) -> Result<Series> {
        self.generate_from(Senders::Named)
    }

    /// The same blocks but for the addresses of the senders, whose keys are known.
    ///
    /// # Errors
    ///
    /// As [`generate`](Self::generate).
    pub fn generate_with_keys(&self) -> Result<Series> {
        self.generate_from(Senders::keyed())
    }

    fn generate_from(&self, senders: Senders) -> Result<Series> {
        let total = self.txns * self.blocks;
        let params = Params {
            txns: total,
            accounts: self.accounts,
            pools: self.pools.0 as usize,
            zipf: self.zipf,
            seed: self.seed,
        };
        let mut draw = Draw::new(&params).with_pools(self.pools.0, self.pools.1);
        let mut world = World::new(self.txns, senders);
        if let Some(funds) = self.funds {
            world.set_funds(funds);
        }
        let mut stage = Stage::new(&mut world, &mut draw, &self.compiled.sites);
        stage.counters.clone_from(&self.counters);
        for (name, balance) in &self.named {
            let address = stage.world.sender(&format!("named {name}"), 0);
            stage.world.fund_as_usual(address, *balance);
            stage.named.push(address);
        }
        self.compiled.put_in_place(&mut stage)?;
        for part in &self.parts {
            let part = part.start(stage.world);
            stage.parts.push(part);
        }
        let mut made_by = vec![Vec::with_capacity(self.txns); self.blocks];
        match &self.plan {
            None => {
                chain::fill(stage.world, stage.draw, self.txns, self.blocks);
                made_by.iter_mut().for_each(|made_by| made_by.resize(self.txns, 0));
            }
            Some(plan) => {
                for made_by in &mut made_by {
                    for _ in 0..self.txns {
                        made_by.push(plan.push(&mut stage)?);
                    }
                    stage.world.end_block();
                }
            }
        }
        let mut series = world.finish_series();
        for (block, made_by) in series.blocks.iter_mut().zip(made_by) {
            block.made_by = made_by;
        }
        Ok(series)
    }
}

/// Names can be referred to.
fn well_named(name: &str, place: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == ' ';
    match !name.is_empty() && name.chars().all(plain) {
        true => Ok(()),
        false => {
            let message = "a name has letters, digits, spaces, - and _ alone";
            Err(ScenarioError::new(place, message))
        }
    }
}

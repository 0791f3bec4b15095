//! The contracts of a scenario: compiled, created by their constructors, and put in place.

use std::collections::BTreeMap;

use alloy_dyn_abi::{DynSolType, JsonAbiExt, Specifier};
use alloy_json_abi::Constructor;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use block_stm_evm::{
    InvalidTxn, ReceiptStatus, execute_sequential,
    revm::{context::TxEnv, primitives::eip7825::TX_GAS_LIMIT_CAP},
};
use serde_json::Value;

use super::{
    code::Code,
    error::{Result, ScenarioError},
    file::{Contract, Listed},
    plan::arguments,
    scope::Scope,
    slot::Slot,
    stage::{Creation, Site, Stage},
    value::{Instance, Node, fixed},
};
use crate::{
    world::{BASE_FEE, CHAIN_ID, NUMBER, SLOT_SECONDS, TIMESTAMP, block, whole},
    zipf::Zipf,
};

/// The most contracts that constructors make.
const CREATED_MAX: u64 = 1_000;

/// The contracts, and the order in which those with constructors are created.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) sites: Vec<Site>,
    order: Vec<usize>,
}

type Names<'a> = (&'a BTreeMap<String, (usize, u32)>, &'a BTreeMap<String, usize>);

impl Compiled {
    pub(super) fn new(
        contracts: &Listed<Contract>,
        codes: &[Code],
        names: Names<'_>,
    ) -> Result<Self> {
        let sites = contracts.0.iter().zip(codes).map(|((name, contract), code)| {
            site(name, contract, code, names, &format!("contracts.{name}"))
        });
        let mut sites: Vec<Site> = sites.collect::<Result<_>>()?;
        let order = order(&sites)?;
        let mut nonce = 0;
        for place in &order {
            let site = &mut sites[*place];
            if let Some(creation) = &mut site.creation {
                creation.nonce = nonce;
                nonce += u64::from(site.count);
            }
        }
        if nonce > CREATED_MAX {
            let message = format!("constructors make {nonce} contracts, more than {CREATED_MAX}");
            return Err(ScenarioError::new("contracts", message));
        }
        Ok(Self { sites, order })
    }

    /// Creates what constructors make, and puts in place what has an address of its own.
    pub(super) fn put_in_place(&self, stage: &mut Stage<'_>) -> Result<()> {
        for (place, site) in self.sites.iter().enumerate() {
            if site.address.is_some() {
                let done = stage.contract(place, Instance::Number(0));
                done.map_err(|message| ScenarioError::new(at(site), message))?;
            }
        }
        let mut txns = Vec::new();
        let mut made = Vec::new();
        let deployer = stage.deployer;
        for place in &self.order {
            let site = &self.sites[*place];
            let Some(creation) = &site.creation else { continue };
            for number in 0..site.count {
                let bad = |message: String| ScenarioError::new(constructor(site), message);
                let data = stage.within(number, |stage| creation.data(stage)).map_err(bad)?;
                txns.push(creating(deployer, creation.nonce + u64::from(number), data));
                made.push((site, number));
            }
        }
        if txns.is_empty() {
            return Ok(());
        }
        stage.world.fund(deployer, whole(1_000_000_000));
        let gas = TX_GAS_LIMIT_CAP * txns.len() as u64;
        let before = block(NUMBER - 1, TIMESTAMP - SLOT_SECONDS, gas, txns).txns_only();
        let result = execute_sequential(&before, &stage.world.pre_state, InvalidTxn::Reject);
        let result = result.map_err(|error| {
            ScenarioError::new("contracts", format!("constructors can't be executed: {error}"))
        })?;
        for (receipt, (site, number)) in result.receipts.iter().zip(&made) {
            if receipt.status != ReceiptStatus::Success(true) {
                let message = match site.count {
                    1 => "it fails".to_owned(),
                    _ => format!("it fails for number {number}"),
                };
                return Err(ScenarioError::new(constructor(site), message));
            }
        }
        stage.world.pre_state.apply(&result.state);
        for (site, number) in made {
            let address = site.address_of(number, deployer);
            let written = stage.write_storage(site, number, address);
            written.map_err(|message| ScenarioError::new(at(site), message))?;
        }
        Ok(())
    }
}

fn at(site: &Site) -> String {
    format!("contracts.{}", site.name)
}

fn constructor(site: &Site) -> String {
    format!("contracts.{}.constructor", site.name)
}

impl Creation {
    fn data(&self, stage: &mut Stage<'_>) -> Result<Bytes, String> {
        let values = self.arguments.iter().map(|node| node.eval(stage));
        let values: Vec<_> = values.collect::<Result<_, _>>()?;
        let encoded = self.constructor.abi_encode_input(&values);
        let encoded = encoded.map_err(|error| error.to_string())?;
        Ok([self.code.as_slice(), &encoded].concat().into())
    }
}

fn creating(deployer: Address, nonce: u64, data: Bytes) -> TxEnv {
    TxEnv {
        tx_type: 2,
        caller: deployer,
        gas_limit: TX_GAS_LIMIT_CAP,
        gas_price: BASE_FEE,
        kind: TxKind::Create,
        data,
        nonce,
        chain_id: Some(CHAIN_ID),
        gas_priority_fee: Some(0),
        ..TxEnv::default()
    }
}

fn site(
    name: &str,
    contract: &Contract,
    code: &Code,
    (contracts, named): Names<'_>,
    place: &str,
) -> Result<Site> {
    let bad = |at: &str, message: &str| ScenarioError::new(format!("{place}{at}"), message);
    let mut counters = Vec::new();
    let mut scope = Scope {
        contracts,
        named,
        drawn: Vec::new(),
        later: Vec::new(),
        draws: false,
        counters: &mut counters,
        values: 0,
    };
    let creation = creation(&mut scope, contract, code, place)?;
    if creation.is_none() && code.runtime.is_none() {
        return Err(bad(".artifact", "has no code for an account: give \"constructor\""));
    }
    if creation.is_some() && (contract.address.is_some() || contract.balance.is_some()) {
        let message = "what a constructor makes has the address that its creation gives, and no \
                       balance";
        return Err(bad("", message));
    }
    let address = contract.address.as_ref().map(|address| {
        let address = address.parse::<Address>().ok().filter(|_| contract.count == 1);
        address.ok_or_else(|| bad(".address", "is one contract's address, 0x and 40 digits"))
    });
    let balance = contract.balance.as_ref();
    let balance = balance.map(|json| fixed(json, &format!("{place}.balance"))).transpose()?;
    let storage = contract.storage.0.iter().map(|(text, json)| {
        let place = format!("{place}.storage.{text}");
        let slot = Slot::parse(text, code.layout.as_ref(), &mut scope, &place)?;
        let value = slot.value(json, &mut scope, &place)?;
        Ok((text.clone(), slot, value))
    });
    let storage = storage.collect::<Result<_>>()?;
    let count = contracts[name].1;
    Ok(Site {
        name: name.to_owned(),
        count,
        law: (contract.zipf > 0.0).then(|| Zipf::new(count, contract.zipf)),
        first: contract.first.unwrap_or(0),
        address: address.transpose()?,
        balance: balance.unwrap_or(U256::ZERO),
        code: code.runtime.clone().filter(|_| creation.is_none()),
        creation,
        storage,
    })
}

/// `constructor` is a list of arguments, or `false` where it is not to be run.
fn creation(
    scope: &mut Scope<'_>,
    contract: &Contract,
    code: &Code,
    place: &str,
) -> Result<Option<Creation>> {
    let place = format!("{place}.constructor");
    let bad = |message: &str| ScenarioError::new(&place, message);
    let given = match &contract.constructor {
        Some(Value::Array(given)) => given,
        Some(Value::Bool(false)) => return Ok(None),
        None if code.immutables => {
            return Err(bad("the code has variables that only the constructor sets: list its \
                            arguments"));
        }
        None if code.constructor.is_some() => {
            return Err(bad("the contract has one: list its arguments, or say false to leave it \
                            out"));
        }
        None => return Ok(None),
        Some(_) => return Err(bad("is a list of arguments, or false")),
    };
    let Some(creation) = &code.creation else {
        return Err(bad("the artefact has no \"bytecode\", which makes the contract"));
    };
    let constructor = code.constructor.clone().unwrap_or_else(|| Constructor {
        inputs: Vec::new(),
        state_mutability: Default::default(),
    });
    let inputs = constructor.inputs.iter().map(Specifier::<DynSolType>::resolve);
    let inputs = inputs.collect::<Result<Vec<_>, _>>();
    let inputs = inputs.map_err(|error| bad(&error.to_string()))?;
    let arguments = arguments(scope, &inputs, given, "the constructor", &place)?;
    Ok(Some(Creation { code: creation.to_vec(), constructor, arguments, nonce: 0 }))
}

/// Contracts with constructors, each after those that its arguments name.
fn order(sites: &[Site]) -> Result<Vec<usize>> {
    let wanted: BTreeMap<usize, Vec<usize>> = (0..sites.len())
        .filter_map(|place| {
            let creation = sites[place].creation.as_ref()?;
            let mut named = Vec::new();
            creation.arguments.iter().for_each(|node| contracts_in(node, &mut named));
            named.retain(|other| sites[*other].creation.is_some());
            Some((place, named))
        })
        .collect();
    let mut order: Vec<usize> = Vec::new();
    while order.len() < wanted.len() {
        let ready = wanted.iter().find(|(place, named)| {
            !order.contains(place) && named.iter().all(|other| order.contains(other))
        });
        let Some((place, _)) = ready else {
            let rest = wanted.keys().filter(|place| !order.contains(place));
            let names = super::list(rest.map(|place| &sites[*place].name));
            let message = format!("constructors wait for each other in a loop: {names}");
            return Err(ScenarioError::new("contracts", message));
        };
        order.push(*place);
    }
    Ok(order)
}

fn contracts_in(node: &Node, found: &mut Vec<usize>) {
    match node {
        Node::Contract { contract, .. } => found.push(*contract),
        Node::As(node, _) => contracts_in(node, found),
        Node::List { values, .. } => values.iter().for_each(|node| contracts_in(node, found)),
        _ => {}
    }
}

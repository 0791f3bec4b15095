//! The mix of transactions, compiled.

use std::collections::BTreeMap;

use alloy_dyn_abi::{DynSolType, DynSolValue, JsonAbiExt, Specifier};
use alloy_json_abi::Function;
use alloy_primitives::{Address, Bytes, U256};
use block_stm_evm::revm::primitives::eip7825::TX_GAS_LIMIT_CAP;
use serde_json::{Value, json};

use super::{
    code::{Code, parsed},
    error::{Result, ScenarioError, list},
    file::{Entry, Listed, Need},
    scope::{Scope, total},
    slot::Slot,
    stage::Stage,
    value::{Kind, Node, word},
};
use crate::{
    amm::Amm,
    draw::{Draw, Weights},
    lending::Lending,
    nft::Nft,
    orders::Orders,
    transfers,
    world::{Call, World},
};

/// Gas of a call that says nothing of it.
const GAS_USUAL: u64 = 1_000_000;
/// The most values that are evaluated for all transactions together.
const VALUES_MAX: usize = 1_000_000_000;
/// The most bytes of all calls of a scenario together.
const CALL_BYTES_MAX: usize = 1 << 30;
/// The parts of built-in workloads that keep an account of what their contracts hold.
pub(super) const PARTS: [&str; 4] = ["amm", "lending", "nft", "orders"];

/// How a transaction is made.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    One(Box<Self>),
    Mix(Vec<(u64, usize)>, Vec<Self>),
    Part { part: usize, entry: usize },
    Call(Box<CallPlan>),
}

/// A part of a built-in workload, and the weights of its actions if they are others.
#[derive(Clone, Debug)]
pub(super) struct PartPlan {
    name: &'static str,
    weights: Option<Vec<u64>>,
}

/// A part that is in place.
#[derive(Debug)]
pub(super) enum Part {
    Amm(Amm),
    Lending(Lending),
    Nft(Nft),
    Orders(Orders),
}

/// A transaction that the scenario describes.
#[derive(Clone, Debug)]
pub(super) struct CallPlan {
    place: String,
    entry: usize,
    draws: Vec<(String, Node)>,
    from: Node,
    to: Node,
    value: Node,
    call: Option<(Function, Vec<Node>)>,
    gas: u64,
    needs: Vec<NeedPlan>,
    reverts: Node,
}

#[derive(Clone, Debug)]
struct NeedPlan {
    contract: Node,
    slot: Slot,
    value: Node,
    total: Option<Slot>,
}

/// What compiling the mix needs to know.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    pub(super) codes: &'a [Code],
    pub(super) contracts: &'a BTreeMap<String, (usize, u32)>,
    pub(super) named: &'a BTreeMap<String, usize>,
    pub(super) counters: Vec<U256>,
    pub(super) parts: Vec<PartPlan>,
    /// What the entries are called that make transactions.
    pub(super) entries: Vec<String>,
    /// Transactions of all blocks.
    pub(super) txns: usize,
}

impl Compiler<'_> {
    /// The plan of a mix; one entry alone is not drawn.
    pub(super) fn mix(&mut self, entries: &[Entry], place: &str) -> Result<Plan> {
        let weights: Vec<u64> = entries.iter().map(|entry| entry.weight.unwrap_or(1)).collect();
        if entries.is_empty() {
            return Err(ScenarioError::new(place, "says no transaction"));
        }
        total(&weights, place)?;
        let plans = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| self.entry(entry, &format!("{place}[{index}]")));
        let mut plans: Vec<Plan> = plans.collect::<Result<_>>()?;
        Ok(match plans.len() {
            1 => Plan::One(Box::new(plans.remove(0))),
            _ => Plan::Mix(weights.into_iter().zip(0..).collect(), plans),
        })
    }

    fn entry(&mut self, entry: &Entry, place: &str) -> Result<Plan> {
        let bad = |message: String| ScenarioError::new(place, message);
        let call = entry.to.is_some();
        let ways = [call, entry.mix.is_some(), entry.workload.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 {
            return Err(bad("has one of \"to\", \"workload\" and \"mix\"".to_owned()));
        }
        let beside = entry.call.is_some()
            || entry.args.is_some()
            || entry.from.is_some()
            || entry.value.is_some()
            || entry.gas.is_some()
            || entry.reverts.is_some()
            || !entry.draw.is_empty()
            || !entry.needs.is_empty();
        if !call && beside {
            return Err(bad("what a call has stands beside \"to\" alone".to_owned()));
        }
        if entry.actions.is_some() && entry.workload.is_none() {
            return Err(bad("\"actions\" stands beside \"workload\" alone".to_owned()));
        }
        if entry.mix.is_none() {
            let name = entry.name.as_ref().or(entry.call.as_ref()).or(entry.workload.as_ref());
            self.entries.push(name.cloned().unwrap_or_else(|| place.to_owned()));
        }
        match (&entry.mix, &entry.workload) {
            (Some(entries), _) => self.mix(entries, &format!("{place}.mix")),
            (_, Some(name)) => self.part(name, entry.actions.as_ref(), place),
            _ => Ok(Plan::Call(Box::new(self.call(entry, place)?))),
        }
    }

    fn part(&mut self, name: &str, actions: Option<&Listed<u64>>, place: &str) -> Result<Plan> {
        let Some(name) = PARTS.into_iter().find(|part| *part == name) else {
            let place = format!("{place}.workload");
            let message = match name {
                "chain" => "chain makes whole blocks: it stands alone in the mix".to_owned(),
                _ => format!("{name:?} is no part; there are {}, and chain alone", list(PARTS)),
            };
            return Err(ScenarioError::new(place, message));
        };
        let weights = actions.map(|actions| weights(name, actions, place)).transpose()?;
        self.parts.push(PartPlan { name, weights });
        Ok(Plan::Part { part: self.parts.len() - 1, entry: self.entries.len() - 1 })
    }

    fn call(&mut self, entry: &Entry, place: &str) -> Result<CallPlan> {
        let bad = |at: &str, message: String| ScenarioError::new(format!("{place}{at}"), message);
        let mut scope = Scope {
            contracts: self.contracts,
            named: self.named,
            drawn: Vec::new(),
            later: entry.draw.names().map(str::to_owned).collect(),
            draws: true,
            counters: &mut self.counters,
            values: 0,
        };
        let mut draws = Vec::new();
        for (name, json) in &entry.draw.0 {
            if scope.contracts.contains_key(name) || scope.named.contains_key(name) {
                return Err(bad(".draw", format!("something else is called {name:?}")));
            }
            let (node, kind) = scope.compile(json, None, &format!("{place}.draw.{name}"))?;
            scope.drawn.push((name.clone(), kind));
            draws.push((name.clone(), node));
        }
        scope.later.clear();
        let sender = json!({ "account": "sender" });
        let from = entry.from.as_ref().unwrap_or(&sender);
        let (from, kind) = scope.compile(from, None, &format!("{place}.from"))?;
        if kind != Kind::Account {
            return Err(bad(".from", "is no account of the scenario".to_owned()));
        }
        let to = entry.to.as_ref().expect("looked at by the caller");
        let (to, kind) = scope.compile(to, None, &format!("{place}.to"))?;
        let code = match kind {
            Kind::Contract(contract) => Some(&self.codes[contract]),
            Kind::Account | Kind::Address => None,
            _ => return Err(bad(".to", "is no address".to_owned())),
        };
        let nothing = json!(0);
        let value = entry.value.as_ref().unwrap_or(&nothing);
        let value = scope.number(value, &format!("{place}.value"))?;
        let call = match &entry.call {
            Some(name) => {
                let function = code.map_or_else(|| parsed(name), |code| code.function(name));
                let function = function.map_err(|message| bad(".call", message))?;
                let inputs: Vec<DynSolType> = function
                    .inputs
                    .iter()
                    .map(|input| input.resolve())
                    .collect::<Result<_, _>>()
                    .map_err(|error| bad(".call", error.to_string()))?;
                let given = entry.args.as_deref().unwrap_or_default();
                let place = format!("{place}.args");
                let args = arguments(&mut scope, &inputs, given, &function.signature(), &place)?;
                Some((function, args))
            }
            None if entry.args.is_some() => {
                return Err(bad(".args", "there is no \"call\" to have arguments".to_owned()));
            }
            None => None,
        };
        let gas = entry.gas.unwrap_or(match (code, &call) {
            (None, None) => transfers::GAS,
            _ => GAS_USUAL,
        });
        if !(transfers::GAS..=TX_GAS_LIMIT_CAP).contains(&gas) {
            let range = format!("{} to {TX_GAS_LIMIT_CAP}", transfers::GAS);
            return Err(bad(".gas", format!("{gas} is not within {range}")));
        }
        let needs = entry.needs.iter().enumerate().map(|(index, need)| {
            need_plan(self.codes, &mut scope, need, &format!("{place}.needs[{index}]"))
        });
        let needs = needs.collect::<Result<_>>()?;
        let never = json!(false);
        let reverts = entry.reverts.as_ref().unwrap_or(&never);
        let bool = Some(&DynSolType::Bool);
        let (reverts, _) = scope.compile(reverts, bool, &format!("{place}.reverts"))?;
        if scope.values.saturating_mul(self.txns) > VALUES_MAX {
            let (values, txns) = (scope.values, self.txns);
            let message = format!("{values} values for each of {txns} transactions are too many");
            return Err(bad("", message));
        }
        let (place, entry) = (place.to_owned(), self.entries.len() - 1);
        Ok(CallPlan { place, entry, draws, from, to, value, call, gas, needs, reverts })
    }
}

/// Arguments of these types.
pub(super) fn arguments(
    scope: &mut Scope<'_>,
    inputs: &[DynSolType],
    given: &[Value],
    signature: &str,
    place: &str,
) -> Result<Vec<Node>> {
    if inputs.len() != given.len() {
        let (wanted, given) = (inputs.len(), given.len());
        let message = format!("{signature} takes {wanted} arguments, not {given}");
        return Err(ScenarioError::new(place, message));
    }
    let nodes = inputs.iter().zip(given).enumerate().map(|(index, (input, json))| {
        Ok(scope.compile(json, Some(input), &format!("{place}[{index}]"))?.0)
    });
    nodes.collect()
}

fn need_plan(codes: &[Code], scope: &mut Scope<'_>, need: &Need, place: &str) -> Result<NeedPlan> {
    let (contract, kind) = scope.compile(&need.contract, None, &format!("{place}.in"))?;
    let Kind::Contract(site) = kind else {
        return Err(ScenarioError::new(format!("{place}.in"), "is no contract of the scenario"));
    };
    let layout = codes[site].layout.as_ref();
    let slot = Slot::parse(&need.slot, layout, scope, &format!("{place}.slot"))?;
    let value = slot.value(&need.value, scope, &format!("{place}.value"))?;
    let total = need.total.as_ref();
    let total = total
        .map(|total| Slot::parse(total, layout, scope, &format!("{place}.total")))
        .transpose()?;
    Ok(NeedPlan { contract, slot, value, total })
}

/// The weights of all actions of a part: those that are not named have none.
fn weights(name: &str, actions: &Listed<u64>, place: &str) -> Result<Vec<u64>> {
    let place = format!("{place}.actions");
    let known = actions_of(name);
    if let Some(other) = actions.names().find(|other| known.iter().all(|(name, _)| name != other)) {
        let message = format!(
            "{name} has no action {other:?}; it has {}",
            list(known.iter().map(|(name, _)| name))
        );
        return Err(ScenarioError::new(place, message));
    }
    let weight = |name| actions.place(name).map_or(0, |place| actions.0[place].1);
    let weights: Vec<u64> = known.iter().map(|(name, _)| weight(name)).collect();
    total(&weights, &place)?;
    Ok(weights)
}

/// The actions of a part, each with its usual weight.
pub(super) fn actions_of(name: &str) -> Vec<(&'static str, u64)> {
    // It is asked in a world of its own.
    let mut world = World::new(0, crate::senders::Senders::Named);
    Part::new(name, &mut world).menu().weights()
}

impl Part {
    fn new(name: &str, world: &mut World) -> Self {
        match name {
            "amm" => Self::Amm(Amm::new(world)),
            "lending" => Self::Lending(Lending::new(world)),
            "nft" => Self::Nft(Nft::default()),
            _ => Self::Orders(Orders::new(world)),
        }
    }

    fn menu(&mut self) -> &mut dyn Weights {
        match self {
            Self::Amm(amm) => &mut amm.menu,
            Self::Lending(lending) => &mut lending.menu,
            Self::Nft(nft) => &mut nft.menu,
            Self::Orders(orders) => &mut orders.menu,
        }
    }

    fn push(&mut self, world: &mut World, draw: &mut Draw) {
        match self {
            Self::Amm(amm) => amm.push(world, draw),
            Self::Lending(lending) => lending.push(world, draw),
            Self::Nft(nft) => nft.push(world, draw),
            Self::Orders(orders) => orders.push(world, draw),
        }
    }
}

impl PartPlan {
    /// The part, in place in `world`.
    pub(super) fn start(&self, world: &mut World) -> Part {
        let mut part = Part::new(self.name, world);
        if let Some(weights) = &self.weights {
            part.menu().set_weights(weights);
        }
        part
    }
}

impl Plan {
    /// Appends a transaction; returns the entry that made it.
    pub(super) fn push(&self, stage: &mut Stage<'_>) -> Result<usize> {
        match self {
            Self::One(plan) => plan.push(stage),
            Self::Mix(choices, plans) => {
                let choice = stage.draw.choose(choices);
                plans[choice].push(stage)
            }
            Self::Part { part, entry } => {
                stage.parts[*part].push(stage.world, stage.draw);
                Ok(*entry)
            }
            Self::Call(call) => call.push(stage).map(|()| call.entry),
        }
    }
}

impl CallPlan {
    fn push(&self, stage: &mut Stage<'_>) -> Result<()> {
        let bad =
            |at: &str, message: String| ScenarioError::new(format!("{}{at}", self.place), message);
        stage.drawn.clear();
        for (name, node) in &self.draws {
            let value = node.eval(stage);
            let value = value.map_err(|message| bad(&format!(".draw.{name}"), message))?;
            stage.drawn.push(value);
        }
        let from = address(&self.from, stage).map_err(|message| bad(".from", message))?;
        let to = address(&self.to, stage).map_err(|message| bad(".to", message))?;
        let value = self.value.eval(stage).map_err(|message| bad(".value", message))?;
        let data = self.data(stage)?;
        for (index, need) in self.needs.iter().enumerate() {
            let done = need.see_to_it(stage);
            done.map_err(|message| bad(&format!(".needs[{index}]"), message))?;
        }
        let reverts = self.reverts.eval(stage).map_err(|message| bad(".reverts", message))?;
        let call = Call { from, to, value: word(&value), data, gas_limit: self.gas };
        match reverts {
            DynSolValue::Bool(true) => stage.world.push_reverting(stage.draw, call),
            _ => stage.world.push(stage.draw, call),
        }
        Ok(())
    }

    fn data(&self, stage: &mut Stage<'_>) -> Result<Bytes> {
        let Some((function, args)) = &self.call else { return Ok(Bytes::new()) };
        let mut values = Vec::with_capacity(args.len());
        for (index, node) in args.iter().enumerate() {
            let value = node.eval(stage).map_err(|message| {
                ScenarioError::new(format!("{}.args[{index}]", self.place), message)
            })?;
            values.push(value);
        }
        let data = function.abi_encode_input(&values);
        let data = data.map_err(|error| ScenarioError::new(&self.place, error.to_string()))?;
        stage.call_bytes += data.len();
        if stage.call_bytes > CALL_BYTES_MAX {
            let message = "the calls of all transactions are more than a gibibyte";
            return Err(ScenarioError::new(&self.place, message));
        }
        Ok(data.into())
    }
}

fn address(node: &Node, stage: &mut Stage<'_>) -> Result<Address, String> {
    node.eval(stage)?.as_address().ok_or_else(|| "is no address".to_owned())
}

impl NeedPlan {
    /// Writes the value, unless something lies there.
    fn see_to_it(&self, stage: &mut Stage<'_>) -> Result<(), String> {
        let contract = address(&self.contract, stage)?;
        let place = self.slot.eval(stage)?;
        if !stage.world.get(contract, place).is_zero() {
            return Ok(());
        }
        let value = self.value.eval(stage)?;
        self.slot.set(stage, contract, &value)?;
        if let Some(total) = &self.total {
            let place = total.eval(stage)?;
            let sum = stage.world.get(contract, place).checked_add(word(&value));
            let sum = sum.filter(|sum| sum.bit_len() <= place.bits);
            stage.world.set(contract, place, sum.ok_or("the total is too large")?);
        }
        Ok(())
    }
}

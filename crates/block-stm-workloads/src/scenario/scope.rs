//! The names that values refer to, and values compiled: every name, type and range is checked once.

use std::collections::BTreeMap;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::U256;
use serde_json::{Map, Value};

use super::{
    error::{Result, ScenarioError, list},
    value::{Instance, Kind, Node, Operation, constant, fits, fixed, untyped},
};
use crate::zipf::Zipf;

/// The names that values may refer to.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Contracts, each with how many there are.
    pub(super) contracts: &'a BTreeMap<String, (usize, u32)>,
    pub(super) named: &'a BTreeMap<String, usize>,
    /// What was drawn so far, in order.
    pub(super) drawn: Vec<(String, Kind)>,
    /// What is drawn later.
    pub(super) later: Vec<String>,
    /// Whether this is about a transaction, and not about what lies there before.
    pub(super) draws: bool,
    /// The start of each counter.
    pub(super) counters: &'a mut Vec<U256>,
    /// How many values were compiled.
    pub(super) values: usize,
}

const OPERATIONS: &str =
    "uniform, zipf, pick, chance, counter, account, contract, if, add, subtract, multiply, divide";

impl Scope<'_> {
    /// The value that `json` says, as the type `want` if one is wanted.
    pub(super) fn compile(
        &mut self,
        json: &Value,
        want: Option<&DynSolType>,
        place: &str,
    ) -> Result<(Node, Kind)> {
        self.values += 1;
        let bad = |message: String| ScenarioError::new(place, message);
        let (node, kind) = match json {
            Value::String(text) if text.starts_with('$') && !text.starts_with("$$") => {
                self.reference(&text[1..]).map_err(bad)?
            }
            Value::Object(object) => self.operation(object, want, place)?,
            Value::Array(values) => return self.list(values, want, place),
            constant => return self.constant(constant, want).map_err(bad),
        };
        match want {
            Some(want) => {
                fits(&kind, want).map_err(bad)?;
                match matches!(&kind, Kind::Typed(_)) {
                    true => Ok((node, kind)),
                    false => Ok((Node::As(Box::new(node), want.clone()), kind)),
                }
            }
            None => Ok((node, kind)),
        }
    }

    /// A number that may be drawn.
    pub(super) fn number(&mut self, json: &Value, place: &str) -> Result<Node> {
        Ok(self.compile(json, Some(&DynSolType::Uint(256)), place)?.0)
    }

    fn constant(&self, json: &Value, want: Option<&DynSolType>) -> Result<(Node, Kind), String> {
        let value = match want {
            Some(want) => constant(json, want)?,
            None => untyped(json)?,
        };
        let kind = match (&value, want) {
            (_, Some(want)) => Kind::Typed(want.clone()),
            (DynSolValue::Address(_), _) => Kind::Address,
            (DynSolValue::Bool(_), _) => Kind::Bool,
            _ => Kind::Number,
        };
        Ok((Node::Constant(value), kind))
    }

    fn list(
        &mut self,
        values: &[Value],
        want: Option<&DynSolType>,
        place: &str,
    ) -> Result<(Node, Kind)> {
        let bad = |message: String| ScenarioError::new(place, message);
        let types: Vec<&DynSolType> = match want {
            Some(DynSolType::Array(one)) => vec![one; values.len()],
            Some(DynSolType::FixedArray(one, length)) if *length == values.len() => {
                vec![one; values.len()]
            }
            Some(DynSolType::Tuple(types)) if types.len() == values.len() => types.iter().collect(),
            Some(other) => {
                let many = values.len();
                return Err(bad(format!("a list of {many} is no {}", other.sol_type_name())));
            }
            None => return Err(bad("a list can only be an argument".to_owned())),
        };
        let nodes = values.iter().zip(types).enumerate().map(|(index, (value, one))| {
            Ok(self.compile(value, Some(one), &format!("{place}[{index}]"))?.0)
        });
        let values = nodes.collect::<Result<_>>()?;
        let of = want.expect("looked at above").clone();
        Ok((Node::List { of: of.clone(), values }, Kind::Typed(of)))
    }

    /// `name`, `name[3]` or `name[$index]`, after the `$`.
    fn reference(&self, text: &str) -> Result<(Node, Kind), String> {
        let (name, instance) = match text.split_once('[') {
            Some((name, rest)) => {
                let rest = rest.strip_suffix(']').ok_or(format!("${text}: no ] at the end"))?;
                (name, Some(rest))
            }
            None => (text, None),
        };
        if instance.is_none() {
            let drawn = self.drawn.iter().rposition(|(other, _)| other == name);
            if let Some(place) = drawn {
                return Ok((Node::Variable(place), self.drawn[place].1.clone()));
            }
            if self.later.iter().any(|other| other == name) {
                return Err(format!("${name} is not drawn yet: a draw refers to those before it"));
            }
            if let Some(place) = self.named.get(name) {
                return Ok((Node::Named(*place), Kind::Account));
            }
        }
        let Some((contract, count)) = self.contracts.get(name).copied() else {
            let all = self.drawn.iter().map(|(name, _)| name).chain(self.named.keys());
            return Err(format!(
                "${name} is not known; there are {}",
                list(all.chain(self.contracts.keys()))
            ));
        };
        let instance = match instance {
            Some("$index") if !self.draws => Instance::Same,
            Some(number) => {
                let number = number.parse().ok().filter(|number| *number < count);
                let number = number.ok_or(format!(
                    "${text}: the place of a contract is a number from 0 to {}",
                    count - 1
                ))?;
                Instance::Number(number)
            }
            None if count == 1 => Instance::Number(0),
            None => {
                return Err(format!(
                    "there are {count} of {name}: name one as ${name}[0], or draw one with \
                     {{\"contract\": \"{name}\"}}"
                ));
            }
        };
        Ok((Node::Contract { contract, instance }, Kind::Contract(contract)))
    }

    fn operation(
        &mut self,
        object: &Map<String, Value>,
        want: Option<&DynSolType>,
        place: &str,
    ) -> Result<(Node, Kind)> {
        let bad = |message: String| ScenarioError::new(place, message);
        let known = OPERATIONS.split(", ").find(|name| object.contains_key(*name));
        let Some(name) = known else {
            return Err(bad(format!("no value is made so; there are {OPERATIONS}")));
        };
        if !self.draws {
            return Err(bad("nothing is drawn here: constants and references alone".to_owned()));
        }
        let beside: &[&str] = match name {
            "if" => &["if", "then", "else"],
            "pick" => &["pick", "weights"],
            _ => &[name],
        };
        if let Some(other) = object.keys().find(|key| !beside.contains(&key.as_str())) {
            return Err(bad(format!("{other:?} is not known beside {name:?}")));
        }
        let inner = &object[name];
        let place = format!("{place}.{name}");
        match name {
            "uniform" => uniform(inner, &place),
            "zipf" => zipf(inner, &place),
            "chance" => chance(inner, &place),
            "counter" => self.counter(inner, &place),
            "account" => self.account(inner, &place),
            "contract" => self.drawn_contract(inner, &place),
            "pick" => self.pick(inner, object.get("weights"), want, &place),
            "if" => self.choice(object, want, &place),
            operation => self.arithmetic(operation, inner, &place),
        }
    }

    fn counter(&mut self, json: &Value, place: &str) -> Result<(Node, Kind)> {
        let part = |name: &str, default: U256| match (json, json.get(name)) {
            (Value::Object(_), Some(value)) => fixed(value, &format!("{place}.{name}")),
            (Value::Object(_), None) => Ok(default),
            (value, _) if name == "start" => fixed(value, place),
            _ => Ok(default),
        };
        only(json, &["start", "step"], place)?;
        let (start, step) = (part("start", U256::ZERO)?, part("step", U256::ONE)?);
        self.counters.push(start);
        Ok((Node::Counter { counter: self.counters.len() - 1, step }, Kind::Number))
    }

    fn account(&mut self, json: &Value, place: &str) -> Result<(Node, Kind)> {
        let bad = || {
            let message = "is either \"sender\" or {\"other than\": \"$name\"}";
            ScenarioError::new(place, message)
        };
        if json == "sender" {
            return Ok((Node::Sender, Kind::Account));
        }
        only(json, &["other than"], place)?;
        let other = json.get("other than").ok_or_else(bad)?;
        let (node, kind) = self.compile(other, None, &format!("{place}.other than"))?;
        match kind {
            Kind::Account => Ok((Node::Receiver { other: Box::new(node) }, Kind::Account)),
            _ => Err(bad()),
        }
    }

    fn drawn_contract(&self, json: &Value, place: &str) -> Result<(Node, Kind)> {
        let contract = json.as_str().and_then(|name| self.contracts.get(name));
        let Some((contract, _)) = contract.copied() else {
            let names = list(self.contracts.keys());
            let message = format!("{json} is no contract's name; there are {names}");
            return Err(ScenarioError::new(place, message));
        };
        Ok((Node::Contract { contract, instance: Instance::Drawn }, Kind::Contract(contract)))
    }

    fn pick(
        &mut self,
        json: &Value,
        weights: Option<&Value>,
        want: Option<&DynSolType>,
        place: &str,
    ) -> Result<(Node, Kind)> {
        let bad = |message: &str| ScenarioError::new(place, message);
        let values = json.as_array().filter(|values| !values.is_empty());
        let values = values.ok_or_else(|| bad("is a list of values, not an empty one"))?;
        let mut nodes = Vec::new();
        let mut common: Option<Kind> = None;
        for (index, value) in values.iter().enumerate() {
            let (node, kind) = self.compile(value, want, &format!("{place}[{index}]"))?;
            common = Some(match common {
                None => kind,
                Some(common) => {
                    joint(common, kind).ok_or_else(|| bad("its values differ in kind"))?
                }
            });
            nodes.push(node);
        }
        let weights = match weights {
            None => vec![1; nodes.len()],
            Some(weights) => weights
                .as_array()
                .filter(|all| all.len() == nodes.len())
                .and_then(|all| all.iter().map(Value::as_u64).collect::<Option<Vec<_>>>())
                .ok_or_else(|| bad("has one weight for each value, a whole number"))?,
        };
        total(&weights, place)?;
        let choices = weights.into_iter().zip(0..).collect();
        let kind = typed(common.expect("not empty"), want);
        Ok((Node::Pick { choices, values: nodes }, kind))
    }

    fn choice(
        &mut self,
        object: &Map<String, Value>,
        want: Option<&DynSolType>,
        place: &str,
    ) -> Result<(Node, Kind)> {
        let bad = |message: &str| ScenarioError::new(place, message);
        let (Some(then), Some(otherwise)) = (object.get("then"), object.get("else")) else {
            return Err(bad("wants \"then\" and \"else\" beside it"));
        };
        let (condition, _) = self.compile(&object["if"], Some(&DynSolType::Bool), place)?;
        let (then, one) = self.compile(then, want, &format!("{place}.then"))?;
        let (otherwise, other) = self.compile(otherwise, want, &format!("{place}.else"))?;
        let kind = match want {
            Some(want) => Kind::Typed(want.clone()),
            None => joint(one, other).ok_or_else(|| bad("its values differ in kind"))?,
        };
        let [condition, then, otherwise] = [condition, then, otherwise].map(Box::new);
        Ok((Node::If { condition, then, otherwise }, kind))
    }

    fn arithmetic(&mut self, name: &str, json: &Value, place: &str) -> Result<(Node, Kind)> {
        let Some([left, right]) = json.as_array().map(Vec::as_slice) else {
            return Err(ScenarioError::new(place, "is a list of two numbers"));
        };
        let operation = match name {
            "add" => Operation::Add,
            "subtract" => Operation::Subtract,
            "multiply" => Operation::Multiply,
            _ => Operation::Divide,
        };
        let left = Box::new(self.number(left, &format!("{place}[0]"))?);
        let right = Box::new(self.number(right, &format!("{place}[1]"))?);
        Ok((Node::Arithmetic { operation, left, right }, Kind::Number))
    }
}

/// A kind of which both are.
fn joint(one: Kind, other: Kind) -> Option<Kind> {
    let address = |kind: &Kind| matches!(kind, Kind::Account | Kind::Contract(_) | Kind::Address);
    match one == other {
        true => Some(one),
        false if address(&one) && address(&other) => Some(Kind::Address),
        false => None,
    }
}

fn typed(kind: Kind, want: Option<&DynSolType>) -> Kind {
    want.map_or(kind, |want| Kind::Typed(want.clone()))
}

/// Refuses other names in an object than these.
fn only(json: &Value, names: &[&str], place: &str) -> Result<()> {
    let mut keys = json.as_object().into_iter().flat_map(Map::keys);
    match keys.find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let message = format!("{key:?} is not known; there are {}", list(names));
            Err(ScenarioError::new(place, message))
        }
    }
}

/// The sum of weights, which must not be zero.
pub(super) fn total(weights: &[u64], place: &str) -> Result<u64> {
    let sum = weights.iter().try_fold(0_u64, |sum, weight| sum.checked_add(*weight));
    match sum {
        Some(0) => Err(ScenarioError::new(place, "all weights are zero")),
        Some(sum) => Ok(sum),
        None => Err(ScenarioError::new(place, "the weights are too large")),
    }
}

fn uniform(json: &Value, place: &str) -> Result<(Node, Kind)> {
    let Some([low, high]) = json.as_array().map(Vec::as_slice) else {
        let message = "is a list of the smallest and the largest number";
        return Err(ScenarioError::new(place, message));
    };
    let (low, high) = (fixed(low, &format!("{place}[0]"))?, fixed(high, &format!("{place}[1]"))?);
    if low > high {
        return Err(ScenarioError::new(place, format!("{low} is more than {high}")));
    }
    Ok((Node::Uniform { low, high }, Kind::Number))
}

fn zipf(json: &Value, place: &str) -> Result<(Node, Kind)> {
    let bad = |message: &str| ScenarioError::new(place, message);
    only(json, &["count", "exponent"], place)?;
    let count = json.get("count").and_then(Value::as_u64).and_then(|count| count.try_into().ok());
    let count: u32 = count
        .filter(|count| *count > 0)
        .ok_or_else(|| bad("wants \"count\", a whole number from 1 to 4294967295"))?;
    let exponent = json.get("exponent").map_or(Some(1.0), Value::as_f64);
    let exponent = exponent.filter(|exponent| (0.0..=10.0).contains(exponent));
    let exponent = exponent.ok_or_else(|| bad("\"exponent\" is a number from 0 to 10"))?;
    let law = (exponent > 0.0).then(|| Zipf::new(count, exponent));
    Ok((Node::Zipf { count, law }, Kind::Number))
}

fn chance(json: &Value, place: &str) -> Result<(Node, Kind)> {
    let per_mille = json.as_u64().filter(|per_mille| *per_mille <= 1_000);
    let per_mille = per_mille
        .ok_or_else(|| ScenarioError::new(place, "is a number of thousandths, at most 1000"))?;
    Ok((Node::Chance { per_mille }, Kind::Bool))
}

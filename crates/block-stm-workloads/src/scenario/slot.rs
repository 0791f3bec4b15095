//! Places in a contract's storage: `totalSupply`, `balanceOf[$payer]`, `prices[$token].value`, or
//! by number, `0x5` and `5[$payer]`.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, U256, keccak256};
use serde_json::Value;

use super::{
    code::{Layout, Type},
    error::{Result, ScenarioError, list},
    scope::Scope,
    stage::Stage,
    value::{Node, word},
};
use crate::artifact::Place;

/// A place whose keys are drawn.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    slot: U256,
    steps: Vec<Step>,
    shift: usize,
    bits: usize,
    /// The type of what lies there; a whole word where there is no layout.
    pub(super) holds: DynSolType,
}

#[derive(Clone, Debug)]
enum Step {
    Key(Node),
    Member(U256),
}

impl Slot {
    /// The place that `text` names in a contract with this layout.
    pub(super) fn parse(
        text: &str,
        layout: Option<&Layout>,
        scope: &mut Scope<'_>,
        place: &str,
    ) -> Result<Self> {
        let bad = |message: String| ScenarioError::new(place, message);
        let end = text.find(['[', '.']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            let slot = name.parse().map_err(|_| bad(format!("{name:?} is no slot")))?;
            return Self::by_number(slot, rest, scope, place);
        }
        let Some(layout) = layout else {
            let message = "the artefact has no storageLayout: slots are named by number";
            return Err(bad(message.to_owned()));
        };
        let variable = layout.storage.iter().find(|variable| variable.label == name);
        let variable = variable.ok_or_else(|| {
            let names = list(layout.storage.iter().map(|variable| &variable.label));
            bad(format!("no variable is called {name:?}; there are {names}"))
        })?;
        let mut found = Self {
            slot: variable.slot,
            steps: Vec::new(),
            shift: 8 * variable.offset,
            bits: 256,
            holds: DynSolType::Uint(256),
        };
        let (mut kind, mut rest) = (variable.kind.as_str(), rest);
        loop {
            let of = layout.types.get(kind);
            let of = of.ok_or_else(|| bad(format!("the layout does not tell {kind}")))?;
            if rest.is_empty() {
                (found.bits, found.holds) = held(of).map_err(bad)?;
                return Ok(found);
            }
            if let Some(member) = rest.strip_prefix('.') {
                let end = member.find(['[', '.']).unwrap_or(member.len());
                let (name, after) = member.split_at(end);
                let members = of.members.iter().flatten();
                let one = members.clone().find(|member| member.label == name).ok_or_else(|| {
                    let names = list(members.map(|member| &member.label));
                    bad(format!("{} has no member {name:?}; it has {names}", of.label))
                })?;
                found.steps.push(Step::Member(one.slot));
                found.shift = 8 * one.offset;
                (kind, rest) = (&one.kind, after);
                continue;
            }
            let (key, after) = bracketed(rest).ok_or_else(|| bad(format!("{text:?} lacks a ]")))?;
            let types = of.encoding.as_str();
            let (Some(key_type), Some(value), "mapping") = (&of.key, &of.value, types) else {
                return Err(bad(format!("{} is no mapping: only mappings have keys", of.label)));
            };
            let key_type = layout.types.get(key_type).map_or("", |kind| kind.label.as_str());
            let want = solidity(key_type).filter(|kind| !kind.is_dynamic());
            let want = want.ok_or_else(|| bad(format!("keys of type {key_type} are not known")))?;
            let key = Value::String(key.to_owned());
            found.steps.push(Step::Key(scope.compile(&key, Some(&want), place)?.0));
            found.shift = 0;
            (kind, rest) = (value, after);
        }
    }

    fn by_number(slot: U256, mut rest: &str, scope: &mut Scope<'_>, place: &str) -> Result<Self> {
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let Some((key, after)) = bracketed(rest) else {
                let message = format!("{rest:?} is no key in brackets");
                return Err(ScenarioError::new(place, message));
            };
            let key = Value::String(key.to_owned());
            steps.push(Step::Key(scope.compile(&key, None, place)?.0));
            rest = after;
        }
        Ok(Self { slot, steps, shift: 0, bits: 256, holds: DynSolType::Uint(256) })
    }

    /// What is to lie there.
    pub(super) fn value(&self, json: &Value, scope: &mut Scope<'_>, place: &str) -> Result<Node> {
        let whole = self.bits == 256 && self.holds == DynSolType::Uint(256);
        let (node, _) = match whole {
            // A word holds whatever fills one.
            true => scope.compile(json, None, place)?,
            false => scope.compile(json, Some(&self.holds), place)?,
        };
        if let (Node::Constant(DynSolValue::String(text)), place) = (&node, place)
            && text.len() > 31
        {
            let message = format!("{} bytes: only strings of up to 31 can be set", text.len());
            return Err(ScenarioError::new(place, message));
        }
        Ok(node)
    }

    /// Where it is, with these keys.
    pub(super) fn eval(&self, stage: &mut Stage<'_>) -> Result<Place, String> {
        let mut slot = self.slot;
        for step in &self.steps {
            slot = match step {
                Step::Member(offset) => slot.wrapping_add(*offset),
                Step::Key(key) => {
                    let key = key.eval(stage)?.as_word().ok_or("no key")?;
                    keccak256([key.0, slot.to_be_bytes()].concat()).into()
                }
            };
        }
        Ok(Place { slot, shift: self.shift, bits: self.bits })
    }

    /// Writes a value there.
    pub(super) fn set(
        &self,
        stage: &mut Stage<'_>,
        contract: Address,
        value: &DynSolValue,
    ) -> Result<(), String> {
        let place = self.eval(stage)?;
        match value {
            DynSolValue::String(text) => stage.world.set_string(contract, place, text),
            value => {
                let mask = U256::MAX >> (256 - place.bits);
                stage.world.set(contract, place, stored(value) & mask);
            }
        }
        Ok(())
    }
}

/// The value as it lies in its part of a slot.
fn stored(value: &DynSolValue) -> U256 {
    match value {
        DynSolValue::FixedBytes(bytes, size) => U256::from_be_bytes(bytes.0) >> (256 - 8 * size),
        value => word(value),
    }
}

/// What is within the brackets at the beginning, and what comes after them.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let mut depth = 1;
    for (place, c) in inner.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&inner[..place], &inner[place + 1..]));
        }
    }
    None
}

/// The bits and the type of a variable of this type.
fn held(of: &Type) -> Result<(usize, DynSolType), String> {
    let found = match (of.encoding.as_str(), &of.members) {
        ("inplace", None) => solidity(&of.label).filter(|kind| !kind.is_dynamic()),
        ("bytes", None) if of.label == "string" => Some(DynSolType::String),
        _ => None,
    };
    let bits = 8 * of.bytes;
    found
        .filter(|_| (1..=256).contains(&bits))
        .map(|kind| (bits, kind))
        .ok_or_else(|| format!("a {} cannot be set as a whole", of.label))
}

/// The ABI's type for a name of Solidity's.
fn solidity(label: &str) -> Option<DynSolType> {
    match label.split_once(' ') {
        Some(("contract", _)) | Some(("address", "payable")) => Some(DynSolType::Address),
        Some(("enum", _)) => Some(DynSolType::Uint(8)),
        Some(_) => None,
        None => DynSolType::parse(label)
            .ok()
            .filter(|kind| !matches!(kind, DynSolType::FixedArray(..) | DynSolType::Tuple(_))),
    }
}

//! Names of storage slots, from what a compiler says of a contract's variables.

use std::collections::HashMap;

use block_stm_evm::revm::primitives::{Bytes, U256};
use serde::Deserialize;

use super::preimages::Step;

/// How deep types may lie in each other.
const DEEPEST: usize = 16;

/// The variables of a contract, as solc's `storageLayout` lists them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "a storage layout, with `storage` and `types`")]
pub(super) struct Layout {
    storage: Vec<Variable>,
    /// Null where there is no variable.
    #[serde(default)]
    types: Option<HashMap<String, Type>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Variable {
    label: String,
    #[serde(deserialize_with = "number")]
    slot: u64,
    /// In bytes, from the low end of the slot.
    offset: u64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    encoding: String,
    #[serde(deserialize_with = "number")]
    number_of_bytes: u64,
    key: Option<String>,
    value: Option<String>,
    base: Option<String>,
    members: Option<Vec<Variable>>,
}

/// solc writes numbers as strings.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Bare(u64),
        Text(String),
    }
    match Number::deserialize(deserializer)? {
        Number::Bare(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(|_| {
            serde::de::Error::custom(format_args!("{text:?} is not a number of 64 bits"))
        }),
    }
}

/// A part of a variable.
#[derive(Clone, Debug)]
struct Part<'l> {
    name: String,
    kind: &'l str,
    /// Slots from the part's first one on.
    offset: u64,
}

impl Layout {
    /// What is wrong with the layout, if something is: types that are missing, variables that lie
    /// over each other.
    ///
    /// So there are no more variables in a slot than bytes.
    pub(super) fn fault(&self) -> Option<String> {
        let types = self.types.iter().flatten();
        let structs = types.clone().filter_map(|(name, kind)| {
            Some((name.as_str(), kind.members.as_deref()?, kind.number_of_bytes))
        });
        let named = types.flat_map(|(_, kind)| [&kind.key, &kind.value, &kind.base]).flatten();
        if let Some(missing) = named.into_iter().find(|name| self.kind(name).is_none()) {
            return Some(format!("there is no type {missing:?}"));
        }
        let all = std::iter::once(("storage", self.storage.as_slice(), u64::MAX)).chain(structs);
        all.into_iter().find_map(|(name, variables, bytes)| self.overlap(name, variables, bytes))
    }

    fn overlap(&self, name: &str, variables: &[Variable], bytes: u64) -> Option<String> {
        let mut places = Vec::new();
        for variable in variables {
            let Some(kind) = self.kind(&variable.kind) else {
                return Some(format!("there is no type {:?}", variable.kind));
            };
            let start =
                variable.slot.checked_mul(32).and_then(|slot| slot.checked_add(variable.offset));
            let end = start.and_then(|start| start.checked_add(kind.number_of_bytes));
            match start.zip(end).filter(|(_, end)| *end <= bytes) {
                Some((start, end)) => places.push((start, end, &variable.label)),
                None => return Some(format!("{name}: {:?} lies beyond the end", variable.label)),
            }
        }
        places.sort_unstable();
        let pair = places.windows(2).find(|pair| pair[1].0 < pair[0].1)?;
        Some(format!("{name}: {:?} and {:?} lie over each other", pair[0].2, pair[1].2))
    }

    fn kind(&self, name: &str) -> Option<&Type> {
        self.types.as_ref()?.get(name)
    }

    /// What lies at the slot to which `path` leads, `key` writing keys of mappings. `None` if the
    /// layout knows of nothing there.
    pub(super) fn name(
        &self,
        path: &[Step],
        key: impl Fn(&str, &Bytes) -> String,
    ) -> Option<String> {
        let [Step::Root(root), steps @ ..] = path else { return None };
        let root = u64::try_from(*root).ok()?;
        let mut parts = self.covering(&self.storage, root, "");
        for step in steps {
            parts = parts.iter().flat_map(|part| self.next(part, step, &key)).collect();
        }
        let names: Vec<_> = parts.iter().flat_map(|part| self.whole(part, DEEPEST)).collect();
        (!names.is_empty()).then(|| names.join(" / "))
    }

    /// The variables that have a share of the slot `slot`.
    fn covering<'l>(&'l self, variables: &'l [Variable], slot: u64, prefix: &str) -> Vec<Part<'l>> {
        let covers = |variable: &&Variable| {
            let slots = self.slots(&variable.kind);
            slot.checked_sub(variable.slot).is_some_and(|offset| offset < slots)
        };
        let mut all: Vec<_> = variables.iter().filter(covers).collect();
        all.sort_by_key(|variable| variable.offset);
        let part = |variable: &'l Variable| Part {
            name: format!("{prefix}{}", variable.label),
            kind: &variable.kind,
            offset: slot - variable.slot,
        };
        all.into_iter().map(part).collect()
    }

    /// How many slots a variable of the type takes.
    fn slots(&self, kind: &str) -> u64 {
        self.kind(kind).map_or(1, |kind| kind.number_of_bytes.div_ceil(32).max(1))
    }

    /// Where a step leads from a part.
    fn next<'l>(
        &'l self,
        part: &Part<'l>,
        step: &Step,
        key: &impl Fn(&str, &Bytes) -> String,
    ) -> Vec<Part<'l>> {
        if let Step::Offset(more) = step {
            let offset = part.offset.saturating_add(*more);
            return vec![Part { offset, ..part.clone() }];
        }
        // What hashes lead on from is the innermost part.
        let inner = self.inner(part.clone(), DEEPEST);
        let lead = |part: Part<'l>| {
            let kind = self.kind(part.kind)?;
            match (step, kind.encoding.as_str()) {
                (Step::Key(bytes), "mapping") => {
                    let name = format!("{}[{}]", part.name, key(kind.key.as_deref()?, bytes));
                    Some(Part { name, kind: kind.value.as_deref()?, offset: 0 })
                }
                // An array of unknown length, of which the first slot is that of the first element.
                (Step::Elements, "dynamic_array") => Some(Part {
                    name: format!("{}[]", part.name),
                    kind: kind.base.as_deref()?,
                    offset: 0,
                }),
                (Step::Elements, "bytes") => {
                    Some(Part { name: format!("{} (its bytes)", part.name), kind: "", offset: 0 })
                }
                _ => None,
            }
        };
        inner.into_iter().filter_map(lead).collect()
    }

    /// The parts of no parts that lie at the slot of `part`.
    fn inner<'l>(&'l self, part: Part<'l>, deepest: usize) -> Vec<Part<'l>> {
        let Some(kind) = self.kind(part.kind).filter(|_| deepest > 0) else { return vec![part] };
        if let Some(element) = part.name.strip_suffix("[]") {
            return self
                .element(element, part.kind, part.offset)
                .map_or_else(Vec::new, |part| self.inner(part, deepest - 1));
        }
        match (&kind.members, &kind.base) {
            (Some(members), _) => {
                let parts = self.covering(members, part.offset, &format!("{}.", part.name));
                parts.into_iter().flat_map(|part| self.inner(part, deepest - 1)).collect()
            }
            (None, Some(base)) if kind.encoding == "inplace" => {
                let part = self.element(&part.name, base, part.offset);
                part.map_or_else(Vec::new, |part| self.inner(part, deepest - 1))
            }
            _ => vec![part],
        }
    }

    /// The element, or the range of small ones, of an array at a slot of it.
    fn element<'l>(&'l self, name: &str, base: &'l str, slot: u64) -> Option<Part<'l>> {
        let bytes = self.kind(base)?.number_of_bytes.max(1);
        if bytes > 16 {
            let slots = self.slots(base);
            let name = format!("{name}[{}]", slot / slots);
            return Some(Part { name, kind: base, offset: slot % slots });
        }
        let each = 32 / bytes;
        let first = slot.saturating_mul(each);
        let last = first.saturating_add(each - 1);
        Some(Part { name: format!("{name}[{first}..={last}]"), kind: "", offset: 0 })
    }

    /// The names of the innermost parts at the slot of `part`.
    fn whole(&self, part: &Part<'_>, deepest: usize) -> Vec<String> {
        let inner = self.inner(part.clone(), deepest);
        let length = |part: Part<'_>| {
            let kind = self.kind(part.kind);
            let is_length = kind.is_some_and(|kind| kind.encoding == "dynamic_array");
            if is_length { format!("{}.length", part.name) } else { part.name }
        };
        inner.into_iter().map(length).collect()
    }
}

/// A key of a mapping, as a person writes it; `kind` is the type's identifier, such as `t_address`.
pub(super) fn key_in_words(kind: &str, key: &Bytes, account: impl Fn(&[u8]) -> String) -> String {
    let number = || U256::try_from_be_slice(key);
    let is_account = kind.starts_with("t_address") || kind.starts_with("t_contract");
    match kind {
        _ if is_account && key.len() == 32 && key[..12] == [0; 12] => account(&key[12..]),
        "t_bool" => {
            number().map_or_else(|| key.to_string(), |number| (!number.is_zero()).to_string())
        }
        _ if kind.starts_with("t_uint") || kind.starts_with("t_enum") => {
            number().map_or_else(|| key.to_string(), |number| number.to_string())
        }
        _ if kind.starts_with("t_string") => match std::str::from_utf8(key) {
            Ok(text) => format!("{text:?}"),
            Err(_) => key.to_string(),
        },
        _ => key.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{
      "storage": [
        {"astId": 1, "contract": "a.sol:A", "label": "owner", "offset": 0, "slot": "0",
        "type": "t_address"},
        {"label": "paused", "offset": 20, "slot": "0", "type": "t_bool"},
        {"label": "balances", "offset": 0, "slot": "1", "type": "t_mapping(t_address,t_uint256)"},
        {"label": "positions", "offset": 0, "slot": "2",
        "type": "t_mapping(t_address,t_mapping(t_uint256,t_struct(P)))"},
        {"label": "queue", "offset": 0, "slot": "3", "type": "t_array(t_struct(P))dyn_storage"},
        {"label": "fixed", "offset": 0, "slot": "4", "type": "t_array(t_uint64)6_storage"},
        {"label": "pair", "offset": 0, "slot": "6", "type": "t_struct(P)"},
        {"label": "title", "offset": 0, "slot": "8", "type": "t_string_storage"}
      ],
      "types": {
        "t_address": {"encoding": "inplace", "label": "address", "numberOfBytes": "20"},
        "t_bool": {"encoding": "inplace", "label": "bool", "numberOfBytes": "1"},
        "t_uint256": {"encoding": "inplace", "label": "uint256", "numberOfBytes": "32"},
        "t_uint64": {"encoding": "inplace", "label": "uint64", "numberOfBytes": "8"},
        "t_uint128": {"encoding": "inplace", "label": "uint128", "numberOfBytes": "16"},
        "t_string_storage": {"encoding": "bytes", "label": "string", "numberOfBytes": "32"},
        "t_mapping(t_address,t_uint256)": {"encoding": "mapping", "key": "t_address",
        "label": "", "numberOfBytes": "32", "value": "t_uint256"},
        "t_mapping(t_address,t_mapping(t_uint256,t_struct(P)))": {"encoding": "mapping",
        "key": "t_address", "label": "", "numberOfBytes": "32",
        "value": "t_mapping(t_uint256,t_struct(P))"},
        "t_mapping(t_uint256,t_struct(P))": {"encoding": "mapping", "key": "t_uint256",
        "label": "", "numberOfBytes": "32", "value": "t_struct(P)"},
        "t_array(t_struct(P))dyn_storage": {"base": "t_struct(P)", "encoding": "dynamic_array",
        "label": "", "numberOfBytes": "32"},
        "t_array(t_uint64)6_storage": {"base": "t_uint64", "encoding": "inplace", "label": "",
        "numberOfBytes": "64"},
        "t_struct(P)": {"encoding": "inplace", "label": "", "numberOfBytes": "64", "members": [
          {"label": "amount", "offset": 0, "slot": "0", "type": "t_uint256"},
          {"label": "low", "offset": 0, "slot": "1", "type": "t_uint128"},
          {"label": "high", "offset": 16, "slot": "1", "type": "t_uint128"}]}
      }
    }"#;

    fn name(path: &[Step]) -> Option<String> {
        let layout: Layout = serde_json::from_str(JSON).expect("a layout");
        assert_eq!(layout.fault(), None);
        layout
            .name(path, |kind, key| key_in_words(kind, key, |account| format!("@{}", account[19])))
    }

    #[test]
    fn slots_have_the_names_that_a_person_gives_them() {
        let root = |slot: u64| Step::Root(U256::from(slot));
        let key = |number: u64| Step::Key(U256::from(number).to_be_bytes::<32>().into());
        let offset = Step::Offset;
        for (path, expected) in [
            (vec![root(0)], "owner / paused"),
            (vec![root(1), key(5)], "balances[@5]"),
            (vec![root(2), key(5), key(6)], "positions[@5][6].amount"),
            (
                vec![root(2), key(5), key(6), offset(1)],
                "positions[@5][6].low / positions[@5][6].high",
            ),
            (vec![root(3)], "queue.length"),
            (vec![root(3), Step::Elements], "queue[0].amount"),
            (vec![root(3), Step::Elements, offset(5)], "queue[2].low / queue[2].high"),
            (vec![root(4)], "fixed[0..=3]"),
            (vec![root(5)], "fixed[4..=7]"),
            (vec![root(7)], "pair.low / pair.high"),
            (vec![root(8)], "title"),
            (vec![root(8), Step::Elements, offset(2)], "title (its bytes)"),
        ] {
            assert_eq!(name(&path).as_deref(), Some(expected), "{path:?}");
        }
        assert_eq!(name(&[root(99)]), None);
        assert_eq!(name(&[root(0), key(1)]), None, "no mapping");
        assert_eq!(name(&[Step::Root(U256::MAX)]), None);
    }

    #[test]
    fn a_layout_that_can_not_be_is_found_out() {
        let fault = |json: &str| serde_json::from_str::<Layout>(json).expect("a layout").fault();
        let word = r#""t": {"encoding": "inplace", "numberOfBytes": "32"}"#;
        let with =
            |storage: &str| fault(&format!(r#"{{"storage": [{storage}], "types": {{{word}}}}}"#));
        assert_eq!(fault(r#"{"storage": [], "types": null}"#), None);
        let one = |label, slot, kind| {
            format!(r#"{{"label": "{label}", "offset": 0, "slot": "{slot}", "type": "{kind}"}}"#)
        };
        let missing = with(&one("a", "0", "x"));
        assert_eq!(missing.as_deref(), Some("there is no type \"x\""));
        let over = with(&[one("a", "1", "t"), one("b", "1", "t")].join(","));
        assert_eq!(over.as_deref(), Some("storage: \"a\" and \"b\" lie over each other"));
        let beyond = with(&one("a", "18446744073709551615", "t"));
        assert_eq!(beyond.as_deref(), Some("storage: \"a\" lies beyond the end"));
    }
}

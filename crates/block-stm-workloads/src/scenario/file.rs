//! The form of the file, as serde reads and writes it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::Value;

use super::error::{Result, ScenarioError};

/// A scenario as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    pub(super) txns: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(super) blocks: usize,
    #[serde(default)]
    pub(super) seed: u64,
    #[serde(default)]
    pub(super) accounts: Population,
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    pub(super) named: Listed<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pools: Option<Pools>,
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    pub(super) contracts: Listed<Contract>,
    pub(super) mix: Vec<Entry>,
}

/// The accounts that send and receive.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Population {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<usize>,
    #[serde(default)]
    pub(super) zipf: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<Value>,
}

/// An account with a name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<Value>,
}

/// The tokens, pairs, lending pools, collections or markets of built-in parts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pools {
    pub(super) count: usize,
    #[serde(default)]
    pub(super) zipf: f64,
}

/// A contract, or several with the same code.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contract {
    pub(super) artifact: String,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(super) count: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) zipf: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) constructor: Option<Value>,
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    pub(super) storage: Listed<Value>,
}

/// A kind of transactions: a call, a part of a built-in workload, or a mix of such.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mix: Option<Vec<Entry>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) workload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actions: Option<Listed<u64>>,
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    pub(super) draw: Listed<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gas: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<Need>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reverts: Option<Value>,
}

/// What must lie in a contract's storage before the block, unless something lies there.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Need {
    #[serde(rename = "in")]
    pub(super) contract: Value,
    pub(super) slot: String,
    pub(super) value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<String>,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_one(number: &usize) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// How a scenario is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML; JSON is YAML, too, but errors are told in other words.
    Yaml,
}

/// The longest scenario, in bytes.
const TEXT_MAX: usize = 4 << 20;

impl File {
    pub(super) fn parse(text: &str, format: Format) -> Result<Self> {
        if text.len() > TEXT_MAX {
            let message = format!("{} bytes are more than a scenario may have", text.len());
            return Err(ScenarioError::new("", message));
        }
        match format {
            Format::Json => {
                let mut json = serde_json::Deserializer::from_str(text);
                let file = serde_path_to_error::deserialize(&mut json).map_err(|error| {
                    let path = error.path().to_string();
                    ScenarioError::new(known(path), error.into_inner().to_string())
                })?;
                json.end().map_err(|error| ScenarioError::new("", error.to_string()))?;
                Ok(file)
            }
            Format::Yaml => {
                let mut place = None;
                let file = serde_saphyr::with_deserializer_from_str(text, |yaml| {
                    serde_path_to_error::deserialize(yaml).map_err(|error| {
                        place = Some(error.path().to_string());
                        error.into_inner()
                    })
                });
                file.map_err(|error: serde_saphyr::Error| {
                    ScenarioError::new(place.map(known).unwrap_or_default(), in_a_line(&error))
                })
            }
        }
    }
}

/// The path as far as it is known.
fn known(path: String) -> String {
    path.trim_end_matches(['.', '?']).to_owned()
}

/// The message without the lines of the file around it.
fn in_a_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = in_words(&text);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The message without words of the parser's own.
fn in_words(text: &str) -> String {
    const BREACH: &str = "budget breached: ";
    if let Some((before, breach)) = text.split_once(BREACH) {
        let what = match breach.starts_with("Depth") {
            true => "nested too deeply",
            false => "more than a scenario may hold",
        };
        let place = breach.find(" at line").map_or("", |place| &breach[place..]);
        return format!("{before}{what}{place}");
    }
    text.replace("invalid u64", "not a whole number below 2^64")
        .replace("invalid usize", "not a whole number below 2^64")
        .replace("invalid f64", "not a number")
}

/// Values by name, in the order in which they are written; no name comes twice.
#[derive(Clone, Debug)]
pub(super) struct Listed<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Listed<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names().position(|other| other == name)
    }
}

impl<T: Serialize> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ListedVisitor(PhantomData))
    }
}

struct ListedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListedVisitor<T> {
    type Value = Listed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = std::collections::HashSet::new();
        let mut listed = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if !names.insert(name.clone()) {
                let message = format!("{name:?} stands here twice");
                return Err(serde::de::Error::custom(message));
            }
            listed.push((name, value));
        }
        Ok(Listed(listed))
    }
}

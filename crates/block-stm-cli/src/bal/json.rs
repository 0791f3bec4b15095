//! Verdicts and differences of lists as JSON, for programs.

use block_stm_evm::{
    access_list::{ListDifference, ListPart, ListedValue},
    alloy_eip7928::AccountChanges,
};
use serde::Serialize;

use super::{
    diff::Comparison,
    verify::{Size, Verdict},
};
use crate::files::rendered;

#[derive(Serialize)]
struct JsonVerdict<'a> {
    path: String,
    number: u64,
    ok: bool,
    #[serde(flatten)]
    size: Option<&'a Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<JsonPlace>,
}

/// Where a list says something else than what happens.
#[derive(Serialize)]
struct JsonPlace {
    #[serde(flatten)]
    at: JsonAt,
    listed: Option<String>,
    actual: Option<String>,
}

#[derive(Serialize)]
struct JsonComparison {
    same: bool,
    lists: [usize; 2],
    differences: Vec<JsonDifference>,
}

#[derive(Serialize)]
struct JsonDifference {
    list: usize,
    #[serde(flatten)]
    at: JsonAt,
    a: Option<String>,
    b: Option<String>,
}

#[derive(Serialize)]
struct JsonAt {
    address: String,
    part: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

impl From<&ListDifference> for JsonAt {
    fn from(difference: &ListDifference) -> Self {
        let (part, slot) = match difference.part {
            ListPart::Account => ("account", None),
            ListPart::Balance => ("balance", None),
            ListPart::Nonce => ("nonce", None),
            ListPart::Code => ("code", None),
            ListPart::Slot(key) => ("slot", Some(format!("{key:#x}"))),
        };
        let index = difference.index.map(|index| index.get());
        Self { address: difference.address.to_string(), part, slot, index }
    }
}

fn value(value: &ListedValue) -> String {
    match value {
        ListedValue::Access => "access".to_owned(),
        ListedValue::Number(number) => format!("{number:#x}"),
        ListedValue::Code(code) => code.to_string(),
    }
}

/// A list with an object for each block that had a list.
pub(super) fn verdicts(verdicts: &[Verdict]) -> Vec<u8> {
    let verdicts = verdicts.iter().map(|verdict| {
        let place = verdict.fault().and_then(|fault| fault.place.as_ref());
        JsonVerdict {
            path: verdict.path.display().to_string(),
            number: verdict.number,
            ok: verdict.outcome.is_ok(),
            size: verdict.outcome.as_ref().ok(),
            error: verdict.fault().map(|fault| &*fault.message),
            place: place.map(|place| JsonPlace {
                at: place.into(),
                listed: place.listed.as_ref().map(value),
                actual: place.actual.as_ref().map(value),
            }),
        }
    });
    rendered(&verdicts.collect::<Vec<_>>())
}

fn all(comparison: &Comparison) -> Vec<JsonDifference> {
    let differences = comparison.differences.iter().map(|(list, difference)| JsonDifference {
        list: *list,
        at: difference.into(),
        a: difference.listed.as_ref().map(value),
        b: difference.actual.as_ref().map(value),
    });
    differences.collect()
}

/// A row for each difference.
pub(super) fn differences(comparison: &Comparison) -> Vec<serde_json::Value> {
    all(comparison).iter().map(|difference| serde_json::json!(difference)).collect()
}

/// An object about two files of lists.
pub(super) fn comparison(
    comparison: &Comparison,
    a: &[Vec<AccountChanges>],
    b: &[Vec<AccountChanges>],
) -> Vec<u8> {
    let differences = all(comparison);
    rendered(&JsonComparison { same: comparison.same, lists: [a.len(), b.len()], differences })
}

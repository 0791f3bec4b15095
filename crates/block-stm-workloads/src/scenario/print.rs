//! The workloads as scenarios.

use serde_json::{Value, json};

use super::{
    file::{Contract, Entry, File, Listed, Need, Pools, Population},
    plan::{PARTS, actions_of},
};
use crate::{
    params::{Params, ParamsError},
    workload::Workload,
    world::named,
};

impl Workload {
    /// The workload as a scenario in JSON, which makes the same block.
    ///
    /// # Errors
    ///
    /// A parameter out of its range.
    pub fn scenario(self, params: &Params) -> Result<String, ParamsError> {
        params.validate()?;
        let file = File {
            about: Some(self.description().to_owned()),
            txns: params.txns,
            blocks: 1,
            seed: params.seed,
            accounts: Population {
                count: Some(params.accounts),
                zipf: params.zipf,
                balance: Some(json!("10000000 ether")),
            },
            named: Listed::default(),
            pools: self.has_parts().then_some(Pools { count: params.pools, zipf: params.zipf }),
            contracts: match self {
                Self::Erc20 | Self::Mixed => Listed(vec![("token".to_owned(), token(params))]),
                _ => Listed::default(),
            },
            mix: match self {
                Self::Transfers => vec![transfer()],
                Self::Erc20 => payments(),
                Self::Mixed => mixed(),
                Self::Chain => vec![part("chain", None)],
                Self::Amm | Self::Lending | Self::Nft | Self::Orders => {
                    vec![part(self.name(), None)]
                }
            },
        };
        let text = serde_json::to_string_pretty(&file).expect("all keys are strings");
        Ok(text + "\n")
    }

    fn has_parts(self) -> bool {
        PARTS.contains(&self.name()) || self == Self::Mixed
    }
}

fn part(name: &str, weight: Option<u64>) -> Entry {
    let actions = PARTS.contains(&name).then(|| {
        let actions = actions_of(name).into_iter();
        Listed(actions.map(|(name, weight)| (name.to_owned(), weight)).collect())
    });
    Entry { weight, workload: Some(name.to_owned()), actions, ..Entry::default() }
}

fn group(name: &str, weight: u64, mix: Vec<Entry>) -> Entry {
    let name = Some(name.to_owned());
    Entry { name, weight: Some(weight), mix: Some(mix), ..Entry::default() }
}

fn mixed() -> Vec<Entry> {
    vec![
        Entry { weight: Some(25), ..transfer() },
        group("payment", 33, payments()),
        part("amm", Some(22)),
        part("lending", Some(8)),
        part("nft", Some(4)),
        part("orders", Some(8)),
    ]
}

fn draws<const N: usize>(draws: [(&str, Value); N]) -> Listed<Value> {
    Listed(draws.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// From 1 to `most` millionths of a whole.
fn amount(most: u64) -> Value {
    json!({ "multiply": [{ "uniform": [1, most] }, 1_000_000_000_000_u64] })
}

fn transfer() -> Entry {
    Entry {
        name: Some("transfer".to_owned()),
        draw: draws([
            ("payer", json!({ "account": "sender" })),
            ("payee", json!({ "account": { "other than": "$payer" } })),
        ]),
        from: Some(json!("$payer")),
        to: Some(json!("$payee")),
        value: Some(amount(1_000_000)),
        gas: Some(21_000),
        ..Entry::default()
    }
}

fn token(params: &Params) -> Contract {
    Contract {
        artifact: "built-in:Token".to_owned(),
        count: params.pools,
        zipf: params.zipf,
        // The workloads' number 0 is the token in which prices are quoted.
        first: Some(1),
        address: None,
        balance: None,
        constructor: None,
        storage: draws([
            ("name", json!("Workload token")),
            ("symbol", json!("WORK")),
            ("owner", json!(named("token owner", 0).to_checksum(None))),
        ]),
    }
}

/// Three kinds of calls of a token.
///
/// Each draws the same, in the same order, whether it makes use of it or not.
fn payments() -> Vec<Entry> {
    let payment = |name: &str, weight, call: &str, args: Value, gas| Entry {
        name: Some(name.to_owned()),
        weight: Some(weight),
        draw: draws([
            ("currency", json!({ "contract": "token" })),
            ("payer", json!({ "account": "sender" })),
            ("other", json!({ "account": { "other than": "$payer" } })),
            ("amount", amount(100_000_000)),
            ("uncovered", json!({ "chance": 10 })),
        ]),
        from: Some(json!("$payer")),
        to: Some(json!("$currency")),
        call: Some(call.to_owned()),
        args: args.as_array().cloned(),
        gas: Some(gas),
        needs: vec![holding("$payer"), holding("$other")],
        ..Entry::default()
    };
    let paid = json!({ "if": "$uncovered", "then": "max", "else": "$amount" });
    let mut transfer =
        payment("transfer", 85, "transfer(address,uint256)", json!(["$other", paid]), 42_000);
    transfer.reverts = Some(json!("$uncovered"));
    let allowed = json!({ "if": { "chance": 500 }, "then": "max", "else": "1000000000 ether" });
    let approve =
        payment("approve", 10, "approve(address,uint256)", json!(["$other", allowed]), 54_000);
    let args = json!(["$other", "$payer", "$amount"]);
    let call = "transferFrom(address,address,uint256)";
    let mut take = payment("transfer from", 5, call, args, 50_000);
    take.needs.push(Need {
        contract: json!("$currency"),
        slot: "allowance[$other][$payer]".to_owned(),
        value: json!("max"),
        total: None,
    });
    vec![transfer, approve, take]
}

fn holding(of: &str) -> Need {
    Need {
        contract: json!("$currency"),
        slot: format!("balanceOf[{of}]"),
        value: json!("1000000000 ether"),
        total: Some("totalSupply".to_owned()),
    }
}

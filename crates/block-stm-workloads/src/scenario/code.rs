//! Compiled contracts: code, functions and the places of variables.

use std::collections::BTreeMap;

use alloy_json_abi::{Constructor, Function, JsonAbi};
use alloy_primitives::{B256, Bytes, U256, hex, keccak256};
use block_stm_evm::revm::state::Bytecode;
use serde_json::Value;

use super::error::list;
use crate::artifact::ARTIFACTS;

/// What precedes the name of one of the workloads' contracts.
const BUILT_IN: &str = "built-in:";

/// A compiled contract.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// What lies in the account of a contract whose constructor is not run.
    pub(super) runtime: Option<(Bytecode, B256)>,
    /// What a transaction executes that makes the contract, without arguments.
    pub(super) creation: Option<Bytes>,
    /// How the constructor is called, where it is known.
    pub(super) constructor: Option<Constructor>,
    /// By signature; `None` if the artefact does not tell.
    functions: Option<BTreeMap<String, Function>>,
    pub(super) layout: Option<Layout>,
    /// Whether there are variables in the code itself, which only the constructor sets.
    pub(super) immutables: bool,
}

/// `storageLayout` as solc writes it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) storage: Vec<Variable>,
    pub(super) types: BTreeMap<String, Type>,
}

/// A state variable or a member of a struct.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) label: String,
    pub(super) slot: U256,
    /// Bytes from the low end of the slot.
    pub(super) offset: usize,
    pub(super) kind: String,
}

/// A type of variables.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub(super) label: String,
    pub(super) encoding: String,
    pub(super) bytes: usize,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) members: Option<Vec<Variable>>,
}

impl Code {
    /// The contract that `artifact` names; `read` returns the text of a file.
    pub(super) fn load(
        artifact: &str,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        if let Some(name) = artifact.strip_prefix(BUILT_IN) {
            return built_in(name);
        }
        let text = read(artifact)?;
        let trimmed = text.trim();
        if trimmed.starts_with('{') {
            let json: Value = serde_json::from_str(trimmed).map_err(|error| error.to_string())?;
            return Self::of_json(&json);
        }
        let code = decoded(trimmed)?;
        Ok(Self {
            runtime: Some(bytecode(&code)),
            creation: Some(code),
            constructor: None,
            functions: None,
            layout: None,
            immutables: false,
        })
    }

    fn of_json(json: &Value) -> Result<Self, String> {
        let code = |name: &str| {
            let text = match &json[name] {
                Value::String(text) => text,
                Value::Object(object) => object.get("object")?.as_str()?,
                _ => return None,
            };
            Some(decoded(text).map_err(|message| format!("{name}: {message}")))
        };
        let runtime = code("deployedBytecode").transpose()?;
        let creation = code("bytecode").transpose()?;
        if runtime.is_none() && creation.is_none() {
            return Err("has neither bytecode nor deployedBytecode: no artefact of solc, Foundry \
                        or Hardhat"
                .to_owned());
        }
        let immutables = json["deployedBytecode"]["immutableReferences"].as_object();
        let abi = json.get("abi").filter(|abi| !abi.is_null());
        let abi: Option<JsonAbi> = abi
            .map(|abi| serde_json::from_value(abi.clone()))
            .transpose()
            .map_err(|error| format!("abi: {error}"))?;
        let functions = match (&abi, json["methodIdentifiers"].as_object()) {
            (Some(abi), _) => {
                Some(abi.functions().map(|one| (one.signature(), one.clone())).collect())
            }
            (None, Some(methods)) => Some(
                methods
                    .keys()
                    .map(|name| Some((name.clone(), Function::parse(name).ok()?)))
                    .collect::<Option<_>>()
                    .ok_or("methodIdentifiers: not the signatures of functions")?,
            ),
            (None, None) => None,
        };
        Ok(Self {
            runtime: runtime.filter(|code| !code.is_empty()).as_ref().map(bytecode),
            creation: creation.filter(|code| !code.is_empty()),
            constructor: abi.and_then(|abi| abi.constructor),
            functions,
            layout: Layout::of_json(&json["storageLayout"])?,
            immutables: immutables.is_some_and(|places| !places.is_empty()),
        })
    }

    /// The function that `name` says: a signature, or a name that only one function has.
    pub(super) fn function(&self, name: &str) -> Result<Function, String> {
        let Some(functions) = &self.functions else {
            return parsed(name);
        };
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let mut same = functions.values().filter(|function| function.name == name);
        match (same.next(), same.next()) {
            (Some(one), None) => Ok(one.clone()),
            (None, _) => Err(format!(
                "the contract has no function {name}; it has {}",
                list(functions.keys())
            )),
            (Some(_), Some(_)) => {
                let all = functions.iter().filter(|(_, function)| function.name == name);
                let all = list(all.map(|(signature, _)| signature));
                Err(format!("several functions are called {name}: {all}"))
            }
        }
    }
}

/// The function with a signature like `transfer(address,uint256)`.
pub(super) fn parsed(signature: &str) -> Result<Function, String> {
    let function = Function::parse(signature).map_err(|_| {
        format!("{signature:?} is no signature of a function, such as transfer(address,uint256)")
    })?;
    if signature.contains('(') {
        Ok(function)
    } else {
        Err(format!("{signature}: without an ABI the signature is needed, such as {signature}()"))
    }
}

fn built_in(name: &str) -> Result<Code, String> {
    let mut names = Vec::new();
    for text in ARTIFACTS {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if json["contract"] == name {
            return Code::of_json(&json);
        }
        names.push(json["contract"].as_str().unwrap_or_default().to_owned());
    }
    Err(format!("no built-in contract is called {name}; there are {}", list(names)))
}

fn decoded(text: &str) -> Result<Bytes, String> {
    if text.contains("__") {
        return Err("the code waits for libraries to be linked".to_owned());
    }
    hex::decode(text).map(Bytes::from).map_err(|error| format!("not code in hexadecimal: {error}"))
}

fn bytecode(code: &Bytes) -> (Bytecode, B256) {
    (Bytecode::new_legacy(code.clone()), keccak256(code))
}

impl Layout {
    fn of_json(json: &Value) -> Result<Option<Self>, String> {
        if !json["storage"].is_array() {
            return Ok(None);
        }
        let types = json["types"].as_object();
        let types = types.into_iter().flatten().map(|(id, one)| {
            let text = |name: &str| one[name].as_str().map(str::to_owned);
            let members = &one["members"];
            let kind = Type {
                label: text("label")?,
                encoding: text("encoding")?,
                bytes: one["numberOfBytes"].as_str()?.parse().ok()?,
                key: text("key"),
                value: text("value"),
                members: match members.is_array() {
                    true => Some(variables(members)?),
                    false => None,
                },
            };
            Some((id.clone(), kind))
        });
        let layout = types.collect::<Option<_>>().zip(variables(&json["storage"]));
        let (types, storage) = layout.ok_or("storageLayout: not as solc writes it")?;
        Ok(Some(Self { storage, types }))
    }
}

fn variables(json: &Value) -> Option<Vec<Variable>> {
    let all = json.as_array()?.iter().map(|one| {
        Some(Variable {
            label: one["label"].as_str()?.to_owned(),
            slot: U256::from_str_radix(one["slot"].as_str()?, 10).ok()?,
            offset: usize::try_from(one["offset"].as_u64()?).ok().filter(|offset| *offset < 32)?,
            kind: one["type"].as_str()?.to_owned(),
        })
    });
    all.collect()
}

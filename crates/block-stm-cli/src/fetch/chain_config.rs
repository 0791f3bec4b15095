//! The forks of a node's chain, as `chain.json` has them.

use std::path::Path;

use block_stm_chain::import::json::{Document, read_file};
use serde_json::{Map, Value, json};

use super::{node::Node, rpc::RpcError};
use crate::error::CliError;

/// Forks by the names that anvil has for them, in their order, and their keys.
const FORKS: [(&str, &[&str]); 17] = [
    ("frontier", &[]),
    ("homestead", &["homesteadBlock"]),
    ("dao", &[]),
    ("tangerine", &["eip150Block"]),
    ("spuriousdragon", &["eip155Block", "eip158Block"]),
    ("byzantium", &["byzantiumBlock"]),
    ("constantinople", &["constantinopleBlock"]),
    ("petersburg", &["petersburgBlock"]),
    ("istanbul", &["istanbulBlock"]),
    ("muirglacier", &["muirGlacierBlock"]),
    ("berlin", &["berlinBlock"]),
    ("london", &["londonBlock"]),
    ("paris", &["terminalTotalDifficulty"]),
    ("shanghai", &["shanghaiTime"]),
    ("cancun", &["cancunTime"]),
    ("prague", &["pragueTime"]),
    ("osaka", &["osakaTime"]),
];

/// The method by which anvil tells of itself.
const ANVIL: &str = "anvil_nodeInfo";

/// The content of `chain.json`; nothing for mainnet, which is built in.
///
/// # Errors
///
/// A file that is no genesis, is one of another chain, or is needed; a node that does not answer.
pub(super) fn chain_json(
    node: &Node,
    id: u64,
    genesis: Option<&Path>,
) -> Result<Option<Vec<u8>>, CliError> {
    let config = match genesis {
        Some(file) => Some(of_file(file, id)?),
        None if id == 1 => return Ok(None),
        None => of_node(node, id).map_err(|error| CliError::Node(error.to_string()))?,
    };
    let config = config.ok_or_else(|| {
        let message = format!("the node does not tell the forks of chain {id}: see --genesis");
        CliError::Node(message)
    })?;
    Ok(Some(format!("{:#}\n", json!({ "config": config })).into_bytes()))
}

fn of_file(file: &Path, id: u64) -> Result<Value, CliError> {
    let json = read_file(file)?;
    let document = Document::bare(file, &json);
    let mut value: Value = document.parse()?;
    let config = match value.get_mut("config") {
        Some(config) => config.take(),
        None => value,
    };
    match config.get("chainId").and_then(Value::as_u64) {
        Some(of_file) if of_file == id => Ok(config),
        Some(of_file) => {
            let message = format!("it is of chain {of_file}, the node is on chain {id}");
            Err(document.wrong("config.chainId", message).into())
        }
        None => Err(document.wrong("config.chainId", "missing").into()),
    }
}

/// What the node tells of its forks, in the ways of geth and of anvil.
fn of_node(node: &Node, id: u64) -> Result<Option<Value>, RpcError> {
    if let Some(info) = node.about("admin_nodeInfo")? {
        let config = &info["protocols"]["eth"]["config"];
        if config["chainId"].as_u64() == Some(id) {
            return Ok(Some(config.clone()));
        }
    }
    let Some(info) = node.about(ANVIL)? else { return Ok(None) };
    Ok(info["hardFork"].as_str().and_then(|fork| up_to(fork, id)))
}

/// Whether the node is an anvil, whose chains lack some contracts of the protocol.
///
/// # Errors
///
/// A node that does not answer.
pub(super) fn is_anvil(node: &Node) -> Result<bool, RpcError> {
    Ok(node.about(ANVIL)?.is_some())
}

/// All forks from the start on, up to the one that anvil calls `name`.
fn up_to(name: &str, id: u64) -> Option<Value> {
    let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
    let known = match name.as_str() {
        // Forks of the blobs' prices alone, which anvil leaves as they were.
        "bpo" => "osaka",
        "merge" => "paris",
        "arrowglacier" | "grayglacier" => "london",
        other => other,
    };
    let last = FORKS.iter().position(|(fork, _)| *fork == known)?;
    let keys = FORKS[..=last].iter().flat_map(|(_, keys)| *keys);
    let mut config: Map<_, _> = keys.map(|key| ((*key).to_owned(), json!(0))).collect();
    config.insert("chainId".to_owned(), json!(id));
    Some(Value::Object(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_those_up_to_the_named_one() {
        let london = up_to("London", 31_337).expect("a fork");
        assert_eq!((&london["chainId"], &london["londonBlock"]), (&json!(31_337), &json!(0)));
        assert_eq!(london.get("shanghaiTime"), None);
        let newest = up_to("Bpo1", 5).expect("a fork");
        assert_eq!(newest["osakaTime"], 0);
        assert_eq!(up_to("Nosuch", 5), None);
    }
}

//! What a compiler says of a contract: its code, variables and methods.

use std::{collections::BTreeMap, path::Path};

use block_stm_chain::import::json::{Document, read_file};
use block_stm_evm::revm::primitives::{Address, Bytes, hex};
use serde::Deserialize;

use super::{layout::Layout, selectors::Selectors};
use crate::error::CliError;

/// A contract's code, as far as it is the same wherever it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    code: Vec<u8>,
    /// Where constructors put immutable variables: the first byte and the length.
    immutables: Vec<(usize, usize)>,
}

/// A contract that a compiler described.
#[derive(Clone, Debug)]
pub(super) struct Contract {
    /// What the file calls it.
    pub(super) name: Option<String>,
    /// By which it is recognised.
    pub(super) code: Option<Pattern>,
    pub(super) layout: Option<Layout>,
}

/// An artefact of Foundry or Hardhat, or one contract of solc's standard output, or a storage
/// layout alone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a compiler's artefact, or a storage layout")]
struct Json {
    #[serde(alias = "contractName")]
    contract: Option<String>,
    deployed_bytecode: Option<JsonCode>,
    evm: Option<JsonEvm>,
    storage_layout: Option<Layout>,
    storage: Option<serde::de::IgnoredAny>,
    method_identifiers: Option<BTreeMap<String, String>>,
    abi: Option<alloy_json_abi::JsonAbi>,
    /// solc's standard output: by file and name.
    contracts: Option<BTreeMap<String, BTreeMap<String, Json>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonEvm {
    deployed_bytecode: Option<JsonCode>,
    method_identifiers: Option<BTreeMap<String, String>>,
}

/// Code as a string, or with the places of immutable variables.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum JsonCode {
    Bare(String),
    #[serde(rename_all = "camelCase")]
    Object {
        object: String,
        #[serde(default)]
        immutable_references: BTreeMap<String, Vec<JsonRange>>,
    },
}

#[derive(Debug, Deserialize)]
struct JsonRange {
    start: usize,
    length: usize,
}

/// Where a layout belongs: `[ADDRESS=]FILE` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayoutFile {
    pub(crate) address: Option<Address>,
    pub(crate) file: std::path::PathBuf,
}

impl std::str::FromStr for LayoutFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, file) = match text.split_once('=') {
            Some((address, file)) if address.starts_with("0x") => {
                let address = address.parse();
                (Some(address.map_err(|_| "the address has 40 hexadecimal digits")?), file)
            }
            _ => (None, text),
        };
        if file.is_empty() {
            return Err("no file".to_owned());
        }
        Ok(Self { address, file: file.into() })
    }
}

/// The contracts that `file` describes; their methods go to `selectors`.
///
/// # Errors
///
/// A file that can't be read, is none of the known forms, or has a layout that can't be.
pub(super) fn read(file: &Path, selectors: &mut Selectors) -> Result<Vec<Contract>, CliError> {
    let mut all = contracts(file, &read_file(file)?, selectors)?;
    // Foundry and Hardhat call the file of an artefact as its contract.
    if let [Contract { name: name @ None, code: Some(_), .. }] = all.as_mut_slice() {
        let stem = file.file_name().unwrap_or_default().to_string_lossy();
        *name = stem.split('.').next().filter(|name| !name.is_empty()).map(str::to_owned);
    }
    Ok(all)
}

pub(super) fn contracts(
    file: &Path,
    bytes: &[u8],
    selectors: &mut Selectors,
) -> Result<Vec<Contract>, CliError> {
    let document = Document::bare(file, bytes);
    let mut json: Json = document.parse()?;
    if json.storage.is_some() {
        json.storage_layout = Some(document.parse()?);
    }
    let all: Vec<(Option<String>, Json)> = match json.contracts.take() {
        Some(files) => {
            files.into_values().flatten().map(|(name, contract)| (Some(name), contract)).collect()
        }
        None => vec![(None, json)],
    };
    let wrong = |field: &str, message: String| document.wrong(field, message);
    let mut contracts = Vec::new();
    for (name, json) in all {
        let evm = json.evm.unwrap_or(JsonEvm { deployed_bytecode: None, method_identifiers: None });
        for methods in json.method_identifiers.iter().chain(&evm.method_identifiers) {
            for (signature, selector) in methods {
                let selector = hex::decode_to_array(selector).map_err(|_| {
                    wrong(&format!("methodIdentifiers.{signature}"), "not four bytes".into())
                })?;
                selectors.add(selector, signature);
            }
        }
        json.abi.iter().flat_map(alloy_json_abi::JsonAbi::functions).for_each(|function| {
            selectors.add(function.selector().0, &function.signature());
        });
        if let Some(fault) = json.storage_layout.as_ref().and_then(Layout::fault) {
            return Err(wrong("storageLayout", fault).into());
        }
        let code = json.deployed_bytecode.or(evm.deployed_bytecode);
        let code = code.map(|code| {
            code.pattern().ok_or_else(|| {
                wrong(
                    "deployedBytecode",
                    "no code, or not linked: libraries have no address yet".into(),
                )
            })
        });
        contracts.push(Contract {
            name: name.or(json.contract),
            code: code.transpose()?.filter(|pattern| !pattern.code.is_empty()),
            layout: json.storage_layout,
        });
    }
    Ok(contracts)
}

impl JsonCode {
    fn pattern(self) -> Option<Pattern> {
        let (object, immutables) = match self {
            Self::Bare(object) => (object, BTreeMap::new()),
            Self::Object { object, immutable_references } => (object, immutable_references),
        };
        let code = hex::decode(object).ok()?;
        let ranges = immutables.into_values().flatten().map(|range| (range.start, range.length));
        Some(Pattern { code, immutables: ranges.collect() })
    }
}

impl Pattern {
    /// Whether `code` is this contract's: immutable variables and the compiler's notes at the end
    /// may differ.
    pub(super) fn fits(&self, code: &Bytes) -> bool {
        let own = without_notes(&self.code);
        let code = without_notes(code);
        if own.len() != code.len() {
            return false;
        }
        let mut masked = code.to_vec();
        for (start, length) in &self.immutables {
            let range = *start..start.saturating_add(*length);
            if let (Some(place), Some(own)) = (masked.get_mut(range.clone()), own.get(range)) {
                place.copy_from_slice(own);
            }
        }
        masked == own
    }
}

/// Code without the CBOR that solc and vyper append, of which the last two bytes are the length.
fn without_notes(code: &[u8]) -> &[u8] {
    let Some((rest, length)) = code.split_last_chunk::<2>() else { return code };
    let length = usize::from(u16::from_be_bytes(*length));
    let notes = rest.len().checked_sub(length).map(|start| rest.split_at(start));
    match notes {
        // A map of one to four entries.
        Some((bare, [0xa1..=0xa4, ..])) => bare,
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(Vec<Contract>, Selectors), String> {
        let mut selectors = Selectors::default();
        let all = contracts(Path::new("a.json"), json.as_bytes(), &mut selectors);
        all.map(|all| (all, selectors)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_forms_of_the_known_tools_are_read() -> Result<(), String> {
        let layout = r#"{"storage": [], "types": null}"#;
        let abi = r#"[{"type":"function","name":"f","inputs":[{"name":"","type":"uint256"}],
            "outputs":[],"stateMutability":"view"}]"#;
        let foundry = format!(
            r#"{{"abi": {abi}, "deployedBytecode": {{"object": "0x6001"}},
                "storageLayout": {layout}}}"#
        );
        let (all, selectors) = parse(&foundry)?;
        assert!(all[0].layout.is_some() && all[0].code.is_some());
        let f = block_stm_evm::revm::primitives::keccak256("f(uint256)");
        assert_eq!(selectors.name([f[0], f[1], f[2], f[3]]), Some("f"));
        let solc = format!(
            r#"{{"contracts": {{"a.sol": {{"A": {{"evm": {{"deployedBytecode": {{"object": "6001"}},
               "methodIdentifiers": {{"g()": "e2179b8e"}}}}, "storageLayout": {layout}}}}}}}}}"#
        );
        let (all, selectors) = parse(&solc)?;
        assert_eq!(all[0].name.as_deref(), Some("A"));
        assert_eq!(selectors.name([0xe2, 0x17, 0x9b, 0x8e]), Some("g"));
        let (all, _) = parse(layout)?;
        assert!(all[0].layout.is_some() && all[0].code.is_none());
        Ok(())
    }

    #[test]
    fn what_is_no_artefact_is_said() {
        for (json, part) in [
            ("[]", "a compiler's artefact"),
            (r#"{"deployedBytecode": "0x60__$a$__"}"#, "not linked"),
            (r#"{"methodIdentifiers": {"f()": "12"}}"#, "not four bytes"),
            (
                r#"{"storage": [{"label": "a", "offset": 0, "slot": "0", "type": "x"}],
                    "types": {}}"#,
                "no type",
            ),
        ] {
            let error = parse(json).expect_err(json);
            assert!(error.starts_with("a.json: ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn code_fits_but_for_immutables_and_notes() {
        let pattern =
            |immutables| Pattern { code: vec![1, 2, 3, 4, 5, 6, 0xa1, 9, 0, 2], immutables };
        let code = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        let fixed = pattern(Vec::new());
        assert!(fixed.fits(&code(&[1, 2, 3, 4, 5, 6, 0xa2, 7, 7, 0, 3])));
        assert!(!fixed.fits(&code(&[1, 2, 0, 0, 5, 6])));
        let free = pattern(vec![(2, 2), (100, 4)]);
        assert!(free.fits(&code(&[1, 2, 0, 0, 5, 6])));
        assert!(!free.fits(&code(&[1, 2, 0, 0, 0, 6])));
    }

    #[test]
    fn a_file_may_be_for_one_address() {
        let parse = |text: &str| text.parse::<LayoutFile>();
        let address = Address::repeat_byte(0x11);
        let one = parse(&format!("{address}=out/A.json")).expect("an address and a file");
        assert_eq!(one, LayoutFile { address: Some(address), file: "out/A.json".into() });
        assert_eq!(parse("a=b.json").expect("a file").address, None);
        assert!(parse("0x12=a.json").is_err() && parse("").is_err());
    }
}

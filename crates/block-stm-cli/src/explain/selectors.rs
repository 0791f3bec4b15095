//! Names of methods, by the first four bytes of what they are called with.

use std::{collections::BTreeMap, path::Path};

use alloy_json_abi::JsonAbi;
use block_stm_chain::import::json::{Document, read_file};
use block_stm_evm::revm::primitives::keccak256;

use crate::error::CliError;

/// Methods that many contracts have.
const WELL_KNOWN: [&str; 14] = [
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "safeTransferFrom(address,address,uint256)",
    "setApprovalForAll(address,bool)",
    "deposit()",
    "withdraw(uint256)",
    "mint(address,uint256)",
    "multicall(bytes[])",
    "execute(bytes,bytes[],uint256)",
    "swap(uint256,uint256,address,bytes)",
    "swapExactETHForTokens(uint256,address[],address,uint256)",
    "swapExactTokensForETH(uint256,uint256,address[],address,uint256)",
    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
];

/// Names of methods by their selectors.
#[derive(Clone, Debug, Default)]
pub(super) struct Selectors(BTreeMap<[u8; 4], String>);

impl Selectors {
    /// Those of the well-known methods.
    pub(super) fn well_known() -> Self {
        let mut all = Self::default();
        for signature in WELL_KNOWN {
            let [a, b, c, d, ..] = keccak256(signature).0;
            all.add([a, b, c, d], signature);
        }
        all
    }

    /// Notes that `selector` is the one of `signature`; the last one who says so is believed.
    pub(super) fn add(&mut self, selector: [u8; 4], signature: &str) {
        let name = signature.split('(').next().unwrap_or(signature);
        self.0.insert(selector, name.to_owned());
    }

    /// Notes the methods of an ABI: an array, or an artefact that has one.
    ///
    /// # Errors
    ///
    /// A file that can't be read, or has no ABI.
    pub(super) fn read(&mut self, file: &Path) -> Result<(), CliError> {
        let bytes = read_file(file)?;
        let document = Document::bare(file, &bytes);
        let abi = serde_json::from_value::<JsonAbi>(document.parse()?);
        let abi = abi.map_err(|error| document.wrong(".", format!("no ABI here: {error}")))?;
        for function in abi.functions() {
            self.add(function.selector().0, &function.signature());
        }
        Ok(())
    }

    /// The method's name, without its parameters.
    pub(super) fn name(&self, selector: [u8; 4]) -> Option<&str> {
        self.0.get(&selector).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_methods_have_names_and_files_add_to_them() {
        let mut all = Selectors::well_known();
        assert_eq!(all.name([0xa9, 0x05, 0x9c, 0xbb]), Some("transfer"));
        assert_eq!(all.name([1, 2, 3, 4]), None);
        all.add([1, 2, 3, 4], "settle((address,uint256)[],bytes)");
        assert_eq!(all.name([1, 2, 3, 4]), Some("settle"));
    }
}

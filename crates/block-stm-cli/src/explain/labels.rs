//! Names of accounts: a short list of well-known ones, and what files add.

use std::{collections::BTreeMap, path::Path};

use block_stm_chain::import::json::{Document, Unique, read_file};
use block_stm_evm::revm::primitives::{Address, address};

use crate::error::CliError;

/// Ethereum mainnet's busiest contracts.
const WELL_KNOWN: [(Address, &str); 18] = [
    (address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"), "WETH"),
    (address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"), "USDC"),
    (address!("dac17f958d2ee523a2206206994597c13d831ec7"), "USDT"),
    (address!("6b175474e89094c44da98b954eedeac495271d0f"), "DAI"),
    (address!("2260fac5e5542a773aa44fbcfedf7c193bc2c599"), "WBTC"),
    (address!("7a250d5630b4cf539739df2c5dacb4c659f2488d"), "UniswapV2Router"),
    (address!("5c69bee701ef814a2b6a3edd4b1652cb9cc5aa6f"), "UniswapV2Factory"),
    (address!("e592427a0aece92de3edee1f18e0157c05861564"), "UniswapV3Router"),
    (address!("68b3465833fb72a70ecdf485e0e4c7bd8665fc45"), "UniswapV3Router2"),
    (address!("3fc91a3afd70395cd496c647d5a6cc9d4b2b7fad"), "UniversalRouter"),
    (address!("b4e16d0168e52d35cacd2c6185b44281ec28c9dc"), "UniswapV2 USDC/WETH"),
    (address!("0d4a11d5eeaac28ec3f61d100daf4d40471f1852"), "UniswapV2 WETH/USDT"),
    (address!("88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"), "UniswapV3 USDC/WETH"),
    (address!("00000000006c3852cbef3e08e8df289169ede581"), "Seaport 1.1"),
    (address!("00000000000000adc04c56bf30ac9d3c0aaf14dc"), "Seaport 1.5"),
    (address!("d9e1ce17f2641f24ae83637ab66a2cca9c378b9f"), "SushiSwapRouter"),
    (address!("1111111254eeb25477b68fb85ed929f73a960582"), "1inch v5"),
    (address!("881d40237659c251811cec9c364ef91dc08d300c"), "MetaMaskSwap"),
];

/// Names of accounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels(BTreeMap<Address, String>);

impl Labels {
    /// Those of well-known contracts.
    pub(super) fn well_known() -> Self {
        Self(WELL_KNOWN.map(|(address, name)| (address, name.to_owned())).into())
    }

    /// Adds the labels of files, each an object from address to name. They go before those that
    /// were there.
    ///
    /// # Errors
    ///
    /// A file that can't be read, an account with two names.
    pub(super) fn read(&mut self, files: &[std::path::PathBuf]) -> Result<(), CliError> {
        let mut given = BTreeMap::<Address, (String, &Path)>::new();
        for file in files {
            let bytes = read_file(file)?;
            let document = Document::bare(file, &bytes);
            let labels: Unique<String, String> = document.parse()?;
            for (address, name) in labels {
                let Ok(address) = address.parse::<Address>() else {
                    let message = "no address: it has 40 hexadecimal digits";
                    return Err(document.wrong(&address, message).into());
                };
                if let Some((other, before)) =
                    given.get(&address).filter(|(other, _)| *other != name)
                {
                    let message = format!("{other:?} in {}, and here {name:?}", before.display());
                    return Err(document.wrong(&address.to_string(), message).into());
                }
                given.insert(address, (name, file));
            }
        }
        self.0.extend(given.into_iter().map(|(address, (name, _))| (address, name)));
        Ok(())
    }

    /// Gives an account a name if it has none yet.
    pub(super) fn suggest(&mut self, address: Address, name: &str) {
        self.0.entry(address).or_insert_with(|| name.to_owned());
    }

    /// The account's name, with the beginning of its address if others have the same name; else the
    /// address by its ends.
    pub(super) fn short(&self, address: &Address) -> String {
        let hex = format!("{address:?}");
        let Some(name) = self.0.get(address) else {
            return format!("{}…{}", &hex[..6], &hex[hex.len() - 4..]);
        };
        let is_shared = self.0.values().filter(|other| *other == name).nth(1).is_some();
        if is_shared { format!("{name} {}", &hex[..6]) } else { name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_names_or_the_ends_of_their_address() {
        let mut labels = Labels::well_known();
        let unknown = Address::repeat_byte(0xab);
        assert_eq!(labels.short(&WELL_KNOWN[0].0), "WETH");
        assert_eq!(labels.short(&unknown), "0xabab…abab");
        labels.suggest(unknown, "Pair");
        labels.suggest(unknown, "Other");
        assert_eq!(labels.short(&unknown), "Pair");
        labels.suggest(Address::repeat_byte(0xcd), "Pair");
        assert_eq!(labels.short(&unknown), "Pair 0xabab");
    }
}

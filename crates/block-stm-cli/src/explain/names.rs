//! Names of contracts, slots and methods, from all that is known of them.

use std::collections::BTreeMap;

use block_stm_evm::{
    Location, StateRef,
    revm::{
        context::TxEnv,
        primitives::{Address, Bytes, TxKind, U256},
    },
};
use block_stm_workloads::ARTIFACTS;

use super::{
    artifact::{self, Contract, LayoutFile},
    labels::Labels,
    layout::{Layout, key_in_words},
    preimages::{Preimages, Step},
    selectors::Selectors,
};
use crate::{args::NameArgs, error::CliError};

/// All names.
#[derive(Debug)]
pub(super) struct Names {
    labels: Labels,
    selectors: Selectors,
    /// By code, unless the command line named the address.
    contracts: Vec<(Option<Address>, LayoutFile, Contract)>,
    layouts: BTreeMap<Address, Option<Layout>>,
    /// Which of `contracts` were found in a state.
    found: Vec<bool>,
}

impl Names {
    /// What the files of `args` say, and what is known without them.
    ///
    /// # Errors
    ///
    /// A file that can't be read, or is wrong.
    pub(super) fn new(args: &NameArgs) -> Result<Self, CliError> {
        let mut labels = Labels::well_known();
        labels.read(&args.labels)?;
        let mut selectors = Selectors::well_known();
        let mut contracts = Vec::new();
        for file in &args.layout {
            let mut all = artifact::read(&file.file, &mut selectors)?;
            all.retain(|contract| contract.layout.is_some());
            if all.is_empty() {
                return Err(CliError::Malformed {
                    place: file.file.display().to_string(),
                    message: "it has no storage layout; solc gives one for `storageLayout`"
                        .to_owned(),
                });
            }
            let alone = all.len() == 1 && file.address.is_some();
            if !alone && all.iter().any(|contract| contract.code.is_none()) {
                return Err(CliError::Malformed {
                    place: file.file.display().to_string(),
                    message: "a layout without code says not whose it is: give ADDRESS=FILE"
                        .to_owned(),
                });
            }
            contracts.extend(all.into_iter().map(|one| (file.address, file.clone(), one)));
        }
        for file in &args.abi {
            selectors.read(file)?;
        }
        let found = vec![false; contracts.len()];
        for artifact in ARTIFACTS {
            let file = LayoutFile { address: None, file: "built in".into() };
            let all = artifact::contracts(&file.file, artifact.as_bytes(), &mut selectors)?;
            contracts.extend(all.into_iter().map(|one| (None, file.clone(), one)));
        }
        Ok(Self { labels, selectors, contracts, layouts: BTreeMap::new(), found })
    }

    /// Looks at the code of the account, unless that was done before.
    ///
    /// # Errors
    ///
    /// The state can't be read; a layout that was given for the account does not fit its code.
    pub(super) fn learn<DB: StateRef>(
        &mut self,
        address: Address,
        state: &DB,
    ) -> Result<(), String> {
        if self.layouts.contains_key(&address) {
            return Ok(());
        }
        let info = state.basic_ref(address).map_err(|error| error.to_string())?.unwrap_or_default();
        let code = match info.code {
            Some(code) => code,
            None => state.code_by_hash_ref(info.code_hash).map_err(|error| error.to_string())?,
        };
        let code = code.original_bytes();
        let mut layout = None;
        for (place, (given, file, contract)) in self.contracts.iter().enumerate() {
            let fits = contract.code.as_ref().map(|pattern| pattern.fits(&code));
            match (given, fits) {
                (Some(given), Some(false)) if *given == address => {
                    let file = file.file.display();
                    return Err(format!("{file}: the layout does not fit the code of {address}"));
                }
                (Some(given), _) if *given == address => {}
                (None, Some(true)) if !code.is_empty() => {}
                _ => continue,
            }
            if let Some(found) = self.found.get_mut(place) {
                *found = true;
            }
            if let Some(name) = &contract.name {
                self.labels.suggest(address, name);
            }
            layout = layout.or_else(|| contract.layout.clone());
        }
        self.layouts.insert(address, layout);
        Ok(())
    }

    /// The files with a layout that no account of the blocks had use for.
    pub(super) fn unused(&self) -> impl Iterator<Item = &LayoutFile> {
        let given = self.contracts.iter().zip(&self.found);
        given.filter(|(_, found)| !**found).map(|((_, file, _), _)| file)
    }

    /// What a person calls the account.
    pub(super) fn account(&self, address: &Address) -> String {
        self.labels.short(address)
    }

    /// What a person calls the location.
    pub(super) fn location(&self, location: &Location, preimages: &Preimages) -> String {
        match location {
            Location::Account(address) => format!("{} (account)", self.account(address)),
            Location::Slot { address, key, .. } => {
                format!("{}.{}", self.account(address), self.slot(address, *key, preimages))
            }
        }
    }

    fn slot(&self, address: &Address, slot: U256, preimages: &Preimages) -> String {
        let path = preimages.path(slot);
        let account = |bytes: &[u8]| self.account(&Address::from_slice(bytes));
        let key = |kind: &str, key: &Bytes| key_in_words(kind, key, account);
        let layout = self.layouts.get(address).and_then(Option::as_ref);
        layout.and_then(|layout| layout.name(&path, key)).unwrap_or_else(|| self.steps(&path))
    }

    /// A path without a layout, such as `slot 3 → key 0x12`.
    fn steps(&self, path: &[Step]) -> String {
        let steps = path.iter().map(|step| match step {
            Step::Root(slot) => format!("slot {}", self.number(*slot)),
            Step::Key(key) => match U256::try_from_be_slice(key) {
                Some(key) => format!(" → key {}", self.number(key)),
                None => format!(" → key {}", shortened(&key.to_string())),
            },
            Step::Elements => " → elements".to_owned(),
            Step::Offset(slots) => format!(" + {slots}"),
        });
        steps.collect()
    }

    /// A word: small ones in decimal, those that look like accounts by their name.
    fn number(&self, number: U256) -> String {
        if number < U256::from(1_u64 << 32) {
            return number.to_string();
        }
        let bytes = number.to_be_bytes::<32>();
        let is_account = bytes[..12] == [0; 12] && bytes[12..16] != [0; 4];
        if is_account {
            return self.account(&Address::from_slice(&bytes[12..]));
        }
        shortened(&format!("{number:#x}"))
    }

    /// What a transaction calls: the contract and the method.
    pub(super) fn call(&self, txn: &Call) -> String {
        let Some(to) = &txn.to else { return "a new contract".to_owned() };
        let account = self.account(to);
        match txn.selector {
            None => account,
            Some(selector) => match self.selectors.name(selector) {
                Some(name) => format!("{account}.{name}"),
                None => format!("{account}.{}", Bytes::copy_from_slice(&selector)),
            },
        }
    }
}

/// What a transaction calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    /// Unwatched where the transaction creates a contract.
    pub(super) to: Option<Address>,
    /// The method, where there is that much to call with.
    pub(super) selector: Option<[u8; 4]>,
}

impl Call {
    pub(super) fn of(txn: &TxEnv) -> Self {
        let to = match txn.kind {
            TxKind::Call(to) => Some(to),
            TxKind::Create => None,
        };
        Self { to, selector: to.and(txn.data.first_chunk::<4>().copied()) }
    }
}

/// A long number by its ends.
fn shortened(hex: &str) -> String {
    if hex.len() <= 14 {
        hex.to_owned()
    } else {
        format!("{}…{}", &hex[..8], &hex[hex.len() - 4..])
    }
}

//! Blocks for the benches, and circumstances to execute them under.
#![forbid(unsafe_code)]

mod ahead;
mod gate;
mod lone;
mod per_operation;
mod steps;

use std::env;
use std::path::PathBuf;

use block_stm_chain::import::import_folder;
use block_stm_evm::{Block, PreState};
use block_stm_workloads::{Params, Workload};

pub use ahead::Ahead;
pub use gate::Gate;
pub use lone::Lone;
pub use per_operation::PerOperation;
pub use steps::{Discard, Number, Step, Steps, opening};

/// A block and the state before it.
#[derive(Debug)]
pub struct Case {
    /// What to call it.
    pub name: String,
    /// The block.
    pub block: Block,
    /// The state before it.
    pub state: PreState,
}

/// Every workload at `txns` transactions.
///
/// # Panics
/// If the parameters are out of range.
#[must_use]
pub fn workloads(txns: usize) -> Vec<Case> {
    Workload::ALL.iter().map(|workload| Case::generate(*workload, txns)).collect()
}

impl Case {
    /// A block of `workload`, with as many accounts as its transactions name.
    ///
    /// # Panics
    /// If there are more transactions than a generated block can have.
    #[must_use]
    pub fn generate(workload: Workload, txns: usize) -> Self {
        let params = Params { txns, accounts: (2 * txns).max(1), ..Params::default() };
        let generated = workload.generate(&params).expect("the parameters are in range");
        Self { name: workload.to_string(), block: generated.block, state: generated.pre_state }
    }
}

/// The mainnet block `number` of the fixtures; `None`, saying so, where there are none.
///
/// # Panics
/// If the folder is there but is not a good block.
#[must_use]
pub fn real_block(number: u64) -> Option<Case> {
    let Some(fixtures) = env::var_os("BLOCK_STM_FIXTURES") else {
        eprintln!("skipped: mainnet block {number} needs BLOCK_STM_FIXTURES");
        return None;
    };
    let folder = PathBuf::from(fixtures).join("mainnet").join(number.to_string());
    let imported = import_folder(&folder).expect("the fixture is a good block");
    Some(Case { name: number.to_string(), block: imported.block, state: imported.pre_state })
}

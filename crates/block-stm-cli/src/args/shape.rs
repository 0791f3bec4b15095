//! Options that shape the blocks of one workload.

use block_stm_workloads::{Params, Workload};
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use super::{
    parsers::{number_parser, size_parser},
    run::parse_zipf,
};

/// What shapes the blocks of a workload.
#[derive(Debug, Args)]
pub(crate) struct ShapeArgs {
    /// Transactions in a block
    #[arg(long, value_name = "N", default_value_t = Params::default().txns)]
    #[arg(value_parser = size_parser(0, Params::TXNS_MAX))]
    pub(crate) txns: usize,
    /// Accounts that send and receive [default: twice the transactions of all blocks]
    #[arg(long, value_name = "N", value_parser = size_parser(1, Params::ACCOUNTS_MAX))]
    accounts: Option<usize>,
    /// Tokens, pairs, lending pools, collections or markets
    #[arg(long, value_name = "N", default_value_t = Params::default().pools)]
    #[arg(value_parser = size_parser(1, Params::POOLS_MAX))]
    pools: usize,
    /// Skew of accounts and pools, the exponent of a Zipf law
    #[arg(long, value_name = "EXPONENT", default_value_t = Params::default().zipf)]
    #[arg(value_parser = parse_zipf)]
    zipf: f64,
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = Params::default().seed)]
    #[arg(value_parser = number_parser(0, u64::MAX))]
    seed: u64,
}

impl ShapeArgs {
    /// The parameters of so many blocks.
    pub(crate) fn params(&self, blocks: usize) -> Params {
        let all = self.txns.saturating_mul(blocks);
        Params {
            txns: self.txns,
            accounts: self.accounts.unwrap_or(all.saturating_mul(2).max(1)),
            pools: self.pools,
            zipf: self.zipf,
            seed: self.seed,
        }
    }
}

/// Takes the name of one workload.
pub(super) fn workload_parser() -> impl TypedValueParser<Value = Workload> {
    let ones = Workload::ALL.map(|one| PossibleValue::new(one.name()).help(one.description()));
    PossibleValuesParser::new(ones).try_map(|name| name.parse::<Workload>())
}

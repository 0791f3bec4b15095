//! Blocks of DeFi transactions as pure functions of a seed and parameters.
//!
//! [`Workload::generate`] returns an Ethereum block of the Osaka fork and the state before it.
//! Equal [`Params`] give an equal block on every machine, so a benchmark, a test or a report names
//! its input in one line.
//!
//! | workload | transactions | what conflicts |
//! |---|---|---|
//! | [`transfers`](Workload::Transfers) | ether from account to account | nothing but repeated accounts |
//! | [`erc20`](Workload::Erc20) | payments, allowances | nothing but repeated accounts, although all write the storage of few contracts |
//! | [`amm`](Workload::Amm) | swaps over one or two pairs, liquidity | all trades on a pair, through its reserves |
//! | [`lending`](Workload::Lending) | deposits, loans, liquidations, price posts | all calls on a pool, through its totals; readers of a price with its feeder |
//! | [`nft`](Workload::Nft) | mints, moves | all mints of a collection, through its counter |
//! | [`orders`](Workload::Orders) | settlement of signed orders | all trades of a token, through its fee account; fills of one order |
//! | [`mixed`](Workload::Mixed) | all of the above | all of the above, and the accounts across them |
//! | [`chain`](Workload::Chain) | each transfer spends what the one before brought | everything: no order but the given one works |
//!
//! # Examples
//!
//! ```
//! use block_stm_workloads::{Params, Workload};
//!
//! let params = Params { txns: 100, pools: 4, ..Params::default() };
//! let generated = Workload::Amm.generate(&params)?;
//! assert_eq!(generated.block.txns.len(), 100);
//! # Ok::<(), block_stm_workloads::ParamsError>(())
//! ```
//!
//! # How blocks are shaped
//!
//! - **Skew.** [`Params::zipf`] is the exponent by which accounts and pools are drawn: the `k`-th
//!   most popular has a share in proportion to `1 / k^zipf`. At 0 pools are drawn uniformly and
//!   accounts are dealt like cards: senders are distinct where `accounts >= txns`. Where
//!   `accounts >= 2 * txns`, senders and receivers are all distinct, so `transfers` and `erc20` are
//!   then fully independent but for the fees that every transaction pays to the beneficiary, which
//!   takes no other part.
//! - **Pools.** [`Params::pools`] is the number of tokens, pairs, lending pools, collections or
//!   markets: the fewer, the longer the chains. `chain` uses neither accounts, nor pools, nor skew.
//! - **Failures.** A few per cent of contract calls revert, as on real chains: slippage, lost
//!   races, wrong payments, expired orders. [`Generated::planned_reverts`] says which ones. All
//!   others succeed, and all transactions are valid, when executed in order.
//! - **Pre-state.** Contracts lie there as runtime code with storage, as if they had long been
//!   used. Accounts and holdings exist where the block touches them, so the size follows the block.
//!   The system contracts that every block calls are there too.
//! - **Gas.** Limits are those of a careful wallet: some tens of per cent above the need. The
//!   block's limit is the sum of them, at least 30 million.
//!
//! The contracts are this crate's own, in `contracts/`, with the script that compiles them. They
//! follow the shapes that people use, not the code.
//!
//! # Payments without a chain
//!
//! [`p2p`] has the payments that the Block-STM paper measures, as a VM on the engine itself.
#![forbid(unsafe_code)]

mod abi;
mod amm;
mod artifact;
mod chain;
mod draw;
mod erc20;
mod lending;
mod mixed;
mod nft;
mod orders;
pub mod p2p;
mod params;
mod scenario;
mod senders;
mod signing;
mod tokens;
mod transfers;
mod workload;
mod world;
mod zipf;

#[cfg(test)]
mod tests;

pub use artifact::ARTIFACTS;
pub use params::{Params, ParamsError};
pub use scenario::{Format, Overrides, Scenario, ScenarioError, Series, SeriesBlock};
pub use workload::{UnknownWorkload, Workload};
pub use world::Generated;

/// The example of the crate's README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

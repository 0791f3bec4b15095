//! Blocks for any EVM, executed in parallel on the [`block_stm`] engine.
//!
//! The EVM is whatever an [`EvmFactory`](alloy_evm::EvmFactory) of alloy-evm's makes: with the
//! host's own transactions, fees, precompiles, instructions, configuration, block environment,
//! chain context and inspectors. The factory builds it over a [`TxnDatabase`], which reads through
//! the engine, and what it returns becomes the transaction's writes. Nothing of the EVM is known
//! here. The results are those of a loop over the transactions on the same factory.
//!
//! For Ethereum itself, `block-stm-evm` and `block-stm-alloy` are faster: they know which part of
//! an account a transaction relies on, here an account is one location.
//!
//! # Examples
//!
//! ```
//! use alloy_evm::{
//!     EthEvmFactory, EvmEnv,
//!     revm::{
//!         DatabaseCommit,
//!         context::TxEnv,
//!         database::{CacheDB, EmptyDB},
//!         primitives::{Address, TxKind, U256},
//!         state::AccountInfo,
//!     },
//! };
//! use block_stm_any_evm::{FinalTxn, Txns, block_stm::{Config, Engine, Flow}, execute};
//!
//! let [alice, bob] = [1, 2].map(Address::repeat_byte);
//! let mut state = CacheDB::new(EmptyDB::default());
//! for address in [alice, bob] {
//!     state.insert_account_info(address, AccountInfo::from_balance(U256::from(1_000_000)));
//! }
//! let pay = |caller, to, wei| TxEnv {
//!     caller,
//!     kind: TxKind::Call(to),
//!     value: U256::from(wei),
//!     gas_limit: 21_000,
//!     gas_price: 1,
//!     ..TxEnv::default()
//! };
//! let txns = [pay(alice, bob, 5), pay(bob, alice, 7)];
//! let factory = EthEvmFactory::default();
//! let env: EvmEnv = EvmEnv::default();
//! let vaults = [env.block_env.beneficiary];
//! let txns = Txns::new(&factory, &env, &txns).vaults(&vaults);
//!
//! // Once; its threads sleep between blocks.
//! let engine = Engine::new(Config::default())?;
//! let mut states = Vec::new();
//! execute(&engine, &txns, &state, &mut |txn: FinalTxn<_, _>| {
//!     states.push(txn.result.state);
//!     Flow::Continue
//! })?;
//! states.into_iter().for_each(|changed| state.commit(changed));
//! let balance = state.cache.accounts[&alice].info.balance;
//! assert_eq!(balance, U256::from(1_000_000 - 21_000 + 2));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the loop is
//!
//! Each transaction is executed by an EVM of its own, which the factory makes. EVMs that are used
//! for many transactions may keep something from one to the next: what an invalid transaction
//! loaded, or fees that were read once per block. An execution that does not count must not leave
//! anything to one that does. So an EVM keeps nothing here, and the loop that this crate is
//! compared with makes an EVM for each transaction, too.
//!
//! Of an account with storage but neither nonce nor code, revm's `State` says that its slots are
//! zero once the account was changed; here they are what they were. No key can bring such accounts
//! about.
//!
//! The EVM must be a function of the transaction and of the database. It must end on any state,
//! also on one that no order of the transactions leads to, and hand on the database's errors.
//!
//! # Vaults
//!
//! Every transaction pays fees, and each payment changes the balance of the same few accounts. If
//! every transaction read them, none could be executed beside another one. So a host declares them,
//! by [`Txns::vaults`], and the credit of a transaction becomes a delta to the engine, which needs
//! no read.
//!
//! To credit an account, revm loads it. Whether an execution only credits a vault or looks at it
//! cannot be told by its result. It can be told by *when* the vault is loaded: whatever code,
//! precompiles, an inspector or the validation look at, they load before the transaction's
//! outermost frame ends, from the database, since the EVM is new. Handlers credit vaults after
//! that. An inspector around the host's sees the frames begin and end, and shares that with the
//! database:
//!
//! 1. A vault that is loaded before the outermost frame ended is an account like others. It is read
//!    through the engine, and written.
//! 2. One that is loaded later is *veiled*: the database shows an account with balance 0. What it
//!    holds when the EVM returns is the credit.
//! 3. An execution that could have looked behind a veil is thrown away, and the transaction
//!    executed again without that veil, or without any: if another frame began, if the vault's
//!    storage was read, if anything but its balance changed, if the EVM returned an error, if the
//!    credit does not fit into the balance, or if nothing was credited to an account that is empty
//!    or does not exist.
//!
//! At commit, a vault's account in the returned state is put right, since its balance is known by
//! then.
//!
//! One thing is taken for granted and not noticed: **after the last frame, the EVM does nothing
//! with a declared vault but add to its balance, whatever the vault holds.** Ethereum's handler and
//! the OP stack's are like that. A handler that caps what a vault holds is not. Such an account
//! must not be declared; results are right for any account that is not.
//!
//! Executions with vaults are inspected ones, so the factory's EVM must do the same with an idle
//! inspector as without. revm says of custom handlers that their inspected path is a second one,
//! which has to be kept like the first.
#![forbid(unsafe_code)]

pub use alloy_evm;
pub use block_stm;

mod base;
mod database;
mod execute;
mod frames;
mod inspectors;
mod location;
mod sink;
mod vm;

pub use database::{Interrupted, TxnDatabase};
pub use execute::{Error, Executed, Txns, execute};
pub use inspectors::{Inspectors, NoInspectors};
pub use sink::{FinalTxn, InvalidTxn, TxnSink};

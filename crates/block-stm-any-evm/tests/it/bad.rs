//! What goes wrong: databases that fail, transactions that are refused, blocks that end early.

use std::sync::Arc;

use alloy_evm::{
    EthEvmFactory,
    revm::{
        DatabaseRef,
        context::{DBErrorMarker, TxEnv},
        context_interface::result::HaltReason,
        primitives::{Address, B256, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_any_evm::{
    Error, FinalTxn, InvalidTxn, TxnSink,
    block_stm::{Admission, BoxError, CancelToken, Cut, Flow, InvalidPolicy, Limits},
    execute,
};
use block_stm_evm::{Block, PreState};
use proptest::{collection::vec, prelude::*};

use crate::{
    decode::Case,
    same::{assert_same_as, engines, env_of, eth_txns, executed, looped, possible},
};

/// A database that fails for one location, always.
#[derive(Clone, Debug)]
struct Failing {
    state: Arc<PreState>,
    at: At,
    panics: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Account(Address),
    Slot(Address, U256),
    Code(B256),
    BlockHash(u64),
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("disk on fire at {0:?}")]
struct OnFire(At);

impl DBErrorMarker for OnFire {}

impl Failing {
    fn check(&self, at: At) -> Result<(), OnFire> {
        match at == self.at {
            true if self.panics => std::panic::panic_any("disk exploded"),
            true => Err(OnFire(at)),
            false => Ok(()),
        }
    }
}

impl DatabaseRef for Failing {
    type Error = OnFire;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, OnFire> {
        self.check(At::Account(address))?;
        Ok(self.state.basic_ref(address).expect("it is in memory"))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, OnFire> {
        self.check(At::Code(hash))?;
        Ok(self.state.code_by_hash_ref(hash).expect("it is in memory"))
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, OnFire> {
        self.check(At::Slot(address, key))?;
        Ok(self.state.storage_ref(address, key).expect("it is in memory"))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, OnFire> {
        self.check(At::BlockHash(number))?;
        Ok(self.state.block_hash_ref(number).unwrap_or_default())
    }
}

/// Every place where the database of a case may fail.
fn places(state: &PreState) -> Vec<At> {
    let mut places = vec![At::BlockHash(9)];
    for (address, account) in state.accounts() {
        places.push(At::Account(*address));
        places.push(At::Code(account.info.code_hash));
        places.extend([U256::ZERO, U256::ONE].map(|key| At::Slot(*address, key)));
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_database_that_fails_ends_the_block_where_the_loop_ends(
        bytes in vec(any::<u8>(), 40..160),
    ) {
        let case = Case::decode(&bytes);
        let state = Arc::new(possible(&case));
        let block = case.block(&state);
        let (factory, env) = (EthEvmFactory::default(), env_of(&block));
        let vaults = [block.env.beneficiary];
        for at in places(&state) {
            let failing = Failing { state: state.clone(), at, panics: false };
            let (expected, error) = looped(&factory, &env, &block.txns, &failing, false);
            for engine in engines() {
                let name = format!("{} workers, {at:?}", engine.threads());
                let txns = eth_txns(&factory, &env, &block.txns).vaults(&vaults);
                let (came, ended) = executed(engine, txns, &failing);
                match (&error, ended) {
                    (None, Ok(_)) => {}
                    (Some(_), Err(Error::Database { index, source })) => {
                        assert_eq!((index, source), (expected.len(), OnFire(at)), "{name}");
                    }
                    (error, ended) => panic!("{name}: {error:?}, {ended:?}"),
                }
                assert_same_as(&expected, &came, &name);
            }
        }
    }
}

/// A block of payments by one sender.
fn payments(count: u64) -> (Block, PreState) {
    let caller = Address::repeat_byte(1);
    let mut state = PreState::new();
    state.insert_account(caller, AccountInfo::from_balance(U256::from(1_000_000_000)));
    let pay = |nonce| TxEnv { caller, nonce, gas_limit: 21_000, gas_price: 1, ..TxEnv::default() };
    let txns = (0..count).map(pay).collect();
    let block = Block::new(SpecId::CANCUN, Default::default(), txns);
    (block, state)
}

#[test]
fn the_first_invalid_transaction_ends_a_block_that_rejects() {
    let (mut block, state) = payments(20);
    block.txns[7].nonce = 9;
    let (factory, env) = (EthEvmFactory::default(), env_of(&block));
    for engine in engines() {
        let mut count = 0;
        let txns = eth_txns(&factory, &env, &block.txns);
        let ended = execute(engine, &txns, &state, &mut |_: FinalTxn<_, _>| {
            count += 1;
            Flow::Continue
        });
        let Err(Error::InvalidTxn { index: 7, reason: InvalidTxn::Evm(reason) }) = ended else {
            panic!("{ended:?}");
        };
        assert!(!reason.is_nonce_too_low());
        assert_eq!(count, 7);
    }
}

/// Refuses the third transaction, and ends after a few more.
#[derive(Default)]
struct Picky {
    taken: Vec<usize>,
    left: Vec<(usize, String)>,
}

impl<I> TxnSink<EthEvmFactory, I> for Picky {
    fn admit(&mut self, index: usize, txn: &TxEnv) -> Admission<BoxError> {
        assert!(txn.nonce <= index as u64);
        if index == 2 { Admission::Refuse("unwanted".into()) } else { Admission::Admit }
    }

    fn commit(&mut self, txn: FinalTxn<HaltReason, I>) -> Flow {
        self.taken.push(txn.index);
        if self.taken.len() == 4 { Flow::Cut } else { Flow::Continue }
    }

    fn skip(&mut self, index: usize, reason: InvalidTxn) {
        self.left.push((index, reason.to_string()));
    }
}

#[test]
fn a_sink_refuses_and_ends() {
    let (mut block, state) = payments(20);
    for txn in &mut block.txns[3..] {
        txn.nonce -= 1;
    }
    let (factory, env) = (EthEvmFactory::default(), env_of(&block));
    for engine in engines() {
        let mut picky = Picky::default();
        let txns = eth_txns(&factory, &env, &block.txns).policy(InvalidPolicy::Skip);
        let executed = execute(engine, &txns, &state, &mut picky).expect("it ends in time");
        assert_eq!((executed.committed, executed.cut), (5, Some(Cut::Sink)));
        assert_eq!(picky.taken, [0, 1, 3, 4]);
        assert_eq!(picky.left, [(2, "unwanted".to_owned())]);
    }
}

#[test]
fn limits_and_tokens_are_honoured() {
    let (block, state) = payments(20);
    let (factory, env) = (EthEvmFactory::default(), env_of(&block));
    for engine in engines() {
        let take = &mut |_: FinalTxn<_, _>| Flow::Continue;
        let limits = Limits { max_weight: Some(21_000 * 5), ..Limits::default() };
        let txns = eth_txns(&factory, &env, &block.txns).limits(limits);
        let executed = execute(engine, &txns, &state, take).expect("it is cut");
        assert_eq!((executed.committed, executed.cut), (5, Some(Cut::Weight)));

        let token = CancelToken::new();
        token.cancel();
        let limits = Limits { cancel: Some(token), ..Limits::default() };
        let txns = eth_txns(&factory, &env, &block.txns).limits(limits);
        let ended = execute(engine, &txns, &state, take);
        assert!(matches!(ended, Err(Error::Cancelled { committed: 0 })), "{ended:?}");
    }
}

#[test]
fn a_panic_of_the_database_is_the_transactions_that_is_reached() {
    let (block, state) = payments(20);
    let (factory, env) = (EthEvmFactory::default(), env_of(&block));
    let state = Arc::new(state);
    for engine in engines() {
        let at = At::Account(block.txns[0].caller);
        let failing = Failing { state: state.clone(), at, panics: true };
        let txns = eth_txns(&factory, &env, &block.txns);
        let (came, ended) = executed(engine, txns, &failing);
        let Err(Error::Panicked { index: 0, message }) = ended else { panic!("{ended:?}") };
        assert_eq!((came.len(), message.as_str()), (0, "disk exploded"));
    }
}

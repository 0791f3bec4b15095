//! The attempts at the transactions of a block, and how they are made ahead of it.

use std::sync::{Arc, OnceLock};

use alloy_primitives::map::AddressMap;
use block_stm::{CommitSink, Engine, Flow, InvalidPolicy, Outcome, TxnIndex, Writes};
use revm::context::TxEnv;

use super::{
    attempt::{Attempt, Rules},
    base::BlockBase,
    codes::Codes,
    item::Item,
    told::Tells,
    vm::{BlockVm, TxnOutput},
};
use crate::{Block, BlockState, InvalidTxnReason, StateRef};

/// Attempts at the transactions of a block, each at its transaction's place.
///
/// They save time and change nothing. One that does not fit, because its transaction is another
/// one, or was executed under other rules or in another environment, is left aside. One that rests
/// on a state that has changed costs one look; then the transaction is executed.
///
/// # Examples
///
/// A node executes what is in its pool, and some of it comes in the next block:
///
/// ```
/// use block_stm_evm::{
///     Attempts, Block, InvalidTxn, ParallelOptions, PreState,
///     block_stm::{Config, Engine}, execute_parallel, execute_sequential,
///     revm::{
///         context::{BlockEnv, TxEnv},
///         primitives::{Address, TxKind, U256, hardfork::SpecId},
///         state::{AccountInfo, Bytecode},
///     },
/// };
///
/// let [alice, counter] = [1, 2].map(Address::repeat_byte);
/// let mut state = PreState::new();
/// state.insert_account(alice, AccountInfo::from_balance(U256::from(1_000_000)));
/// // PUSH1 0 SLOAD PUSH1 1 ADD PUSH1 0 SSTORE STOP
/// let counts = [0x60, 0x00, 0x54, 0x60, 0x01, 0x01, 0x60, 0x00, 0x55, 0x00];
/// let code = Bytecode::new_legacy(counts.into());
/// state.insert_account(counter, AccountInfo::default().with_code(code));
/// let kind = TxKind::Call(counter);
/// let call = |nonce| TxEnv { caller: alice, nonce, kind, gas_limit: 60_000, ..TxEnv::default() };
/// let env = BlockEnv::default();
/// let engine = Engine::new(Config::default())?;
///
/// let pool = Block::new(SpecId::SHANGHAI, env.clone(), vec![call(0)]);
/// let attempts = Attempts::ahead(&engine, &pool, &state);
/// assert_eq!(attempts.count(), 1);
///
/// let block = Block::new(SpecId::SHANGHAI, env, vec![call(0), call(1)]);
/// let options = ParallelOptions::default().attempts(&attempts);
/// let executed = execute_parallel(&engine, &block, &state, &options)?;
/// assert_eq!(executed.attempts_stood, 1);
/// assert_eq!(executed.result, execute_sequential(&block, &state, InvalidTxn::Reject)?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attempts(Vec<Option<Attempt>>);

impl FromIterator<Option<Attempt>> for Attempts {
    fn from_iter<T: IntoIterator<Item = Option<Attempt>>>(attempts: T) -> Self {
        Self(attempts.into_iter().collect())
    }
}

impl Attempts {
    /// Executes the transactions of `block` on the state `db` with the threads of `engine`, and
    /// keeps what they did. A sender's come one after another; else each is executed as if it were
    /// the first of the block. The steps before the transactions are not made.
    ///
    /// There is no attempt at a transaction that is invalid or can't be executed, nor at an
    /// ordinary payment, which is made as fast as an attempt is looked at.
    ///
    /// # Panics
    ///
    /// If `db` panics.
    ///
    /// # Cost
    ///
    /// An attempt holds copies of its transaction, of its result, and of all that it looked at.
    pub fn ahead<DB: StateRef + Sync>(engine: &Engine, block: &Block, db: &DB) -> Self {
        let mut senders = AddressMap::<Vec<usize>>::default();
        for (place, txn) in block.txns.iter().enumerate() {
            senders.entry(txn.caller).or_default().push(place);
        }
        let senders: Vec<_> = senders.into_values().collect();
        let made: Vec<_> = block.txns.iter().map(|_| OnceLock::new()).collect();
        let rules = Arc::new(Rules::of(block, &block.cfg_env()));
        engine.share(senders.len(), |sender| {
            let places = &senders[sender];
            let txns: Vec<_> = places.iter().map(|place| Item::Txn(&block.txns[*place])).collect();
            let attempts = of_one_sender(block, db, &txns, &rules);
            for (place, attempt) in places.iter().zip(attempts) {
                let _once = made[*place].set(attempt);
            }
        });
        made.into_iter().map(|attempt| attempt.into_inner().flatten()).collect()
    }

    /// The attempt at the transaction at the place `index` of the block, if there is one.
    pub fn get(&self, index: usize) -> Option<&Attempt> {
        self.0.get(index)?.as_ref()
    }

    /// At how many transactions there are attempts.
    pub fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// The attempts in the order of their transactions.
    pub fn iter(&self) -> impl Iterator<Item = Option<&Attempt>> {
        self.0.iter().map(Option::as_ref)
    }
}

/// Executes transactions one after another.
fn of_one_sender<DB: StateRef + Sync>(
    block: &Block,
    db: &DB,
    items: &[Item<'_>],
    rules: &Arc<Rules>,
) -> Vec<Option<Attempt>> {
    let (codes, untouched) = (Codes::default(), BlockState::new(db));
    let base = BlockBase::new(db, &untouched, &codes);
    let (cfg, no_txn) = (block.cfg_env(), TxEnv::default());
    let vm = BlockVm::new(block, &cfg, &no_txn, &codes, &base, Tells::default());
    let vm = vm.keeping(Arc::clone(rules));
    let task = block_stm::Block::new(&vm, items, &base).policy(InvalidPolicy::Skip);
    let mut sink = Keep(Vec::with_capacity(items.len()));
    // What fails is for the block to find out, if it comes there.
    let _until_it_failed = block_stm::execute_sequential(&task, &mut sink);
    sink.0
}

struct Keep(Vec<Option<Attempt>>);

impl<'s> CommitSink<BlockVm<'s>> for Keep {
    fn commit(
        &mut self,
        _index: TxnIndex,
        outcome: Outcome<TxnOutput, InvalidTxnReason>,
        _writes: Writes<'_, BlockVm<'s>>,
    ) -> Flow {
        self.0.push(match outcome {
            Outcome::Done(output) => output.attempt,
            Outcome::Invalid(_) => None,
        });
        Flow::Continue
    }
}

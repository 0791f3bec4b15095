//! One transaction on the state that a list describes.

use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::{Address, U256};
use revm::{
    context::{CfgEnv, ContextTr, JournalTr, TxEnv, result::ExecutionResult},
    handler::Handler,
};

use super::{
    check::IndexCheck,
    difference::{ListDifference, ListPart},
    error::AccessListError,
    listed::ListedState,
    touch::{fields, nothing},
    view::{Unlisted, View, ViewError},
};
use crate::{
    Block, ExecutionError, Stage, StateRef,
    alone::{AloneEvm, Handling, evm},
    block_state::Fields,
    payment::{Payment, PaymentState},
};

/// A worker's instance of revm.
pub(crate) struct TxnRunner<'s, DB: StateRef + Sync>(AloneEvm<'s, View<'s, DB>>);

/// A party of a payment: where it is listed, and what it has before and after.
struct Party {
    place: usize,
    address: Address,
    before: Fields,
    after: Fields,
}

impl<'s, DB: StateRef + Sync> TxnRunner<'s, DB> {
    pub(crate) fn new(
        block: &'s Block,
        cfg: &'s CfgEnv,
        no_txn: &'s TxEnv,
        state: &'s ListedState<'s, DB>,
    ) -> Self {
        let view = View::new(state, BlockAccessIndex::PRE_EXECUTION);
        Self(evm(block, cfg, no_txn, view))
    }

    /// Executes `txn`, which has the place `index` in the block, and checks what is listed for it.
    pub(crate) fn execute(
        &mut self,
        index: usize,
        txn: &'s TxEnv,
    ) -> Result<ExecutionResult, AccessListError<DB::Error>> {
        /// Up to this size, a map is kept for the next transaction rather than allocated anew.
        const KEPT: usize = 256;
        let at = BlockAccessIndex::from_tx_index(index as u64);
        self.0.ctx.tx = txn;
        self.0.ctx.db_mut().index = at;
        if let Some(result) = self.pay(index, txn)? {
            return Ok(result);
        }
        let result = Handling::default().run(&mut self.0);
        // Also after an error: the journal must not leak into the next transaction.
        let mut touched = self.0.ctx.journaled_state.finalize();
        let stage = Stage::Txn(index);
        let result =
            result.map_err(|error| list_error(ExecutionError::from_evm(stage, error), at.get()))?;
        let state = self.0.ctx.db().state;
        IndexCheck::new(state, at).run(&touched).map_err(AccessListError::Wrong)?;
        if touched.capacity() <= KEPT {
            touched.clear();
            *self.0.ctx.journaled_state.evm_state_mut() = touched;
        }
        Ok(result)
    }

    /// Makes an ordinary payment; `None` if it is none, or for revm to say what is wrong with it.
    fn pay(
        &mut self,
        index: usize,
        txn: &TxEnv,
    ) -> Result<Option<ExecutionResult>, AccessListError<DB::Error>> {
        let Some(payment) = Payment::of(&Handling::default(), &mut self.0, txn) else {
            return Ok(None);
        };
        let view = self.0.ctx.db();
        payment.make(&mut ListedPayment { state: view.state, at: view.index, index })
    }
}

/// The state at an index, on which a payment is compared with what is listed for it.
struct ListedPayment<'a, DB> {
    state: &'a ListedState<'a, DB>,
    at: BlockAccessIndex,
    /// The transaction's place in the block.
    index: usize,
}

impl<DB: StateRef> ListedPayment<'_, DB> {
    /// The account, if it is listed.
    fn party(&self, address: Address) -> Result<Option<Party>, AccessListError<DB::Error>> {
        let party = Party::of(self.state, address, self.at);
        let stage = Stage::Txn(self.index);
        Ok(party.map_err(|source| ExecutionError::Database { stage, source })?)
    }
}

impl<DB: StateRef> PaymentState for ListedPayment<'_, DB> {
    type Account = Party;
    type Error = AccessListError<DB::Error>;

    fn account(&mut self, address: Address) -> Result<Option<Party>, Self::Error> {
        Ok(self.party(address)?.filter(Party::has_no_code))
    }

    fn may_send(&mut self, payer: &Party, nonce: u64, funds: U256) -> Result<bool, Self::Error> {
        Ok(payer.before.nonce == nonce && payer.before.balance >= funds)
    }

    fn has_room(&mut self, payee: &Party, credit: U256) -> Result<bool, Self::Error> {
        Ok(payee.before.balance.checked_add(credit).is_some())
    }

    fn settle(
        &mut self,
        (mut payer, debit): (Party, U256),
        (mut payee, credit): (Party, U256),
        reward: Option<(Address, U256)>,
    ) -> Result<bool, Self::Error> {
        payer.after.nonce += 1;
        payer.after.balance -= debit;
        payee.after.balance += credit;
        let keeper = match reward {
            // Its balance alone counts, whether it has code or not.
            Some((address, reward)) => {
                let Some(mut keeper) = self.party(address)? else { return Ok(false) };
                let balance = keeper.after.balance;
                keeper.after.balance = balance.checked_add(reward).unwrap_or(balance);
                Some(keeper)
            }
            None => None,
        };
        let parties = [Some(payer), Some(payee), keeper];
        let parties = parties.iter().flatten();
        // What is touched and empty ceases to exist, which is for revm.
        if parties.clone().any(|party| party.after == nothing()) {
            return Ok(false);
        }
        let mut check = IndexCheck::new(self.state, self.at);
        parties
            .clone()
            .for_each(|party| check.fields(Some(party.place), &party.before, &party.after));
        let verdict = check.verdict(|actual| {
            parties.for_each(|party| {
                let Party { address, before, after, .. } = party;
                actual.fields(*address, before, after, Default::default);
            });
        });
        verdict.map_err(AccessListError::Wrong)?;
        Ok(true)
    }
}

impl Party {
    /// The account, if it is listed.
    fn of<DB: StateRef>(
        state: &ListedState<'_, DB>,
        address: Address,
        index: BlockAccessIndex,
    ) -> Result<Option<Self>, DB::Error> {
        let Some(place) = state.place(&address) else { return Ok(None) };
        let before = state.account(place, index)?.as_ref().map_or_else(nothing, fields);
        Ok(Some(Self { place, address, after: before.clone(), before }))
    }

    fn has_no_code(&self) -> bool {
        self.before.code_hash == nothing().code_hash
    }
}

/// The error of a block with a list, where reading met what is not listed for `index`.
pub(crate) fn list_error<E>(error: ExecutionError<ViewError<E>>, index: u64) -> AccessListError<E> {
    use ExecutionError as Is;
    AccessListError::Execution(match error {
        Is::Database { source: ViewError::Unlisted(Unlisted { address, slot }), .. } => {
            let part = slot.map_or(ListPart::Account, ListPart::Slot);
            let index = BlockAccessIndex::new(index);
            return AccessListError::Wrong(Box::new(ListDifference::unlisted(
                address, part, index,
            )));
        }
        Is::Database { stage, source: ViewError::Database(source) } => {
            Is::Database { stage, source }
        }
        Is::Database { stage, source: ViewError::Code(source) } => {
            Is::Vm { stage, message: source.to_string() }
        }
        Is::InvalidTxn { index, reason } => Is::InvalidTxn { index, reason },
        Is::Header(header) => Is::Header(header),
        Is::MissingBeaconRoot => Is::MissingBeaconRoot,
        Is::SystemCall { contract, address, failure } => {
            Is::SystemCall { contract, address, failure }
        }
        Is::DepositLog { receipt, log, reason } => Is::DepositLog { receipt, log, reason },
        Is::Ommer { ommer, block } => Is::Ommer { ommer, block },
        Is::Vm { stage, message } => Is::Vm { stage, message },
        Is::Panicked { stage, message } => Is::Panicked { stage, message },
        Is::Cancelled { committed } => Is::Cancelled { committed },
        Is::Engine { message } => Is::Engine { message },
    })
}

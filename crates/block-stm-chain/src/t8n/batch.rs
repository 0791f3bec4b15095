//! A transition as a batch: all of its transactions are valid, and it has a witness.

use alloy_primitives::Bytes;
use block_stm_evm::{
    BlockResult, ExecutionError, InvalidTxn, ParallelOptions, TxnOutcome,
    access_list::check_list_length, block_stm::Engine, execute_parallel,
};
use serde_json::value::RawValue;

use super::{Documents, RejectedTxn, T8nError, T8nFiles, Transition, reject, txns};
use crate::{
    StateTrie,
    witness::{Witnessed, execute_with_witness},
};

impl T8nFiles<'_> {
    /// The environment as it is written.
    pub(crate) fn env(&self) -> Result<Box<RawValue>, T8nError> {
        Ok(Documents::open(self)?.env.parse()?)
    }
}

impl Transition {
    /// Executes the valid transactions, and makes the witness of that. The others are left out of
    /// the transition.
    pub(crate) fn execute_with_witness(&mut self, engine: &Engine) -> Result<Witnessed, T8nError> {
        let mut trie = StateTrie::from(&self.state);
        let made = match execute_with_witness(engine, &self.block, &self.state, &mut trie) {
            Err(ExecutionError::InvalidTxn { .. }) => {
                self.leave_out_invalid(engine)?;
                execute_with_witness(engine, &self.block, &self.state, &mut trie)
            }
            made => made,
        }?;
        self.check_list(&made.rooted.result)?;
        Ok(made)
    }

    fn leave_out_invalid(&mut self, engine: &Engine) -> Result<(), T8nError> {
        let options = ParallelOptions::default().policy(InvalidTxn::Skip);
        let result = execute_parallel(engine, &self.block, &self.state, &options)?.result;
        let txns = std::mem::take(&mut self.block.txns).into_iter();
        let places = std::mem::take(&mut self.places);
        for ((txn, place), outcome) in txns.zip(places).zip(&result.outcomes) {
            match outcome {
                TxnOutcome::Executed { .. } => {
                    self.block.txns.push(txn);
                    self.places.push(place);
                }
                TxnOutcome::Skipped(reason) => {
                    let error = reject::invalid(reason);
                    self.rejected.push(RejectedTxn { index: place, error });
                }
            }
        }
        self.rejected.sort_by_key(|txn| txn.index);
        Ok(())
    }

    /// Checks that the access list is not too long, where the header would name it.
    pub(crate) fn check_list(&self, result: &BlockResult) -> Result<(), T8nError> {
        match &result.access_list {
            Some(list) if self.access_list => {
                Ok(check_list_length(list, self.block.env.gas_limit)?)
            }
            _ => Ok(()),
        }
    }

    /// The RLP list of the transactions that are not rejected.
    pub(crate) fn body(&self) -> Bytes {
        let kept = self.places.iter().filter_map(|&place| self.txns[place].as_ref().ok());
        txns::encode_list(kept)
    }

    /// The transactions that are rejected: their places in the input, and why.
    pub(crate) fn rejected(&self) -> Vec<(usize, String)> {
        self.rejected.iter().map(|txn| (txn.index, txn.error.clone())).collect()
    }
}

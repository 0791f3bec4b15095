//! Inspectors.

use alloy_evm::{
    EthEvmFactory, Evm, EvmError, EvmFactory,
    revm::{
        DatabaseCommit, Inspector,
        context_interface::{ContextTr, JournalTr},
        database::State,
        inspector::JournalExt,
        interpreter::{CallInputs, CallOutcome, Interpreter, InterpreterTypes},
        primitives::{Address, U256},
    },
};
use block_stm_any_evm::{Txns, block_stm::InvalidPolicy, execute};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*};

use crate::{
    decode::Case,
    same::{Keep, assert_same_as, engines, env_of, possible},
};

/// Notes steps and calls, and what an account holds at the end of each call, which it loads itself.
#[derive(Clone, Debug, Default, PartialEq)]
struct Notes {
    watched: Address,
    steps: usize,
    calls: Vec<(Address, Option<U256>)>,
}

impl<CTX, INTR> Inspector<CTX, INTR> for Notes
where
    CTX: ContextTr<Journal: JournalExt>,
    INTR: InterpreterTypes,
{
    fn step(&mut self, _: &mut Interpreter<INTR>, _: &mut CTX) {
        self.steps += 1;
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, _: &mut CallOutcome) {
        let account = context.journal_mut().load_account(self.watched).ok();
        let balance = account.map(|account| account.data.info.balance);
        self.calls.push((inputs.target_address, balance));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn inspectors_see_what_they_see_in_a_loop(bytes in vec(any::<u8>(), 40..260)) {
        within(PATIENCE, move || {
            let case = Case::decode(&bytes);
            let state = possible(&case);
            let block = case.block(&state);
            let (factory, env) = (EthEvmFactory::default(), env_of(&block));
            let watched = block.env.beneficiary;
            let notes = || Notes { watched, ..Notes::default() };

            let mut db = State::builder().with_database_ref(&state).build();
            let (mut expected, mut noted) = (Vec::new(), Vec::new());
            for txn in &block.txns {
                let mut evm = factory.create_evm_with_inspector(&mut db, env.clone(), notes());
                let result = evm.transact_raw(txn.clone());
                let seen = evm.inspector().clone();
                if let Ok(result) = &result {
                    noted.push(seen);
                    db.commit(result.state.clone());
                }
                expected.push(result.map_err(|error| {
                    let reason = error.try_into_invalid_tx_err().expect("the state is in memory");
                    reason.to_string()
                }));
            }

            for engine in engines() {
                for vaults in [&[][..], &[watched]] {
                    let txns: Txns<'_, EthEvmFactory> = Txns::new(&factory, &env, &block.txns);
                    let txns = txns.vaults(vaults).policy(InvalidPolicy::Skip);
                    let txns = txns.inspectors(|_: usize, _: &_| notes());
                    let mut keep = Keep::default();
                    execute(engine, &txns, &state, &mut keep).expect("the state can be read");
                    let name = format!("{} workers, vaults {vaults:?}", engine.threads());
                    assert_same_as(&expected, &keep.came, &name);
                    assert_eq!(keep.inspectors, noted, "{name}");
                }
            }
        }).expect("no hang");
    }
}

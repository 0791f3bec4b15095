//! revm as a VM of the engine's, by hand: each worker has a revm that owns its database, and the
//! view moves into the database for the time of an execution.

use std::{collections::BTreeMap, convert::Infallible, error::Error};

use alloy_evm::revm::{
    Context, Database, ExecuteEvm, MainBuilder, MainContext, MainnetEvm,
    bytecode::opcode as op,
    context::{BlockEnv, CfgEnv, ContextTr, DBErrorMarker, Journal, TxEnv},
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction},
    primitives::{Address, B256, TxKind, U256, hardfork::SpecId},
    state::{AccountInfo, Bytecode, EvmState},
};
use block_stm::{
    Block, BoxError, Collect, Config, Engine, Execution, Interrupt, Outcome, Value, View, Vm,
    execute_sequential,
};
use block_stm_any_evm::block_stm;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    Account(Address),
    Slot(Address, U256),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// With its code.
    Account(Option<AccountInfo>),
    Slot(U256),
}

impl Value for Held {
    type Delta = Infallible;
    type Predicate = Infallible;

    fn apply(&self, never: &Infallible) -> Option<Self> {
        match *never {}
    }

    fn satisfies(&self, never: &Infallible) -> bool {
        match *never {}
    }
}

/// The database's error: why the execution was interrupted is the engine's to know.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

impl DBErrorMarker for Interrupted {}

/// revm's database. Between executions, there is no view in it.
#[derive(Debug, Default)]
pub(crate) struct Db<'b> {
    view: View<'b, Revm>,
    interrupt: Option<Interrupt>,
}

impl Db<'_> {
    fn read(&mut self, location: &Location) -> Result<Held, Interrupted> {
        self.view.read(location).map_err(|interrupt| {
            // revm knows no interrupts. It is kept, and revm is told of an error.
            self.interrupt = Some(interrupt);
            Interrupted
        })
    }
}

impl Database for Db<'_> {
    type Error = Interrupted;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Interrupted> {
        match self.read(&Location::Account(address))? {
            Held::Account(info) => Ok(info),
            Held::Slot(_) => Ok(None),
        }
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, Interrupted> {
        match self.read(&Location::Slot(address, key))? {
            Held::Slot(value) => Ok(value),
            Held::Account(_) => Ok(U256::ZERO),
        }
    }

    fn code_by_hash(&mut self, _hash: B256) -> Result<Bytecode, Interrupted> {
        Ok(Bytecode::default())
    }

    fn block_hash(&mut self, _number: u64) -> Result<B256, Interrupted> {
        Ok(B256::ZERO)
    }
}

/// The VM: what is the same for all transactions.
#[derive(Debug)]
pub(crate) struct Revm {
    cfg: CfgEnv,
    block: BlockEnv,
}

type Worker<'b> = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Db<'b>, Journal<Db<'b>>, ()>>;

impl Vm for Revm {
    type Txn = TxEnv;
    type Location = Location;
    type Value = Held;
    type Output = ExecutionResult;
    type Invalid = InvalidTransaction;
    type Context<'b> = Worker<'b>;

    fn context(&self) -> Worker<'_> {
        let context = Context::mainnet().with_db(Db::default());
        context.with_block(self.block.clone()).with_cfg(self.cfg.clone()).build_mainnet()
    }

    fn execute<'b>(
        &'b self,
        evm: &mut Worker<'b>,
        txn: &TxEnv,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<ExecutionResult, InvalidTransaction>, Interrupt> {
        // The view moves into the database that revm owns.
        evm.ctx.db_mut().view = view.take();
        // Empties the journal in any case: the next transaction finds nothing of this one.
        let result = evm.transact(txn.clone());
        let db = evm.ctx.db_mut();
        // The view moves back, whatever became of the transaction.
        *view = db.view.take();
        // An interrupt counts, whatever revm made of the error.
        if let Some(interrupt) = db.interrupt.take() {
            return Err(interrupt);
        }
        match result {
            Ok(done) => {
                write(view, done.state)?;
                Ok(Execution::Done(done.result))
            }
            Err(EVMError::Transaction(reason)) => Ok(Execution::Invalid(reason)),
            Err(error) => Err(view.fail(error)),
        }
    }
}

/// Writes what the transaction changed, always in the same order, which that of a map is not.
fn write(view: &mut View<'_, Revm>, state: EvmState) -> Result<(), Interrupt> {
    let touched = state.into_iter().filter(|(_, account)| account.is_touched());
    for (address, account) in touched.collect::<BTreeMap<_, _>>() {
        let gone = account.is_selfdestructed() || account.is_empty();
        for (key, slot) in account.changed_storage_slots().collect::<BTreeMap<_, _>>() {
            view.write(&Location::Slot(address, *key), Held::Slot(slot.present_value))?;
        }
        let info = (!gone).then_some(account.info);
        view.write(&Location::Account(address), Held::Account(info))?;
    }
    Ok(())
}

/// A counter that all transactions call, and what it came to.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let counter = Address::repeat_byte(0xcc);
    let code = [op::PUSH0, op::SLOAD, op::PUSH1, 1, op::ADD, op::PUSH0, op::SSTORE];
    let code = Bytecode::new_legacy(code.to_vec().into());
    let before = |location: &Location| -> Result<Held, BoxError> {
        Ok(match location {
            Location::Account(address) if *address == counter => {
                Held::Account(Some(AccountInfo::default().with_nonce(1).with_code(code.clone())))
            }
            Location::Account(_) => {
                Held::Account(Some(AccountInfo::from_balance(U256::from(10_000_000))))
            }
            Location::Slot(..) => Held::Slot(U256::ZERO),
        })
    };
    let txns = (0..100).map(|n| TxEnv {
        caller: Address::with_last_byte(0x20 + n % 20),
        nonce: u64::from(n / 20),
        kind: TxKind::Call(counter),
        gas_limit: 100_000,
        gas_price: 1,
        ..TxEnv::default()
    });
    let vm = Revm { cfg: CfgEnv::new_with_spec(SpecId::CANCUN), block: BlockEnv::default() };
    let txns: Vec<_> = txns.collect();
    let block = Block::new(&vm, &txns, &before);

    let (mut expected, mut came) = (Collect::default(), Collect::default());
    execute_sequential(&block, &mut expected)?;
    let executed = Engine::new(Config::default().inline_below(0))?.execute(&block, &mut came)?;
    assert!(expected.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))));
    assert_eq!(came.outcomes, expected.outcomes);
    let count = executed.state.value(&Location::Slot(counter, U256::ZERO));
    assert_eq!(count, Some(&Held::Slot(U256::from(100))));
    Ok(())
}

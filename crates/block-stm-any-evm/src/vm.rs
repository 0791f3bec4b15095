//! A factory's EVM as a VM of the engine: one transaction, executed against a view.

use std::{borrow::Cow, fmt};

use alloy_evm::{
    Evm, EvmEnv, EvmError, EvmFactory, InvalidTxError,
    revm::{
        context_interface::result::ResultAndState,
        primitives::{Address, KECCAK_EMPTY, U256},
        state::{Account, EvmState},
    },
};
use block_stm::{BoxError, Execution, Interrupt, View, Vm};

use crate::{
    Inspectors,
    base::Base,
    database::{Seen, TxnDatabase, VEILED_NONCE, Views},
    frames::{Frames, Watching},
    location::{AccountState, Credit, Location, Predicate, StateValue},
};

/// The VM for the transactions of one block.
pub(crate) struct EvmVm<'s, F: EvmFactory, I> {
    pub(crate) factory: &'s F,
    pub(crate) env: &'s EvmEnv<F::Spec, F::BlockEnv>,
    pub(crate) vaults: &'s [Address],
    pub(crate) inspectors: &'s I,
    pub(crate) base: &'s dyn Base,
}

impl<F: EvmFactory, I> fmt::Debug for EvmVm<'_, F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvmVm").field("vaults", &self.vaults).finish_non_exhaustive()
    }
}

/// A transaction with its place in the block.
#[derive(Debug)]
pub(crate) struct Placed<'s, T> {
    pub(crate) index: usize,
    pub(crate) txn: &'s T,
}

/// Why a transaction may not stand in the block.
#[derive(Debug)]
pub(crate) enum Refusal {
    Evm(Box<dyn InvalidTxError>),
    Host(BoxError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(reason) => write!(f, "{reason}"),
            Self::Host(reason) => write!(f, "{reason}"),
        }
    }
}

/// What a transaction leaves behind beside its writes.
#[derive(Debug)]
pub(crate) struct TxnOutput<H, I> {
    /// Without the vaults that were only credited.
    pub(crate) result: ResultAndState<H>,
    pub(crate) credited: Vec<Credited>,
    pub(crate) inspector: I,
}

/// A vault that a transaction credited without having looked at it.
#[derive(Debug)]
pub(crate) struct Credited {
    pub(crate) vault: Address,
    /// May be zero.
    pub(crate) amount: U256,
    /// As the EVM returned it; its balance, nonce and code are not those of the vault.
    pub(crate) account: Account,
}

impl<'s, F, I> Vm for EvmVm<'s, F, I>
where
    F: EvmFactory<Tx: Clone + Sync> + Sync,
    I: Inspectors<F>,
{
    type Txn = Placed<'s, F::Tx>;
    type Location = Location;
    type Value = StateValue;
    type Output = TxnOutput<F::HaltReason, I::Inspector>;
    type Invalid = Refusal;
    type Context<'b>
        = ()
    where
        Self: 'b;

    fn context(&self) {}

    fn execute<'b>(
        &'b self,
        (): &mut (),
        txn: &Placed<'s, F::Tx>,
        view: &mut View<'b, Self>,
    ) -> Result<Execution<Self::Output, Refusal>, Interrupt> {
        let mut veiled = Cow::Borrowed(self.vaults);
        // Each attempt that does not stand leaves fewer veils.
        loop {
            match self.attempt(&veiled, txn, view)? {
                Attempt::Stands(execution) => return Ok(execution),
                Attempt::Exposes(None) => veiled = Cow::Borrowed(&[]),
                Attempt::Exposes(Some(vault)) => veiled.to_mut().retain(|other| *other != vault),
            }
        }
    }

    fn weight(&self, _txn: &Placed<'s, F::Tx>, output: &Self::Output) -> u64 {
        output.result.result.tx_gas_used()
    }
}

/// What an execution comes to, for a factory and its inspectors.
type Ran<F, I> =
    Execution<TxnOutput<<F as EvmFactory>::HaltReason, <I as Inspectors<F>>::Inspector>, Refusal>;

/// What became of an execution that may have been shown vaults as they are not.
enum Attempt<T> {
    /// It would have come to the same, had it been shown the truth.
    Stands(T),
    /// It rests on how the vault, or on how any of them, was shown. Nothing was written or added.
    Exposes(Option<Address>),
}

impl<'s, F, I> EvmVm<'s, F, I>
where
    F: EvmFactory<Tx: Clone + Sync> + Sync,
    I: Inspectors<F>,
{
    /// Executes the transaction. After the frames, `vaults` are not shown as they are.
    fn attempt<'b>(
        &'b self,
        vaults: &[Address],
        txn: &Placed<'s, F::Tx>,
        view: &mut View<'b, Self>,
    ) -> Result<Attempt<Ran<F, I>>, Interrupt> {
        let mut inspector = self.inspectors.inspector(txn.index, txn.txn);
        let frames = Frames::default();
        let mut views = Views { view: &mut *view, base: self.base };
        let database = TxnDatabase::new(&mut views, &frames, vaults);
        let watches = I::INSPECTS || !vaults.is_empty();
        // An EVM of its own for each execution: whatever it keeps between transactions, one that
        // counts would rest on what one that does not count was shown.
        let (result, seen) = if watches {
            let watching = Watching { frames: &frames, inner: &mut inspector };
            let env = self.env.clone();
            run(self.factory.create_evm_with_inspector(database, env, watching), txn.txn)
        } else {
            run(self.factory.create_evm(database, self.env.clone()), txn.txn)
        };
        if let Some(interrupt) = seen.interrupt {
            return Err(interrupt);
        }
        if frames.are_exposed() || (result.is_err() && !seen.veiled.is_empty()) {
            return Ok(Attempt::Exposes(None));
        }
        let mut result = match result {
            Ok(result) => result,
            Err(error) => {
                return match error.try_into_invalid_tx_err() {
                    Ok(reason) => {
                        Ok(Attempt::Stands(Execution::Invalid(Refusal::Evm(Box::new(reason)))))
                    }
                    Err(error) => Err(view.fail(error)),
                };
            }
        };
        let credited = match credits(&seen.veiled, &mut result.state) {
            Ok(credited) => credited,
            Err(vault) => return Ok(Attempt::Exposes(Some(vault))),
        };
        if let Some(vault) = declare_credits(view, &credited)? {
            return Ok(Attempt::Exposes(Some(vault)));
        }
        declare_changes(view, &seen, &result.state)?;
        Ok(Attempt::Stands(Execution::Done(TxnOutput { result, credited, inspector })))
    }
}

/// Executes the transaction, and gives what the EVM was shown back.
fn run<'v, E>(mut evm: E, txn: &E::Tx) -> (Result<ResultAndState<E::HaltReason>, E::Error>, Seen)
where
    E: Evm<DB = TxnDatabase<'v>, Tx: Clone>,
{
    let result = evm.transact_raw(txn.clone());
    (result, evm.into_db().seen)
}

/// Takes the vaults that were not shown as they are out of the state. The error is one with which
/// the EVM did something else than to credit it.
fn credits(veiled: &[Address], state: &mut EvmState) -> Result<Vec<Credited>, Address> {
    let mut credited = Vec::with_capacity(veiled.len());
    for &vault in veiled {
        // An account that was loaded and forgotten is none of the state.
        let Some(account) = state.remove(&vault) else { continue };
        let (info, amount) = (&account.info, account.info.balance);
        let is_credited = info.nonce == VEILED_NONCE
            && info.code_hash == KECCAK_EMPTY
            && account.storage.is_empty()
            && !account.is_created()
            && !account.is_selfdestructed()
            && (account.is_touched() || amount.is_zero());
        if !is_credited {
            return Err(vault);
        }
        credited.push(Credited { vault, amount, account });
    }
    Ok(credited)
}

/// Tells the view what vaults were credited, unless that is wrong for what one, which is named,
/// really holds.
fn declare_credits<V>(
    view: &mut View<'_, V>,
    credited: &[Credited],
) -> Result<Option<Address>, Interrupt>
where
    V: Vm<Location = Location, Value = StateValue>,
{
    // To touch an account changes nothing, unless it is empty.
    let touched = credited.iter().filter(|c| c.amount.is_zero() && c.account.is_touched());
    for Credited { vault, .. } in touched {
        if !view.check(&Location::Account(*vault), Predicate::IsFull)? {
            return Ok(Some(*vault));
        }
    }
    let paid: Vec<_> = credited.iter().filter(|credited| !credited.amount.is_zero()).collect();
    // Nothing is added before it is certain that all of it will be.
    for Credited { vault, amount, .. } in paid.iter().skip(1) {
        if !view.assume(&Location::Account(*vault), Predicate::HasRoom(*amount))? {
            return Ok(Some(*vault));
        }
    }
    for (place, Credited { vault, amount, .. }) in paid.iter().enumerate() {
        if !view.add(&Location::Account(*vault), Credit(*amount))? {
            if place > 0 {
                return Err(view.fail(Inconsistent(*vault)));
            }
            return Ok(Some(*vault));
        }
    }
    Ok(None)
}

/// The view contradicts itself: a bug, which is not to become a wrong state.
#[derive(Debug, thiserror::Error)]
#[error("vault {0} has room for a credit, and does not take it")]
struct Inconsistent(Address);

/// Tells the view what the transaction changed, as revm's `State` would commit it.
fn declare_changes<V>(
    view: &mut View<'_, V>,
    seen: &Seen,
    state: &EvmState,
) -> Result<(), Interrupt>
where
    V: Vm<Location = Location, Value = StateValue>,
{
    // In the order in which accounts were asked for, which is always the same: a map's is not.
    for (address, before) in &seen.accounts {
        if let Some(account) = state.get(address).filter(|account| account.is_touched()) {
            declare_change(view, *address, before, account)?;
        }
    }
    let is_new =
        |address: &&Address| seen.account(address).is_none() && state[*address].is_touched();
    let mut unseen: Vec<_> = state.keys().filter(is_new).collect();
    unseen.sort_unstable();
    for address in unseen {
        // The EVM changed what it did not ask for: that it is there counts.
        let StateValue::Account(before) = view.read(&Location::Account(*address))? else {
            return Err(view.fail("an account holds something else"));
        };
        declare_change(view, *address, &before, &state[address])?;
    }
    Ok(())
}

fn declare_change<V>(
    view: &mut View<'_, V>,
    address: Address,
    before: &AccountState,
    account: &Account,
) -> Result<(), Interrupt>
where
    V: Vm<Location = Location, Value = StateValue>,
{
    let (destroyed, created) = (account.is_selfdestructed(), account.is_created());
    // A touched account that is empty goes (EIP-161). Before there was that rule, revm says of
    // such accounts that they were created, or not touched.
    let removed = destroyed || (account.is_empty() && !created);
    if removed && before.info.is_none() {
        return Ok(());
    }
    let after = AccountState {
        info: (!removed).then(|| account.info.clone()),
        wipes: before.wipes + u32::from(removed || created),
    };
    if let Some(info) = &after.info
        && before.info.as_ref().map(|info| info.code_hash) != Some(info.code_hash)
        && let Some(code) = info.code.as_ref().filter(|code| !code.is_empty())
    {
        view.write(&Location::Code(info.code_hash), StateValue::Code(code.clone()))?;
    }
    let wipes = after.wipes;
    if after != *before {
        view.write(&Location::Account(address), StateValue::Account(after))?;
    }
    if removed { Ok(()) } else { declare_slots(view, address, wipes, account) }
}

fn declare_slots<V>(
    view: &mut View<'_, V>,
    address: Address,
    wipes: u32,
    account: &Account,
) -> Result<(), Interrupt>
where
    V: Vm<Location = Location, Value = StateValue>,
{
    let mut slots: Vec<_> =
        account.changed_storage_slots().map(|(key, slot)| (*key, slot.present_value)).collect();
    slots.sort_unstable();
    for (key, value) in slots {
        view.write(&Location::Slot { address, wipes, key }, StateValue::Slot(value))?;
    }
    Ok(())
}

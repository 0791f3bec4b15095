//! revm's transaction handler, with the places where it looks at accounts made known.

use std::marker::PhantomData;

use alloy_primitives::U256;
use revm::{
    context::{
        Block, BlockEnv, Cfg, CfgEnv, Context, Evm, JournalTr, LocalContext, Transaction, TxEnv,
        result::{EVMError, HaltReason, InvalidTransaction},
    },
    handler::{
        EthFrame, EthPrecompiles, EvmTr, FrameResult, Handler, ItemOrResult,
        instructions::EthInstructions, post_execution, pre_execution,
    },
    interpreter::{
        FrameInput, GasTracker, InitialAndFloorGas, interpreter::EthInterpreter,
        interpreter_action::FrameInit,
    },
    primitives::hardfork::SpecId,
};

use super::{
    database::{Interrupted, TxnDb},
    journal::{Intent, WatchedJournal},
    location::Location,
    value::NonceTest,
};
use crate::payment::checks_senders;

/// revm's context over one worker's database.
pub(crate) type TxnContext<'b, 's> = Context<
    &'s BlockEnv,
    &'s TxEnv,
    &'s CfgEnv,
    TxnDb<'b, 's>,
    WatchedJournal<'b, 's>,
    (),
    LocalContext,
>;

/// One worker's VM instance.
pub(crate) type TxnEvm<'b, 's> = Evm<
    TxnContext<'b, 's>,
    (),
    EthInstructions<EthInterpreter, TxnContext<'b, 's>>,
    EthPrecompiles,
    EthFrame<EthInterpreter>,
>;

/// Why a run has no result.
pub(crate) type TxnError = EVMError<Interrupted, InvalidTransaction>;

/// The mainnet handler with watched accounts.
pub(crate) struct TxnHandler<'b, 's>(PhantomData<fn(&'b (), &'s ())>);

impl Default for TxnHandler<'_, '_> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'b, 's: 'b> Handler for TxnHandler<'b, 's> {
    type Evm = TxnEvm<'b, 's>;
    type Error = TxnError;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        _gas: &mut InitialAndFloorGas,
    ) -> Result<(), TxnError> {
        let txn = evm.ctx.tx;
        let assumes = checks_senders(evm.ctx.cfg);
        let journal = &mut evm.ctx.journaled_state;
        if !assumes {
            // The intent is to look at everything.
            return pre_execution::validate_against_state_and_deduct_caller(&mut evm.ctx);
        }
        journal.intent = Intent::Code;
        let result = load_sender(journal, txn)
            .and_then(|()| pre_execution::validate_against_state_and_deduct_caller(&mut evm.ctx));
        evm.ctx.journaled_state.intent = Intent::Everything;
        result
    }

    fn apply_eip7702_auth_list(
        &self,
        evm: &mut Self::Evm,
        gas: &mut GasTracker,
    ) -> Result<Option<u64>, TxnError> {
        evm.ctx.journaled_state.intent = Intent::Authority;
        let result = pre_execution::apply_eip7702_auth_list(&mut evm.ctx, gas);
        evm.ctx.journaled_state.intent = Intent::Everything;
        result
    }

    fn first_frame_input(
        &mut self,
        evm: &mut Self::Evm,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameInit>, TxnError> {
        // Since EIP-2780 a transfer that brings an account into being is charged for it here.
        evm.ctx.journaled_state.intent = if evm.ctx.cfg.is_amsterdam_eip2780_enabled() {
            Intent::Emptiness
        } else {
            Intent::Code
        };
        let result = MainnetParts::first_frame_input(&mut MainnetParts::default(), evm, gas);
        evm.ctx.journaled_state.intent = Intent::Everything;
        result
    }

    /// revm's loop; a contract's creator is watched, whose balance and nonce the new frame checks.
    fn run_exec_loop(
        &mut self,
        evm: &mut Self::Evm,
        first_frame_input: FrameInit,
    ) -> Result<FrameResult, TxnError> {
        if let ItemOrResult::Result(result) = open_frame(evm, first_frame_input)? {
            return Ok(result);
        }
        loop {
            let result = match evm.frame_run()? {
                ItemOrResult::Result(result) => result,
                ItemOrResult::Item(init) => match open_frame(evm, init)? {
                    ItemOrResult::Item(()) => continue,
                    ItemOrResult::Result(result) => result,
                },
            };
            if let Some(result) = evm.frame_return_result(result)? {
                return Ok(result);
            }
        }
    }

    fn reimburse_caller(
        &self,
        evm: &mut Self::Evm,
        exec_result: &mut FrameResult,
    ) -> Result<(), TxnError> {
        let ctx = &mut evm.ctx;
        let caller = ctx.tx.caller();
        credit(ctx, caller, |ctx| {
            post_execution::reimburse_caller(ctx, exec_result.gas(), U256::ZERO)
        })?;
        Ok(())
    }

    /// Pays the beneficiary, without looking at it unless the transaction has done so itself.
    fn reward_beneficiary(
        &self,
        evm: &mut Self::Evm,
        exec_result: &mut FrameResult,
    ) -> Result<(), TxnError> {
        let ctx = &mut evm.ctx;
        if ctx.cfg.is_fee_charge_disabled() {
            return Ok(());
        }
        let beneficiary = ctx.block.beneficiary();
        if ctx.journaled_state.balance(beneficiary).is_some() {
            credit(ctx, beneficiary, |ctx| {
                post_execution::reward_beneficiary(ctx, exec_result.gas())
            })?;
            return Ok(());
        }
        // The formula of revm's `reward_beneficiary`: from London on the base fee is burnt
        // (EIP-1559), and gas from the reservoir was not used (EIP-8037).
        let base_fee = u128::from(ctx.block.basefee());
        let mut price = ctx.tx.effective_gas_price(base_fee);
        if ctx.cfg.spec.is_enabled_in(SpecId::LONDON) {
            price = price.saturating_sub(base_fee);
        }
        let gas = exec_result.gas();
        let used = gas.used().saturating_sub(gas.reservoir());
        ctx.journaled_state.fee = Some(U256::from(price * u128::from(used)));
        Ok(())
    }
}

/// The default bodies of hooks that [`TxnHandler`] wraps.
struct MainnetParts<'b, 's>(PhantomData<fn(&'b (), &'s ())>);

impl Default for MainnetParts<'_, '_> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'b, 's: 'b> Handler for MainnetParts<'b, 's> {
    type Evm = TxnEvm<'b, 's>;
    type Error = TxnError;
    type HaltReason = HaltReason;
}

/// Loads the sender and takes its nonce and funds for granted.
///
/// The view judges at commit; where it says at once that they are wrong, everything is left as it
/// is, for revm to find out what is wrong.
fn load_sender(journal: &mut WatchedJournal<'_, '_>, txn: &TxEnv) -> Result<(), TxnError> {
    let (sender, nonce) = (txn.caller, txn.nonce);
    journal.db_mut().glimpses = true;
    let loaded = journal.load_account_with_code(sender).map(|_| ());
    journal.db_mut().glimpses = false;
    loaded?;
    let Some((_, observed)) = journal.account_mut(sender) else {
        return Ok(());
    };
    let mut predicate = observed.predicate();
    predicate.nonce = NonceTest::Is(nonce);
    let funds = txn.max_balance_spending().unwrap_or_default();
    predicate.balance.0 = funds;
    let db = journal.db_mut();
    let holds = db.view.assume(&Location::Account(sender), predicate);
    let holds = holds.map_err(|interrupt| TxnError::Database(db.interrupted(interrupt)))?;
    let Some((account, observed)) = journal.account_mut(sender) else {
        return Ok(());
    };
    if !holds {
        observed.everything();
        return Ok(());
    }
    let original = &mut observed.original;
    let balance = original.balance.max(funds);
    // What was shown was any value: what is relied on is assumed, not checked against it.
    observed.guessed = true;
    original.nonce = nonce;
    original.balance = balance;
    account.info.nonce = nonce;
    account.info.balance = balance;
    observed.nonce();
    observed.covers(balance, funds);
    observed.assumed = Some(predicate);
    Ok(())
}

/// Runs `body`, which adds to the balance of `account` what it may not know itself.
fn credit<'b, 's>(
    ctx: &mut TxnContext<'b, 's>,
    account: alloy_primitives::Address,
    body: impl FnOnce(&mut TxnContext<'b, 's>) -> Result<(), Interrupted>,
) -> Result<(), Interrupted> {
    let before = ctx.journaled_state.balance(account).unwrap_or_default();
    ctx.journaled_state.intent = Intent::Code;
    let result = body(ctx);
    ctx.journaled_state.intent = Intent::Everything;
    result?;
    let journal = &mut ctx.journaled_state;
    let after = journal.balance(account).unwrap_or_default();
    if let Some((_, observed)) = journal.account_mut(account) {
        // Unchanged means that there was nothing to add, unless it would not have fit.
        match after.checked_sub(before) {
            Some(wei) if !wei.is_zero() || before < U256::MAX >> 1 => observed.takes(before, wei),
            _ => observed.balance(),
        }
    }
    Ok(())
}

type Opened = ItemOrResult<(), FrameResult>;

fn open_frame(evm: &mut TxnEvm<'_, '_>, init: FrameInit) -> Result<Opened, TxnError> {
    if let FrameInput::Create(inputs) = &init.frame_input {
        let journal = &mut evm.ctx.journaled_state;
        let creator = inputs.caller();
        if journal.covers(creator, inputs.value()) {
            journal.nonce(creator);
        }
        journal.intent = Intent::Code;
    }
    let opened = evm.frame_init(init);
    let opened = opened.map(|opened| match opened {
        ItemOrResult::Item(_) => ItemOrResult::Item(()),
        ItemOrResult::Result(result) => ItemOrResult::Result(result),
    });
    let opened = opened.map_err(TxnError::from);
    evm.ctx.journaled_state.intent = Intent::Everything;
    opened
}

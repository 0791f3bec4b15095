//! The OP stack's EVM, as `alloy-op-evm` makes it, in parallel.
//!
//! Blocks begin with the deposit that sets what the first layer's fees are. Then come deposits that
//! mint, some of which fail, and transactions that pay four vaults. Some of these look at the
//! vaults. Each result is compared with that of a plain loop over the same factory of EVMs.

use std::{error::Error, num::NonZeroUsize};

use alloy_evm::{
    Evm, EvmEnv, EvmError, EvmFactory,
    revm::{
        DatabaseCommit,
        bytecode::opcode as op,
        context::{BlockEnv, CfgEnv, TxEnv, result::ResultAndState},
        database::{CacheDB, EmptyDB, State},
        primitives::{Address, B256, TxKind, U256},
        state::{AccountInfo, Bytecode},
    },
};
use alloy_op_evm::{OpEvmFactory, OpTx};
use block_stm_any_evm::{
    FinalTxn, InvalidTxn, TxnSink, Txns,
    block_stm::{Config, Engine, Flow, InvalidPolicy},
    execute,
};
use op_revm::{
    OpHaltReason, OpSpecId, OpTransaction,
    constants::{BASE_FEE_RECIPIENT, L1_BLOCK_CONTRACT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT},
    transaction::deposit::{DEPOSIT_TRANSACTION_TYPE, DepositTransactionParts},
};

/// The vault of the sequencer's fees, which is the beneficiary of every block.
const SEQUENCER_FEES: Address =
    Address::new([0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11]);
const VAULTS: [Address; 4] =
    [SEQUENCER_FEES, BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT];
/// Stores what the vault holds that its input names.
const LOOKER: Address = Address::repeat_byte(0xc0);
/// Always runs out of gas.
const TRAP: Address = Address::repeat_byte(0xc1);
const USERS: u64 = 12;

type Came = Vec<Result<ResultAndState<OpHaltReason>, String>>;

fn user(n: u64) -> Address {
    Address::with_last_byte(0x10 + (n % USERS) as u8)
}

fn genesis() -> CacheDB<EmptyDB> {
    let mut state = CacheDB::new(EmptyDB::default());
    for n in 0..USERS {
        let ether = U256::from(10_u64.pow(18));
        state.insert_account_info(user(n), AccountInfo::from_balance(ether));
    }
    // The contract of the fees: three words of input go to the slots 1, 3 and 8.
    let slot =
        |word: u8, slot: u8| [op::PUSH1, word * 32, op::CALLDATALOAD, op::PUSH1, slot, op::SSTORE];
    let l1_block = [slot(0, 1), slot(1, 3), slot(2, 8)].concat();
    let zero = [op::PUSH1, 0];
    let stores = [op::CALLDATALOAD, op::DUP1, op::BALANCE, op::SWAP1, op::SSTORE];
    let looker = [&zero[..], &stores].concat();
    // Vaults are contracts that take what they are sent.
    let vault = vec![op::STOP];
    let trap = [&[op::JUMPDEST], &zero[..], &[op::JUMP]].concat();
    let vaults = VAULTS.map(|address| (address, vault.clone()));
    let contracts = [(L1_BLOCK_CONTRACT, l1_block), (LOOKER, looker), (TRAP, trap)];
    for (address, code) in contracts.into_iter().chain(vaults) {
        let code = Bytecode::new_legacy(code.into());
        let info = AccountInfo::default().with_nonce(1).with_code(code);
        state.insert_account_info(address, info);
    }
    state
}

fn env(spec: OpSpecId) -> EvmEnv<OpSpecId> {
    let block_env = BlockEnv {
        number: U256::from(1_000),
        beneficiary: SEQUENCER_FEES,
        basefee: 1_000,
        prevrandao: Some(B256::ZERO),
        ..BlockEnv::default()
    };
    EvmEnv { cfg_env: CfgEnv::new_with_spec(spec), block_env }
}

fn deposit(from: Address, mint: u128, kind: TxKind, value: U256, data: Vec<u8>) -> OpTx {
    let base = TxEnv {
        tx_type: DEPOSIT_TRANSACTION_TYPE,
        caller: from,
        kind,
        value,
        data: data.into(),
        gas_limit: 200_000,
        ..TxEnv::default()
    };
    let deposit = DepositTransactionParts::new(B256::ZERO, Some(mint), false);
    OpTx(OpTransaction { base, enveloped_tx: None, deposit })
}

/// A block that `seed` leads to.
fn block(seed: u64, length: usize) -> Vec<OpTx> {
    let mut random = seed;
    // SplitMix64.
    let mut below = |most: u64| {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    };
    // What a byte of data costs, and the scalars of the fees.
    let base_fee = U256::from(10_000 + below(1_000)).to_be_bytes::<32>();
    let mut scalars = [0; 32];
    scalars[19] = 7;
    let mut operator = [0; 32];
    (operator[23], operator[31]) = (9, 13);
    let attributes = [base_fee, scalars, operator].concat();
    let depositor = Address::repeat_byte(0xde);
    let mut txns =
        vec![deposit(depositor, 0, TxKind::Call(L1_BLOCK_CONTRACT), U256::ZERO, attributes)];
    let mut nonces = [0; USERS as usize];
    while txns.len() < length {
        let from = below(USERS);
        let nonce = &mut nonces[from as usize];
        let to = user(below(USERS));
        if below(5) == 0 {
            let (mint, value) = (u128::from(below(1_000)), U256::from(below(3)));
            let kind = TxKind::Call(if below(3) == 0 { TRAP } else { to });
            txns.push(deposit(user(from), mint, kind, value, Vec::new()));
            *nonce += 1;
            continue;
        }
        let vault = VAULTS[below(4) as usize];
        let (to, data) = match below(6) {
            0 | 1 => (LOOKER, vault.into_word().to_vec()),
            2 => (vault, Vec::new()),
            _ => (to, vec![7; below(40) as usize]),
        };
        let base = TxEnv {
            caller: user(from),
            nonce: *nonce,
            kind: TxKind::Call(to),
            value: U256::from(if to == LOOKER { 0 } else { below(100) }),
            gas_limit: 100_000,
            gas_price: 1_000 + u128::from(below(3)),
            data: data.clone().into(),
            ..TxEnv::default()
        };
        // One in forty has a nonce that was used, and is left out.
        *nonce += u64::from(below(40) > 0);
        let enveloped_tx = Some([vec![0xf8; 100], data].concat().into());
        let deposit = DepositTransactionParts::default();
        txns.push(OpTx(OpTransaction { base, enveloped_tx, deposit }));
    }
    txns
}

/// The plain loop.
fn looped(env: &EvmEnv<OpSpecId>, txns: &[OpTx], state: &CacheDB<EmptyDB>) -> Came {
    let factory = OpEvmFactory::<OpTx>::default();
    let mut db = State::builder().with_database_ref(state).build();
    let one = |txn: &OpTx| {
        let mut evm = factory.create_evm(&mut db, env.clone());
        let result = evm.transact_raw(txn.clone()).map_err(|error| {
            error.try_into_invalid_tx_err().expect("the state is in memory").to_string()
        })?;
        evm.db_mut().commit(result.state.clone());
        Ok(result)
    };
    txns.iter().map(one).collect()
}

#[derive(Default)]
struct Keep(Came);

impl<I> TxnSink<OpEvmFactory<OpTx>, I> for Keep {
    fn commit(&mut self, txn: FinalTxn<OpHaltReason, I>) -> Flow {
        self.0.push(Ok(txn.result));
        Flow::Continue
    }

    fn skip(&mut self, _index: usize, reason: InvalidTxn) {
        self.0.push(Err(reason.to_string()));
    }
}

/// Executes the block of `seed` in a loop and with each engine. The first difference is an error.
fn compare(spec: OpSpecId, seed: u64, engines: &[Engine]) -> Result<(), Box<dyn Error>> {
    let (env, txns, state) = (env(spec), block(seed, 300), genesis());
    let expected = looped(&env, &txns, &state);
    let failed = expected.iter().flatten().filter(|came| !came.result.is_success()).count();
    let invalid = expected.iter().filter(|came| came.is_err()).count();
    if failed == 0 || invalid == 0 || failed + invalid > txns.len() / 2 {
        return Err(format!("{failed} failed and {invalid} invalid txns show nothing").into());
    }
    let factory = OpEvmFactory::<OpTx>::default();
    for engine in engines {
        let mut keep = Keep::default();
        let declared = Txns::new(&factory, &env, &txns).vaults(&VAULTS);
        execute(engine, &declared.policy(InvalidPolicy::Skip), &state, &mut keep)?;
        for (place, (came, expected)) in keep.0.iter().zip(&expected).enumerate() {
            if came != expected {
                let at = format!("{spec:?}, seed {seed}, txn {place}");
                return Err(format!("{at}: {came:?}, not {expected:?}").into());
            }
        }
        if keep.0.len() != expected.len() {
            return Err(format!("{} txns, not {}", keep.0.len(), expected.len()).into());
        }
    }
    let vault = expected.iter().rev().flatten().find_map(|came| came.state.get(&L1_FEE_RECIPIENT));
    let fees = vault.map_or(U256::ZERO, |account| account.info.balance);
    println!(
        "{spec:?}, seed {seed}: {} txns, {failed} failed and {invalid} invalid, the same with \
         1, 2, 4 and 8 threads; {fees} wei for data",
        txns.len(),
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let threads = [1, 2, 4, 8].into_iter().filter_map(NonZeroUsize::new);
    let config = |threads| Config::default().threads(threads).inline_below(0);
    let engines: Vec<_> =
        threads.map(|threads| Engine::new(config(threads))).collect::<Result<_, _>>()?;
    for spec in [OpSpecId::REGOLITH, OpSpecId::ECOTONE, OpSpecId::ISTHMUS, OpSpecId::JOVIAN] {
        for seed in 1..=3 {
            compare(spec, seed, &engines)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_op_stack_comes_to_the_same() -> Result<(), Box<dyn std::error::Error>> {
        super::main()
    }
}

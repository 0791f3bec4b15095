//! Transactions that look at vaults, pay them, and are sent by them.

use alloy_evm::{
    EthEvmFactory, EvmEnv,
    revm::{
        context::{BlockEnv, CfgEnv, TxEnv},
        context_interface::{
            either::Either,
            transaction::{
                AccessList, AccessListItem, Authorization, RecoveredAuthority,
                RecoveredAuthorization,
            },
        },
        primitives::{Address, TxKind, U256, hardfork::SpecId},
        state::{AccountInfo, Bytecode},
    },
};
use block_stm_evm::{Block, PreState, revm::bytecode::opcode as op};
use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    code::Code,
    same::{assert_same, engines, eth_txns, executed},
};

/// The block's beneficiary, and two other accounts that are declared as vaults.
const VAULTS: [Address; 3] =
    [Address::repeat_byte(0xa0), Address::repeat_byte(0xa1), Address::repeat_byte(0xa2)];

/// As many senders, each of which sends a few transactions.
const SENDERS: u8 = 4;

fn sender(n: u8) -> Address {
    Address::repeat_byte(0x10 + n % SENDERS)
}

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Pays another sender.
    Pay(u8),
    /// Pays a vault.
    PayVault(usize),
    /// Is sent by a vault.
    FromVault(usize),
    /// Calls code that stores what it sees of a vault.
    Look(usize, u8),
    /// Calls code that is there by delegation, of a vault.
    DelegateVault(usize),
    /// Creates a contract.
    Create(u8),
}

#[derive(Clone, Copy, Debug)]
struct Txn {
    does: Does,
    by: u8,
    /// What is paid for gas.
    price: u128,
    /// Whether the vaults are on the access list.
    warms: bool,
}

/// Code that looks at `vault` in the way that `how` says.
fn looking(vault: Address, how: u8) -> Code {
    let code = Code::new();
    match how % LOOKS {
        0 => code.balance(vault).sstore_top(0),
        1 => code.ops(&[op::COINBASE, op::BALANCE]).sstore_top(1),
        2 => code.push_address(vault).ops(&[op::EXTCODEHASH]).sstore_top(2),
        3 => code.push_address(vault).ops(&[op::EXTCODESIZE]).sstore_top(3),
        // A call of an account that is not there costs more: that looks at the vault.
        4 => code.call(op::CALL, vault, 1, 0).sstore_top(4),
        5 => code.call(op::STATICCALL, vault, 0, 50_000).sstore_top(5),
        6 => code.selfdestruct(vault),
        // Looks, and forgets.
        7 => code.balance(vault).ops(&[op::POP]).revert(),
        8 => code.create(&Code::new().balance(vault).sstore_top(0).bytes(), 0, None).sstore_top(6),
        // The balance says how often a loop goes round, and so what is paid.
        _ => code.balance(vault).push(3).ops(&[op::AND]).if_equal(1, Code::new().sstore(7, 7)),
    }
}

const LOOKS: u8 = 10;

fn looker(vault: usize, how: u8) -> Address {
    let mut address = Address::repeat_byte(0xc0);
    address.0[18] = vault as u8;
    address.0[19] = how % LOOKS;
    address
}

/// What vaults are before the block.
#[derive(Clone, Copy, Debug)]
enum Vault {
    Absent,
    Empty,
    Rich,
    /// Has no room for fees.
    Full,
    /// Stores what it is called with, and what it holds.
    Contract,
}

#[derive(Clone, Debug)]
struct Case {
    spec: SpecId,
    vaults: [Vault; 3],
    txns: Vec<Txn>,
}

fn case() -> impl Strategy<Value = Case> {
    let vault =
        || select(vec![Vault::Absent, Vault::Empty, Vault::Rich, Vault::Full, Vault::Contract]);
    let which = || select(vec![0_usize, 0, 1, 2]);
    let does = prop_oneof![
        4 => any::<u8>().prop_map(Does::Pay),
        1 => which().prop_map(Does::PayVault),
        1 => which().prop_map(Does::FromVault),
        3 => (which(), any::<u8>()).prop_map(|(vault, how)| Does::Look(vault, how)),
        1 => which().prop_map(Does::DelegateVault),
        1 => any::<u8>().prop_map(Does::Create),
    ];
    let price = select(vec![0_u128, 1, 1, 7]);
    let txn = (does, any::<u8>(), price, any::<bool>());
    let txn = txn.prop_map(|(does, by, price, warms)| Txn { does, by, price, warms });
    let spec = select(vec![SpecId::HOMESTEAD, SpecId::BERLIN, SpecId::CANCUN, SpecId::OSAKA]);
    let vaults = [vault(), vault(), vault()];
    (spec, vaults, vec(txn, 1..24)).prop_map(|(spec, vaults, txns)| Case { spec, vaults, txns })
}

impl Case {
    fn state(&self) -> PreState {
        let mut state = PreState::new();
        let own = Code::new().ops(&[op::CALLVALUE]).sstore_top(0);
        let own = own.ops(&[op::SELFBALANCE]).sstore_top(1);
        for (address, vault) in VAULTS.into_iter().zip(self.vaults) {
            let info = match vault {
                Vault::Absent => continue,
                Vault::Empty => AccountInfo::default(),
                Vault::Rich => AccountInfo::from_balance(U256::from(10_000_000)),
                Vault::Full => AccountInfo::from_balance(U256::MAX - U256::from(50_000)),
                Vault::Contract => AccountInfo::default()
                    .with_nonce(1)
                    .with_code(Bytecode::new_legacy(own.bytes().into())),
            };
            state.insert_account(address, info);
        }
        for n in 0..SENDERS {
            state.insert_account(sender(n), AccountInfo::from_balance(U256::from(50_000_000)));
        }
        for (vault, address) in VAULTS.into_iter().enumerate() {
            for how in 0..LOOKS {
                let code = Bytecode::new_legacy(looking(address, how).bytes().into());
                let info = AccountInfo::default().with_nonce(1).with_balance(U256::from(9));
                state.insert_account(looker(vault, how), info.with_code(code));
            }
        }
        state
    }

    fn block(&self) -> Block {
        let env = BlockEnv { beneficiary: VAULTS[0], basefee: 0, ..BlockEnv::default() };
        let mut block = Block::new(self.spec, env, Vec::new());
        let mut nonces = std::collections::HashMap::new();
        for txn in &self.txns {
            let caller = match txn.does {
                Does::FromVault(vault) => VAULTS[vault],
                _ => sender(txn.by),
            };
            let nonce = nonces.entry(caller).or_insert(match txn.does {
                Does::FromVault(vault) => u64::from(matches!(self.vaults[vault], Vault::Contract)),
                _ => 0,
            });
            block.txns.push(self.env(txn, caller, *nonce));
            *nonce += 1;
        }
        block
    }

    fn env(&self, txn: &Txn, caller: Address, nonce: u64) -> TxEnv {
        let (kind, wei) = match txn.does {
            Does::Pay(to) => (TxKind::Call(sender(to)), 3),
            Does::PayVault(vault) => (TxKind::Call(VAULTS[vault]), u64::from(txn.by % 3)),
            Does::FromVault(_) => (TxKind::Call(sender(txn.by)), 1),
            Does::Look(vault, how) => (TxKind::Call(looker(vault, how)), 0),
            Does::DelegateVault(_) => (TxKind::Call(sender(0)), 0),
            Does::Create(how) => (TxKind::Create, u64::from(how % 2)),
        };
        let data = match txn.does {
            Does::Create(how) => looking(VAULTS[usize::from(how) % 3], how / 3).bytes().into(),
            _ => Default::default(),
        };
        let mut env = TxEnv {
            caller,
            nonce,
            kind,
            value: U256::from(wei),
            data,
            gas_limit: 400_000,
            gas_price: txn.price,
            ..TxEnv::default()
        };
        if txn.warms && self.spec.is_enabled_in(SpecId::BERLIN) {
            let item = |address| AccessListItem { address, storage_keys: Vec::new() };
            (env.tx_type, env.access_list) = (1, AccessList(VAULTS.map(item).into()));
        }
        if let Does::DelegateVault(vault) = txn.does
            && self.spec.is_enabled_in(SpecId::PRAGUE)
        {
            let nonce = u64::from(matches!(self.vaults[vault], Vault::Contract));
            let authorization =
                Authorization { chain_id: U256::ZERO, address: looker(0, 0), nonce };
            let authority = RecoveredAuthority::Valid(VAULTS[vault]);
            let signed = RecoveredAuthorization::new_unchecked(authorization, authority);
            (env.tx_type, env.authorization_list) = (4, vec![Either::Right(signed)]);
            env.gas_priority_fee = Some(txn.price);
        }
        env
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn vaults_that_are_looked_at_come_out_the_same(case in case()) {
        within(PATIENCE, move || {
            assert_same(&case.block(), &case.state(), &[&[], &VAULTS[..1], &VAULTS]);
        }).expect("no hang");
    }
}

/// Payments between pairs that have nothing to do with each other, but for the fees.
fn payments() -> (EvmEnv, Vec<TxEnv>, PreState) {
    let mut state = PreState::new();
    let address = |place: usize| Address::from_word(U256::from(0x1_0000 + place).into());
    let txns = (0..256).map(|place| {
        let caller = address(place);
        state.insert_account(caller, AccountInfo::from_balance(U256::from(1_000_000)));
        TxEnv {
            caller,
            kind: TxKind::Call(address(1_000 + place)),
            value: U256::ONE,
            gas_limit: 21_000,
            gas_price: 1,
            ..TxEnv::default()
        }
    });
    let txns = txns.collect();
    let block_env = BlockEnv { beneficiary: VAULTS[0], ..BlockEnv::default() };
    let cfg_env = CfgEnv::new_with_spec(SpecId::CANCUN);
    (EvmEnv { cfg_env, block_env }, txns, state)
}

#[test]
fn fees_into_declared_vaults_are_no_conflicts() {
    let (env, txns, state) = payments();
    let factory = EthEvmFactory::default();
    for engine in engines() {
        let declared = eth_txns(&factory, &env, &txns).vaults(&VAULTS);
        let (came, stats) = executed(engine, declared, &state);
        let stats = stats.expect("the state can be read");
        assert_eq!(came.len(), 256);
        assert_eq!(stats.executions, 256, "{} workers", engine.threads());
        let (_, last) = came.last().zip(came.last()).expect("it has transactions");
        let vault = &last.as_ref().expect("valid").state[&VAULTS[0]];
        assert_eq!(vault.info.balance, U256::from(256 * 21_000));
        assert_eq!(vault.original_info().balance, U256::from(255 * 21_000));
    }
}

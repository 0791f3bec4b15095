//! Blocks of our own, on a chain of our own: how long they may be, and which fault of several is
//! named.

use std::num::NonZeroUsize;

use alloy_consensus::{
    Block, BlockBody, EMPTY_OMMER_ROOT_HASH, EthereumTxEnvelope, Header, Signed, TxEip4844,
    TxLegacy,
    proofs::{calculate_transaction_root, calculate_withdrawals_root},
};
use alloy_eips::{
    eip4895::{Withdrawal, Withdrawals},
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, B256, Bytes, Signature, U256, address, uint};
use alloy_trie::EMPTY_ROOT_HASH;
use block_stm_chain::{BlockError, Chain, ForkSchedule, Genesis, state_root};
use block_stm_evm::block_stm::{Config, Engine};
use block_stm_evm::{
    ExecutionError, InvalidTxnReason, PreState, SystemContracts,
    alloy_eip7928::AccountChanges,
    revm::{
        context::result::InvalidTransaction,
        primitives::hardfork::SpecId,
        state::{AccountInfo, Bytecode},
    },
};

type Txn = EthereumTxEnvelope<TxEip4844>;

const PAID: Address = Address::repeat_byte(0xaa);
/// The limit of EIP-7934: 10 MiB, less 2.
const LIMIT: usize = 8_388_608;
const OSAKA_TIME: u64 = 15_000;

fn engine(threads: usize) -> Engine {
    let threads = NonZeroUsize::new(threads).expect("not zero");
    Engine::new(Config::default().threads(threads).inline_below(0)).expect("threads start")
}

/// A state in which the queues of Prague are there, and return nothing.
fn state() -> PreState {
    let mut state = PreState::new();
    let contracts = SystemContracts::default();
    for address in [contracts.withdrawal_requests, contracts.consolidation_requests] {
        let stop = Bytecode::new_legacy([0].into());
        state.insert_account(address, AccountInfo::default().with_code(stop));
    }
    state
}

fn genesis(schedule: ForkSchedule, state: PreState) -> Genesis {
    let lists = schedule.has_access_lists_at(0);
    let header = Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        gas_limit: 30_000_000,
        // The least there is: an empty block does not lower it.
        base_fee_per_gas: Some(7),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: lists.then_some(B256::ZERO),
        ..Header::default()
    };
    Genesis::new(schedule, header, state)
}

fn child(parent: &Header) -> Header {
    Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 12,
        receipts_root: EMPTY_ROOT_HASH,
        transactions_root: EMPTY_ROOT_HASH,
        gas_used: 0,
        ..parent.clone()
    }
}

fn rlp(header: &Header, txns: Vec<Txn>, withdrawals: Withdrawals) -> Vec<u8> {
    let withdrawals = Some(withdrawals);
    let body = BlockBody { transactions: txns, ommers: Vec::new(), withdrawals };
    alloy_rlp::encode(Block { header: header.clone(), body })
}

/// A block after `parent` of exactly `bytes` bytes, made of withdrawals and extra data, on a state
/// where [`PAID`] has nothing.
fn block_of(bytes: usize, parent: &Header, timestamp: u64) -> Vec<u8> {
    let withdrawal = Withdrawal { address: PAID, amount: 1, ..Withdrawal::default() };
    let each = alloy_rlp::encode(withdrawal).len();
    let count = (bytes - 700) / each;
    let withdrawals = Withdrawals::new(vec![withdrawal; count]);
    let mut after = state();
    let gwei = U256::from(count) * U256::from(1_000_000_000);
    after.insert_account(PAID, AccountInfo::default().with_balance(gwei));
    let mut header = Header {
        timestamp,
        state_root: state_root(&after),
        withdrawals_root: Some(calculate_withdrawals_root(&withdrawals)),
        ..child(parent)
    };
    // One byte of extra data and its length are two bytes, none is one.
    let mut withdrawals = withdrawals;
    loop {
        let length = rlp(&header, Vec::new(), withdrawals.clone()).len();
        let missing = bytes - length;
        if missing <= 31 {
            header.extra_data = Bytes::from(vec![0xff; missing]);
            let block = rlp(&header, Vec::new(), withdrawals);
            assert_eq!(block.len(), bytes);
            return block;
        }
        // A withdrawal of nothing is as long as one of a gwei.
        let more = missing / each;
        withdrawals.0.extend(vec![Withdrawal { amount: 0, ..withdrawal }; more]);
        header.withdrawals_root = Some(calculate_withdrawals_root(&withdrawals));
    }
}

fn import(schedule: ForkSchedule, bytes: usize, timestamp: u64) -> Result<(), BlockError> {
    let mut chain = Chain::new(genesis(schedule, state()));
    let block = block_of(bytes, &chain.head_header().clone(), timestamp);
    chain.import(&block, &engine(2)).map(drop)
}

#[test]
fn a_block_may_be_8_mebibytes_long_since_osaka_and_not_a_byte_more() {
    let osaka = || ForkSchedule::fixed(1, SpecId::OSAKA);
    import(osaka(), LIMIT, 12).expect("as long as is allowed");
    let error = import(osaka(), LIMIT + 1, 12).expect_err("a byte too long");
    assert!(matches!(error, BlockError::Size { bytes, max: LIMIT } if bytes == LIMIT + 1));
    let lists = osaka().access_lists_from(1_000_000);
    let error = import(lists, LIMIT + 1, 12).expect_err("a byte too long");
    assert!(matches!(error, BlockError::Size { .. }), "{error}");
}

#[test]
fn the_limit_comes_with_the_first_block_of_osaka() {
    let config = ChainConfig {
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        terminal_total_difficulty: Some(U256::ZERO),
        shanghai_time: Some(0),
        cancun_time: Some(0),
        prague_time: Some(0),
        osaka_time: Some(OSAKA_TIME),
        chain_id: 1,
        ..ChainConfig::default()
    };
    let schedule = ForkSchedule::from_genesis(&config).expect("in order");
    import(schedule.clone(), LIMIT + 1, OSAKA_TIME - 1).expect("before Osaka there is no limit");
    let error = import(schedule, LIMIT + 1, OSAKA_TIME).expect_err("a byte too long");
    assert!(matches!(error, BlockError::Size { .. }), "{error}");
}

/// Mainnet's first transaction with a value, in block 46147, which is for no chain in particular.
fn payment() -> (Txn, Address, Address) {
    let to = address!("5df9b87991262f6ba471f09758cde1c0fc1de734");
    let signature = Signature::new(
        uint!(0x88ff6cf0fefd94db46111149ae4bfc179e9b94721fffd821d38d16464b3f71d0_U256),
        uint!(0x45e0aff800961cfce805daef7016b9b675c137a6a41a548f7b60a3484c06a33a_U256),
        true,
    );
    let txn = TxLegacy {
        gas_price: 50_000_000_000_000,
        gas_limit: 21_000,
        to: to.into(),
        value: U256::from(31_337),
        ..TxLegacy::default()
    };
    let txn = Txn::from(Signed::new_unhashed(txn, signature));
    (txn, address!("a1e4380a3b1f749673e270229993ee55f35663b4"), to)
}

/// A block with a payment whose header names, and that comes with, a list in which nothing is
/// right.
fn with_wrong_list(state: PreState, spoil: impl FnOnce(&mut Header), threads: usize) -> BlockError {
    let schedule = ForkSchedule::fixed(1, SpecId::OSAKA).access_lists_from(0);
    let mut chain = Chain::new(genesis(schedule, state));
    let list = vec![AccountChanges::new(Address::repeat_byte(1))];
    let (txn, ..) = payment();
    let txns = vec![txn];
    let mut header = Header {
        transactions_root: calculate_transaction_root(&txns),
        gas_used: 21_000,
        block_access_list_hash: Some(alloy_primitives::keccak256(alloy_rlp::encode(&list))),
        ..child(chain.head_header())
    };
    spoil(&mut header);
    let block = rlp(&header, txns, Withdrawals::default());
    let (before, root) = (chain.head(), state_root(chain.head_state()));
    let error = chain.import_with_access_list(&block, list, &engine(threads)).expect_err("wrong");
    assert_eq!((chain.head(), state_root(chain.head_state())), (before, root));
    error
}

#[test]
fn what_is_wrong_with_the_block_itself_is_named_before_its_list() {
    let (_, sender, _) = payment();
    let mut rich = state();
    rich.insert_account(sender, AccountInfo::default().with_balance(U256::MAX >> 1));
    for threads in [1, 2, 4, 8] {
        let error = with_wrong_list(state(), |_| (), threads);
        let BlockError::Execution(ExecutionError::InvalidTxn { index: 0, reason }) = error else {
            panic!("the sender has no funds: {error}");
        };
        let no_funds = InvalidTransaction::LackOfFundForMaxFee {
            fee: Box::new(U256::from(1_050_000_000_000_031_337_u64)),
            balance: Box::default(),
        };
        assert_eq!(reason, InvalidTxnReason::Vm(no_funds));
        let error = with_wrong_list(rich.clone(), |header| header.gas_used = 1, threads);
        assert!(matches!(error, BlockError::Result(_)), "the gas is wrong: {error}");
    }
}

#[test]
fn a_list_that_does_not_belong_to_the_header_does_not_hide_the_blocks_fault() {
    let spoil = |header: &mut Header| header.block_access_list_hash = Some(B256::ZERO);
    let error = with_wrong_list(state(), spoil, 2);
    assert!(matches!(error, BlockError::Execution(_)), "{error}");
}

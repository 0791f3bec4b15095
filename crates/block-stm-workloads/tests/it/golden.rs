//! Equal parameters give equal blocks: on every machine, in every build, in every version.
//!
//! A digest that changes means that published measurements name another block than before. That may
//! be wanted, and then the changelog says so.

use alloy_primitives::U256;
use block_stm_workloads::{Params, ParamsError, Workload};

use crate::digest::digest;

const UNIFORM: Params = Params { txns: 64, accounts: 100, pools: 4, zipf: 0.0, seed: 1 };

const SKEWED: Params = Params { zipf: 1.1, seed: 2, ..UNIFORM };

/// Digests of each workload's block without and with skew.
const GOLDEN: [(Workload, &str, &str); 8] = [
    (
        Workload::Transfers,
        "1982234cc605d32b25d27b9a95ce2f9be4e0801b5dba9a6a1f1089517e7af1c5",
        "168ef7868ff7a1378a3abb38757a33e31287f236e10921a79acbf952da81c7b9",
    ),
    (
        Workload::Erc20,
        "fdac5f125df086a146e46594ae7f183e9464bca2330a469947d2bfa9f7cf911a",
        "ef318ded7979c64f8dadc25c14c98689470ea57c013350ddd6a435f2b645f683",
    ),
    (
        Workload::Amm,
        "8c52ba9a92a6466f6649db16e50bb45066c7d178376104622b0cb7172537dbe1",
        "4d24846dbdef58391cdf8762f00686ba9f3dfca53eff34dd03953af9d5053349",
    ),
    (
        Workload::Lending,
        "b96b9782cba5e9f39d96f2d3dc4556a4cd1aac9fbe0426f6123345572f5c1c23",
        "ada9dc11a2252813cb8b5c9bfeb64746346bafb7977b961740c6cc9f0211fa9d",
    ),
    (
        Workload::Nft,
        "2429c9ee84af53dc3a1a6f8ea5a81f4fca64586a987ee4cb56fde6a77e665751",
        "7c6457cdaaac0355663007e4a9938d719f6753ab57bf91d504091d5ce7f9cd8b",
    ),
    (
        Workload::Orders,
        "8e7ecd7b0a3bf6095db5b6adada9ec311f92aef684496d0ad15c9eede5483a20",
        "0c260ebefe2fb3a955be8d6f929a4a68df7e6f0baa888ac1c8bbc454e2b1dfc5",
    ),
    (
        Workload::Mixed,
        "6c6a8e90ca5bad3e5c402f1ed2e06bf31d7d41aa0686df91b9de7960cf9f4100",
        "a81b29fc05abc5ca3f6ebacd6325091755470bcafed49ffd7ad6e0a840aa7da2",
    ),
    (
        Workload::Chain,
        "afa7fa38a159fa5a4187a65172f9cbf4e688ca5fa3abd008fd36d05ad619779c",
        "257d482dd12ae613b07317a571bc2753f6c286c9ff2861adb7da26b2eeec252a",
    ),
];

#[test]
fn blocks_are_as_they_were() -> Result<(), ParamsError> {
    let mut actual = Vec::new();
    for workload in Workload::ALL {
        let uniform = digest(&workload.generate(&UNIFORM)?);
        let skewed = digest(&workload.generate(&SKEWED)?);
        actual.push((workload, uniform, skewed));
    }
    let golden =
        GOLDEN.map(|(workload, uniform, skewed)| (workload, uniform.into(), skewed.into()));
    assert_eq!(actual, golden);
    Ok(())
}

#[test]
fn the_seed_changes_every_block() -> Result<(), ParamsError> {
    for workload in Workload::ALL {
        let other = Params { seed: 3, ..UNIFORM };
        let (one, other) = (workload.generate(&UNIFORM)?, workload.generate(&other)?);
        assert_ne!(digest(&one), digest(&other), "{workload}");
    }
    Ok(())
}

#[test]
fn a_changed_transaction_or_slot_changes_the_digest() -> Result<(), ParamsError> {
    let mut generated = Workload::Amm.generate(&UNIFORM)?;
    let before = digest(&generated);
    generated.block.txns[7].nonce += 1;
    assert_ne!(digest(&generated), before);
    generated.block.txns[7].nonce -= 1;
    assert_eq!(digest(&generated), before);
    let sender = generated.block.txns[7].caller;
    generated.pre_state.insert_storage(sender, U256::ZERO, U256::ONE);
    assert_ne!(digest(&generated), before);
    Ok(())
}

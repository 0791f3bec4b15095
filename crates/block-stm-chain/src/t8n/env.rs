//! The environment of a transition: what the new block's header says, or what it follows from.

use std::collections::BTreeMap;

use alloy_consensus::EMPTY_OMMER_ROOT_HASH;
use alloy_eips::{eip4844::DATA_GAS_PER_BLOB, eip4895::Withdrawal, eip7840::BlobParams};
use alloy_primitives::{Address, B256, U256};
use revm::{
    context::BlockEnv, context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};
use serde::Deserialize;

use super::{T8nError, T8nFork};
use crate::{
    blob_gas_price,
    header::difficulty::{Parent, difficulty},
    import::quantity::Quantity,
};

/// `env` as it is written in JSON. What is needed under some rules only, is optional.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an env object")]
pub(super) struct JsonEnv {
    current_coinbase: Address,
    current_gas_limit: Quantity<u64>,
    pub(super) current_number: Quantity<u64>,
    pub(super) current_timestamp: Quantity<u64>,
    current_difficulty: Option<Quantity<U256>>,
    current_random: Option<Quantity<U256>>,
    current_base_fee: Option<Quantity<u64>>,
    current_excess_blob_gas: Option<Quantity<u64>>,
    parent_difficulty: Option<Quantity<U256>>,
    parent_timestamp: Option<Quantity<u64>>,
    parent_uncle_hash: Option<B256>,
    parent_base_fee: Option<Quantity<u64>>,
    parent_gas_used: Option<Quantity<u64>>,
    parent_gas_limit: Option<Quantity<u64>>,
    parent_excess_blob_gas: Option<Quantity<u64>>,
    parent_blob_gas_used: Option<Quantity<u64>>,
    parent_beacon_block_root: Option<B256>,
    slot_number: Option<Quantity<u64>>,
    block_hashes: Option<BTreeMap<Quantity<u64>, B256>>,
    ommers: Option<Vec<JsonOmmer>>,
    withdrawals: Option<Vec<JsonWithdrawal>>,
}

#[derive(Clone, Debug, Deserialize)]
struct JsonOmmer {
    /// Generations between the ommer and the block.
    delta: Quantity<u64>,
    address: Address,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonWithdrawal {
    index: Quantity<u64>,
    validator_index: Quantity<u64>,
    address: Address,
    amount: Quantity<u64>,
}

/// An environment of which nothing is left to be found out.
#[derive(Clone, Debug)]
pub(super) struct Env {
    pub(super) block: BlockEnv,
    pub(super) base_fee: Option<u64>,
    pub(super) excess_blob_gas: Option<u64>,
    pub(super) beacon_root: Option<B256>,
    pub(super) block_hashes: BTreeMap<u64, B256>,
    pub(super) withdrawals: Option<Vec<Withdrawal>>,
    /// Generations to the ommer, and who is rewarded.
    ommers: Vec<(u64, Address)>,
}

impl JsonEnv {
    /// The environment under the rules of `fork`.
    pub(super) fn resolve(self, fork: &T8nFork) -> Result<Env, T8nError> {
        let active = |spec| fork.spec.is_enabled_in(spec);
        let base_fee = active(SpecId::LONDON).then(|| self.base_fee()).transpose()?;
        let (difficulty, random) = self.difficulty_or_random(fork)?;
        let blobs = match fork.blobs {
            Some(params) => Some(self.blob_price(params)?),
            None => None,
        };
        if active(SpecId::SHANGHAI) && self.withdrawals.is_none() {
            return Err(missing("withdrawals", "from Shanghai on; a block without any has []"));
        }
        if active(SpecId::CANCUN) && self.parent_beacon_block_root.is_none() {
            return Err(missing("parentBeaconBlockRoot", "from Cancun on"));
        }
        if active(SpecId::AMSTERDAM) && self.slot_number.is_none() {
            return Err(missing("slotNumber", "from Amsterdam on"));
        }
        let block = BlockEnv {
            number: U256::from(self.current_number.0),
            beneficiary: self.current_coinbase,
            timestamp: U256::from(self.current_timestamp.0),
            gas_limit: self.current_gas_limit.0,
            basefee: base_fee.unwrap_or_default(),
            difficulty,
            prevrandao: random,
            blob_excess_gas_and_price: blobs,
            slot_num: self.slot_number.unwrap_or_default().0,
        };
        let hashes = self.block_hashes.unwrap_or_default().into_iter();
        let ommers = self.ommers.unwrap_or_default().into_iter();
        Ok(Env {
            block,
            base_fee,
            excess_blob_gas: blobs.map(|blobs| blobs.excess_blob_gas),
            beacon_root: self.parent_beacon_block_root.filter(|_| active(SpecId::CANCUN)),
            block_hashes: hashes.map(|(number, hash)| (number.0, hash)).collect(),
            withdrawals: self.withdrawals.map(|list| list.into_iter().map(Into::into).collect()),
            ommers: ommers.map(|ommer| (ommer.delta.0, ommer.address)).collect(),
        })
    }

    /// The base fee, or the one that follows from the parent (EIP-1559).
    fn base_fee(&self) -> Result<u64, T8nError> {
        if let Some(given) = self.current_base_fee {
            return Ok(given.0);
        }
        let wanted = "from London on, unless currentBaseFee is given";
        let field = |name, value: Option<Quantity<u64>>| match value {
            Some(value) => Ok(value.0),
            None => Err(missing(name, wanted)),
        };
        let parent = field("parentBaseFee", self.parent_base_fee)?;
        let used = field("parentGasUsed", self.parent_gas_used)?;
        let limit = field("parentGasLimit", self.parent_gas_limit)?;
        next_base_fee(parent, used, limit).ok_or_else(|| {
            let message = "parentGasLimit and parentBaseFee make no base fee of 64 bits";
            T8nError::Config(format!("env: {message}"))
        })
    }

    /// Before the Merge a difficulty, afterwards a random value.
    fn difficulty_or_random(&self, fork: &T8nFork) -> Result<(U256, Option<B256>), T8nError> {
        let given = self.current_difficulty.map(|difficulty| difficulty.0);
        if fork.spec.is_enabled_in(SpecId::MERGE) {
            let random = self.current_random.ok_or(missing("currentRandom", "from Paris on"))?;
            if given.is_some_and(|difficulty| !difficulty.is_zero()) {
                let message = "env: currentDifficulty must be zero or absent from Paris on";
                return Err(T8nError::Config(message.to_owned()));
            }
            return Ok((U256::ZERO, Some(random.0.into())));
        }
        let difficulty = match given {
            Some(difficulty) => difficulty,
            None => self.next_difficulty(fork)?,
        };
        Ok((difficulty, None))
    }

    fn next_difficulty(&self, fork: &T8nFork) -> Result<U256, T8nError> {
        let wanted = "before Paris, unless currentDifficulty is given";
        let parent = self.parent_difficulty.ok_or(missing("parentDifficulty", wanted))?;
        let parent_timestamp = self.parent_timestamp.unwrap_or_default().0;
        let (number, timestamp) = (self.current_number.0, self.current_timestamp.0);
        if number == 0 {
            return Err(missing("currentDifficulty", "in block 0, which has no parent"));
        }
        if timestamp <= parent_timestamp {
            return Err(T8nError::Config(format!(
                "env: currentTimestamp ({timestamp}) must be after parentTimestamp \
                 ({parent_timestamp})"
            )));
        }
        // A hash of zeroes stands for one that is not known.
        let ommers = self.parent_uncle_hash.unwrap_or_default();
        let parent = Parent {
            difficulty: parent.0,
            timestamp: parent_timestamp,
            has_ommers: !ommers.is_zero() && ommers != EMPTY_OMMER_ROOT_HASH,
        };
        let expected = difficulty(fork.spec, fork.bomb_delay, number, timestamp, parent);
        expected.ok_or_else(|| {
            T8nError::Config("env: the difficulty of this block exceeds 256 bits".to_owned())
        })
    }

    /// The excess blob gas, or what follows from the parent, and the price that it makes.
    fn blob_price(&self, params: BlobParams) -> Result<BlobExcessGasAndPrice, T8nError> {
        let excess = match self.current_excess_blob_gas {
            Some(given) => given.0,
            None => self.next_excess_blob_gas(params)?,
        };
        let price = blob_price(excess, params).ok_or_else(|| too_expensive(excess))?;
        Ok(BlobExcessGasAndPrice { excess_blob_gas: excess, blob_gasprice: price })
    }

    /// EIP-4844, and EIP-7918 from Osaka on. A parent of which nothing is said carried no blobs.
    fn next_excess_blob_gas(&self, params: BlobParams) -> Result<u64, T8nError> {
        let excess = self.parent_excess_blob_gas.unwrap_or_default().0;
        let used = self.parent_blob_gas_used.unwrap_or_default().0;
        let next = u128::from(excess) + u128::from(used);
        let target = u128::from(params.target_blob_count) * u128::from(DATA_GAS_PER_BLOB);
        let next = if next < target {
            0
        } else if params.blob_base_cost > 0 && self.execution_is_dearer(excess, params)? {
            let above = params.max_blob_count.saturating_sub(params.target_blob_count);
            let grown = u128::from(used) * u128::from(above);
            u128::from(excess) + grown / u128::from(params.max_blob_count.max(1))
        } else {
            next - target
        };
        u64::try_from(next).map_err(|_| {
            T8nError::Config("env: the excess blob gas of this block exceeds 64 bits".to_owned())
        })
    }

    /// Whether blobs are cheaper than the execution gas that they are worth at least (EIP-7918).
    fn execution_is_dearer(&self, excess: u64, params: BlobParams) -> Result<bool, T8nError> {
        let wanted = "from Osaka on, unless currentExcessBlobGas is given";
        let base_fee = self.parent_base_fee.ok_or(missing("parentBaseFee", wanted))?;
        let price = blob_price(excess, params).ok_or_else(|| too_expensive(excess))?;
        let floor = U256::from(params.blob_base_cost) * U256::from(base_fee.0);
        Ok(floor > U256::from(DATA_GAS_PER_BLOB) * U256::from(price))
    }
}

impl Env {
    /// Credits for a block reward of `reward` wei: to the producer, with 1/32 for each ommer, and
    /// to each ommer's producer 1/8 less for each generation.
    ///
    /// # Errors
    ///
    /// [`T8nError::Config`] for an ommer of more than 8 generations.
    pub(super) fn rewards(&self, reward: u64) -> Result<Vec<(Address, U256)>, T8nError> {
        let (reward, eight) = (U256::from(reward), U256::from(8));
        let mut credits = Vec::with_capacity(self.ommers.len() + 1);
        for (place, &(delta, address)) in self.ommers.iter().enumerate() {
            let share = eight.checked_sub(U256::from(delta)).ok_or_else(|| {
                T8nError::Config(format!("env.ommers[{place}].delta: {delta} is more than 8"))
            })?;
            credits.push((address, reward * share / eight));
        }
        let nephew = reward / U256::from(32) * U256::from(self.ommers.len());
        credits.push((self.block.beneficiary, reward + nephew));
        Ok(credits)
    }

    /// The hash of the parent; zeroes where the environment does not tell it.
    pub(super) fn parent_hash(&self) -> B256 {
        let number: u64 = self.block.number.saturating_to();
        let parent = number.checked_sub(1);
        parent.and_then(|parent| self.block_hashes.get(&parent)).copied().unwrap_or_default()
    }
}

impl From<JsonWithdrawal> for Withdrawal {
    fn from(json: JsonWithdrawal) -> Self {
        Self {
            index: json.index.0,
            validator_index: json.validator_index.0,
            address: json.address,
            amount: json.amount.0,
        }
    }
}

/// The base fee after a block (EIP-1559), or `None` where there is none of 64 bits.
fn next_base_fee(base_fee: u64, gas_used: u64, gas_limit: u64) -> Option<u64> {
    let target = gas_limit / 2;
    let [fee, used, wide_target] = [base_fee, gas_used, target].map(u128::from);
    // An eighth of the fee, for a block that is empty or twice as large as its target.
    let change = |gas: u128| {
        let product = U256::from(fee) * U256::from(gas);
        Some(
            (product.checked_div(U256::from(wide_target))? / U256::from(8)).saturating_to::<u128>(),
        )
    };
    let next = if used > wide_target {
        fee.checked_add(change(used - wide_target)?.max(1))?
    } else {
        fee.checked_sub(change(wide_target - used)?)?
    };
    u64::try_from(next).ok()
}

fn blob_price(excess: u64, params: BlobParams) -> Option<u128> {
    blob_gas_price(excess, u64::try_from(params.update_fraction).ok()?)
}

fn too_expensive(excess: u64) -> T8nError {
    T8nError::Config(format!("env: excess blob gas {excess} makes a blob price beyond 128 bits"))
}

fn missing(field: &str, when: &str) -> T8nError {
    T8nError::Config(format!("env: {field} is missing; it is needed {when}"))
}

#[cfg(test)]
mod tests {
    use alloy_eips::{eip1559::BaseFeeParams, eip1559::calc_next_block_base_fee};
    use serde_json::{Value, json};

    use super::*;

    fn resolve(fork: &str, fields: &Value) -> Result<Env, String> {
        let mut env = json!({
            "currentCoinbase": "0x0000000000000000000000000000000000000001",
            "currentGasLimit": "30000000", "currentNumber": "0x10", "currentTimestamp": 1000,
            "currentRandom": "0x1", "currentBaseFee": "0x7", "withdrawals": [],
            "parentBeaconBlockRoot": B256::ZERO,
        });
        for (name, value) in fields.as_object().expect("an object") {
            env[name] = value.clone();
        }
        let env: JsonEnv = serde_json::from_value(env).map_err(|error| error.to_string())?;
        let fork = T8nFork::by_name(fork, 16, 1000).map_err(|error| error.to_string())?;
        env.resolve(&fork).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_rules_need_must_be_there() {
        let table = [
            ("London", json!({ "currentBaseFee": null }), "parentBaseFee"),
            ("London", json!({}), "parentDifficulty"),
            ("Paris", json!({ "currentRandom": null }), "currentRandom"),
            ("Paris", json!({ "currentDifficulty": 1 }), "currentDifficulty must be zero"),
            ("Shanghai", json!({ "withdrawals": null }), "withdrawals"),
            ("Cancun", json!({ "parentBeaconBlockRoot": null }), "parentBeaconBlockRoot"),
            ("Cancun", json!({ "currentExcessBlobGas": u64::MAX }), "beyond 128 bits"),
            ("Osaka", json!({ "parentBlobGasUsed": 1_200_000 }), "parentBaseFee"),
            ("Amsterdam", json!({}), "slotNumber"),
            ("Berlin", json!({ "parentDifficulty": 1, "parentTimestamp": 1000 }), "must be after"),
        ];
        for (fork, fields, word) in table {
            let error = resolve(fork, &fields).map(|_| ()).expect_err(word);
            assert!(error.contains(word), "{fork}: {error}");
        }
    }

    #[test]
    fn a_difficulty_follows_from_the_parent() {
        let next = |parent: &str| {
            let fields = json!({
                "currentNumber": 1_800_000, "currentTimestamp": 5_000, "parentDifficulty": parent,
            });
            resolve("Homestead", &fields).map(|env| env.block.difficulty.saturating_to::<u64>())
        };
        assert_eq!(next("131072"), Ok(190_272));
        assert_eq!(next("2048000"), Ok(2_014_536));
        assert!(next(&U256::MAX.to_string()).is_ok());
        let fields = json!({ "currentNumber": u64::MAX, "parentDifficulty": 1 });
        let error = resolve("Homestead", &fields).map(|_| ()).expect_err("too large");
        assert!(error.contains("exceeds 256 bits"), "{error}");
    }

    #[test]
    fn a_base_fee_follows_from_the_parent() {
        let fields = json!({
            "currentBaseFee": null, "parentBaseFee": "1000", "parentGasLimit": "0x4000",
            "parentGasUsed": "0x4000", "currentDifficulty": 1,
        });
        assert_eq!(resolve("London", &fields).expect("complete").base_fee, Some(1125));
        let params = BaseFeeParams::ethereum();
        for used in [0, 1, 9_999_999, 10_000_000, 10_000_001, 15_000_000, 20_000_000] {
            for fee in [0, 1, 7, 8, 1_000_000_007, 1 << 50] {
                let expected = calc_next_block_base_fee(used, 20_000_000, fee, params);
                assert_eq!(next_base_fee(fee, used, 20_000_000), Some(expected), "{used} {fee}");
            }
        }
        assert_eq!(next_base_fee(7, 0, 1), None);
        assert_eq!(next_base_fee(u64::MAX, u64::MAX, 2), None);
    }

    #[test]
    fn excess_blob_gas_follows_from_the_parent() {
        let excess = |fork, excess: u64, used: u64, base_fee: u64| {
            let fields = json!({
                "parentExcessBlobGas": excess, "parentBlobGasUsed": used, "parentBaseFee": base_fee
            });
            resolve(fork, &fields).expect("complete").excess_blob_gas
        };
        let expected = |params: BlobParams, excess, used, base_fee| {
            Some(params.next_block_excess_blob_gas_osaka(excess, used, base_fee))
        };
        for (before, used) in [(0, 0), (0, 6 << 17), (9 << 17, 9 << 17), (300 << 17, 3 << 17)] {
            for fee in [1, 16, 17, 1_000_000_000] {
                let table = [
                    ("Cancun", BlobParams::cancun()),
                    ("Prague", BlobParams::prague()),
                    ("Osaka", BlobParams::osaka()),
                    ("BPO2", BlobParams::bpo2()),
                ];
                for (fork, params) in table {
                    let found = excess(fork, before, used, fee);
                    assert_eq!(found, expected(params, before, used, fee), "{fork}");
                }
            }
        }
        assert_eq!(resolve("Shanghai", &json!({})).expect("complete").excess_blob_gas, None);
    }

    #[test]
    fn rewards_are_shared_with_ommers_of_any_age_that_a_share_is_left_for() {
        let address = Address::repeat_byte(2);
        let ommers = |delta: u64| {
            json!({
                "currentDifficulty": 1,
                "ommers": [
                    { "delta": delta, "address": address },
                    { "delta": 1, "address": address },
                ]
            })
        };
        let env = resolve("Berlin", &ommers(8)).expect("complete");
        let credits = env.rewards(64).expect("ages within 8").into_iter();
        let wei: Vec<u64> = credits.map(|(_, wei)| wei.to()).collect();
        assert_eq!(wei, [0, 56, 68]);
        let env = resolve("Berlin", &ommers(9)).expect("complete");
        assert!(env.rewards(64).expect_err("too old").to_string().contains("ommers[0].delta"));
    }
}

//! Random blocks of transactions that conflict, fail, destroy, re-create, delegate and are invalid,
//! for any fork.

// LENGTH: one maker, whose draws follow each other and share the state of the block.

use std::collections::BTreeMap;

use alloy_eips::{
    eip2935, eip4788, eip6110, eip7002, eip7251,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use secp256k1::{Message, Secp256k1, SecretKey};
use serde_json::{Map, Value, json};

use super::code::{self, assemble};

/// The forks in order; what a block may hold grows along them.
pub(crate) const FORKS: [&str; 17] = [
    "Frontier",
    "Homestead",
    "EIP150",
    "EIP158",
    "Byzantium",
    "ConstantinopleFix",
    "Istanbul",
    "Berlin",
    "London",
    "Paris",
    "Shanghai",
    "Cancun",
    "Prague",
    "Osaka",
    "BPO1",
    "BPO2",
    "Amsterdam",
];

const CHAIN_ID: u64 = 1;
const SENDERS: u64 = 7;
const COINBASE: Address = Address::repeat_byte(0xc0);

/// The input of a transition.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) reward: i64,
    pub(crate) alloc: Value,
    pub(crate) env: Value,
    pub(crate) txs: Value,
}

/// A random block of `txns` transactions under the rules of `fork`.
pub(crate) fn block(fork: &'static str, seed: u64, txns: usize) -> Input {
    Maker::new(fork, seed).block(txns)
}

/// The same, but every transaction delegates (EIP-7702) for some of the few accounts that all
/// others come from, call and delegate for.
pub(crate) fn delegations(fork: &'static str, seed: u64, txns: usize) -> Input {
    let mut maker = Maker::new(fork, seed);
    maker.only_delegations = true;
    maker.block(txns)
}

struct Sender {
    key: B256,
    address: Address,
    /// As far as it can be foreseen.
    nonce: u64,
}

struct Maker {
    fork: &'static str,
    rng: ChaCha8Rng,
    senders: Vec<Sender>,
    contracts: Vec<Address>,
    creators: Vec<Address>,
    alloc: BTreeMap<Address, Value>,
    base_fee: u64,
    gas_limit: u64,
    /// Whether the second sender has code, so that nothing comes from it (EIP-3607).
    stuck: bool,
    only_delegations: bool,
}

impl Maker {
    fn new(fork: &'static str, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let base_fee = rng.random_range(7..1_000);
        let gas_limit = *[4_000_000, 30_000_000, 60_000_000].choose(&mut rng).expect("some");
        let mut maker = Self {
            fork,
            rng,
            senders: (0..SENDERS).map(sender).collect(),
            contracts: Vec::new(),
            creators: Vec::new(),
            alloc: BTreeMap::new(),
            base_fee,
            gas_limit,
            stuck: false,
            only_delegations: false,
        };
        maker.populate();
        maker
    }

    /// Whether the rules include those of the fork `name`.
    fn since(&self, name: &str) -> bool {
        let place = |name| FORKS.iter().position(|fork| *fork == name).expect("a known fork");
        place(self.fork) >= place(name)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn populate(&mut self) {
        for place in 0..self.senders.len() {
            let address = self.senders[place].address;
            // Some run out of money, one has code, one has no nonce left.
            let wei = if self.chance(15) { 2_000_000_000 } else { 10_u64.pow(18) };
            let mut account = json!({ "balance": hexed(wei) });
            match place {
                0 => account["nonce"] = json!(hexed(u64::MAX)),
                1 if self.chance(50) => {
                    account["code"] = code(&assemble(code::COUNTER));
                    self.stuck = true;
                }
                // An account that delegates has a nonce. The specification takes an account
                // without, whose code is cleared, for empty.
                2 if self.since("Prague") => {
                    account["code"] = code(&delegation(contract(3)));
                    account["nonce"] = json!("0x1");
                }
                _ => {}
            }
            self.senders[place].nonce = account.get("nonce").map_or(0, quantity);
            self.alloc.insert(address, account);
        }
        let mut sources = vec![
            code::WRITER,
            code::COUNTER,
            code::COUNTER,
            code::DESTROYER,
            code::DESTROYER,
            code::FAILER,
            code::LOGGER,
            code::ENVIRONMENT,
            code::PAYER,
            code::CREATOR,
        ];
        let prober =
            if self.since("ConstantinopleFix") { code::PROBER } else { code::EARLY_PROBER };
        let caller = if self.since("Byzantium") { code::CALLER } else { code::EARLY_CALLER };
        sources.extend([prober, caller, caller]);
        let later = [
            ("ConstantinopleFix", code::CREATOR2),
            ("London", code::LONDON_ENVIRONMENT),
            ("Cancun", code::CANCUN_ENVIRONMENT),
            ("Osaka", code::OSAKA_ENVIRONMENT),
            ("Amsterdam", code::AMSTERDAM_ENVIRONMENT),
        ];
        sources.extend(
            later.into_iter().filter(|(fork, _)| self.since(fork)).map(|(_, source)| source),
        );
        for (place, source) in (0..).zip(sources) {
            let address = contract(place);
            self.contracts.push(address);
            if [code::CREATOR, code::CREATOR2].contains(&source) {
                self.creators.push(address);
            }
            let wei = if self.chance(50) { 1_000 } else { 0 };
            let storage: Map<String, Value> =
                (0..3).map(|slot| (word(slot), json!(word(self.rng.random_range(1..5))))).collect();
            let account = json!({
                "balance": hexed(wei), "nonce": "0x1", "code": code(&assemble(source)),
                "storage": storage,
            });
            self.alloc.insert(address, account);
        }
        self.install_system_contracts();
    }

    fn install_system_contracts(&mut self) {
        let contracts = [
            ("Cancun", eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.to_vec()),
            ("Prague", eip2935::HISTORY_STORAGE_ADDRESS, eip2935::HISTORY_STORAGE_CODE.to_vec()),
            (
                "Prague",
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.to_vec(),
            ),
            (
                "Prague",
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.to_vec(),
            ),
            ("Prague", eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, assemble(code::DEPOSITOR)),
        ];
        for (fork, address, bytes) in contracts {
            if self.since(fork) {
                self.alloc.insert(
                    address,
                    json!({ "balance": "0x0", "nonce": "0x1", "code": code(&bytes) }),
                );
            }
        }
    }

    fn block(mut self, txns: usize) -> Input {
        let txs: Vec<Value> = (0..txns).map(|_| self.txn()).collect();
        let env = self.env();
        let rewards: &[i64] =
            if self.since("Paris") { &[-1] } else { &[-1, 0, 2_000_000_000_000_000_000] };
        let reward = *rewards.choose(&mut self.rng).expect("some");
        let alloc = self.alloc.into_iter().map(|(address, account)| (address.to_string(), account));
        Input { reward, alloc: Value::Object(alloc.collect()), env, txs: json!(txs) }
    }

    fn env(&mut self) -> Value {
        let hash = |number: u64| keccak256(number.to_be_bytes());
        let mut env = json!({
            "currentCoinbase": COINBASE, "currentGasLimit": hexed(self.gas_limit),
            "currentNumber": "0x40",
            "currentTimestamp": "0x3e8", "blockHashes": { "0x3f": hash(0x3f), "0x3e": hash(0x3e) },
        });
        let used = self.rng.random_range(0..self.gas_limit);
        if self.since("Paris") {
            env["currentRandom"] = json!(hash(7));
        } else if self.chance(50) {
            env["currentDifficulty"] = json!("0x20000");
        } else {
            env["parentDifficulty"] = json!(hexed(self.rng.random_range(131_072..u64::MAX / 4)));
            env["parentTimestamp"] = json!(hexed(self.rng.random_range(0..999)));
        }
        if self.since("London") {
            env["parentBaseFee"] = json!(hexed(self.base_fee));
            env["parentGasUsed"] = json!(hexed(used));
            env["parentGasLimit"] = json!(hexed(self.gas_limit));
            if self.chance(50) {
                env["currentBaseFee"] = json!(hexed(self.base_fee));
            }
        }
        if self.since("Shanghai") {
            env["withdrawals"] = json!(self.withdrawals());
        }
        if self.since("Cancun") {
            env["parentBeaconBlockRoot"] = json!(hash(8));
            if self.chance(50) {
                env["currentExcessBlobGas"] = json!(hexed(self.rng.random_range(0..20_000_000)));
            } else {
                env["parentExcessBlobGas"] = json!(hexed(self.rng.random_range(0..100) << 17));
                env["parentBlobGasUsed"] = json!(hexed(self.rng.random_range(0..7) << 17));
            }
        }
        if self.since("Amsterdam") {
            env["slotNumber"] = json!(hexed(self.rng.random()));
        }
        env
    }

    fn withdrawals(&mut self) -> Vec<Value> {
        let count = self.rng.random_range(0..4);
        (0..count)
            .map(|index| {
                let amount = *[0, 1, 5_000].choose(&mut self.rng).expect("some");
                json!({
                    "index": hexed(index), "validatorIndex": hexed(index), "amount": hexed(amount),
                    "address": self.address(),
                })
            })
            .collect()
    }

    /// A transaction that is meant to be valid, or one with something wrong.
    fn txn(&mut self) -> Value {
        // A sender that can't send anything does not try often.
        let least = if self.chance(12) { 0 } else { 1 + usize::from(self.stuck) };
        let from = self.rng.random_range(least..self.senders.len());
        let mut txn = self.valid(from);
        // A transaction that is left out delegates for no account, which shifts all nonces after
        // it.
        if !self.only_delegations && self.chance(22) {
            self.spoil(&mut txn);
        } else if from != 0 {
            self.senders[from].nonce += 1;
        }
        txn
    }

    fn valid(&mut self, from: usize) -> Value {
        let gas = self.rng.random_range(60_000..600_000);
        let mut txn = json!({
            "nonce": hexed(self.senders[from].nonce), "gas": hexed(gas),
            "secretKey": self.senders[from].key,
            "value": hexed(if self.chance(30) { self.rng.random_range(0..2_000) } else { 0 }),
        });
        let txn_type = self.txn_type();
        if self.chance(8) && txn_type < 3 {
            txn["input"] = json!(hex::encode_prefixed(self.init_code()));
        } else {
            let (to, data) = self.call();
            txn["to"] = json!(to);
            txn["input"] = json!(hex::encode_prefixed(data));
        }
        txn["type"] = json!(hexed(txn_type));
        self.set_fees(&mut txn, txn_type);
        match txn_type {
            0 => txn["protected"] = json!(self.chance(70)),
            _ => {
                txn["chainId"] = json!(hexed(CHAIN_ID));
                txn["accessList"] = self.access_list();
            }
        }
        if txn_type == 3 {
            let blobs = self.rng.random_range(1..4);
            let hash = |blob: u8| B256::repeat_byte(blob).0;
            let hashes = (0..blobs).map(|blob| {
                let mut versioned = hash(blob);
                versioned[0] = 1;
                B256::from(versioned)
            });
            txn["blobVersionedHashes"] = json!(hashes.collect::<Vec<_>>());
            txn["maxFeePerBlobGas"] = json!(hexed(1_000_000));
        }
        if txn_type == 4 {
            let count = self.rng.random_range(1..4);
            txn["authorizationList"] =
                json!((0..count).map(|_| self.authorization(from)).collect::<Vec<_>>());
        }
        txn
    }

    fn txn_type(&mut self) -> u64 {
        let types: &[u64] = match () {
            () if self.only_delegations => &[4],
            () if self.since("Prague") => &[0, 1, 2, 2, 3, 4, 4],
            () if self.since("Cancun") => &[0, 1, 2, 2, 3],
            () if self.since("London") => &[0, 1, 2],
            () if self.since("Berlin") => &[0, 1],
            () => &[0],
        };
        *types.choose(&mut self.rng).expect("some")
    }

    fn set_fees(&mut self, txn: &mut Value, txn_type: u64) {
        let tip = self.rng.random_range(0..50);
        // Base fees that follow from the parent rise by an eighth at most.
        let cap = self.base_fee * 2 + tip;
        if txn_type < 2 {
            txn["gasPrice"] = json!(hexed(cap));
        } else {
            txn["maxFeePerGas"] = json!(hexed(cap));
            txn["maxPriorityFeePerGas"] = json!(hexed(tip));
        }
    }

    fn access_list(&mut self) -> Value {
        let count = self.rng.random_range(0..3);
        let entries = (0..count).map(|_| {
            let slots: Vec<String> = (0..self.rng.random_range(0..3)).map(word).collect();
            json!({ "address": self.address(), "storageKeys": slots })
        });
        Value::Array(entries.collect())
    }

    fn authorization(&mut self, from: usize) -> Value {
        let place = self.rng.random_range(1..self.senders.len());
        let key = self.senders[place].key;
        // The sender's own nonce is raised before its authorization is looked at.
        let own = u64::from(place == from);
        let off = if self.chance(20) { 1 } else { 0 };
        let target = match self.rng.random_range(0..10) {
            0 => Address::ZERO,
            1 => Address::with_last_byte(4),
            2 => self.senders[1].address,
            _ => *self.contracts.choose(&mut self.rng).expect("some"),
        };
        let inner = Authorization {
            chain_id: U256::from(*[0, CHAIN_ID, CHAIN_ID, 2].choose(&mut self.rng).expect("some")),
            address: target,
            nonce: self.senders[place].nonce + own + off,
        };
        let for_this_chain = inner.chain_id != U256::from(2);
        let signed = signed(inner, key);
        let flip = if self.chance(10) { U256::ONE } else { U256::ZERO };
        let has_code = self.stuck && place == 1;
        if off == 0 && for_this_chain && flip.is_zero() && !has_code {
            self.senders[place].nonce += 1;
        }
        json!({
            "chainId": signed.chain_id(), "address": signed.address(),
            "nonce": hexed(signed.nonce()),
            "v": hexed(u64::from(signed.y_parity())),
            "yParity": hexed(u64::from(signed.y_parity())),
            "r": signed.r() ^ flip, "s": signed.s(),
        })
    }

    /// An account: senders, contracts, contracts to be, unused addresses, precompiles.
    fn address(&mut self) -> Address {
        match self.rng.random_range(0..10) {
            0..3 => self.senders[self.rng.random_range(0..SENDERS as usize)].address,
            3..7 => *self.contracts.choose(&mut self.rng).expect("some"),
            7 => self.created(),
            8 => Address::with_last_byte(self.rng.random_range(0..20)),
            _ => *[COINBASE, Address::repeat_byte(0xdd)].choose(&mut self.rng).expect("some"),
        }
    }

    /// Where a creator may have put a contract.
    fn created(&mut self) -> Address {
        let creator = *self.creators.choose(&mut self.rng).expect("some");
        if self.chance(50) {
            return creator.create(self.rng.random_range(1..4));
        }
        let salt = B256::from(word_of(self.rng.random_range(0..2)));
        let code = self.init_code();
        creator.create2(salt, keccak256(code))
    }

    /// A receiver and data that suit it, or don't.
    fn call(&mut self) -> (Address, Vec<u8>) {
        if self.since("Prague") && self.chance(12) {
            return self.request();
        }
        if self.chance(25) {
            return (self.address(), self.words(4));
        }
        let to = *self.contracts.choose(&mut self.rng).expect("some");
        if self.creators.contains(&to) {
            let mut data = self.small(2);
            data.extend(self.init_code());
            return (to, data);
        }
        if self.chance(50) {
            return (to, self.small(4));
        }
        let mut data = word_of(self.rng.random_range(0..4)).to_vec();
        data.extend(self.address().into_word());
        data.extend(word_of(self.rng.random_range(0..3)));
        let rest = if self.chance(50) { self.small(5) } else { self.precompile_input() };
        data.extend(rest);
        (to, data)
    }

    /// A call of a contract that makes requests to the consensus layer.
    fn request(&mut self) -> (Address, Vec<u8>) {
        let kind = self.rng.random_range(0..3);
        let mut bytes =
            |length: usize| -> Vec<u8> { (0..length).map(|_| self.rng.random()).collect() };
        match kind {
            0 => (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, bytes(56)),
            1 => (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, bytes(96)),
            _ => {
                let fields = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];
                let mut data = vec![0; 576];
                for (place, (offset, length)) in fields.into_iter().enumerate() {
                    data[32 * place..][..32].copy_from_slice(&word_of(offset as u64));
                    data[offset..][..32].copy_from_slice(&word_of(length as u64));
                    data[offset + 32..][..length].copy_from_slice(&bytes(length));
                }
                (eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, data)
            }
        }
    }

    fn small(&mut self, words: usize) -> Vec<u8> {
        (0..words).flat_map(|_| word_of(self.rng.random_range(0..4))).collect()
    }

    fn words(&mut self, words: usize) -> Vec<u8> {
        let address = self.address().into_word().to_vec();
        [address, self.small(words)].concat()
    }

    /// What some precompile takes: zeroes of a right length, or anything.
    fn precompile_input(&mut self) -> Vec<u8> {
        let lengths = [0, 64, 96, 128, 160, 192, 213, 256, 288, 384];
        let length = *lengths.choose(&mut self.rng).expect("some");
        if self.chance(60) {
            return vec![0; length];
        }
        let mut bytes: Vec<u8> = (0..length).map(|_| self.rng.random()).collect();
        // The numbers that lengths and rounds are taken from stay small.
        bytes.iter_mut().take(96).for_each(|byte| *byte = 0);
        if let Some(byte) = bytes.get_mut(31) {
            *byte = self.rng.random_range(0..40);
        }
        bytes
    }

    fn init_code(&mut self) -> Vec<u8> {
        match self.rng.random_range(0..7) {
            0 => code::deployment("9 7 SSTORE", &assemble(code::COUNTER)),
            1 | 2 => code::deployment("0 SLOAD 1 ADD 0 SSTORE", &assemble(code::DESTROYER)),
            3 => assemble("1 1 SSTORE 0 0 REVERT"),
            4 => code::deployment("", &[0xef, 0x00]),
            5 => assemble("5 5 SSTORE"),
            _ => assemble("5 5 SSTORE CALLER SELFDESTRUCT"),
        }
    }

    /// Makes something wrong with a transaction.
    fn spoil(&mut self, txn: &mut Value) {
        let nonce = quantity(&txn["nonce"]);
        let (field, value) = match self.rng.random_range(0..12) {
            0 => ("nonce", hexed(nonce.saturating_add(1))),
            1 => ("nonce", hexed(nonce.saturating_sub(1))),
            2 => ("nonce", hexed(nonce.saturating_add(1_000))),
            3 => ("gas", hexed(self.gas_limit + 1)),
            4 => ("gas", hexed(20_999)),
            5 => ("gas", hexed(u64::MAX)),
            6 => ("value", hexed(u64::MAX)),
            7 => return self.forge(txn),
            8 if txn.get("maxFeePerGas").is_some() => ("maxFeePerGas", hexed(1)),
            8 => ("gasPrice", hexed(1)),
            9 if txn.get("maxFeePerBlobGas").is_some() => ("maxFeePerBlobGas", hexed(0)),
            10 if txn.get("blobVersionedHashes").is_some() => {
                let blobs = *[0, 1, 22].choose(&mut self.rng).expect("some");
                txn["blobVersionedHashes"] = json!(vec![B256::repeat_byte(3); blobs]);
                return;
            }
            11 if txn.get("to").is_none() => {
                txn["gas"] = json!(hexed(3_000_000));
                txn["input"] = json!(hex::encode_prefixed(vec![0; 49_153]));
                return;
            }
            _ => (
                "value",
                "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff".to_owned(),
            ),
        };
        txn[field] = json!(value);
    }

    /// Puts a signature in place of the key that belongs to no account, or that no signer may make.
    ///
    /// (A typed transaction for another chain is not among what is wrong: the specification
    /// executes it.)
    fn forge(&mut self, txn: &mut Value) {
        let parity = if txn["type"] == "0x0" { 27 } else { 0 };
        let high = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
        let s = *["0x1", high, "0x0"].choose(&mut self.rng).expect("some");
        txn["v"] = json!(hexed(parity + self.rng.random_range(0..2)));
        txn["r"] = json!("0x1");
        txn["s"] = json!(s);
    }
}

fn sender(index: u64) -> Sender {
    let key = keccak256(index.to_be_bytes());
    let secret = SecretKey::from_byte_array(key.0).expect("a key");
    let public = secret.public_key(&Secp256k1::signing_only()).serialize_uncompressed();
    Sender { key, address: Address::from_word(keccak256(&public[1..])), nonce: 0 }
}

fn signed(authorization: Authorization, key: B256) -> SignedAuthorization {
    let secret = SecretKey::from_byte_array(key.0).expect("a key");
    let message = Message::from_digest(authorization.signature_hash().0);
    let signed = Secp256k1::signing_only().sign_ecdsa_recoverable(message, &secret);
    let (recovery, bytes) = signed.serialize_compact();
    let [r, s] = [&bytes[..32], &bytes[32..]].map(U256::from_be_slice);
    SignedAuthorization::new_unchecked(authorization, i32::from(recovery) as u8, r, s)
}

fn contract(place: u8) -> Address {
    let mut address = Address::repeat_byte(0xcc);
    address.0[19] = place;
    address
}

fn delegation(target: Address) -> Vec<u8> {
    [&hex!("ef0100"), target.as_slice()].concat()
}

fn code(bytes: &[u8]) -> Value {
    json!(Bytes::copy_from_slice(bytes))
}

fn hexed(number: u64) -> String {
    format!("{number:#x}")
}

fn quantity(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x")).expect("a quantity");
    u64::from_str_radix(digits, 16).expect("64 bits")
}

fn word(number: u64) -> String {
    B256::from(word_of(number)).to_string()
}

fn word_of(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

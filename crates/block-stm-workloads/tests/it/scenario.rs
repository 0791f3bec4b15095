//! Scenarios: the workloads written out, loads of one's own, and files that are wrong.

use std::collections::BTreeMap;

use alloy_primitives::{U256, hex, keccak256};
use block_stm_evm::{InvalidTxn, ReceiptStatus, execute_sequential};
use block_stm_workloads::{
    ARTIFACTS, Format, Generated, Overrides, Params, Scenario, ScenarioError, Series, Workload,
};
use proptest::prelude::*;

use crate::digest::digest;

type Files = BTreeMap<&'static str, String>;

fn parse(text: &str, files: &Files) -> Result<Scenario, ScenarioError> {
    let format = if text.trim_start().starts_with('{') { Format::Json } else { Format::Yaml };
    let mut read = |path: &str| files.get(path).cloned().ok_or("no such file".to_owned());
    Scenario::parse(text, format, &Overrides::default(), &mut read)
}

fn series(text: &str, files: &Files) -> Series {
    let scenario = parse(text, files).unwrap_or_else(|error| panic!("{error}"));
    scenario.generate().unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    refused_with(text, &Files::new())
}

fn refused_with(text: &str, files: &Files) -> String {
    let scenario = parse(text, files);
    let error = scenario.and_then(|scenario| scenario.generate()).expect_err("it is wrong");
    error.to_string()
}

/// The first block, as a workload gives one.
fn first(series: Series) -> Generated {
    let one = series.blocks.into_iter().next().expect("a block");
    Generated {
        block: one.block,
        pre_state: series.genesis,
        planned_reverts: one.planned_reverts,
        secret_keys: series.secret_keys,
    }
}

/// Executes the blocks in a row; returns how many transactions each has that succeed.
fn successes(series: &Series) -> Vec<usize> {
    let mut state = series.genesis.clone();
    let blocks = series.blocks.iter().map(|one| {
        let result = execute_sequential(&one.block, &state, InvalidTxn::Reject);
        let result = result.unwrap_or_else(|error| panic!("{error}"));
        state.apply(&result.state);
        let success = ReceiptStatus::Success(true);
        result.receipts.iter().filter(|receipt| receipt.status == success).count()
    });
    blocks.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_workload_written_out_makes_the_same_block(
        txns in 0_usize..80,
        accounts in 1_usize..120,
        pools in 1_usize..10,
        zipf in prop_oneof![Just(0.0), Just(1.0), 0.0..10.0],
        seed: u64,
    ) {
        let params = Params { txns, accounts, pools, zipf, seed };
        for workload in Workload::ALL {
            let text = workload.scenario(&params).expect("in range");
            let written = first(series(&text, &Files::new()));
            let built_in = workload.generate(&params).expect("in range");
            prop_assert_eq!(digest(&written), digest(&built_in), "{} {:?}", workload, params);
        }
    }
}

#[test]
fn the_usual_workloads_come_back_from_json_and_from_yaml() {
    let params = Params { txns: 500, accounts: 1_000, zipf: 0.9, ..Params::default() };
    for workload in Workload::ALL {
        let text = workload.scenario(&params).expect("in range");
        let built_in = workload.generate(&params).expect("in range");
        let mut none = |path: &str| Err(format!("{path}?"));
        for format in [Format::Json, Format::Yaml] {
            let scenario = Scenario::parse(&text, format, &Overrides::default(), &mut none);
            let scenario = scenario.unwrap_or_else(|error| panic!("{workload}: {error}"));
            let written = first(scenario.generate().expect("it is complete"));
            assert_eq!(digest(&written), digest(&built_in), "{workload}, {format:?}");
        }
    }
}

#[test]
fn a_workload_changed_makes_another_block() {
    let params = Params { txns: 200, accounts: 400, ..Params::default() };
    let text = Workload::Amm.scenario(&params).expect("in range");
    let changed = text.replace("\"swap\": 70", "\"swap\": 0");
    assert_ne!(text, changed);
    let (one, other) = (series(&text, &Files::new()), series(&changed, &Files::new()));
    assert_ne!(digest(&first(one)), digest(&first(other)));
}

#[test]
fn blocks_in_a_row_go_on_where_the_one_before_ended() {
    let params = Params { txns: 60, accounts: 40, pools: 3, ..Params::default() };
    for workload in Workload::ALL {
        let text = workload.scenario(&params).expect("in range");
        let text = text.replacen("\"txns\": 60,", "\"txns\": 60, \"blocks\": 4,", 1);
        let series = series(&text, &Files::new());
        let planned = series.blocks.iter().map(|one| 60 - one.planned_reverts.len());
        let planned: Vec<usize> = planned.collect();
        assert_eq!(successes(&series), planned, "{workload}");
        let numbers: Vec<u64> = series.blocks.iter().map(|one| one.block.number()).collect();
        assert_eq!(numbers, [24_000_000, 24_000_001, 24_000_002, 24_000_003]);
    }
}

/// Code that adds the first argument to slot 0, and a constructor that puts its argument there.
fn adder() -> Files {
    let runtime = hex!("600435600054015f5500");
    // PUSH1 32, the place of the argument, PUSH0, CODECOPY; SSTORE; return the runtime code.
    let length = 17 + 4 + runtime.len();
    let mut creation = vec![0x60, 32, 0x60, length as u8, 0x5f, 0x39, 0x5f, 0x51, 0x5f, 0x55];
    let (size, start) = (runtime.len() as u8, 21);
    creation.extend([0x60, size, 0x60, start, 0x5f, 0x39, 0x60, size, 0x5f, 0xf3, 0x00]);
    assert_eq!(creation.len(), start as usize);
    creation.extend(runtime);
    let text = serde_json::json!({
        "abi": [
            { "type": "constructor", "stateMutability": "nonpayable",
              "inputs": [{ "name": "start", "type": "uint256" }] },
            { "type": "function", "name": "add", "stateMutability": "nonpayable", "outputs": [],
              "inputs": [{ "name": "amount", "type": "uint256" }] },
            { "type": "function", "name": "many", "stateMutability": "nonpayable", "outputs": [],
              "inputs": [
                { "name": "list", "type": "uint8[]" },
                { "name": "pair", "type": "tuple", "components": [
                    { "name": "who", "type": "address" }, { "name": "flag", "type": "bool" }] },
                { "name": "text", "type": "string" },
                { "name": "delta", "type": "int16" }] },
        ],
        "bytecode": { "object": format!("0x{}", hex::encode(&creation)) },
        "deployedBytecode": { "object": format!("0x{}", hex::encode(runtime)) },
        "storageLayout": {
            "storage": [{ "label": "sum", "offset": 0, "slot": "0", "type": "t_uint256" }],
            "types": { "t_uint256": {
                "label": "uint256", "encoding": "inplace", "numberOfBytes": "32" } } },
    });
    let hardhat = serde_json::json!({
        "abi": text["abi"],
        "bytecode": text["bytecode"]["object"],
        "deployedBytecode": text["deployedBytecode"]["object"],
    });
    let hex = format!("0x{}\n", hex::encode(runtime));
    Files::from([
        ("Adder.json", text.to_string()),
        ("Hardhat.json", hardhat.to_string()),
        ("adder.hex", hex),
    ])
}

#[test]
fn a_load_of_ones_own_runs_the_constructor_and_counts() {
    let text = "
txns: 30
blocks: 2
accounts: {count: 10, balance: 5 ether}
named: {boss: {balance: 1 ether}}
contracts:
  adder: {artifact: Adder.json, constructor: [1000]}
  plain: {artifact: Hardhat.json, constructor: false, count: 3, zipf: 1.0}
  bare: {artifact: adder.hex, storage: {0x0: 7}, balance: 1 ether}
mix:
  - weight: 3
    to: $adder
    call: add
    args: [{counter: {start: 1, step: 2}}]
    gas: 60000
  - {from: $boss, to: $bare, call: add(uint256), args: [5], gas: 60000}
  - {draw: {which: {contract: plain}}, to: $which, call: add(uint256), args: [{zipf: {count: 9}}]}
";
    let series = series(text, &adder());
    assert_eq!(successes(&series), [30, 30]);
    let mut state = series.genesis.clone();
    let calls = |to| {
        let txns = series.blocks.iter().flat_map(|one| &one.block.txns);
        txns.filter(|txn| txn.kind.to() == Some(&to)).collect::<Vec<_>>()
    };
    let by_value = |value: u64| {
        let mut all = series.genesis.accounts();
        let found =
            all.find(|(_, account)| account.storage.get(&U256::ZERO) == Some(&U256::from(value)));
        *found.expect("it is there").0
    };
    let (adder, bare) = (by_value(1_000), by_value(7));
    assert_eq!(bare, series_address("bare"));
    for one in &series.blocks {
        let result = execute_sequential(&one.block, &state, InvalidTxn::Reject);
        state.apply(&result.expect("valid").state);
    }
    // 1 + 3 + 5 + ...: the square of their number.
    let n = calls(adder).len() as u64;
    assert!(n > 20, "{n}");
    assert_eq!(state.storage(&adder, &U256::ZERO), U256::from(1_000 + n * n));
    let n = calls(bare).len() as u64;
    assert_eq!(state.storage(&bare, &U256::ZERO), U256::from(7 + 5 * n));
    let plain: Vec<_> = (0..3).map(|place| calls(named("plain", place)).len()).collect();
    assert!(plain.iter().sum::<usize>() > 0);
    let selector = keccak256("add(uint256)");
    assert!(calls(adder).iter().all(|txn| txn.data[..4] == selector[..4]));
}

fn series_address(name: &str) -> alloy_primitives::Address {
    named(name, 0)
}

fn named(name: &str, place: u64) -> alloy_primitives::Address {
    let bytes = [name.as_bytes(), &place.to_be_bytes()].concat();
    alloy_primitives::Address::from_word(keccak256(bytes))
}

#[test]
fn arguments_of_all_shapes_are_encoded() {
    let text = r#"{"txns": 5, "named": {"boss": {}},
        "contracts": {"a": {"artifact": "Adder.json", "constructor": [0]}},
        "mix": [{"to": "$a", "call": "many",
            "args": [[1, {"uniform": [2, 3]}], ["$boss", {"chance": 1000}], "héllo", -7]}]}"#;
    let series = series(text, &adder());
    for txn in &series.blocks[0].block.txns {
        let word = |place: usize| U256::from_be_slice(&txn.data[4 + 32 * place..][..32]);
        // The head: the place of the list, the pair, the place of the text, the number.
        assert_eq!(word(0), U256::from(160));
        assert_eq!(word(2), U256::ONE);
        assert_eq!(word(4), U256::MAX - U256::from(6));
        assert_eq!((word(5), word(6)), (U256::from(2), U256::ONE));
        assert!(word(7) == U256::from(2) || word(7) == U256::from(3));
    }
}

#[test]
fn the_seed_and_the_number_of_transactions_can_be_said_from_outside() {
    let text = Workload::Transfers.scenario(&Params::default()).expect("in range");
    let with = |txns, seed| {
        let overrides = Overrides { txns, seed, ..Overrides::default() };
        let mut none = |path: &str| Err(format!("{path}?"));
        let scenario = Scenario::parse(&text, Format::Json, &overrides, &mut none);
        first(scenario.expect("right").generate().expect("complete"))
    };
    assert_eq!(with(Some(7), None).block.txns.len(), 7);
    assert_ne!(digest(&with(Some(7), None)), digest(&with(Some(7), Some(9))));
}

/// A call of a token with this in place of the arguments, and what is said of it.
fn call(entry: &str) -> String {
    let head = r#"{"txns": 3, "contracts": {"t": {"artifact": "built-in:Token"},
        "many": {"artifact": "built-in:Token", "count": 4}}, "mix": [{"to": "$t", "#;
    refused(&format!("{head}{entry}}}]}}"))
}

#[test]
fn what_is_wrong_with_a_call_is_told_with_its_place() {
    let cases = [
        (
            r#""call": "burn(uint256)", "args": [1]"#,
            "mix[0].call: the contract has no function burn(uint256); it has \
             allowance(address,address), approve(address,uint256)",
        ),
        (r#""call": "transfer", "args": [1, 2]"#, "mix[0].args[0]: 1 is no address"),
        (
            r#""call": "transfer", "args": ["$t"]"#,
            "mix[0].args: transfer(address,uint256) takes 2 arguments, not 1",
        ),
        (r#""call": "transfer", "args": ["$t", "$t"]"#, "mix[0].args[1]: an address is no uint256"),
        (
            r#""call": "transfer", "args": ["$t", 1.5]"#,
            "mix[0].args[1]: 1.5 is no whole number, or a large one, which is written as a string",
        ),
        (
            r#""call": "transfer", "args": ["$t", {"uniform": [3, 2]}]"#,
            "mix[0].args[1].uniform: 3 is more than 2",
        ),
        (
            r#""call": "transfer", "args": ["$u", 1]"#,
            "mix[0].args[0]: $u is not known; there are many, t",
        ),
        (
            r#""call": "transfer", "args": ["$many", 1]"#,
            "mix[0].args[0]: there are 4 of many: name one as $many[0], or draw one with \
             {\"contract\": \"many\"}",
        ),
        (
            r#""call": "transfer", "args": ["$many[4]", 1]"#,
            "mix[0].args[0]: $many[4]: the place of a contract is a number from 0 to 3",
        ),
        (
            r#""draw": {"a": {"add": ["$b", 1]}, "b": {"add": ["$a", 1]}}"#,
            "mix[0].draw.a.add[0]: $b is not drawn yet: a draw refers to those before it",
        ),
        (r#""draw": {"a": {"subtract": [1, 2]}}"#, "mix[0].draw.a: 1 - 2 is no number of 256 bits"),
        (
            r#""draw": {"a": {"gauss": 1}}"#,
            "mix[0].draw.a: no value is made so; there are uniform, zipf, pick",
        ),
        (
            r#""needs": [{"in": "$t", "slot": "balances[$t]", "value": 1}]"#,
            "mix[0].needs[0].slot: no variable is called \"balances\"; there are name, symbol",
        ),
        (r#""gas": 20000"#, "mix[0].gas: 20000 is not within 21000 to 16777216"),
        (r#""from": "$t""#, "mix[0].from: is no account of the scenario"),
        (r#""workload": "amm""#, "mix[0]: has one of \"to\", \"workload\" and \"mix\""),
        (r#""wait": 1"#, "mix[0].wait: unknown field `wait`"),
    ];
    for (entry, message) in cases {
        let found = call(entry);
        assert!(found.starts_with(message), "{entry}: {found}");
        assert!(!found.contains('\n'), "{found}");
    }
}

#[test]
fn what_is_wrong_elsewhere_is_told_too() {
    let adder = adder();
    let cases = [
        (r#"{"txns": 3, "mix": [{"weight": 0, "workload": "amm"}]}"#, "mix: all weights are zero"),
        (r#"{"txns": 3, "mix": []}"#, "mix: says no transaction"),
        (
            r#"{"txns": 3, "mix": [{"workload": "amm", "actions": {"swop": 1}}]}"#,
            "mix[0].actions: amm has no action \"swop\"; it has swap, swap twice, add, remove",
        ),
        (
            r#"{"txns": 3, "mix": [{"workload": "chain"}, {"workload": "amm"}]}"#,
            "mix[0].workload: chain makes whole blocks: it stands alone in the mix",
        ),
        (
            r#"{"txns": 1000, "blocks": 1001, "mix": [{"workload": "amm"}]}"#,
            "txns: more than 1000000 transactions in all blocks",
        ),
        (
            r#"{"txns": 3, "accounts": {"count": 20000000}, "mix": [{"workload": "amm"}]}"#,
            "accounts: 20000000 accounts are not within 1 to 10000000",
        ),
        (
            r#"{"txns": 3, "contracts": {"a": {"artifact": "x.json"}}, "mix": []}"#,
            "contracts.a.artifact: x.json: no such file",
        ),
        (
            r#"{"txns": 3, "contracts": {"a": {"artifact": "Adder.json"}}, "mix": []}"#,
            "contracts.a.constructor: the contract has one: list its arguments, or say false",
        ),
        (
            r#"{"txns": 3, "contracts": {"a": {"artifact": "Adder.json", "constructor": ["$b"]},
                "b": {"artifact": "Adder.json", "constructor": [1]}}, "mix": []}"#,
            "contracts.a.constructor[0]: an address is no uint256",
        ),
        (
            r#"{"txns": 3, "contracts": {"a": {"artifact": "built-in:Wallet"}}, "mix": []}"#,
            "contracts.a.artifact: built-in:Wallet: no built-in contract is called Wallet; there",
        ),
        (
            r#"{"txns": 3, "named": {"a": {}, "a": {}}, "mix": []}"#,
            "named: \"a\" stands here twice at line 1 column ",
        ),
        (r#"{"txns": 3"#, "EOF while parsing an object at line 1 column 10"),
        ("txns: 3\nmix: [", ""),
        ("txns: 99999999999999999999\nmix: []", "txns: not a whole number below 2^64 at line 1"),
    ];
    for (text, message) in cases {
        let found = refused_with(text, &adder);
        assert!(found.starts_with(message), "{text}: {found}");
        assert!(!found.contains('\n') && found.len() < 400, "{found}");
    }
}

#[test]
fn constructors_that_wait_for_each_other_are_refused() {
    let artifact = serde_json::json!({
        "abi": [{ "type": "constructor", "stateMutability": "nonpayable",
                  "inputs": [{ "name": "other", "type": "address" }] }],
        "bytecode": "0x00", "deployedBytecode": "0x00",
    });
    let files = Files::from([("A.json", artifact.to_string())]);
    let text = r#"{"txns": 3, "mix": [{"to": "$a"}], "contracts": {
        "a": {"artifact": "A.json", "constructor": ["$b"]},
        "b": {"artifact": "A.json", "constructor": ["$c"]},
        "c": {"artifact": "A.json", "constructor": ["$a"]}}}"#;
    let found = refused_with(text, &files);
    assert_eq!(found, "contracts: constructors wait for each other in a loop: a, b, c");
    let open = text.replace("[\"$a\"]", "[\"0x00000000000000000000000000000000000000aa\"]");
    assert!(parse(&open, &files).is_ok());
}

#[test]
fn a_constructor_that_fails_is_told() {
    let files = Files::from([("revert.hex", "5f5ffd".to_owned())]);
    let text = r#"{"txns": 3, "mix": [{"to": "$a"}],
        "contracts": {"a": {"artifact": "revert.hex", "constructor": []}}}"#;
    assert_eq!(refused_with(text, &files), "contracts.a.constructor: it fails");
}

#[test]
fn references_in_yaml_do_not_multiply() {
    let mut text = "txns: 3\nmix: []\nabout: &a0 [x]\n".to_owned();
    for level in 1..40 {
        let before = level - 1;
        text += &format!("k{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}]\n");
    }
    let found = refused(&text);
    assert!(!found.contains('\n'), "{found}");
}

#[test]
fn more_than_can_be_drawn_is_refused() {
    let list = vec!["1"; 5_000].join(",");
    let text = format!(
        r#"{{"txns": 1000000, "mix": [{{"to": "0x00000000000000000000000000000000000000aa",
            "call": "f(uint256[])", "args": [[{list}]]}}]}}"#
    );
    let found = refused(&text);
    assert_eq!(found, "mix[0]: 5005 values for each of 1000000 transactions are too many");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever becomes of the text: it is refused in one line, or makes blocks.
    #[test]
    fn spoilt_files_do_no_harm(
        which in 0_usize..8,
        cuts in prop::collection::vec((0.0..1.0, 0.0..1.0, 0_usize..12), 1..5),
        yaml: bool,
    ) {
        const BITS: [&str; 12] = [
            "", "0", "-1", "\"\"", "[]", "{}", "\"$x\"", "1e9", "null", "\"max\"", "$", "99999999",
        ];
        let params = Params { txns: 20, accounts: 10, pools: 2, ..Params::default() };
        let mut text = Workload::ALL[which].scenario(&params).expect("in range");
        for (from, to, bit) in cuts {
            // Whole words, so that most results are still JSON.
            let words: Vec<_> = text.split_inclusive([' ', '\n']).collect();
            let place = |share: f64| (share * words.len() as f64) as usize;
            let start = place(from);
            let end = (start + 1 + (4.0 * to) as usize).min(words.len());
            let tail = if words[end - 1].trim_end().ends_with(',') { "," } else { "" };
            let (head, rest) = (words[..start].concat(), words[end..].concat());
            text = format!("{head}{}{tail}\n{rest}", BITS[bit]);
        }
        let format = if yaml { Format::Yaml } else { Format::Json };
        let mut none = |path: &str| Err(format!("{path} is not here"));
        let overrides = Overrides { txns: Some(20), ..Overrides::default() };
        match Scenario::parse(&text, format, &overrides, &mut none) {
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{}", error),
            Ok(scenario) if scenario.blocks() > 100 => {}
            Ok(scenario) => match scenario.generate() {
                Err(error) => prop_assert!(!error.to_string().contains('\n'), "{}", error),
                Ok(series) => prop_assert_eq!(series.blocks.len(), scenario.blocks()),
            },
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    for (head, open, close) in [("", "{\"mix\": [", "]}"), ("\"about\": 1, ", "[", "]")] {
        for format in ["", "# YAML\n"] {
            let (open, close) = (open.repeat(10_000), close.repeat(10_000));
            let text = format!("{format}{{\"txns\": 1, {head}\"mix\": [{open}{close}]}}");
            let found = refused(&text);
            assert!(found.len() < 1_000 && !found.contains('\n'), "{found}");
        }
    }
}

#[test]
fn all_built_in_contracts_can_be_named() {
    for text in ARTIFACTS {
        let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let name = json["contract"].as_str().expect("a name");
        let text = format!(
            r#"{{"txns": 1, "contracts": {{"a": {{"artifact": "built-in:{name}"}}}},
                "mix": [{{"to": "$a"}}]}}"#
        );
        parse(&text, &Files::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

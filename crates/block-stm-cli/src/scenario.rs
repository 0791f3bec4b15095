//! `block-stm scenario`: workloads as files, and what files make.

use std::collections::BTreeMap;

use anstyle::Style;
use block_stm_evm::{InvalidTxn, ReceiptStatus, execute_sequential};
use block_stm_workloads::Scenario;
use comfy_table::Cell;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    args::{ScenarioArgs, ScenarioCheckArgs, ScenarioCommand, ScenarioShowArgs},
    error::CliError,
    escape::escaped,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput, rendered},
    load::Load,
    output, tables,
    units::{count, grouped},
};

const BOLD: Style = Style::new().bold();

/// Shows or checks a scenario.
///
/// # Errors
///
/// A scenario that can't be read or executed, results that can't be written.
pub(crate) fn scenario(args: &ScenarioArgs) -> Result<Exit, CliError> {
    match &args.command {
        ScenarioCommand::Show(args) => show(args),
        ScenarioCommand::Check(args) => check(args),
    }
}

fn show(args: &ScenarioShowArgs) -> Result<Exit, CliError> {
    let text = args.workload.scenario(&args.shape.params(1))?;
    output::print(text.as_bytes())?;
    Ok(Exit::Success)
}

/// What became of the transactions of one entry of the mix.
#[derive(Clone, Debug, Default, Serialize)]
struct Tally {
    name: String,
    txns: usize,
    succeeded: usize,
    /// Those that are meant to revert, and did.
    reverted_as_planned: usize,
    reverted: usize,
    gas_used: u64,
}

/// What a scenario makes.
#[derive(Debug, Serialize)]
struct Checked {
    scenario: String,
    blocks: usize,
    txns: usize,
    accounts: usize,
    seed: u64,
    contracts: Vec<Value>,
    entries: Vec<Tally>,
}

fn check(args: &ScenarioCheckArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    let load = Load::all(&args.load(), &mut files)?;
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let [Load::Scenario(written)] = load.as_slice() else {
        unreachable!("a scenario was asked for");
    };
    let checked = Checked {
        entries: tallies(written.name(), &written.scenario, written.series()?)?,
        ..Checked::new(written.name(), &written.scenario)
    };
    if !json.replaces_text() {
        output::print_styled(&checked.text())?;
    }
    csv.write(|| checked.entries.iter().map(|entry| json!(entry)).collect())?;
    json.write(|| rendered(&checked))?;
    Ok(Exit::Success)
}

/// Executes the blocks in a row.
fn tallies(
    name: &str,
    scenario: &Scenario,
    series: block_stm_workloads::Series,
) -> Result<Vec<Tally>, CliError> {
    let mut tallies: Vec<Tally> = scenario
        .entries()
        .iter()
        .map(|name| Tally { name: name.clone(), ..Tally::default() })
        .collect();
    let mut state = series.genesis;
    for one in &series.blocks {
        let result = execute_sequential(&one.block, &state, InvalidTxn::Reject);
        let result = result.map_err(|error| CliError::Workload {
            name: name.to_owned(),
            message: error.to_string(),
        })?;
        let mut before = 0;
        for (index, (receipt, entry)) in result.receipts.iter().zip(&one.made_by).enumerate() {
            let tally = &mut tallies[*entry];
            tally.txns += 1;
            tally.gas_used += receipt.cumulative_gas_used - before;
            before = receipt.cumulative_gas_used;
            let planned = one.planned_reverts.binary_search(&index).is_ok();
            match receipt.status == ReceiptStatus::Success(true) {
                true => tally.succeeded += 1,
                false if planned => tally.reverted_as_planned += 1,
                false => tally.reverted += 1,
            }
        }
        state.apply(&result.state);
    }
    Ok(tallies)
}

impl Checked {
    fn new(name: &str, scenario: &Scenario) -> Self {
        let contracts = scenario.contracts().map(
            |(name, count, first)| json!({ "name": name, "count": count, "first_address": first }),
        );
        Self {
            scenario: name.to_owned(),
            blocks: scenario.blocks(),
            txns: scenario.txns(),
            accounts: scenario.accounts(),
            seed: scenario.seed(),
            contracts: contracts.collect(),
            entries: Vec::new(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{BOLD}Scenario {}: {} of {}, {}, seed {}{BOLD:#}\n\n",
            escaped(&self.scenario),
            count(self.blocks, "block"),
            count(self.txns, "txn"),
            count(self.accounts, "account"),
            self.seed,
        );
        if !self.contracts.is_empty() {
            let mut table = tables::table(&["contract", "count", "first at"], &[0, 2]);
            for contract in &self.contracts {
                table.add_row([
                    escaped(contract["name"].as_str().unwrap_or_default()).into_owned(),
                    grouped(contract["count"].as_u64().unwrap_or_default()),
                    contract["first_address"].as_str().unwrap_or_default().to_owned(),
                ]);
            }
            text += &tables::render(&table);
            text.push('\n');
        }
        let header = ["entry of the mix", "txns", "succeed", "meant to fail", "fail", "gas/txn"];
        let mut table = tables::table(&header, &[0]);
        // Entries may have the same name.
        let mut seen = BTreeMap::<&str, usize>::new();
        for entry in &self.entries {
            let nth = seen.entry(&entry.name).or_default();
            *nth += 1;
            let name = match *nth {
                1 => escaped(&entry.name).into_owned(),
                nth => format!("{} ({nth})", escaped(&entry.name)),
            };
            let gas = entry.gas_used.checked_div(entry.txns as u64);
            let numbers = [entry.txns, entry.succeeded, entry.reverted_as_planned, entry.reverted];
            let mut row = vec![Cell::new(name)];
            row.extend(numbers.map(|number| Cell::new(grouped(number as u64))));
            row.push(Cell::new(gas.map_or_else(|| "-".to_owned(), grouped)));
            table.add_row(row);
        }
        text + &tables::render(&table)
    }
}

//! `block-stm bal diff`.

use std::fmt::Write;

use block_stm_evm::{
    access_list::{ListDifference, ListPart, ListedValue, list_differences},
    alloy_eip7928::AccountChanges,
};

use super::{json, read_lists};
use crate::{
    args::BalDiffArgs,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput},
    output,
    units::count,
};

/// What two files of lists have in common.
pub(super) struct Comparison {
    /// Everything, down to the order.
    pub(super) same: bool,
    /// With the number of the list, from 1 on.
    pub(super) differences: Vec<(usize, ListDifference)>,
}

/// Prints every difference.
pub(super) fn diff(args: &BalDiffArgs) -> Result<Exit, CliError> {
    let mut files = Files::new();
    [&args.a, &args.b].into_iter().for_each(|path| files.reads(path));
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let (a, b) = (read_lists(&args.a)?, read_lists(&args.b)?);
    let comparison = Comparison::of(&a, &b);
    if !json.replaces_text() {
        output::print(report(&comparison, &a, &b).as_bytes())?;
    }
    csv.write(|| json::differences(&comparison))?;
    json.write(|| json::comparison(&comparison, &a, &b))?;
    Ok(if comparison.same { Exit::Success } else { Exit::CheckFailed })
}

impl Comparison {
    fn of(a: &[Vec<AccountChanges>], b: &[Vec<AccountChanges>]) -> Self {
        let pairs = (1..).zip(a.iter().zip(b));
        let differences = pairs.flat_map(|(list, (a, b))| {
            list_differences(a, b).into_iter().map(move |difference| (list, difference))
        });
        Self { same: a == b, differences: differences.collect() }
    }
}

/// A line for each difference and one in the end.
fn report(comparison: &Comparison, a: &[Vec<AccountChanges>], b: &[Vec<AccountChanges>]) -> String {
    let (mut text, mut total) = (String::new(), comparison.differences.len());
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    if a.len() != b.len() {
        total += 1;
        line(format!("A has {}, B has {}", count(a.len(), "list"), count(b.len(), "list")));
    }
    let several = a.len().max(b.len()) > 1;
    for (list, difference) in &comparison.differences {
        let prefix = if several { format!("list {list}: ") } else { String::new() };
        line(format!("{prefix}{}", in_words(difference)));
    }
    line(match total {
        0 if comparison.same => "The lists are the same.".to_owned(),
        0 => "The lists differ only in order or form.".to_owned(),
        total => format!("{}.", count(total, "difference")),
    });
    text
}

fn in_words(difference: &ListDifference) -> String {
    let mut text = format!("{}", difference.address);
    if difference.part != ListPart::Account {
        // Writing to a string can't fail.
        let _ = write!(text, " {}", difference.part);
    }
    if let Some(index) = difference.index {
        let _ = write!(text, " at index {index}");
    }
    let value = |value: &Option<ListedValue>| match value {
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    let _ = write!(text, ": A {}, B {}", value(&difference.listed), value(&difference.actual));
    text
}

#[cfg(test)]
mod tests {
    use block_stm_evm::{
        alloy_eip7928::{BalanceChange, BlockAccessIndex, NonceChange},
        revm::primitives::{Address, U256},
    };

    use super::*;

    #[test]
    fn every_difference_has_its_line() {
        let index = BlockAccessIndex::new;
        let mut a = AccountChanges::new(Address::repeat_byte(1));
        a.balance_changes.push(BalanceChange::new(index(2), U256::from(5)));
        a.storage_reads.push(U256::from(9));
        let mut b = AccountChanges::new(Address::repeat_byte(1));
        b.balance_changes.push(BalanceChange::new(index(2), U256::from(6)));
        b.nonce_changes.push(NonceChange::new(index(3), 1));
        let c = AccountChanges::new(Address::repeat_byte(2));
        let report = |a: &[Vec<_>], b: &[Vec<_>]| report(&Comparison::of(a, b), a, b);
        assert_eq!(
            report(&[vec![a.clone()]], &[vec![b, c.clone()]]),
            "0x0101010101010101010101010101010101010101 balance at index 2: A 0x5, B 0x6\n\
             0x0101010101010101010101010101010101010101 nonce at index 3: A nothing, B 0x1\n\
             0x0101010101010101010101010101010101010101 slot 0x9: A access, B nothing\n\
             0x0202020202020202020202020202020202020202: A nothing, B access\n\
             4 differences.\n"
        );
        let text = report(&[vec![a.clone()], vec![]], &[vec![a.clone()]]);
        assert_eq!(text, "A has 2 lists, B has 1 list\n1 difference.\n");
        let other_order = report(&[vec![a.clone(), c.clone()]], &[vec![c, a]]);
        assert_eq!(other_order, "The lists differ only in order or form.\n");
    }
}

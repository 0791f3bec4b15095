//! `block-stm bal diff`.

use std::fmt::Write;

use block_stm_evm::{AccountChanges, ListDifference, ListPart, ListedValue, list_differences};

use super::read_lists;
use crate::{args::BalDiffArgs, error::CliError, exit::Exit, output, units::count};

/// Prints every difference.
pub(super) fn diff(args: &BalDiffArgs) -> Result<Exit, CliError> {
    let (a, b) = (read_lists(&args.a)?, read_lists(&args.b)?);
    let (text, differences) = report(&a, &b);
    output::print(text.as_bytes())?;
    Ok(if differences == 0 { Exit::Success } else { Exit::CheckFailed })
}

/// A line for each difference and one in the end, and how many there are.
fn report(a: &[Vec<AccountChanges>], b: &[Vec<AccountChanges>]) -> (String, usize) {
    let (mut text, mut total) = (String::new(), 0);
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    if a.len() != b.len() {
        total += 1;
        line(format!("A has {}, B has {}", count(a.len(), "list"), count(b.len(), "list")));
    }
    let several = a.len().max(b.len()) > 1;
    for (place, (a, b)) in a.iter().zip(b).enumerate() {
        for difference in list_differences(a, b) {
            total += 1;
            let prefix = if several { format!("list {}: ", place + 1) } else { String::new() };
            line(format!("{prefix}{}", in_words(&difference)));
        }
    }
    line(match total {
        0 => "The lists are the same.".to_owned(),
        total => format!("{}.", count(total, "difference")),
    });
    (text, total)
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
        BalanceChange, BlockAccessIndex, NonceChange,
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
        let (text, total) = report(&[vec![a.clone()]], &[vec![b, c]]);
        assert_eq!(total, 4);
        assert_eq!(
            text,
            "0x0101010101010101010101010101010101010101 balance at index 2: A 0x5, B 0x6\n\
             0x0101010101010101010101010101010101010101 nonce at index 3: A nothing, B 0x1\n\
             0x0101010101010101010101010101010101010101 slot 0x9: A access, B nothing\n\
             0x0202020202020202020202020202020202020202: A nothing, B access\n\
             4 differences.\n"
        );
        let (text, total) = report(&[vec![a.clone()], vec![]], &[vec![a]]);
        assert_eq!((text.as_str(), total), ("A has 2 lists, B has 1 list\n1 difference.\n", 1));
    }
}

//! Memory that a command takes at the least, compared with what there is before any work.

use std::fs;

use crate::{error::CliError, units::si};

/// What a generated transaction takes at the least, as it is executed and with its result, in
/// bytes. Seen: 1,500 for a transfer, 9,500 for a trade.
const TXN_BYTES: u64 = 1_024;

/// What an account takes at the least.
const ACCOUNT_BYTES: u64 = 8;

/// Makes sure that there is memory for a block of `txns` transactions of `accounts` accounts.
///
/// # Errors
///
/// There is less than such a block takes at the least. Where the system does not tell, there is
/// enough.
pub(crate) fn check(txns: usize, accounts: usize) -> Result<(), CliError> {
    let wanted = txns as u64 * TXN_BYTES + accounts as u64 * ACCOUNT_BYTES;
    match available() {
        Some(available) if wanted > available => Err(CliError::Memory {
            txns,
            accounts,
            wanted: si(wanted as f64),
            available: si(available as f64),
        }),
        _ => Ok(()),
    }
}

/// The memory that the process can still get, where the system tells it as Linux does: what is
/// free, what its group has left, and what its addresses are limited to.
fn available() -> Option<u64> {
    let free = read("/proc/meminfo").and_then(|text| field(&text, "MemAvailable:"));
    let free = free.map(|kibibytes| kibibytes.saturating_mul(1_024));
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max");
    let used = number("/sys/fs/cgroup/memory.current");
    let group = limit.zip(used).map(|(limit, used)| limit.saturating_sub(used));
    let addresses = read("/proc/self/limits").and_then(|text| field(&text, "Max address space"));
    [free, group, addresses].into_iter().flatten().min()
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(file).ok()
}

/// The first number after `name` in the line that starts with it; none if it is no number, as
/// `unlimited`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text =
            "MemTotal: 9 kB\nMemAvailable:   123 kB\nMax address space unlimited unlimited bytes\n";
        assert_eq!(field(text, "MemAvailable:"), Some(123));
        assert_eq!(field(text, "Max address space"), None);
        assert_eq!(field("Max address space 77 88 bytes", "Max address space"), Some(77));
    }

    #[test]
    fn what_no_machine_holds_is_refused() {
        assert!(check(1, 1).is_ok());
        if available().is_some() {
            let error = check(usize::MAX >> 12, 1).expect_err("more than any machine has");
            assert!(error.to_string().contains("of memory"), "{error}");
        }
    }
}

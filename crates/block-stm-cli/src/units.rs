//! Numbers as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Three significant digits and a prefix of a thousand: `1.84 G`; nothing is plain `0`.
pub(crate) fn si(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let mut value = value;
    for prefix in ["", " k", " M", " G"] {
        // What rounds to 1000 goes on to the next prefix.
        if value < 999.5 {
            return format!("{}{prefix}", three_digits(value));
        }
        value /= 1_000.0;
    }
    format!("{} T", three_digits(value))
}

/// Milliseconds to the nanosecond, for programs.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// A time with three significant digits: `12.3 ms`.
pub(crate) fn time(time: Duration) -> String {
    let mut value = time.as_secs_f64() * 1e6;
    for unit in ["us", "ms"] {
        if value < 999.5 {
            return format!("{} {unit}", three_digits(value));
        }
        value /= 1_000.0;
    }
    format!("{} s", three_digits(value))
}

/// How many times as fast: `1.52x`.
pub(crate) fn speedup(speedup: f64) -> String {
    format!("{speedup:.2}x")
}

/// `n` things: `1 block`, `2 blocks`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(n as u64))
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let numbers = [0, 999, 1_000, 12_345, 1_234_567, u64::MAX];
        let texts = numbers.map(grouped);
        let last = "18,446,744,073,709,551,615";
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567", last]);
    }

    #[test]
    fn prefixes_keep_three_digits() {
        let texts = [0.0, 1.5, 99.96, 999.6, 41_234.0, 1.84e9, 5e12].map(si);
        let expected = ["0", "1.50", "100", "1.00 k", "41.2 k", "1.84 G", "5.00 T"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn times_take_the_unit_that_fits() {
        let times = [800, 12_340, 999_499, 1_000_000, 2_500_000_000];
        let texts = times.map(|nanos| time(Duration::from_nanos(nanos)));
        assert_eq!(texts, ["0.80 us", "12.3 us", "999 us", "1.00 ms", "2.50 s"]);
    }

    #[test]
    fn one_thing_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "block")), ["0 blocks", "1 block", "2 blocks"]);
    }
}

//! Words of the command line that several commands share: sizes, threads, time spans.

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use clap::builder::{StringValueParser, TypedValueParser};

pub(super) const REPEAT_MAX: usize = 10_000;
const THREADS_MAX: u64 = 1_024;

pub(crate) fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let max = NonZeroUsize::new(THREADS_MAX as usize).expect("a positive limit");
    cores.min(max)
}

/// Whole numbers from `min` to `max`; all others are refused with these bounds, negative ones, too.
pub(crate) fn number_parser(min: u64, max: u64) -> impl TypedValueParser<Value = u64> {
    StringValueParser::new().try_map(move |text| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("not a whole number; {min}..={max} are possible"));
        }
        // What does not fit is beyond every bound.
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| format!("{text} is not in {min}..={max}"))
    })
}

pub(super) fn size_parser(min: usize, max: usize) -> impl TypedValueParser<Value = usize> {
    number_parser(min as u64, max as u64).map(|size| size as usize)
}

pub(super) fn repeat_parser() -> impl TypedValueParser<Value = NonZeroUsize> {
    size_parser(1, REPEAT_MAX).map(|times| NonZeroUsize::new(times).expect("the range starts at 1"))
}

pub(crate) fn threads_parser() -> impl TypedValueParser<Value = NonZeroUsize> {
    let range = number_parser(1, THREADS_MAX);
    range.map(|threads| NonZeroUsize::new(threads as usize).expect("the range starts at 1"))
}

/// A time span on the command line, such as `50us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency(pub(crate) Duration);

/// A read that takes longer is no storage anyone has.
const LATENCY_MAX: Duration = Duration::from_secs(1);

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let wanted =
            || "expected a whole number with a unit (ns, us, ms, s), such as 50us".to_owned();
        let number: u64 = number.parse().map_err(|_| wanted())?;
        let nanos = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "" if number == 0 => 0,
            _ => return Err(wanted()),
        };
        let latency = number.checked_mul(nanos).map(Duration::from_nanos);
        match latency {
            Some(latency) if latency <= LATENCY_MAX => Ok(Self(latency)),
            _ => Err("more than 1s".to_owned()),
        }
    }
}

impl fmt::Display for Latency {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_nanos() {
            nanos if nanos % 1_000_000 == 0 && nanos > 0 => write!(f, "{}ms", nanos / 1_000_000),
            nanos if nanos % 1_000 == 0 => write!(f, "{}us", nanos / 1_000),
            nanos => write!(f, "{nanos}ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_units_and_bounds() {
        let parse = |text: &str| text.parse::<Latency>().map(|latency| latency.0);
        assert_eq!(parse("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("1s"), Ok(Duration::from_secs(1)));
        for bad in ["", "us", "50", "5.5us", "-1us", "2s", "99999999999999999999s", "1001ms"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for text in ["0us", "7ns", "50us", "3ms", "1000ms"] {
            assert_eq!(text.parse::<Latency>().map(|latency| latency.to_string()), Ok(text.into()));
        }
    }
}

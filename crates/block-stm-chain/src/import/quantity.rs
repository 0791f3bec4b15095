//! Numbers in JSON, as clients and test files write them.

use std::{fmt, marker::PhantomData};

use alloy_primitives::U256;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A number given as `"0x1f"` (any number of digits), `"31"` or `31`; also a key of a map.
///
/// # Examples
///
/// ```
/// use block_stm_chain::import::json::Quantity;
///
/// let numbers: Vec<Quantity<u64>> = serde_json::from_str(r#"["0x001f", "31", 31]"#)?;
/// assert!(numbers.iter().all(|number| number.0 == 31));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity<T>(
    /// The number.
    pub T,
);

impl<'de, T: TryFrom<U256>> Deserialize<'de> for Quantity<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor(PhantomData))
    }
}

impl<T: fmt::Display> fmt::Display for Quantity<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

struct QuantityVisitor<T>(PhantomData<T>);

impl<T: TryFrom<U256>> Visitor<'_> for QuantityVisitor<T> {
    type Value = Quantity<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = 8 * size_of::<T>();
        write!(f, "a hexadecimal or decimal number of at most {bits} bits")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        convert(U256::from(number)).ok_or_else(|| out_of_range::<T, E>(&number.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let parsed = match digits {
            Some("") => Ok(U256::ZERO),
            Some(digits) if digits.contains('_') => return Err(not_a_number(text)),
            Some(digits) => U256::from_str_radix(digits, 16),
            None if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(not_a_number(text));
            }
            None => U256::from_str_radix(text, 10),
        };
        use alloy_primitives::ruint::{BaseConvertError, ParseError};
        let number = parsed.map_err(|error| match error {
            ParseError::BaseConvertError(BaseConvertError::Overflow) => out_of_range::<T, E>(text),
            _ => not_a_number(text),
        })?;
        convert(number).ok_or_else(|| out_of_range::<T, E>(text))
    }
}

fn convert<T: TryFrom<U256>>(number: U256) -> Option<Quantity<T>> {
    T::try_from(number).ok().map(Quantity)
}

fn not_a_number<E: Error>(text: &str) -> E {
    E::custom(format_args!("{:?} is not a number", shortened(text)))
}

fn out_of_range<T, E: Error>(text: &str) -> E {
    let bits = 8 * size_of::<T>();
    E::custom(format_args!("{} exceeds {bits} bits", shortened(text)))
}

/// The start of `text`, as a megabyte is too much for a message.
fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(80).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T: TryFrom<U256>>(json: &str) -> Result<T, String> {
        let parsed: Result<Quantity<T>, _> = serde_json::from_str(json);
        parsed.map(|number| number.0).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_come_in_three_forms() {
        for json in ["31", "\"31\"", "\"0x1f\"", "\"0x001F\""] {
            assert_eq!(parse::<u64>(json), Ok(31), "{json}");
        }
        assert_eq!(parse::<U256>("\"0x\""), Ok(U256::ZERO));
    }

    #[test]
    fn what_is_no_number_or_too_large_is_said() {
        let cases = [
            ("\"\"", "\"\" is not a number"),
            ("\"0xg\"", "\"0xg\" is not a number"),
            ("\"1_0\"", "\"1_0\" is not a number"),
            ("\"-1\"", "\"-1\" is not a number"),
            ("-1", "invalid type: integer `-1`, expected a hexadecimal or"),
            ("null", "invalid type: null, expected a hexadecimal or decimal"),
            ("\"0x10000000000000000\"", "0x10000000000000000 exceeds 64 bits"),
        ];
        for (json, message) in cases {
            let error = parse::<u64>(json).expect_err(json);
            assert!(error.starts_with(message), "{json}: {error}");
        }
        let digits = format!("\"1{}\"", "0".repeat(100));
        let error = parse::<U256>(&digits).expect_err("too large");
        assert!(error.contains(" exceeds 256 bits"), "{error}");
    }
}

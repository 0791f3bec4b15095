//! Numbers of a transaction, which may be too large for their fields: such a transaction is
//! invalid, not its file.

use std::fmt;

use alloy_primitives::U256;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, Visitor},
};

use super::quantity::Quantity;

/// A number of any size; `None` if it has more than 256 bits.
///
/// It is written as a [`Quantity`] is; `0x:bigint ` may stand in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(Option<U256>);

/// A number has more bits than the field of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Default for Number {
    fn default() -> Self {
        Self(Some(U256::ZERO))
    }
}

impl Number {
    /// The number, as the field of a transaction.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], if the field has no room for it.
    pub fn fit<T: TryFrom<U256>>(self) -> Result<T, TooLarge> {
        let number = self.0.and_then(|number| T::try_from(number).ok());
        number.ok_or(TooLarge)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hexadecimal or decimal number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(Some(U256::from(number))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let text = text.strip_prefix("0x:bigint ").unwrap_or(text);
        if exceeds_256_bits(text) {
            return Ok(Number(None));
        }
        let quantity = Quantity::<U256>::deserialize(text.into_deserializer())?;
        Ok(Number(Some(quantity.0)))
    }
}

/// Whether `text` is a number of more than 256 bits.
fn exceeds_256_bits(text: &str) -> bool {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    is_number && U256::from_str_radix(digits, radix.into()).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Number, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_fits_is_a_number_and_what_does_not_is_an_invalid_transaction() {
        let max = U256::MAX;
        for json in [format!("\"{max:#x}\""), format!("\"0x000{max:x}\""), format!("\"{max}\"")] {
            let number = parse(&json).expect(&json);
            assert_eq!(number.fit(), Ok(max), "{json}");
            assert_eq!(number.fit::<u128>(), Err(TooLarge), "{json}");
        }
        let one_more = format!("1{}", "0".repeat(64));
        let decimal =
            "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for text in [format!("0x{one_more}"), format!("0x:bigint 0x{one_more}"), decimal.to_owned()]
        {
            let number = parse(&format!("\"{text}\"")).expect(&text);
            assert_eq!(number.fit::<U256>(), Err(TooLarge), "{text}");
        }
        assert_eq!(
            parse("\"0x:bigint 0x1f\"").and_then(|n| n.fit().map_err(|_| String::new())),
            Ok(31_u64)
        );
        assert_eq!(parse("31").map(Number::fit::<u64>), Ok(Ok(31)));
        assert_eq!(Number::default().fit(), Ok(0_u64));
    }

    #[test]
    fn what_is_no_number_is_said() {
        let garbage = format!("\"0x{}g\"", "1".repeat(80));
        for json in ["\"\"", "\"0xg\"", "\"-1\"", "null", garbage.as_str()] {
            assert!(parse(json).is_err(), "{json}");
        }
    }
}

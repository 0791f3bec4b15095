//! Maps in JSON whose keys must differ.

use std::{collections::HashMap, fmt, hash::Hash, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

/// A map that is refused if two of its keys mean the same, however they are written: one value
/// would be lost.
#[derive(Debug)]
pub struct Unique<K, V>(pub(crate) HashMap<K, V>);

impl<K, V> Default for Unique<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K, V> IntoIterator for Unique<K, V> {
    type Item = (K, V);
    type IntoIter = std::collections::hash_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, K, V> Deserialize<'de> for Unique<K, V>
where
    K: Deserialize<'de> + Eq + Hash + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for UniqueVisitor<K, V>
where
    K: Deserialize<'de> + Eq + Hash + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = Unique<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = HashMap::new();
        while let Some(key) = entries.next_key::<K>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{key} is there twice")));
            }
            map.insert(key, entries.next_value()?);
        }
        Ok(Unique(map))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};

    use super::*;
    use crate::import::quantity::Quantity;

    #[test]
    fn keys_that_mean_the_same_are_refused_however_they_are_written() {
        type Slots = Unique<Quantity<U256>, u8>;
        let parsed: Slots = serde_json::from_str(r#"{"0x1": 1, "0x2": 2}"#).expect("two keys");
        assert_eq!(parsed.into_iter().count(), 2);
        let parsed = serde_json::from_str::<Slots>(r#"{"0x01": 1, "1": 1}"#);
        let error = parsed.expect_err("one slot").to_string();
        assert!(error.starts_with("1 is there twice at line 1"), "{error}");
        let (low, high) = ("ab".repeat(20), "AB".repeat(20));
        let json = format!(r#"{{"0x{low}": 1, "0x{high}": 2}}"#);
        let parsed = serde_json::from_str::<Unique<Address, u8>>(&json);
        assert!(parsed.expect_err("one account").to_string().contains("is there twice"));
    }
}

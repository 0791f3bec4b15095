//! The first place at which two JSON values differ.

use serde_json::Value;

/// Where `claimed` first differs from `computed`, and how.
pub(super) fn first_difference(claimed: &Value, computed: &Value) -> Option<String> {
    let (place, claimed, computed) = first(claimed, computed)?;
    let place = if place.is_empty() { String::new() } else { format!("{place} ") };
    Some(match (claimed, computed) {
        (None, Some(_)) => format!("{place}is missing"),
        (Some(_), None) => format!("{place}does not follow from the batch"),
        (claimed, computed) => format!("{place}is {}, not {}", shown(claimed), shown(computed)),
    })
}

type Difference<'a> = (String, Option<&'a Value>, Option<&'a Value>);

fn first<'a>(claimed: &'a Value, computed: &'a Value) -> Option<Difference<'a>> {
    if claimed == computed {
        return None;
    }
    let below = |place: String, (found, one, other): Difference<'a>| {
        let dot = if found.is_empty() || found.starts_with('[') { "" } else { "." };
        (format!("{place}{dot}{found}"), one, other)
    };
    match (claimed, computed) {
        (Value::Array(one), Value::Array(other)) => {
            let places = 0..one.len().max(other.len());
            places.into_iter().find_map(|index| {
                let difference = either(one.get(index), other.get(index))?;
                Some(below(format!("[{index}]"), difference))
            })
        }
        (Value::Object(one), Value::Object(other)) => {
            one.keys().chain(other.keys()).find_map(|key| {
                let difference = either(one.get(key), other.get(key))?;
                Some(below(key.clone(), difference))
            })
        }
        _ => Some((String::new(), Some(claimed), Some(computed))),
    }
}

fn either<'a>(one: Option<&'a Value>, other: Option<&'a Value>) -> Option<Difference<'a>> {
    match (one, other) {
        (Some(one), Some(other)) => first(one, other),
        (None, None) => None,
        (one, other) => Some((String::new(), one, other)),
    }
}

/// What fits on a line.
fn shown(value: Option<&Value>) -> String {
    const MAX: usize = 80;
    let text = value.map(Value::to_string).unwrap_or_default();
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_told_with_its_place() {
        let told = |one: Value, other: Value| first_difference(&one, &other).unwrap_or_default();
        assert_eq!(told(json!([1, 2]), json!([1, 2])), "");
        assert_eq!(told(json!([{"a": 1}]), json!([{"a": 2}])), "[0].a is 1, not 2");
        assert_eq!(told(json!({"a": [1]}), json!({"a": [1, 2]})), "a[1] is missing");
        assert_eq!(told(json!({"b": {}}), json!({})), "b does not follow from the batch");
        assert_eq!(told(json!(1), json!([])), "is 1, not []");
    }
}

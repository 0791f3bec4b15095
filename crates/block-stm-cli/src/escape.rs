//! Text of others on its way to a terminal.
//!
//! Names in files, file names and what parsers quote may hold control characters, with which a text
//! moves the cursor, colours what follows or asks the terminal to do things, and marks that reorder
//! what is read. All of these are shown as escapes.

use std::{borrow::Cow, fmt::Display};

/// `text` with an escape in place of each character that does something other than being seen.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match acts(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// The text of `value`, escaped.
pub(crate) fn shown(value: impl Display) -> String {
    escaped(&value.to_string()).into_owned()
}

/// JSON with an escape in place of each such character. It leaves those below a space to JSON,
/// which escapes them in strings and has line breaks between values.
pub(crate) fn escaped_json(json: &str) -> Cow<'_, str> {
    let acts = |c: char| c >= ' ' && acts(c);
    if !json.contains(acts) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match acts(c) {
            // Such characters are only in strings, and all of them have 16 bits.
            true => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal does something at `c` other than showing it: controls, line separators, marks
/// of direction.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_what_is_seen_stays() {
        assert_eq!(escaped("block 1 – ok, ä, 区块"), "block 1 – ok, ä, 区块");
        assert_eq!(escaped("a\x1b[31mred\x07\r\n\tb"), r"a\u{1b}[31mred\u{7}\r\n\tb");
        assert_eq!(escaped("\u{9b}2J \u{7f} \u{202e}live"), r"\u{9b}2J \u{7f} \u{202e}live");
    }

    #[test]
    fn json_says_the_same_when_it_is_escaped() {
        let name = "\u{9b}2J\u{7f}\u{202e}\x1b\n ä";
        let json = serde_json::to_string_pretty(&[name]).expect("a string");
        let safe = escaped_json(&json);
        assert!(!safe.contains(['\u{9b}', '\u{7f}', '\u{202e}', '\x1b']), "{safe}");
        assert!(safe.starts_with("[\n"), "{safe}");
        let back: Vec<String> = serde_json::from_str(&safe).expect("JSON");
        assert_eq!(back, [name]);
    }
}

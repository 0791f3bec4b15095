//! What is wrong with a scenario, and where.

use std::fmt;

/// What is wrong with a scenario, and where in it.
///
/// Displays as one line, `mix[1].args[0]: 300 does not fit uint8`; without the place where the
/// whole is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    place: String,
    message: String,
}

impl ScenarioError {
    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }

    /// Where: names and places in lists from the top, or line and column; may be empty.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names in the file may hold whatever the file's author put there.
        let text = |text: &str| text.chars().flat_map(shown).collect::<String>();
        if !self.place.is_empty() {
            write!(f, "{}: ", text(&self.place))?;
        }
        f.write_str(&text(&self.message))
    }
}

fn shown(c: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = match c.is_control() {
        false => (Some(c), None),
        true => (None, Some(c.escape_default())),
    };
    plain.into_iter().chain(escaped.into_iter().flatten())
}

impl std::error::Error for ScenarioError {}

/// What comes of a step on the way from a file to a block.
pub(super) type Result<T, E = ScenarioError> = std::result::Result<T, E>;

/// The names, for a message; the first twelve where there are many.
pub(super) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=12 => names.join(", "),
        more => format!("{} and {} more", names[..12].join(", "), more - 12),
    }
}

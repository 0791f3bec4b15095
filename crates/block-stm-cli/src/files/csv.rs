//! Rows as CSV.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Files, Target, deliver};
use crate::{args::CsvArgs, error::CliError, escape::escaped};

/// Columns that come first, as far as rows have them; the others follow by their names.
const FIRST: [&str; 6] = ["name", "number", "block", "rules", "threads", "workers"];

/// Where rows go as CSV; nowhere if that is not wanted.
#[derive(Debug)]
pub(crate) struct CsvOutput(Option<Target>);

impl CsvOutput {
    /// The output that `args` name, once it is sure that it can be written.
    ///
    /// # Errors
    ///
    /// It can't, or it is standard output, which has the text.
    pub(crate) fn open(args: &CsvArgs, files: &mut Files) -> Result<Self, CliError> {
        let target = args.csv.as_deref().map(|path| files.writes(path)).transpose()?;
        match target {
            Some(Target::Stdout) => Err(CliError::Usage("--csv needs a file: `-` has the text")),
            target => Ok(Self(target)),
        }
    }

    /// Writes the rows of the list in JSON that `json` makes, if they are wanted.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub(crate) fn write_json(&self, json: impl FnOnce() -> Vec<u8>) -> Result<(), CliError> {
        self.write(|| serde_json::from_slice(&json()).expect("it is a list in JSON"))
    }

    /// Writes the rows that `rows` makes, if they are wanted.
    ///
    /// # Errors
    ///
    /// The output can't be written.
    pub(crate) fn write(&self, rows: impl FnOnce() -> Vec<Value>) -> Result<(), CliError> {
        let Some(target) = &self.0 else { return Ok(()) };
        deliver([(target, render(&rows()).into_bytes())])
    }
}

/// The rows with all columns that any of them has. Lists are left out: CSV has no room for them.
fn render(rows: &[Value]) -> String {
    let rows: Vec<_> = rows.iter().map(flat).collect();
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.keys()).map(String::as_str).collect();
    let first = FIRST.into_iter().filter(|name| names.contains(name));
    let rest = names.iter().copied().filter(|name| !FIRST.contains(name));
    let names: Vec<_> = first.chain(rest).collect();
    let line = |cells: Vec<String>| format!("{}\n", cells.join(","));
    let header = line(names.iter().map(|name| cell(name)).collect());
    let lines = rows.iter().map(|row| {
        let cells = names.iter().map(|name| match row.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => cell(text),
            Some(other) => other.to_string(),
        });
        line(cells.collect())
    });
    std::iter::once(header).chain(lines).collect()
}

/// The numbers, words and truths of a row; those of an object in it, after its name and a dot.
fn flat(row: &Value) -> Map<String, Value> {
    let mut flattened = Map::new();
    for (name, value) in row.as_object().into_iter().flatten() {
        match value {
            Value::Array(_) => {}
            Value::Object(_) => {
                let inner = flat(value).into_iter();
                flattened.extend(inner.map(|(inner, value)| (format!("{name}.{inner}"), value)));
            }
            plain => {
                flattened.insert(name.clone(), plain.clone());
            }
        }
    }
    flattened
}

/// Text as a cell (RFC 4180).
pub(crate) fn cell(text: &str) -> String {
    let text = escaped(text);
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_have_all_columns_of_all_of_them() {
        let rows = [
            json!({"speedup": 1.5, "name": "a,b", "checks": {"equal": true, "gas": null}}),
            json!({"name": "say \"x\"", "threads": 2, "samples": [1, 2], "line": "a\nb"}),
        ];
        let lines: Vec<_> = render(&rows).lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "name,threads,checks.equal,checks.gas,line,speedup",
                "\"a,b\",,true,,,1.5",
                "\"say \"\"x\"\"\",2,,,a\\nb,",
            ]
        );
    }
}

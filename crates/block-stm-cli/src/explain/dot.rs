//! A block's dependencies as a graph for Graphviz.

use std::{collections::BTreeMap, fmt::Write};

use super::study::Study;

/// Transactions as nodes, what they pass on as edges; the most costly chain in red.
pub(super) fn render(study: &Study) -> Vec<u8> {
    let mut dot = String::from("digraph block {\n  rankdir=LR;\n  node [shape=box];\n");
    let path = study.graph.critical_path();
    let is_critical = |txn: usize| path.iter().any(|link| link.txn == txn);
    let mut meets = vec![false; study.calls.len()];
    let mut edges = BTreeMap::<(usize, usize), Vec<&str>>::new();
    for edge in &study.graph.edges {
        (meets[edge.writer], meets[edge.reader]) = (true, true);
        let names = edges.entry((edge.writer, edge.reader)).or_default();
        names.push(&study.places[edge.place].name);
    }
    for (txn, _) in meets.iter().enumerate().filter(|(_, meets)| **meets) {
        let colour = if is_critical(txn) { ", color=red" } else { "" };
        let label = quoted(&format!("{txn}: {}", study.call_names[txn]));
        let _ = writeln!(dot, "  {txn} [label={label}{colour}];");
    }
    for ((writer, reader), mut names) in edges {
        names.sort_unstable();
        names.dedup();
        let next = |pair: &[super::analysis::Link]| (pair[0].txn, pair[1].txn) == (writer, reader);
        let colour = if path.windows(2).any(next) { ", color=red" } else { "" };
        let _ =
            writeln!(dot, "  {writer} -> {reader} [label={}{colour}];", quoted(&names.join("\n")));
    }
    dot.push_str("}\n");
    dot.into_bytes()
}

/// A string of Graphviz's language.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {}
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_leave_their_quotes() {
        assert_eq!(quoted("a\"b\\\nc\x1b"), "\"a\\\"b\\\\\\nc\"");
    }
}

//! What a batch comes to, as text and as JSON.

use std::time::Duration;

use block_stm_chain::{batch::Outcome, witness::Witness};
use serde::Serialize;

use crate::{
    files::{JsonOutput, rendered},
    tables::{render, table},
    units::{count, grouped, time},
};

/// What is told of a batch that was made or checked.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    ok: bool,
    error: Option<String>,
    txns: usize,
    rejected: usize,
    gas_used: u64,
    pre_state_root: Option<String>,
    post_state_root: Option<String>,
    witness: Sizes,
    seconds: f64,
}

/// The parts of a witness, in pieces and bytes.
#[derive(Debug, Default, Serialize)]
struct Sizes {
    nodes: usize,
    node_bytes: usize,
    codes: usize,
    code_bytes: usize,
    headers: usize,
    header_bytes: usize,
    bytes: usize,
    bytes_per_txn: Option<f64>,
}

impl Report {
    pub(super) fn of(
        outcome: &Outcome,
        witness: &Witness,
        (pre, rejected): (String, usize),
        elapsed: Duration,
    ) -> Self {
        Self {
            ok: true,
            error: None,
            txns: outcome.txns,
            rejected,
            gas_used: outcome.gas_used,
            pre_state_root: Some(pre),
            post_state_root: Some(outcome.post_root.to_string()),
            witness: Sizes::of(witness, outcome.txns),
            seconds: elapsed.as_secs_f64(),
        }
    }

    pub(super) fn failed(error: String) -> Self {
        Self {
            ok: false,
            error: Some(error),
            txns: 0,
            rejected: 0,
            gas_used: 0,
            pre_state_root: None,
            post_state_root: None,
            witness: Sizes::default(),
            seconds: 0.0,
        }
    }

    /// The text, which begins with what was done.
    pub(super) fn text(&self, done: &str) -> String {
        let Sizes { nodes, node_bytes, codes, code_bytes, headers, header_bytes, .. } =
            self.witness;
        let each = |bytes: usize| match self.txns {
            0 => "-".to_owned(),
            txns => format!("{:.1}", bytes as f64 / txns as f64),
        };
        let mut sizes = table(&["witness", "pieces", "bytes", "bytes/txn"], &[0]);
        for (what, pieces, bytes) in [
            ("nodes", nodes, node_bytes),
            ("code", codes, code_bytes),
            ("headers", headers, header_bytes),
            ("all", nodes + codes + headers, self.witness.bytes),
        ] {
            sizes.add_row([
                what.to_owned(),
                grouped(pieces as u64),
                grouped(bytes as u64),
                each(bytes),
            ]);
        }
        format!(
            "{done} in {}: {}, {} gas\nState root before: {}\n            after: {}\n\n{}",
            time(Duration::from_secs_f64(self.seconds)),
            count(self.txns, "txn"),
            grouped(self.gas_used),
            self.pre_state_root.as_deref().unwrap_or_default(),
            self.post_state_root.as_deref().unwrap_or_default(),
            render(&sizes),
        )
    }

    pub(super) fn write(&self, json: &JsonOutput) -> Result<(), crate::error::CliError> {
        json.write(|| rendered(self))
    }
}

impl Sizes {
    fn of(witness: &Witness, txns: usize) -> Self {
        let bytes = |list: &[alloy_primitives::Bytes]| list.iter().map(|part| part.len()).sum();
        let all = witness.size();
        Self {
            nodes: witness.state.len(),
            node_bytes: bytes(&witness.state),
            codes: witness.codes.len(),
            code_bytes: bytes(&witness.codes),
            headers: witness.headers.len(),
            header_bytes: bytes(&witness.headers),
            bytes: all,
            bytes_per_txn: (txns > 0).then(|| all as f64 / txns as f64),
        }
    }
}

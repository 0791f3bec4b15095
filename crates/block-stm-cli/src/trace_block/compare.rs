//! The traces of one block: in parallel against one after another.
//!
//! The first turn of each side is not timed: its traces are compared, by their hashes. In the timed
//! turns, each trace is rendered as JSON and dropped, on both sides.

use std::{
    hint::black_box,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use block_stm::Flow;
use block_stm_evm::{BlockResult, StateChanges};
use block_stm_trace::{Tracer, TxnTrace, default_in_flight, trace_block, trace_in_order};

use super::{matches_header, traced};
use crate::{blocks::BlockAt, error::CliError, interrupt, medians::median_time};

/// What comparing the traces of one block came to.
pub(super) struct Compared {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) rules: String,
    pub(super) txns: usize,
    pub(super) gas_used: u64,
    /// All traces as JSON, in bytes.
    pub(super) bytes: u64,
    /// The first transaction whose traces differ.
    pub(super) differs: Option<usize>,
    pub(super) header_agrees: bool,
    pub(super) sequential: Vec<Duration>,
    pub(super) parallel: Vec<Duration>,
    /// What the block changes.
    pub(super) changes: Option<StateChanges>,
}

impl Compared {
    pub(super) fn ok(&self) -> bool {
        self.differs.is_none() && self.header_agrees
    }

    pub(super) fn sequential_time(&self) -> Duration {
        median_time(&self.sequential)
    }

    pub(super) fn parallel_time(&self) -> Duration {
        median_time(&self.parallel)
    }

    pub(super) fn speedup(&self) -> f64 {
        self.sequential_time().as_secs_f64() / self.parallel_time().as_secs_f64().max(1e-9)
    }
}

/// Traces the block on both sides, `repeat` times.
pub(super) fn compare(
    at: &BlockAt<'_>,
    tracer: &Tracer,
    repeat: NonZeroUsize,
) -> Result<Compared, CliError> {
    let sides = Sides { at, tracer };
    let (mut one, mut other) = (Vec::new(), Vec::new());
    sides.in_order(|json| one.push(Digest::of(&json)))?;
    let result = sides.in_parallel(|json| Digest::of(&json), |digest| other.push(digest))?;
    let mut compared = Compared {
        name: at.name.to_owned(),
        number: at.number,
        rules: format!("{:?}", at.block.spec),
        txns: at.block.txns.len(),
        gas_used: result.gas_used,
        bytes: one.iter().map(|digest| digest.bytes).sum(),
        differs: first_difference(&one, &other),
        header_agrees: matches_header(at, &result),
        sequential: Vec::new(),
        parallel: Vec::new(),
        changes: Some(result.state),
    };
    for _ in 0..repeat.get() {
        if interrupt::came() && !compared.parallel.is_empty() {
            break;
        }
        let start = Instant::now();
        sides.in_order(|json| {
            black_box(json);
        })?;
        compared.sequential.push(start.elapsed());
        let start = Instant::now();
        sides.in_parallel(
            |json| {
                black_box(json);
            },
            |()| {},
        )?;
        compared.parallel.push(start.elapsed());
    }
    Ok(compared)
}

/// The place of the first trace that is not the same, or that one side has not.
fn first_difference(one: &[Digest], other: &[Digest]) -> Option<usize> {
    let first = one.iter().zip(other).position(|(one, other)| one != other);
    let shorter = one.len().min(other.len());
    first.or((one.len() != other.len()).then_some(shorter))
}

/// What tells a trace from others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digest {
    bytes: u64,
    hash: blake3::Hash,
}

impl Digest {
    fn of(json: &[u8]) -> Self {
        Self { bytes: json.len() as u64, hash: blake3::hash(json) }
    }
}

/// Both ways of tracing a block.
struct Sides<'a> {
    at: &'a BlockAt<'a>,
    tracer: &'a Tracer,
}

fn rendered(trace: &TxnTrace) -> Vec<u8> {
    serde_json::to_vec(trace).expect("its keys are strings")
}

impl Sides<'_> {
    fn in_order(&self, mut take: impl FnMut(Vec<u8>)) -> Result<(), CliError> {
        let mut take = |trace| {
            take(rendered(&trace));
            Flow::Continue
        };
        let traced = traced(self.at);
        let done = trace_in_order(&traced, self.at.state, self.tracer, &mut take);
        done.map_err(|error| self.at.failed(error))
    }

    fn in_parallel<T: Send>(
        &self,
        make: impl Fn(Vec<u8>) -> T + Sync,
        mut take: impl FnMut(T) + Send,
    ) -> Result<BlockResult, CliError> {
        let done = trace_block(
            self.at.engine,
            &traced(self.at),
            self.at.state,
            self.tracer,
            default_in_flight(self.at.engine),
            |trace| make(rendered(&trace)),
            &mut |made| {
                take(made);
                Flow::Continue
            },
        );
        done.map_err(|error| self.at.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_trace_that_differs_is_found() {
        let digests = |texts: &[&str]| -> Vec<_> {
            texts.iter().map(|text| Digest::of(text.as_bytes())).collect()
        };
        let right = digests(&["a", "b", "c"]);
        assert_eq!(first_difference(&right, &digests(&["a", "b", "c"])), None);
        assert_eq!(first_difference(&right, &digests(&["a", "x", "y"])), Some(1));
        assert_eq!(first_difference(&right, &digests(&["a", "b"])), Some(2));
        assert_eq!(first_difference(&digests(&[]), &right), Some(0));
    }
}

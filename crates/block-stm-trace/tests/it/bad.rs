//! Tracers and blocks that are none, outputs that take no more.

use std::io::{self, Write};

use block_stm_evm::{ExecutionError, block_stm::Flow, revm::primitives::hardfork::SpecId};
use block_stm_trace::{
    TraceError, TracedBlock, Tracer, TracerError, trace_block, trace_in_order, write_traces,
};

use crate::{
    same::{engines, tracer},
    scene::{block, eoa, state, transfer},
};

fn refusal(name: &str, options: Option<&str>) -> String {
    Tracer::parse(name, options).expect_err("is none").to_string()
}

#[test]
fn unknown_tracers_and_options_are_named() {
    let known = "known are callTracer, prestateTracer, 4byteTracer, flatCallTracer, structLogger";
    for name in ["calltracer", "muxTracer", "{step: function() {}}"] {
        assert_eq!(refusal(name, None), format!("unknown tracer {name:?}; {known}"));
    }
    let cases = [
        (
            "callTracer",
            r#"{"withLogs": true}"#,
            r#"unknown option "withLogs"; known are onlyTopCall"#,
        ),
        ("callTracer", r#"{"withLog": 1}"#, "invalid type: integer `1`"),
        ("callTracer", r#"{"withLog": true, "withLog": false}"#, "duplicate field"),
        ("prestateTracer", "[]", "not a JSON object"),
        ("prestateTracer", "{", "not a JSON object"),
        ("4byteTracer", r#"{"withLog": true}"#, r#"unknown option "withLog"; known are none"#),
        ("flatCallTracer", r#"{"convertParityErrors": false}"#, "can't be false"),
        ("structLogger", r#"{"limit": -1}"#, "invalid value: integer `-1`"),
        ("structLogger", r#"{"debug": true}"#, r#"unknown option "debug""#),
    ];
    for (name, options, words) in cases {
        let refusal = refusal(name, Some(options));
        assert!(refusal.starts_with(&format!("options of {name}: ")), "{refusal}");
        assert!(refusal.contains(words), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn defaults_have_many_names() -> Result<(), TracerError> {
    assert_eq!(Tracer::parse("", None)?, Tracer::parse("structLogger", Some("{}"))?);
    for name in Tracer::NAMES {
        let default = Tracer::parse(name, None)?;
        assert_eq!(default.name(), name);
        for options in ["{}", "null", " { } "] {
            assert_eq!(Tracer::parse(name, Some(options))?, default);
        }
    }
    assert!(Tracer::parse("flatCallTracer", Some(r#"{"convertParityErrors": true}"#)).is_ok());
    Ok(())
}

#[test]
fn an_invalid_block_has_the_same_error_and_no_output() {
    let txns = (0..6).map(|n| transfer(eoa(n), u64::from(n == 4), eoa(9), 1));
    let (block, state) = (block(SpecId::LONDON, txns), state([]));
    let (traced, tracer) = (TracedBlock::new(&block), tracer("callTracer", "{}"));
    let mut before = 0;
    let error = trace_in_order(&traced, &state, &tracer, &mut |_| {
        before += 1;
        Flow::Continue
    });
    let expected = error.expect_err("txn 4 has a wrong nonce");
    assert!(matches!(expected, ExecutionError::InvalidTxn { index: 4, .. }), "{expected}");
    assert_eq!(before, 4);
    for engine in engines() {
        let mut out = Vec::new();
        let error = write_traces(engine, &traced, &state, &tracer, &mut out);
        assert_eq!(error.expect_err("invalid").to_string(), expected.to_string());
        assert_eq!(out, [0_u8; 0]);
    }
}

/// Takes so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_is_full_ends_it() {
    let txns = (0..6).map(|n| transfer(eoa(n), 0, eoa(9), 1));
    let (block, state) = (block(SpecId::LONDON, txns), state([]));
    let (traced, tracer) = (TracedBlock::new(&block), tracer("callTracer", "{}"));
    for engine in engines() {
        let mut whole = Vec::new();
        write_traces(engine, &traced, &state, &tracer, &mut whole).expect("valid");
        for room in 0..whole.len() {
            let error = write_traces(engine, &traced, &state, &tracer, &mut Full(room));
            let Err(TraceError::Write(error)) = error else { panic!("there is no room") };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        write_traces(engine, &traced, &state, &tracer, &mut Full(whole.len())).expect("fits");
    }
}

#[test]
fn both_ways_end_where_the_taker_has_enough() {
    let txns = (0..6).map(|n| transfer(eoa(n), 0, eoa(9), 1));
    let (block, state) = (block(SpecId::LONDON, txns), state([]));
    let (traced, tracer) = (TracedBlock::new(&block), tracer("4byteTracer", "{}"));
    let until = |index| if index == 2 { Flow::Cut } else { Flow::Continue };
    let mut one = Vec::new();
    trace_in_order(&traced, &state, &tracer, &mut |trace| {
        one.push(trace.index);
        until(trace.index)
    })
    .expect("valid");
    assert_eq!(one, [0, 1, 2]);
    for engine in engines() {
        let mut other = Vec::new();
        let mut take = |index| {
            other.push(index);
            until(index)
        };
        trace_block(engine, &traced, &state, &tracer, 3, |trace| trace.index, &mut take)
            .expect("valid");
        assert_eq!(other, one);
    }
}

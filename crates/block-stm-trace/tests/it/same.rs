//! Tracing a block both ways and comparing.

use std::{num::NonZeroUsize, sync::OnceLock};

use alloy_primitives::{B256, keccak256};
use block_stm_evm::{
    Block, BlockResult, ExecutionError, PreState, PreStateError,
    block_stm::{Config, Engine, Flow},
};
use block_stm_trace::{
    TracedBlock, Tracer, TxnTrace, default_in_flight, trace_block, trace_in_order,
};

/// Engines with 1, 2, 4 and 8 workers that execute even the shortest block in parallel.
pub(crate) fn engines() -> &'static [Engine] {
    static ENGINES: OnceLock<Vec<Engine>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |threads| {
            let threads = NonZeroUsize::new(threads).expect("not zero");
            Engine::new(Config::default().threads(threads).cores(threads).inline_below(0))
                .expect("threads start")
        };
        [1, 2, 4, 8].map(engine).into()
    })
}

pub(crate) fn tracer(name: &str, options: &str) -> Tracer {
    Tracer::parse(name, Some(options)).unwrap_or_else(|error| panic!("{error}"))
}

/// Every tracer under its options. Struct logs have at most `steps` steps.
pub(crate) fn tracers(steps: u64) -> Vec<Tracer> {
    let all = [
        ("callTracer", "{}"),
        ("callTracer", r#"{"onlyTopCall": true}"#),
        ("callTracer", r#"{"withLog": true}"#),
        ("prestateTracer", "{}"),
        ("prestateTracer", r#"{"disableCode": true, "disableStorage": true}"#),
        ("prestateTracer", r#"{"diffMode": true}"#),
        ("prestateTracer", r#"{"diffMode": true, "disableCode": true}"#),
        ("4byteTracer", "{}"),
        ("flatCallTracer", "{}"),
        ("flatCallTracer", r#"{"includePrecompiles": true}"#),
    ];
    let mut tracers: Vec<_> = all.map(|(name, options)| tracer(name, options)).into();
    for options in [
        format!(r#"{{"limit": {steps}}}"#),
        format!(r#"{{"limit": {steps}, "enableMemory": true, "enableReturnData": true}}"#),
        format!(r#"{{"limit": {steps}, "disableStack": true, "disableStorage": true}}"#),
    ] {
        tracers.push(tracer("structLogger", &options));
    }
    tracers
}

pub(crate) type Traces<T> = Result<Vec<T>, String>;

/// The traces of one after another, each as `render` makes it.
pub(crate) fn in_order<T>(
    traced: &TracedBlock<'_>,
    state: &PreState,
    tracer: &Tracer,
    render: impl Fn(TxnTrace) -> T,
) -> Traces<T> {
    let mut traces = Vec::new();
    let done = trace_in_order(traced, state, tracer, &mut |trace| {
        traces.push(render(trace));
        Flow::Continue
    });
    done.map_err(|error| error.to_string()).map(|()| traces)
}

/// The traces in parallel, and the block's result.
pub(crate) fn in_parallel<T: Send>(
    engine: &Engine,
    traced: &TracedBlock<'_>,
    state: &PreState,
    tracer: &Tracer,
    render: impl Fn(TxnTrace) -> T + Sync,
) -> Result<(Vec<T>, BlockResult), ExecutionError<PreStateError>> {
    let mut traces = Vec::new();
    let in_flight = default_in_flight(engine);
    let result = trace_block(engine, traced, state, tracer, in_flight, render, &mut |trace| {
        traces.push(trace);
        Flow::Continue
    });
    Ok((traces, result?))
}

/// What tells a trace from others: its JSON's length and hash.
pub(crate) fn digest(trace: TxnTrace) -> (usize, B256) {
    let json = serde_json::to_vec(&trace).expect("its keys are strings");
    (json.len(), keccak256(json))
}

/// Checks that all traces are the same with any number of threads. Of an invalid block, that the
/// errors are.
pub(crate) fn assert_same(block: &Block, state: &PreState, tracers: &[Tracer]) {
    let hashes: Vec<_> = (0..block.txns.len()).map(|n| B256::with_last_byte(n as u8)).collect();
    let traced = TracedBlock::new(block).hash(B256::repeat_byte(7)).txn_hashes(&hashes);
    for tracer in tracers {
        let expected = in_order(&traced, state, tracer, |trace| trace);
        for engine in engines() {
            let found = in_parallel(engine, &traced, state, tracer, |trace| trace);
            let found = found.map(|(traces, _)| traces).map_err(|error| error.to_string());
            let what = || format!("{tracer:?}, {:?}, {} threads", block.spec, engine.threads());
            assert_eq!(found, expected, "{}", what());
        }
    }
}

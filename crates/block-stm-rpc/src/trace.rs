//! `debug_traceBlockByNumber` and `debug_traceBlockByHash`.

use std::io::Write;

use alloy_eips::BlockNumberOrTag;
use block_stm_chain::import::known_block;
use block_stm_evm::{ExecutionError, block_stm::Flow};
use block_stm_pipeline::StoredState;
use block_stm_store::Snapshot;
use block_stm_trace::{
    TracedBlock, Tracer, TxnTrace, alloy_rpc_types_trace::geth::GethTrace, default_in_flight,
    trace_block,
};
use serde_json::{Map, Value};

use crate::{
    answer::{Answer, Args, Bounded},
    fault::Fault,
    node::{Known, Node, unreadable},
};

pub(crate) fn by_number(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let tag: BlockNumberOrTag = args.next("block")?;
    let tracer = tracer(node, args)?;
    let head = node.head()?;
    let number = node.number(&head, tag).ok_or(Fault::UnknownBlock)?;
    traced(node, head, number, &tracer)
}

pub(crate) fn by_hash(node: &Node, args: &mut Args<'_>) -> Result<Answer, Fault> {
    let hash = args.next("hash")?;
    let tracer = tracer(node, args)?;
    let head = node.head()?;
    let number = head.number_of(&hash)?.ok_or(Fault::UnknownBlock)?;
    traced(node, head, number, &tracer)
}

/// The tracer that a request asks for; `structLogger` does not go beyond the limit.
fn tracer(node: &Node, args: &mut Args<'_>) -> Result<Tracer, Fault> {
    let given: Option<Map<String, Value>> = args.optional("options")?;
    args.end()?;
    let mut options = given.unwrap_or_default();
    let name = match options.remove("tracer") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(name)) => name,
        Some(_) => return Err(Fault::Params("the tracer's name is no text".to_owned())),
    };
    let config = options.remove("tracerConfig").filter(|config| !config.is_null());
    // Beside it stand the options of the one that has no name.
    let options = match (name.is_empty(), config) {
        (true, None) => Value::Object(options),
        (_, config) if options.is_empty() => config.unwrap_or(Value::Null),
        _ => {
            let names: Vec<_> = options.keys().map(String::as_str).collect();
            return Err(Fault::Params(format!("unknown options: {}", names.join(", "))));
        }
    };
    let tracer = Tracer::parse(&name, Some(&options.to_string()));
    match tracer.map_err(|error| Fault::Params(error.to_string()))? {
        Tracer::StructLog(mut options) => {
            let most = node.limits.trace_steps;
            // One more, so that a trace of just as many is told from a longer one.
            let wanted = options.limit.filter(|limit| (1..=most).contains(limit));
            options.limit = Some(wanted.unwrap_or(most + 1));
            Ok(Tracer::StructLog(options))
        }
        other => Ok(other),
    }
}

fn traced(node: &Node, head: Snapshot, number: u64, tracer: &Tracer) -> Result<Answer, Fault> {
    let Known { stored, header, body } = node.block(&head, number)?;
    let Some(parent) = number.checked_sub(1).filter(|_| stored.hash != node.store.genesis()) else {
        return Err(Fault::Params("the genesis block has no transactions to trace".to_owned()));
    };
    let state = StoredState::new(node.state_after(head, parent)?);
    let block = known_block(stored.hash, header, body, &node.schedule);
    let block = block.map_err(|error| unreadable(number, error))?;
    let traced = TracedBlock::new(&block).hash(stored.hash).txn_hashes(&stored.txns);
    let deadline = node.deadline();
    let mut out = Bounded::new(node.limits.answer_bytes);
    let mut failed = None;
    let mut take = |trace: Result<Vec<u8>, Fault>| {
        let mark: &[u8] = if out.is_empty() { b"[" } else { b"," };
        let written = trace.and_then(|trace| {
            node.in_time(deadline)?;
            let written = out.write_all(mark).and_then(|()| out.write_all(&trace));
            written.map_err(|_| Bounded::too_large(node.limits.answer_bytes))
        });
        failed = written.err();
        if failed.is_some() { Flow::Cut } else { Flow::Continue }
    };
    let render = |trace: TxnTrace| rendered(node, &trace);
    let in_flight = default_in_flight(&node.engine);
    let result = trace_block(&node.engine, &traced, &state, tracer, in_flight, render, &mut take);
    if let Err(error) = result {
        return Err(match error {
            ExecutionError::Database { source, .. } => source.into(),
            error => unreadable(number, error),
        });
    }
    if let Some(fault) = failed {
        return Err(fault);
    }
    let end: &[u8] = if out.is_empty() { b"[]" } else { b"]" };
    out.write_all(end).map_err(|_| Bounded::too_large(node.limits.answer_bytes))?;
    Ok(out.into_answer())
}

/// A trace as JSON, if it is whole.
fn rendered(node: &Node, trace: &TxnTrace) -> Result<Vec<u8>, Fault> {
    let most = node.limits.trace_steps;
    if let GethTrace::Default(frame) = &trace.trace
        && frame.struct_logs.len() as u64 > most
    {
        let index = trace.index;
        return Err(Fault::Limit(format!("txn {index} has more than {most} steps to trace")));
    }
    let mut out = Bounded::new(node.limits.answer_bytes);
    match serde_json::to_writer(&mut out, trace) {
        Ok(()) => Ok(out.into_bytes()),
        Err(_) => Err(Bounded::too_large(node.limits.answer_bytes)),
    }
}

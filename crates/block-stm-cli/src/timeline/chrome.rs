//! A story as a trace of Chrome's format, which Perfetto reads.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::story::{Doing, Story};

/// The only process of the trace.
const PROCESS: u32 = 1;

/// Writes the trace of `story`, an event a line; `facts` stand in its header.
pub(super) fn write(out: &mut impl Write, story: &Story, facts: &Value) -> io::Result<()> {
    writeln!(out, "{{\"displayTimeUnit\":\"ns\",\"otherData\":{facts},\"traceEvents\":[")?;
    let name = |kind: &str, thread: usize, name: String| {
        let args = json!({ "name": name });
        json!({"ph": "M", "pid": PROCESS, "tid": thread, "name": kind, "args": args})
    };
    write!(out, "{}", name("process_name", 0, "block-stm".to_owned()))?;
    for worker in 0..story.workers.len() {
        write!(out, ",\n{}", name("thread_name", worker + 1, format!("worker {worker}")))?;
        let order = json!({
            "ph": "M", "pid": PROCESS, "tid": worker + 1, "name": "thread_sort_index",
            "args": {"sort_index": worker},
        });
        write!(out, ",\n{order}")?;
    }
    for (worker, spans) in story.workers.iter().enumerate() {
        for span in spans {
            let doing = word(span.doing);
            let name = match span.txn {
                Some(txn) => format!("{doing} {txn}"),
                None => doing.to_owned(),
            };
            let mut event = json!({
                "ph": "X", "pid": PROCESS, "tid": worker + 1, "cat": doing, "name": name,
                "ts": micros(span.from), "dur": micros(span.to - span.from),
            });
            if let Some(txn) = span.txn {
                event["args"] = json!({
                    "txn": txn.get(), "incarnation": span.incarnation, "fate": span.fate,
                });
                if span.doing == Doing::Execute {
                    event["args"]["as"] = json!(if span.head { "head" } else { "ahead" });
                }
            }
            write!(out, ",\n{event}")?;
        }
    }
    for count in &story.counts {
        let counters = [
            ("head", count.head),
            ("started beyond", count.started),
            ("executions", count.executions),
        ];
        for (name, value) in counters {
            let event = json!({
                "ph": "C", "pid": PROCESS, "name": name, "ts": micros(count.at),
                "args": {"value": value},
            });
            write!(out, ",\n{event}")?;
        }
    }
    writeln!(out, "\n]}}")
}

/// The word for what a worker does.
pub(super) const fn word(doing: Doing) -> &'static str {
    match doing {
        Doing::Execute => "execute",
        Doing::Publish => "publish",
        Doing::Validate => "validate",
        Doing::Judge => "judge",
        Doing::Commit => "commit",
        Doing::Idle => "idle",
        Doing::Sleep => "sleep",
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::{super::story, *};

    #[test]
    fn every_span_is_an_event_that_viewers_know() -> Result<(), Box<dyn std::error::Error>> {
        let story = story::tests::sample();
        let mut bytes = Vec::new();
        write(&mut bytes, &story, &json!({"block": "sample"}))?;
        let trace: Value = serde_json::from_slice(&bytes)?;
        let events = trace["traceEvents"].as_array().ok_or("a list")?;
        let of = |kind: &str| events.iter().filter(|event| event["ph"] == kind).count();
        let spans: usize = story.workers.iter().map(Vec::len).sum();
        assert_eq!((of("X"), of("C"), of("M")), (spans, 3 * story.counts.len(), 5));
        let stale = events.iter().find(|event| event["args"]["fate"] == "stale-at-commit");
        let stale = stale.ok_or("one is stale")?;
        assert_eq!((&stale["args"]["txn"], &stale["args"]["incarnation"]), (&json!(1), &json!(1)));
        Ok(())
    }
}

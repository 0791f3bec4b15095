//! What a request may take.

use std::time::Duration;

/// What a request may take. A request that wants more is an error that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time; more are closed at once.
    pub connections: usize,
    /// Bytes of a request.
    pub request_bytes: u32,
    /// Bytes of an answer, or of all answers of a batch.
    pub answer_bytes: u32,
    /// Requests in a batch.
    pub batch: u32,
    /// From the head of a request to its answer, its body and the wait for others included.
    pub request_time: Duration,
    /// To send the head of a request, and to take more of an answer.
    pub idle_time: Duration,
    /// Requests that read a block or an account, at the same time; the others wait.
    pub light: usize,
    /// Requests that call, trace, prove or go over logs or signatures, at the same time; the
    /// others wait.
    pub heavy: usize,
    /// How long a heavy request may work.
    pub work_time: Duration,
    /// Gas of a call.
    pub call_gas: u64,
    /// Blocks that a request for logs looks at.
    pub log_blocks: u64,
    /// Logs of an answer.
    pub logs: usize,
    /// Addresses and topics that a request for logs names.
    pub log_terms: usize,
    /// Slots of a proof.
    pub proof_slots: usize,
    /// Steps of each transaction that `structLogger` records.
    pub trace_steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100,
            request_bytes: 1 << 20,
            answer_bytes: 32 << 20,
            batch: 100,
            request_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            light: 8,
            heavy: 2,
            work_time: Duration::from_secs(5),
            call_gas: 50_000_000,
            log_blocks: 1_000,
            logs: 10_000,
            log_terms: 1_000,
            proof_slots: 256,
            trace_steps: 100_000,
        }
    }
}

//! Options of `chain serve`.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use block_stm_rpc::Limits;
use clap::Args;

use super::{
    JsonArgs,
    parsers::{default_threads, number_parser, threads_parser},
};

pub(super) const SERVE_EXAMPLES: &str = "\
Blocks, transactions, receipts, balances, code, slots, calls, logs, traces and proofs, in the form \
of Ethereum's nodes. Each answer is of one block, whatever is imported meanwhile. `latest` is the \
newest block that was checked in full. Balances, code, slots, calls and traces go as far back as \
the store keeps states, 64 blocks or more after an import; proofs are of the newest block. What is \
no longer kept is an error.

It listens on the loopback address unless --listen says otherwise. There is no encryption and no \
password: put a proxy in front of it before others can reach it. Requests under a host name are \
refused unless it is localhost or given by --host.

A Ctrl-C ends it: what was imported is durable, and the exit code is 130.

Examples:
  block-stm chain serve --genesis genesis.json --store store
  block-stm chain serve --genesis genesis.json --store store chain.rlp
  block-stm chain serve --genesis genesis.json --store store --listen 0.0.0.0:80
  cast block latest --rpc-url http://127.0.0.1:8545";

/// Options of `chain serve`.
#[derive(Debug, Args)]
pub(crate) struct ChainServeArgs {
    /// The genesis file, in geth's format
    #[arg(long, value_name = "PATH")]
    pub(crate) genesis: PathBuf,
    /// The store's folder, which is made if it is not there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) store: PathBuf,
    /// Files of RLP blocks to import meanwhile, as `chain import` does
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where to listen; port 0 stands for a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8545")]
    pub(crate) listen: SocketAddr,
    /// A host name that requests may come under; * stands for all
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// End when the files are imported
    #[arg(long)]
    pub(crate) once: bool,
    /// Threads that compute, for all stages of an import, and again for traces [default: all
    /// cores]
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = default_threads())]
    #[arg(value_parser = threads_parser())]
    pub(crate) threads: NonZeroUsize,
    /// What a request may take.
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Where results go as JSON.
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// What a request may take.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Connections at the same time; more are closed at once
    #[arg(long = "max-connections", value_name = "N", default_value_t = 100)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 10000))]
    connections: u64,
    /// Bytes of a request
    #[arg(long = "max-request-bytes", value_name = "BYTES", default_value_t = 1048576)]
    #[arg(help_heading = "Limits", value_parser = number_parser(64, 1073741824))]
    request_bytes: u64,
    /// Bytes of an answer, or of all answers of a batch
    #[arg(long = "max-answer-bytes", value_name = "BYTES", default_value_t = 33554432)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1024, 1073741824))]
    answer_bytes: u64,
    /// Requests in a batch
    #[arg(long = "max-batch", value_name = "N", default_value_t = 100)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 100000))]
    batch: u64,
    /// Seconds from the head of a request to its answer
    #[arg(long = "request-time", value_name = "SECONDS", default_value_t = 30)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 3600))]
    request_time: u64,
    /// Seconds to send the head of a request, or to take more of an answer
    #[arg(long = "idle-time", value_name = "SECONDS", default_value_t = 30)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 3600))]
    idle_time: u64,
    /// Requests at the same time that read a block or an account; the others wait
    #[arg(long = "light", value_name = "N", default_value_t = 8)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1000))]
    light: u64,
    /// Requests at the same time that execute, prove or go over many blocks
    #[arg(long = "heavy", value_name = "N", default_value_t = 2)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1000))]
    heavy: u64,
    /// Seconds of work on a request that executes or goes over many blocks
    #[arg(long = "work-time", value_name = "SECONDS", default_value_t = 5)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 3600))]
    work_time: u64,
    /// Gas of a call, if the block it runs on has as much
    #[arg(long = "call-gas", value_name = "GAS", default_value_t = 50000000)]
    #[arg(help_heading = "Limits", value_parser = number_parser(21000, 4611686018427387904))]
    call_gas: u64,
    /// Blocks that a request for logs looks at
    #[arg(long = "max-log-blocks", value_name = "N", default_value_t = 1000)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1099511627776))]
    log_blocks: u64,
    /// Logs of an answer
    #[arg(long = "max-logs", value_name = "N", default_value_t = 10000)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1000000000))]
    logs: u64,
    /// Addresses and topics that a request for logs names
    #[arg(long = "max-log-terms", value_name = "N", default_value_t = 1000)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1000000))]
    log_terms: u64,
    /// Slots of a proof
    #[arg(long = "max-proof-slots", value_name = "N", default_value_t = 256)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1000000))]
    proof_slots: u64,
    /// Steps that structLogger records of a transaction
    #[arg(long = "max-trace-steps", value_name = "N", default_value_t = 100000)]
    #[arg(help_heading = "Limits", value_parser = number_parser(1, 1000000000))]
    trace_steps: u64,
}

impl LimitArgs {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections: self.connections as usize,
            request_bytes: self.request_bytes as u32,
            answer_bytes: self.answer_bytes as u32,
            batch: self.batch as u32,
            request_time: Duration::from_secs(self.request_time),
            idle_time: Duration::from_secs(self.idle_time),
            light: self.light as usize,
            heavy: self.heavy as usize,
            work_time: Duration::from_secs(self.work_time),
            call_gas: self.call_gas,
            log_blocks: self.log_blocks,
            logs: self.logs as usize,
            log_terms: self.log_terms as usize,
            proof_slots: self.proof_slots as usize,
            trace_steps: self.trace_steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        limits: LimitArgs,
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(Alone::parse_from(["serve"]).limits.limits(), Limits::default());
    }
}

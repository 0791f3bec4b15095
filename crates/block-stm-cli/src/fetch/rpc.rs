//! JSON-RPC over HTTP to a node that may fail in all ways.
//!
//! A request that fails for a passing reason is repeated: no connection, a time-out, half an
//! answer, no JSON, HTTP 429 or 5xx, an error of the node that speaks of limits. The wait doubles
//! each time, and is as long as the node asks for if it does. What will not pass ends the request
//! at once. No answer is read beyond a bound.

use std::{
    hash::{BuildHasher, RandomState},
    io::ErrorKind,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use block_stm_chain::import::json::read_within;
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::{debug, info, trace, warn};
use ureq::{Agent, http::HeaderMap};

use super::{endpoint::Endpoint, pace::Pace};
use crate::interrupt;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a node is granted.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// From so long a time without an answer on, it is told without being asked for.
const TOLD_AFTER: Duration = Duration::from_secs(5);
/// Bytes of an answer that says what is wrong.
const MAX_ERROR_BYTES: u64 = 1 << 16;
/// Characters of a node's message that are shown.
const SHOWN: usize = 200;

/// Why a request has no answer. No text in it holds a part of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RpcError {
    /// The node does not know the method, or does not let it be called.
    #[error("{method}: the node does not have it: {message}")]
    Unsupported {
        /// Which method.
        method: &'static str,
        /// What the node said.
        message: String,
    },
    /// The node's answer is an error.
    #[error("{method}: the node answered: {message} ({code})")]
    Refused {
        /// Which method.
        method: &'static str,
        /// The error's code.
        code: i64,
        /// What the node said.
        message: String,
    },
    /// The answer is not what was asked for.
    #[error("{method}: {message}")]
    Wrong {
        /// Which method.
        method: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Every try failed.
    #[error("{method}: {reason}, {tries} times")]
    Failed {
        /// Which method.
        method: &'static str,
        /// How the last one failed.
        reason: String,
        /// How many there were.
        tries: usize,
    },
    /// No other request will fare better.
    #[error("{0}")]
    Hopeless(String),
    /// The user wants no more.
    #[error("interrupted")]
    Interrupted,
}

/// How requests are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) retries: usize,
    /// The wait before the first repetition.
    pub(super) backoff: Duration,
    /// For one try.
    pub(super) timeout: Duration,
}

/// A node's JSON-RPC, for any number of threads.
#[derive(Debug)]
pub(super) struct Rpc {
    agent: Agent,
    endpoint: Endpoint,
    pace: Pace,
    patience: Patience,
    sent: AtomicU64,
}

/// What one try came to, if to no answer.
enum Setback {
    /// Another try may succeed, after this wait if the node named one.
    Passing(String, Option<Duration>),
    Final(RpcError),
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<NodeError>,
}

#[derive(Deserialize)]
struct NodeError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl Rpc {
    /// The node at `endpoint`.
    pub(super) fn new(endpoint: Endpoint, pace: Pace, patience: Patience) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(patience.timeout))
            .http_status_as_error(false)
            // An answer from elsewhere is none of the node's.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("block-stm/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), endpoint, pace, patience, sent: AtomicU64::new(0) }
    }

    /// Where the node is, as far as it may be shown.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many requests went out.
    pub(super) fn sent(&self) -> u64 {
        // ORDERING: Relaxed: a counter.
        self.sent.load(Ordering::Relaxed)
    }

    /// The result of calling `method` with `params`, JSON of at most `max` bytes; `null` is one.
    ///
    /// # Errors
    ///
    /// No answer after all tries, or one that is an error.
    pub(super) fn call(
        &self,
        method: &'static str,
        params: &serde_json::Value,
        max: u64,
    ) -> Result<Box<RawValue>, RpcError> {
        let mut wait = self.patience.backoff;
        let start = Instant::now();
        for tries in 1.. {
            if interrupt::came() {
                break;
            }
            self.pace.wait();
            let (reason, rest) = match self.attempt(method, params, max) {
                Ok(answer) => {
                    let (bytes, time) = (answer.get().len(), start.elapsed());
                    debug!(bytes, ms = time.as_millis() as u64, tries, "{method} is answered");
                    return Ok(answer);
                }
                Err(Setback::Final(error)) => {
                    debug!(tries, "{error}");
                    return Err(error);
                }
                Err(Setback::Passing(reason, _)) if tries > self.patience.retries => {
                    return Err(RpcError::Failed { method, reason, tries });
                }
                Err(Setback::Passing(reason, rest)) => (reason, rest),
            };
            let wait_ms = rest.map_or(wait, |rest| rest.min(LONGEST_REST)).as_millis() as u64;
            let left = self.patience.retries + 1 - tries;
            match start.elapsed() < TOLD_AFTER {
                true => info!(wait_ms, left, "{method} is asked again: {reason}"),
                false => warn!(wait_ms, left, "{method} is asked again: {reason}"),
            }
            match rest {
                // The node said so to one, and means all.
                Some(rest) => self.pace.rest(rest.min(LONGEST_REST)),
                None => interrupt::sleep(jittered(wait)),
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(RpcError::Interrupted)
    }

    fn attempt(
        &self,
        method: &'static str,
        params: &serde_json::Value,
        max: u64,
    ) -> Result<Box<RawValue>, Setback> {
        // ORDERING: Relaxed: a counter.
        let id = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let request =
            serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        trace!(id, %params, "{method}");
        let passing = |reason: String| Setback::Passing(reason, None);
        let response = self
            .agent
            .post(self.endpoint.url())
            .header("content-type", "application/json")
            .send(request.to_string());
        let mut response = response.map_err(|error| self.transport(&error))?;
        let status = response.status();
        let max = if status.is_success() { max } else { MAX_ERROR_BYTES };
        let rest = rest(response.headers());
        let bytes = read_within(response.body_mut().as_reader(), 0, max);
        let bytes = bytes.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => passing(self.too_slow()),
            _ => passing(format!("the answer broke off: {}", self.shown(&error.to_string()))),
        })?;
        if status.is_success() && bytes.len() as u64 > max {
            let message = format!("the answer has more than {max} bytes, which is not read");
            return Err(Setback::Final(RpcError::Wrong { method, message }));
        }
        match serde_json::from_slice::<Answer<'_>>(&bytes) {
            Ok(Answer { error: Some(error), .. }) => Err(self.refusal(method, &error, rest)),
            Ok(_) | Err(_) if !status.is_success() => Err(self.status(status.as_u16(), rest)),
            Ok(answer) if answer.id.is_none_or(|given| given.get() != id.to_string()) => {
                Err(passing("the answer is one to another request".to_owned()))
            }
            // A missing result and `null` are one to the parser.
            Ok(answer) => Ok(answer.result.map_or_else(null, ToOwned::to_owned)),
            Err(_) => Err(passing("the answer is not JSON-RPC, or half of it".to_owned())),
        }
    }

    /// What it means that no answer came.
    fn transport(&self, error: &ureq::Error) -> Setback {
        use ureq::Error::{BadUri, HostNotFound, Io, Rustls, Timeout, Tls};
        let at = &self.endpoint;
        match error {
            HostNotFound => Setback::Final(RpcError::Hopeless(format!("{at}: no such host"))),
            Rustls(_) | Tls(_) => Setback::Final(RpcError::Hopeless(format!(
                "{at}: no secure connection: {}",
                self.shown(&error.to_string())
            ))),
            BadUri(_) => Setback::Final(RpcError::Hopeless(format!("{at}: not a URL"))),
            Timeout(_) => Setback::Passing(self.too_slow(), None),
            Io(error) if error.kind() == ErrorKind::TimedOut => {
                Setback::Passing(self.too_slow(), None)
            }
            Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                Setback::Passing(format!("no node listens at {at}"), None)
            }
            _ => Setback::Passing(
                format!("no answer from {at}: {}", self.shown(&error.to_string())),
                None,
            ),
        }
    }

    /// What it means that the node answered with HTTP `status` and nothing to read.
    fn status(&self, status: u16, rest: Option<Duration>) -> Setback {
        let at = &self.endpoint;
        let hopeless = |why: &str| {
            Setback::Final(RpcError::Hopeless(format!("{at} answered HTTP {status}: {why}")))
        };
        match status {
            408 | 425 | 429 | 500.. => {
                Setback::Passing(format!("{at} answered HTTP {status}"), rest)
            }
            300..=399 => hopeless("it leads elsewhere, which is not followed"),
            401 | 403 => hopeless("it does not let you in: is the key right?"),
            404 | 405 => hopeless("nothing answers there: is the path right?"),
            _ => hopeless("it does not take the request"),
        }
    }

    /// What it means that the node answered with an error.
    fn refusal(&self, method: &'static str, error: &NodeError, rest: Option<Duration>) -> Setback {
        let message = self.shown(&error.message);
        let words = error.message.to_lowercase();
        let says = |some: &[&str]| some.iter().any(|word| words.contains(word));
        let limits = ["rate limit", "too many requests", "limit exceeded", "exceeded its", "busy"];
        let unknown = [
            "method not found",
            "not supported",
            "unsupported",
            "not available",
            "does not exist",
            "not whitelisted",
            "not allowed",
        ];
        if matches!(error.code, -32005 | 429) || says(&limits) || says(&["timeout", "timed out"]) {
            return Setback::Passing(format!("the node answered: {message}"), rest);
        }
        if error.code == -32601 || error.code == -32004 || says(&unknown) {
            return Setback::Final(RpcError::Unsupported { method, message });
        }
        Setback::Final(RpcError::Refused { method, code: error.code, message })
    }

    fn too_slow(&self) -> String {
        format!("no answer within {} s", self.patience.timeout.as_secs())
    }

    /// Text of others, short and without secrets.
    fn shown(&self, text: &str) -> String {
        let text = self.endpoint.scrubbed(text);
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

fn null() -> Box<RawValue> {
    RawValue::from_string("null".to_owned()).expect("it is JSON")
}

/// How long the node wants to be left alone.
fn rest(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Between a half and all of `wait`, so that jobs that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let drawn = RandomState::new().hash_one(0) % 1_024;
    wait / 2 + wait.mul_f64(drawn as f64 / 2_048.0)
}

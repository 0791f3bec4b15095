//! A node in this process, which answers as a test wants, and fails as servers do.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// The result of the call.
    Result(Value),
    /// An error of JSON-RPC: code and message.
    Error(i64, &'static str),
    /// Another HTTP status than 200, with headers and a body.
    Status(&'static str, &'static str, String),
    /// A body that is no JSON-RPC.
    Text(&'static str),
    /// The first bytes of an answer that is said to be longer.
    Half,
    /// An answer to another request.
    Stray,
    /// Nothing, for longer than anyone waits.
    Silence,
    /// An answer without an end.
    Endless,
}

/// Calls of a method that were answered before, the method, its parameters.
type Answer = dyn Fn(usize, &str, &Value) -> Reply + Send + Sync;

/// A node, and what it was asked.
pub(super) struct Server {
    port: u16,
    over: Arc<AtomicBool>,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    /// A node that answers with what `answer` returns.
    pub(super) fn new(
        answer: impl Fn(usize, &str, &Value) -> Reply + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let server = Self { port, over: Arc::clone(&over), calls: Arc::clone(&calls) };
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (answer, calls, over) = (answer.clone(), Arc::clone(&calls), over.clone());
                thread::spawn(move || {
                    // A client that goes away is no failure of the test.
                    let _ = serve(stream, &*answer, &calls, &over);
                });
            }
        });
        Ok(server)
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often `method` was called.
    pub(super) fn calls(&self, method: &str) -> usize {
        self.calls.lock().expect("no test panics in it").get(method).copied().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // The listener looks once more.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    stream: TcpStream,
    answer: &Answer,
    calls: &Mutex<BTreeMap<String, usize>>,
    over: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body)?;
    let method = request["method"].as_str().unwrap_or_default();
    let before = {
        let mut calls = calls.lock().expect("no test panics in it");
        let count = calls.entry(method.to_owned()).or_default();
        *count += 1;
        *count - 1
    };
    reply(stream, answer(before, method, &request["params"]), &request["id"], over)
}

fn reply(
    mut stream: TcpStream,
    reply: Reply,
    id: &Value,
    over: &AtomicBool,
) -> std::io::Result<()> {
    let envelope = |mut content: Value| {
        content["jsonrpc"] = json!("2.0");
        content["id"] = id.clone();
        content.to_string()
    };
    let (status, headers, body) = match reply {
        Reply::Result(result) => ("200 OK", "", envelope(json!({ "result": result }))),
        Reply::Error(code, message) => {
            ("200 OK", "", envelope(json!({"error": {"code": code, "message": message}})))
        }
        Reply::Status(status, headers, body) => (status, headers, body),
        Reply::Text(text) => ("200 OK", "", text.to_owned()),
        Reply::Stray => ("200 OK", "", json!({"id": 1_000_000, "result": "0x1"}).to_string()),
        Reply::Half => {
            return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"jsonr");
        }
        Reply::Silence => {
            for _ in 0..600 {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
            }
            return Ok(());
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n\"")?;
            let part = vec![b'x'; 1 << 16];
            while !over.load(Ordering::SeqCst) {
                stream.write_all(&part)?;
            }
            return Ok(());
        }
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

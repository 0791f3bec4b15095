//! Connections: who is let in, and for how long.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, StatusCode, body::Incoming, header::HOST, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, HttpResponse, Methods, Server as JsonRpc, ServerConfig,
    StopHandle, TowerServiceBuilder, stop_channel,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tower::{Service, layer::util::Identity};

use crate::{Limits, methods::module, node::Node};

/// Threads that read requests and write answers; those that work on them are others.
const REACTOR_THREADS: usize = 2;
/// What stands around an answer.
const ENVELOPE_BYTES: u32 = 1_024;
/// How long the end waits for requests under way.
const LAST: Duration = Duration::from_secs(2);

/// A server, which answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    runtime: Option<Runtime>,
}

/// What each connection is served with.
#[derive(Clone, Debug)]
struct Served {
    builder: TowerServiceBuilder<Identity, Identity>,
    methods: Methods,
    stop: StopHandle,
    limits: Limits,
    hosts: Arc<[String]>,
}

impl Server {
    /// Begins to answer for `node` at the address `listen`; at a free port if that names port 0.
    ///
    /// A request whose `Host` is a name is refused, unless that is `localhost` or one of `hosts`:
    /// a web page could else bring a browser to ask under a name of its own.
    ///
    /// # Errors
    ///
    /// The address can't be listened at, or threads can't be started.
    pub fn start(node: Node, listen: SocketAddr, hosts: Vec<String>) -> io::Result<Self> {
        let limits = node.limits;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(REACTOR_THREADS)
            .max_blocking_threads(limits.light + limits.heavy)
            .thread_name("rpc")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let addr = listener.local_addr()?;
        let config = ServerConfig::builder()
            .http_only()
            .max_request_body_size(limits.request_bytes)
            .max_response_body_size(limits.answer_bytes.saturating_add(ENVELOPE_BYTES))
            .max_connections(u32::try_from(limits.connections).unwrap_or(u32::MAX))
            .set_batch_request_config(BatchRequestConfig::Limit(limits.batch))
            .build();
        let builder = JsonRpc::builder().set_config(config).to_service_builder();
        let methods = module(Arc::new(node)).into();
        // The runtime ends all that is under way.
        let (stop, _) = stop_channel();
        let served = Served { builder, methods, stop, limits, hosts: hosts.into() };
        runtime.spawn(accept(listener, served));
        Ok(Self { addr, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST);
        }
    }
}

async fn accept(listener: TcpListener, served: Served) {
    let connections = Arc::new(Semaphore::new(served.limits.connections));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, say: those that end make room.
                tracing::warn!("a connection failed: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match Arc::clone(&connections).try_acquire_owned() {
            Ok(permit) => drop(tokio::spawn(serve(stream, served.clone(), permit))),
            Err(_) => tracing::debug!("a connection too many was closed"),
        }
    }
}

/// Answers the requests of one connection.
async fn serve(stream: TcpStream, served: Served, _permit: OwnedSemaphorePermit) {
    let limits = served.limits;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.idle_time));
    let service = service_fn(|request| respond(request, &served));
    // The time to read a head also ends a connection that asks nothing.
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_time)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    if let Err(error) = connection.await {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn respond(request: Request<Incoming>, served: &Served) -> Result<HttpResponse, Infallible> {
    if !is_known(&request, &served.hosts) {
        return Ok(refusal(StatusCode::FORBIDDEN, "this host name is not served"));
    }
    let mut service = served.builder.clone().build(served.methods.clone(), served.stop.clone());
    Ok(match timeout(served.limits.request_time, service.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    })
}

fn refusal(status: StatusCode, message: &str) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(format!("{message}\n")));
    *response.status_mut() = status;
    response
}

/// Whether the request came under an address, or a name that is served.
fn is_known(request: &Request<Incoming>, hosts: &[String]) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    // A client without one is no browser.
    host.is_none_or(|host| is_served(host, hosts))
}

fn is_served(host: &str, hosts: &[String]) -> bool {
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(it, _)| it);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let hosts = ["node.example".to_owned()];
        let known = ["127.0.0.1:8545", "127.0.0.1", "[::1]:8545", "localhost:1", "node.example"];
        for host in known {
            assert!(is_served(host, &hosts), "{host}");
        }
        for host in ["evil.example", "evil.example:8545", "127.0.0.1.evil.example", ""] {
            assert!(!is_served(host, &hosts), "{host}");
        }
        assert!(is_served("evil.example", &["*".to_owned()]));
    }
}

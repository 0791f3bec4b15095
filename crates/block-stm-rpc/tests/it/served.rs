//! A server over a store of one's own, and its client.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use block_stm_evm::block_stm::{Config, Engine};
use block_stm_pipeline::{
    BoxError, Outcome, Pipeline, PipelineOptions, Task, Watch, Workers, World,
};
use block_stm_rpc::{Limits, Node, Server};
use block_stm_store::{Options, Store, disk::Folder};
use serde_json::{Value, json};

use crate::truth::{AnyError, TestResult, Truth};

/// A served store that has the genesis block alone at first.
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) store: Arc<Store>,
    world: World,
    workers: Workers,
    _folder: tempfile::TempDir,
}

impl Served {
    pub(crate) fn new(truth: &Truth, limits: Limits) -> Result<Self, AnyError> {
        Self::with_options(truth, limits, Options::default())
    }

    pub(crate) fn with_options(
        truth: &Truth,
        limits: Limits,
        options: Options,
    ) -> Result<Self, AnyError> {
        let folder = tempfile::tempdir()?;
        let disk = Folder::create(folder.path())?;
        let workers = Workers::new(NonZeroUsize::new(2).ok_or("no thread")?)?;
        let (world, store) = World::open(disk, truth.genesis.clone(), options)?;
        let store = Arc::new(store);
        let chain = (truth.genesis.schedule.clone(), world.prover());
        let engine = Engine::new(Config::default().threads(NonZeroUsize::MIN))?;
        let node = Node::new(Arc::clone(&store), chain, engine, limits, "test/1".to_owned());
        let server = Server::start(node, "127.0.0.1:0".parse()?, Vec::new())?;
        Ok(Self { server, store, world, workers, _folder: folder })
    }

    /// The same with all blocks imported.
    pub(crate) fn whole(truth: &Truth, limits: Limits) -> Result<Self, AnyError> {
        let mut served = Self::new(truth, limits)?;
        served.import(truth, &block_stm_pipeline::Unwatched)?;
        Ok(served)
    }

    /// Imports the blocks that are not there yet.
    pub(crate) fn import(&mut self, truth: &Truth, watch: &dyn Watch) -> Result<Outcome, AnyError> {
        let options = PipelineOptions::default().queue(2).group(3).flush(4);
        let done = self.world.head().0 - truth.start();
        let tasks = truth.blocks.iter().skip(usize::try_from(done)?);
        let tasks = tasks.map(|block| Ok::<_, BoxError>(Task::new(block.rlp.clone())));
        let pipeline = Pipeline::new(&self.workers, &self.store, options);
        let (outcome, error) = pipeline.run(&mut self.world, tasks, watch);
        error.map_or(Ok(outcome), |error| Err(error.into()))
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.server.addr())
    }
}

/// Asks a server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) addr: SocketAddr,
    agent: ureq::Agent,
}

impl Client {
    fn new(addr: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The server may end a connection that a refused request came by.
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(60)));
        Self { addr, agent: config.build().into() }
    }

    /// Status and text of the answer to a body.
    pub(crate) fn post(&self, body: &str) -> Result<(u16, String), AnyError> {
        let request = self.agent.post(format!("http://{}", self.addr));
        let mut response = request.header("content-type", "application/json").send(body)?;
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok((response.status().as_u16(), text))
    }

    /// The whole answer to a request, which has a result or an error.
    pub(crate) fn answer(&self, method: &str, params: Value) -> Result<Value, AnyError> {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let (status, text) = self.post(&body.to_string())?;
        let answer: Value = serde_json::from_str(&text)
            .map_err(|error| format!("{method}: status {status}, {error}: {text}"))?;
        if answer["id"] != 7 || answer["jsonrpc"] != "2.0" {
            return Err(format!("{method}: {answer}").into());
        }
        Ok(answer)
    }

    /// The result of a request, which must have one.
    pub(crate) fn ask(&self, method: &str, params: Value) -> Result<Value, AnyError> {
        let mut answer = self.answer(method, params)?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(format!("{method}: {answer}").into()),
        }
    }

    /// The results of a batch of requests of one method.
    pub(crate) fn ask_all(
        &self,
        method: &str,
        params: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Value>, AnyError> {
        let batch: Vec<_> = params
            .into_iter()
            .enumerate()
            .map(|(id, params)| {
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let mut all = Vec::new();
        for part in batch.chunks(50) {
            let (_, text) = self.post(&Value::from(part).to_string())?;
            let mut answers: Vec<Value> = serde_json::from_str(&text)?;
            answers.sort_by_key(|answer| answer["id"].as_u64());
            for mut answer in answers {
                let result = answer.get_mut("result").map(Value::take);
                all.push(result.ok_or_else(|| format!("{method}: {answer}"))?);
            }
        }
        Ok(all)
    }

    /// A request must be refused with this code, and with all of these words.
    pub(crate) fn refused(
        &self,
        (method, params): (&str, Value),
        code: i64,
        words: &[&str],
    ) -> TestResult {
        let answer = self.answer(method, params)?;
        let message = answer["error"].to_string();
        assert_eq!(answer["error"]["code"], code, "{method}: {answer}");
        for word in words {
            assert!(message.contains(word), "{method} should name {word}: {message}");
        }
        Ok(())
    }
}

/// A number as JSON-RPC has it.
pub(crate) fn hex(number: u64) -> String {
    format!("{number:#x}")
}

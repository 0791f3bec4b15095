//! `block-stm t8n`: a state transition from JSON to JSON, with the options, files and exit codes of
//! geth's `evm t8n`.

mod args;
mod failure;
mod output;

use std::{io, path::Path};

use block_stm::{Config, Engine};
use block_stm_chain::{
    import::{
        MAX_FILE_BYTES,
        json::{read_file, read_within},
    },
    t8n::{T8nFiles, T8nOptions, T8nSource, TraceOptions, Transition},
};

pub(crate) use self::{
    args::{T8nArgs, after_help},
    output::draft_json,
};
use self::{
    failure::Failure,
    output::{ALLOC, BODY, OPCODE_COUNT, Outputs, RESULT},
};
use crate::{exit::Exit, output as streams};

/// The name that stands for standard input.
const STDIN: &str = "stdin";

/// Makes the transition that `args` describe, and says on standard error why if it can't.
pub(crate) fn t8n(args: &T8nArgs) -> Exit {
    match transition(args) {
        Ok(()) => Exit::Success,
        Err(failure) => {
            streams::error(&failure);
            Exit::Code(failure.exit_code())
        }
    }
}

fn transition(args: &T8nArgs) -> Result<(), Failure> {
    let mut outputs = Outputs::open(args)?;
    let inputs = Inputs::read(args)?;
    let options = T8nOptions {
        fork: &args.fork,
        chain_id: args.chain_id,
        reward: u64::try_from(args.reward).ok(),
    };
    let transition = Transition::new(&inputs.files(args), &options)?;
    let engine = Engine::new(Config::default().threads(args.threads).inline_below(0))?;
    trace(args, &transition, &mut outputs)?;
    let output = transition.execute(&engine)?;
    outputs.write(RESULT, output.result())?;
    outputs.write(BODY, &output.body)?;
    // The last one, as it may take the place of the state before.
    outputs.write(ALLOC, &output.alloc())?;
    outputs.finish()
}

/// Writes traces and opcode counts, as far as they are asked for.
fn trace(args: &T8nArgs, transition: &Transition, outputs: &mut Outputs) -> Result<(), Failure> {
    if !args.trace && args.opcode_count.is_empty() {
        return Ok(());
    }
    let options = args.trace.then_some(TraceOptions {
        memory: args.trace_memory,
        stack: !args.trace_nostack,
        return_data: args.trace_returndata,
        call_frames: args.trace_callframes,
    });
    let counts = transition.trace(options, &mut |index, hash| {
        Ok(Box::new(outputs.trace(&format!("trace-{index}-{hash}.jsonl"))?))
    })?;
    outputs.write(OPCODE_COUNT, &counts)
}

/// The content of the input files.
struct Inputs {
    alloc: Vec<u8>,
    env: Vec<u8>,
    txs: Vec<u8>,
    blob_params: Vec<u8>,
    stdin: Option<Vec<u8>>,
}

impl Inputs {
    fn read(args: &T8nArgs) -> Result<Self, Failure> {
        let file =
            |path: &Path| if path == Path::new(STDIN) { Ok(Vec::new()) } else { read_file(path) };
        let blob_params = args.input_blob_params.as_deref();
        let paths =
            [&args.input_alloc, &args.input_env, &args.input_txs].map(|path| path.as_path());
        let shared = paths.into_iter().chain(blob_params).any(|path| path == Path::new(STDIN));
        Ok(Self {
            alloc: file(&args.input_alloc)?,
            env: file(&args.input_env)?,
            txs: file(&args.input_txs)?,
            blob_params: blob_params.map(file).transpose()?.unwrap_or_default(),
            stdin: shared.then(read_stdin).transpose()?,
        })
    }

    fn files<'a>(&'a self, args: &'a T8nArgs) -> T8nFiles<'a> {
        let source = |name: &'a Path, bytes| match name == Path::new(STDIN) {
            true => T8nSource::Shared,
            false => T8nSource::File { name, bytes },
        };
        let blob_params = args.input_blob_params.as_deref();
        T8nFiles {
            alloc: source(&args.input_alloc, &self.alloc),
            env: source(&args.input_env, &self.env),
            txs: source(&args.input_txs, &self.txs),
            blob_params: blob_params.map(|name| source(name, &self.blob_params)),
            shared: self.stdin.as_deref(),
        }
    }
}

/// All that comes from standard input, which is bounded.
fn read_stdin() -> Result<Vec<u8>, Failure> {
    let name = Path::new(STDIN);
    let bytes = read_within(io::stdin().lock(), 0, MAX_FILE_BYTES);
    let bytes = bytes.map_err(|source| Failure::io(name, source))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("more than the {MAX_FILE_BYTES} bytes that are read at most");
        return Err(Failure::io(name, io::Error::other(message)));
    }
    Ok(bytes)
}

//! Where the outcome goes: files, and one object on each standard stream.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{STDIN, T8nArgs, failure::Failure};
use crate::{
    error::CliError,
    files::{Draft, Files, Target, deliver, publish, rendered, sync},
    output as streams,
};

/// The outputs. Nothing of them is seen before all are written.
#[derive(Debug)]
pub(super) struct Outputs {
    folder: PathBuf,
    files: Files,
    /// Those that are wanted, by their names.
    sinks: BTreeMap<&'static str, Sink>,
    drafts: Vec<Draft>,
    pipes: Vec<(Target, Vec<u8>)>,
    stdout: Map<String, Value>,
    stderr: Map<String, Value>,
}

/// Where one output goes.
#[derive(Clone, Debug)]
enum Sink {
    Stdout,
    Stderr,
    File(Target),
}

/// Names of the outputs, as fields of the objects on standard streams.
pub(super) const ALLOC: &str = "alloc";
pub(super) const RESULT: &str = "result";
pub(super) const BODY: &str = "body";
pub(super) const OPCODE_COUNT: &str = "opcodeCount";

impl Outputs {
    /// Makes the folder for files, if it is not there, and sure that all outputs can be written and
    /// that no input is lost. The state afterwards may take the place of the state before, as it
    /// does with geth's defaults.
    pub(super) fn open(args: &T8nArgs) -> Result<Self, Failure> {
        let folder = PathBuf::from(&args.output_basedir);
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(&folder).map_err(|source| Failure::io(&folder, source))?;
        }
        let mut outputs = Self {
            folder,
            files: Files::new(),
            sinks: BTreeMap::new(),
            drafts: Vec::new(),
            pipes: Vec::new(),
            stdout: Map::new(),
            stderr: Map::new(),
        };
        outputs.reads(&args.input_env);
        outputs.reads(&args.input_txs);
        args.input_blob_params.iter().for_each(|path| outputs.reads(path));
        outputs.sink(ALLOC, &args.output_alloc)?;
        // From here on.
        outputs.reads(&args.input_alloc);
        outputs.sink(RESULT, &args.output_result)?;
        outputs.sink(BODY, &args.output_body)?;
        outputs.sink(OPCODE_COUNT, &args.opcode_count)?;
        outputs.files.check_stdout()?;
        Ok(outputs)
    }

    fn reads(&mut self, path: &Path) {
        if path != Path::new(STDIN) {
            self.files.reads(path);
        }
    }

    fn sink(&mut self, name: &'static str, target: &OsStr) -> Result<(), Failure> {
        let sink = match target.to_str() {
            Some("") => return Ok(()),
            Some("stdout") => Sink::Stdout,
            Some("stderr") => Sink::Stderr,
            _ => Sink::File(self.files.writes(&self.path(target))?),
        };
        self.sinks.insert(name, sink);
        Ok(())
    }

    /// Where the file `name` is written: always below the folder, if there is one, also where the
    /// name is absolute.
    fn path(&self, name: &OsStr) -> PathBuf {
        let name = Path::new(name);
        match self.folder.as_os_str().is_empty() {
            // Which is a file like any other here.
            true if name == Path::new("-") => Path::new(".").join(name),
            true => name.to_owned(),
            false => self.folder.join(name.strip_prefix("/").unwrap_or(name)),
        }
    }

    /// A file for a trace.
    pub(super) fn trace(&mut self, name: &str) -> io::Result<File> {
        let path = self.path(name.as_ref());
        self.files.writes(&path).map_err(|error| match error {
            CliError::Write { source, .. } => source,
            error => io::Error::other(error.to_string()),
        })?;
        let (file, draft) = Draft::create(&path)?;
        self.drafts.push(draft);
        Ok(file)
    }

    /// Writes `value`, the output `name`, to a draft of its file, or keeps it for a stream.
    pub(super) fn write(
        &mut self,
        name: &'static str,
        value: &impl Serialize,
    ) -> Result<(), Failure> {
        let stream = match self.sinks.get(name) {
            None => return Ok(()),
            Some(Sink::Stdout) => &mut self.stdout,
            Some(Sink::Stderr) => &mut self.stderr,
            Some(Sink::File(Target::File(path))) => {
                let draft = draft_json(path, value).map_err(|source| Failure::io(path, source))?;
                self.drafts.push(draft);
                return Ok(());
            }
            Some(Sink::File(pipe)) => {
                self.pipes.push((pipe.clone(), rendered(value)));
                return Ok(());
            }
        };
        let value = serde_json::to_value(value)
            .map_err(|error| Failure::io(Path::new(name), error.into()))?;
        stream.insert(name.to_owned(), value);
        Ok(())
    }

    /// Writes the objects of the streams, then lets all files appear.
    pub(super) fn finish(self) -> Result<(), Failure> {
        sync(&self.drafts)?;
        deliver(self.pipes.iter().map(|(pipe, bytes)| (pipe, bytes.clone())))?;
        if !self.stdout.is_empty() {
            streams::print(&rendered(&Value::Object(self.stdout)))?;
        }
        if !self.stderr.is_empty() {
            streams::print_result_to_stderr(&rendered(&Value::Object(self.stderr)))?;
        }
        Ok(publish(self.drafts)?)
    }
}

/// A draft of the file `path` with `value`.
pub(crate) fn draft_json(path: &Path, value: &impl Serialize) -> io::Result<Draft> {
    let (file, draft) = Draft::create(path)?;
    let mut file = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.flush()?;
    Ok(draft)
}

//! Generated blocks: of the workloads, or of a scenario.

use std::{
    fs,
    path::{Path, PathBuf},
};

use block_stm_chain::import::{ImportError, json::read_file_within};
use block_stm_evm::{Block, InvalidTxn, PreState, execute_sequential};
use block_stm_workloads::{Format, Params, Scenario, Series, Workload};
use tracing::{debug, info};

use crate::{
    args::WorkloadArgs, command, error::CliError, escape::shown, files::Files, interrupt, memory,
    units::count,
};

/// The largest scenario and the largest artefact, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// What makes blocks.
#[derive(Debug)]
pub(crate) enum Load {
    /// One block of a workload.
    Workload(Workload, Params),
    /// The blocks of a scenario.
    Scenario(Box<Written>),
}

/// A scenario with its name.
#[derive(Debug)]
pub(crate) struct Written {
    file: PathBuf,
    name: String,
    pub(crate) scenario: Scenario,
}

impl Load {
    /// What the options ask for; all files that a scenario names are read.
    ///
    /// # Errors
    ///
    /// Parameters out of their range, more than there is memory for, a scenario that can't be read.
    pub(crate) fn all(args: &WorkloadArgs, files: &mut Files) -> Result<Vec<Self>, CliError> {
        let Some(file) = &args.scenario else {
            let params = args.params();
            params.validate()?;
            memory::check(params.txns, params.accounts)?;
            let workloads = args.workloads().into_iter();
            return Ok(workloads.map(|workload| Self::Workload(workload, params)).collect());
        };
        let written = Written::read(file, args, files)?;
        let scenario = &written.scenario;
        memory::check(scenario.txns() * scenario.blocks(), scenario.accounts())?;
        Ok(vec![Self::Scenario(Box::new(written))])
    }

    /// What the workload or the scenario is called.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Workload(workload, _) => workload.name(),
            Self::Scenario(written) => &written.name,
        }
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        match self {
            Self::Workload(..) => 1,
            Self::Scenario(written) => written.scenario.blocks(),
        }
    }

    /// Hands each block to `act`, with its name and the state before it, until the user has enough.
    ///
    /// # Errors
    ///
    /// What `act` says, and a block that can't be generated or executed.
    pub(crate) fn each(
        &self,
        mut act: impl FnMut(String, &Block, &PreState) -> Result<(), String>,
    ) -> Result<(), CliError> {
        let failed = |message| CliError::Workload { name: self.name().to_owned(), message };
        match self {
            Self::Workload(workload, params) => {
                let generated = workload.generate(params)?;
                info!("{workload} is generated: {} accounts", generated.pre_state.len());
                let name = workload.name().to_owned();
                act(name, &generated.block, &generated.pre_state).map_err(failed)
            }
            Self::Scenario(written) => {
                let series = written.series()?;
                let many = series.blocks.len();
                let mut state = series.genesis;
                info!(
                    "{} is generated: {}, {} accounts",
                    written.name,
                    count(many, "block"),
                    state.len()
                );
                for (number, one) in (1..).zip(&series.blocks) {
                    if number > 1 && interrupt::came() {
                        break;
                    }
                    let name = match many {
                        1 => written.name.clone(),
                        _ => format!("{} {number}", written.name),
                    };
                    act(name, &one.block, &state).map_err(failed)?;
                    if number < many {
                        let result = execute_sequential(&one.block, &state, InvalidTxn::Reject);
                        state.apply(&result.map_err(|error| failed(error.to_string()))?.state);
                    }
                }
                Ok(())
            }
        }
    }

    /// The options that name it, for a command that repeats a measurement.
    pub(crate) fn options(&self, args: &WorkloadArgs) -> String {
        match self {
            Self::Workload(workload, params) => format!(
                "--workload {workload} --txns {} --accounts {} --pools {} --zipf {} --seed {}",
                params.txns, params.accounts, params.pools, params.zipf, params.seed,
            ),
            Self::Scenario(written) => {
                let number = |name: &str, number: Option<u64>| {
                    number.map(|number| format!(" --{name} {number}")).unwrap_or_default()
                };
                format!(
                    "{}{}{}{}",
                    command::scenario(&written.file, args.scenario_root.as_deref()),
                    number("txns", args.txns.map(|txns| txns as u64)),
                    number("accounts", args.accounts.map(|accounts| accounts as u64)),
                    number("seed", args.seed),
                )
            }
        }
    }
}

impl Written {
    /// The scenario in a file.
    ///
    /// # Errors
    ///
    /// The file, or one that it names, can't be read, or is wrong. The message says where.
    pub(crate) fn read(
        file: &Path,
        args: &WorkloadArgs,
        files: &mut Files,
    ) -> Result<Self, CliError> {
        files.reads(file);
        let text = text(file).map_err(|message| malformed(file, message))?;
        let stdin = file == Path::new("-");
        let folder = match file.parent().filter(|_| !stdin) {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let root = args.scenario_root.as_deref().unwrap_or(folder);
        let mut read = |name: &str| {
            let path = within(root, &folder.join(name))?;
            debug!("{} is read", path.display());
            files.reads(&path);
            text_of_artefact(&path)
        };
        let parsed = Scenario::parse(&text, format(file, &text), &args.overrides(), &mut read);
        let scenario = parsed.map_err(|error| malformed(file, error.to_string()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().filter(|name| !name.is_empty() && !stdin);
        let name = shown(name.unwrap_or("scenario"));
        Ok(Self { file: file.to_owned(), name, scenario })
    }

    /// What the file is called, without its ending.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its blocks.
    ///
    /// # Errors
    ///
    /// A drawn number that does not fit, a constructor that fails.
    pub(crate) fn series(&self) -> Result<Series, CliError> {
        let series = self.scenario.generate();
        series.map_err(|error| malformed(&self.file, error.to_string()))
    }

    /// The same blocks from senders with keys.
    ///
    /// # Errors
    ///
    /// As [`series`](Self::series).
    pub(crate) fn series_with_keys(&self) -> Result<Series, CliError> {
        let series = self.scenario.generate_with_keys();
        series.map_err(|error| malformed(&self.file, error.to_string()))
    }
}

fn malformed(file: &Path, message: String) -> CliError {
    CliError::Malformed { place: shown(file.display()), message }
}

/// By the name of the file; by its first character where the name does not tell.
fn format(file: &Path, text: &str) -> Format {
    let name = file.to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.') {
        Some((_, "json")) => Format::Json,
        Some((_, "yaml" | "yml")) => Format::Yaml,
        _ if text.trim_start().starts_with('{') => Format::Json,
        _ => Format::Yaml,
    }
}

fn text(file: &Path) -> Result<String, String> {
    if file != Path::new("-") && file.is_dir() {
        return Err("this is a folder".to_owned());
    }
    let bytes = read_file_within(file, FILE_MAX).map_err(|error| match error {
        ImportError::Io { source, .. } => source.to_string(),
        ImportError::TooLarge { bytes, max, .. } => {
            format!("{bytes} bytes are more than the {max} that are read at most")
        }
        other => other.to_string(),
    })?;
    String::from_utf8(bytes).map_err(|_| "not text in UTF-8".to_owned())
}

/// Only what is a file: reading a pipe could last for ever.
fn text_of_artefact(path: &Path) -> Result<String, String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("not a file".to_owned());
    }
    text(path)
}

/// The path with all links followed, if it lies within the folder.
fn within(root: &Path, path: &Path) -> Result<PathBuf, String> {
    let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    match path.starts_with(&root) {
        true => Ok(path),
        false => Err(format!(
            "it lies outside of {}: --scenario-root names a folder further up",
            root.display()
        )),
    }
}

//! Results as JSON.

use serde::Serialize;

use super::{Files, Target, deliver};
use crate::{args::JsonArgs, error::CliError, escape::escaped_json};

/// Where results go as JSON; nowhere if that is not wanted.
#[derive(Debug)]
pub(crate) struct JsonOutput(Vec<Target>);

impl JsonOutput {
    /// The outputs that `args` name, once it is sure that they can be written.
    pub(crate) fn open(args: &JsonArgs, files: &mut Files) -> Result<Self, CliError> {
        files.check_stdout()?;
        let mut targets: Vec<_> = args.json.then_some(Target::Stdout).into_iter().collect();
        if let Some(path) = &args.json_file {
            targets.push(files.writes(path)?);
        }
        let printed = targets.iter().filter(|target| matches!(target, Target::Stdout)).count();
        if printed > 1 {
            targets.pop();
        }
        Ok(Self(targets))
    }

    /// Whether JSON stands on standard output in place of the text.
    pub(crate) fn replaces_text(&self) -> bool {
        self.0.iter().any(|target| matches!(target, Target::Stdout))
    }

    /// Writes what `render` makes to files alone: it was printed before.
    ///
    /// # Errors
    ///
    /// An output can't be written.
    pub(crate) fn write_files(&self, render: impl FnOnce() -> Vec<u8>) -> Result<(), CliError> {
        let files = self.0.iter().filter(|target| !matches!(target, Target::Stdout));
        Self(files.cloned().collect()).write(render)
    }

    /// Where the JSON goes.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.0
    }

    /// Writes what `render` makes, if anything is wanted.
    ///
    /// # Errors
    ///
    /// An output can't be written.
    pub(crate) fn write(&self, render: impl FnOnce() -> Vec<u8>) -> Result<(), CliError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let json = render();
        deliver(self.0.iter().map(|target| (target, json.clone())))
    }
}

/// `value` for people and programs.
pub(crate) fn rendered(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_string_pretty(value).expect("keys are strings");
    json.push('\n');
    escaped_json(&json).into_owned().into_bytes()
}

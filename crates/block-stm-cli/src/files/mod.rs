//! The files of a command: none that it writes is one that it reads, and each is written whole or
//! not at all.

mod csv;
mod draft;
mod interrupt;
mod json;
mod place;
mod svg;
mod target;

use std::path::{Path, PathBuf};

use self::place::{Place, resolved};
pub(crate) use self::{
    csv::{CsvOutput, cell as csv_cell},
    draft::{Draft, FolderDraft},
    interrupt::{end_in_order, watch_signals},
    json::{JsonOutput, rendered},
    svg::SvgOutput,
    target::{Target, deliver, publish, sync},
};
use crate::error::CliError;

/// What a command reads and writes. Inputs are told first, so that no output is opened that is one
/// of them.
#[derive(Debug, Default)]
pub(crate) struct Files {
    inputs: Vec<Place>,
    /// Folders in which every file with the ending `.json` is an input.
    searched: Vec<PathBuf>,
    outputs: Vec<Place>,
    /// An input to which standard output is appended.
    appended: Option<PathBuf>,
}

impl Files {
    /// The files of a command that also has the standard streams.
    pub(crate) fn new() -> Self {
        Self {
            inputs: Place::of_stdin().into_iter().collect(),
            outputs: Place::of_stdout().into_iter().collect(),
            searched: Vec::new(),
            appended: None,
        }
    }

    /// Notes that the file `path` is read, if it is there.
    pub(crate) fn reads(&mut self, path: &Path) {
        let place = Place::of(path);
        if place.is_some() && place == Place::of_stdout() {
            self.appended = Some(path.to_owned());
        }
        self.inputs.extend(place);
    }

    /// Makes sure that standard output goes to no input.
    ///
    /// # Errors
    ///
    /// It does, as with `>> PATH`.
    pub(crate) fn check_stdout(&self) -> Result<(), CliError> {
        match &self.appended {
            Some(path) => Err(CliError::OutputIsInput {
                path: path.clone(),
                why: "it is an input, and standard output",
            }),
            None => Ok(()),
        }
    }

    /// Notes that all `.json` files below `folder` are read.
    pub(crate) fn searches(&mut self, folder: &Path) {
        self.searched.extend(folder.canonicalize());
    }

    /// Where the output `path` goes, once it is sure that it can be written and destroys nothing.
    ///
    /// # Errors
    ///
    /// The path is that of an input or of another output, or can't be written.
    pub(crate) fn writes(&mut self, path: &Path) -> Result<Target, CliError> {
        self.check_stdout()?;
        if path == Path::new("-") {
            return Ok(Target::Stdout);
        }
        let place = Place::of(path);
        let is_among = |places: &[Place]| place.as_ref().is_some_and(|it| places.contains(it));
        let input = |why| Err(CliError::OutputIsInput { path: path.to_owned(), why });
        if is_among(&self.inputs) {
            return input("it is an input");
        }
        if self.is_searched(path) {
            return input("all .json files in a folder above are inputs");
        }
        if is_among(&self.outputs) {
            return Err(CliError::OutputTwice { path: path.to_owned() });
        }
        self.outputs.extend(place);
        Target::open(path)
    }

    /// Makes sure that `path`, an input that is known only now, is no output.
    ///
    /// # Errors
    ///
    /// It is one.
    pub(crate) fn reads_late(&self, path: &Path) -> Result<(), CliError> {
        match Place::of(path) {
            Some(place) if self.outputs.contains(&place) => {
                Err(CliError::OutputIsInput { path: path.to_owned(), why: "it is an input" })
            }
            _ => Ok(()),
        }
    }

    fn is_searched(&self, path: &Path) -> bool {
        let path = resolved(path);
        path.extension().is_some_and(|ending| ending == "json")
            && self.searched.iter().any(|folder| path.starts_with(folder))
    }
}

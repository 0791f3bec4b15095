//! Where the outcome goes: files, and one object on each standard stream.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{T8nArgs, failure::Failure};
use crate::output as streams;

/// The outputs, of which files are written at once and streams at the end.
#[derive(Debug)]
pub(super) struct Outputs {
    folder: PathBuf,
    stdout: Map<String, Value>,
    stderr: Map<String, Value>,
}

impl Outputs {
    /// Makes the folder for files, if it is not there.
    pub(super) fn new(args: &T8nArgs) -> Result<Self, Failure> {
        let folder = PathBuf::from(&args.output_basedir);
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(&folder).map_err(|source| Failure::io(&folder, source))?;
        }
        Ok(Self { folder, stdout: Map::new(), stderr: Map::new() })
    }

    /// Where the file `name` is written.
    pub(super) fn path(&self, name: &OsStr) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes `value` to the file `target`, or keeps it for a stream, where it is called `name`.
    pub(super) fn write(
        &mut self,
        target: &OsStr,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), Failure> {
        let stream = match target.to_str() {
            Some("") => return Ok(()),
            Some("stdout") => &mut self.stdout,
            Some("stderr") => &mut self.stderr,
            _ => {
                let path = self.path(target);
                return write_json(&path, value).map_err(|source| Failure::io(&path, source));
            }
        };
        let value = serde_json::to_value(value)
            .map_err(|error| Failure::io(Path::new(target), error.into()))?;
        stream.insert(name.to_owned(), value);
        Ok(())
    }

    /// Writes the objects of the streams.
    pub(super) fn finish(self) -> Result<(), Failure> {
        if !self.stdout.is_empty() {
            streams::print(format!("{:#}\n", Value::Object(self.stdout)).as_bytes())?;
        }
        if !self.stderr.is_empty() {
            streams::print_to_stderr(&format!("{:#}\n", Value::Object(self.stderr)));
        }
        Ok(())
    }
}

/// Writes `value` to the file `path`.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.flush()
}

//! Where traces go: they are written while they are made, and a file appears when all are there.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
};

use crate::{
    error::CliError,
    files::{Draft, Target, publish, sync},
};

/// An output of traces, open for writing.
pub(super) struct Traces {
    out: BufWriter<Box<dyn Write + Send>>,
    /// What a file is until all is written.
    draft: Option<Draft>,
    name: String,
    /// Whether its reader has gone away.
    is_closed: bool,
}

/// So much is written at once.
const BUFFER: usize = 1 << 20;

impl Traces {
    /// Opens the output.
    pub(super) fn open(target: &Target) -> Result<Self, CliError> {
        let mut draft = None;
        let (out, name): (Box<dyn Write + Send>, _) = match target {
            Target::Stdout => (Box::new(io::stdout()), "standard output".to_owned()),
            Target::File(path) => {
                let created: (File, Draft) =
                    Draft::create(path).map_err(|source| CliError::not_written(path, source))?;
                draft = Some(created.1);
                (Box::new(created.0), path.display().to_string())
            }
            Target::Stream(path) => {
                let opened = OpenOptions::new().write(true).open(path);
                let opened = opened.map_err(|source| CliError::not_written(path, source))?;
                (Box::new(opened), path.display().to_string())
            }
        };
        let out = BufWriter::with_capacity(BUFFER, out);
        Ok(Self { out, draft, name, is_closed: false })
    }

    pub(super) fn out(&mut self) -> &mut (impl Write + Send + use<>) {
        &mut self.out
    }

    /// Ends a block's line, and hands it on.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Takes note of what writing said: that no reader is left is no error.
    pub(super) fn failed(&mut self, source: io::Error) -> Result<(), CliError> {
        if source.kind() == io::ErrorKind::BrokenPipe {
            self.is_closed = true;
            return Ok(());
        }
        Err(CliError::Write { target: self.name.clone(), source })
    }

    /// Whether its reader has gone away.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Lets a file appear.
    pub(super) fn publish(self) -> Result<(), CliError> {
        let Some(draft) = self.draft else { return Ok(()) };
        sync(std::slice::from_ref(&draft))?;
        publish(vec![draft])
    }
}

//! Traces on standard error.

use std::io::{self, BufWriter, Stderr, Write};

/// Standard error, of which the first failure is kept: a trace that can't be written is told in the
/// end.
#[derive(Debug)]
pub(super) struct TraceStream {
    stream: BufWriter<Stderr>,
    failure: Option<io::Error>,
}

impl Default for TraceStream {
    fn default() -> Self {
        Self { stream: BufWriter::new(io::stderr()), failure: None }
    }
}

impl TraceStream {
    /// Why not all was written, if a reader did not go away of its own will.
    pub(super) fn into_failure(mut self) -> Option<io::Error> {
        let flushed = self.stream.flush().err();
        let failure = self.failure.or(flushed);
        failure.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

impl Write for TraceStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_none() {
            self.failure = self.stream.write_all(bytes).err();
        }
        // The cases go on: their verdicts do not depend on the trace.
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failure.is_none() {
            self.failure = self.stream.flush().err();
        }
        Ok(())
    }
}

//! The executable specification of Ethereum, as a process that makes transitions one after another.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::nasty;
use crate::cli::TestResult;

/// The forks that the specification knows: all but Amsterdam.
pub(crate) const FORKS: &[&str] = nasty::FORKS.split_last().expect("some").1;

/// The specification's state transition tool.
pub(crate) struct Spec {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Spec {
    /// Starts the Python that `BLOCK_STM_SPEC_PYTHON` names; `None`, with a note, where it names
    /// none.
    ///
    /// # Panics
    ///
    /// If `BLOCK_STM_REQUIRE_SPEC` is 1 and there is none.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let required = std::env::var_os("BLOCK_STM_REQUIRE_SPEC").is_some_and(|value| value == "1");
        let Some(python) = std::env::var_os("BLOCK_STM_SPEC_PYTHON") else {
            assert!(!required, "{test} requires BLOCK_STM_SPEC_PYTHON, see scripts/spec-python");
            // Shown also where the test passes, as what `println!` prints is not.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {test} needs BLOCK_STM_SPEC_PYTHON, see scripts/spec-python"
            );
            return None;
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/spec_t8n.py");
        let mut process = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{test}: {}: {error}", python.to_string_lossy()));
        let requests = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        Some(Self { process, requests, answers })
    }

    /// Makes the transition with the arguments `args` of a `t8n`.
    pub(crate) fn t8n(&mut self, args: &[String]) -> TestResult {
        writeln!(self.requests, "{}", serde_json::to_string(args)?)?;
        self.requests.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim() {
            "0" => Ok(()),
            answer => Err(format!("the specification answered {answer:?} to {args:?}").into()),
        }
    }
}

impl Drop for Spec {
    fn drop(&mut self) {
        // It would end by itself, without anything left to read.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

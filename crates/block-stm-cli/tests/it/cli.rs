//! Calling the binary, and folders to call it on.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{self, Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// `block-stm` with `args`, away from the colour settings of the terminal.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_block-stm"));
    command.args(args).env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
    command
}

pub(crate) fn call(args: &[&str]) -> io::Result<Output> {
    command(args).output()
}

/// Whether this process was started with a signal ignored, as a shell starts what it puts into the
/// background; says that this is skipped. The command leaves such a signal ignored.
#[cfg(unix)]
pub(crate) fn is_ignored(signal: &str, number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    let is_ignored = mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1);
    if is_ignored {
        // Shown also where the test passes, as what `println!` prints is not.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED SIG{signal}: this process was started with it ignored"
        );
    }
    is_ignored
}

/// Sends the interrupt of Ctrl-C. False, and the process is killed, where it would be ignored.
#[cfg(unix)]
pub(crate) fn interrupt(child: &mut process::Child) -> io::Result<bool> {
    if is_ignored("INT", 2) {
        child.kill()?;
        return child.wait().map(|_| false);
    }
    Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status()?;
    Ok(true)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON that a call with `args` prints; it must end with the exit code `code`.
pub(crate) fn json(args: &[&str], code: i32) -> Result<Value, Box<dyn std::error::Error>> {
    let output = call(args)?;
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A call with `args` must end with exit code 2 and say all of `words` on standard error, and
/// nothing else.
pub(crate) fn assert_refused(args: &[&str], words: &[&str]) -> TestResult {
    let output = call(args)?;
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{args:?} should name {word}: {message}");
    }
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    assert_eq!(stdout(&output), "", "{args:?}");
    Ok(())
}

/// A folder of one's own that is gone afterwards.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> io::Result<Self> {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("block-stm-cli-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A path within the folder, as an argument.
    pub(crate) fn arg(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// A copy of the sample block in the folder `name`.
    pub(crate) fn sample_block(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.0.join(name);
        fs::create_dir_all(&folder)?;
        for file in ["block.json", "prestate.json"] {
            fs::copy(sample_block().join(file), folder.join(file))?;
        }
        Ok(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the system's temporary folder is no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The folder of a small block of our own.
pub(crate) fn sample_block() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../block-stm-chain/tests/data/two-txns")
}

/// Rewrites a JSON file.
pub(crate) fn edit(file: &Path, change: impl FnOnce(&mut Value)) -> TestResult {
    let mut value = serde_json::from_slice(&fs::read(file)?)?;
    change(&mut value);
    fs::write(file, serde_json::to_vec(&value)?)?;
    Ok(())
}

//! Reading files with bounds, and JSON with errors that name the field.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::ImportError;

/// The largest file that is imported, in bytes: 1 GiB.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Files in memory: name, as it would be in a folder, to content.
pub type MemoryFiles<'a> = BTreeMap<&'a str, &'a [u8]>;

/// Where files are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Folder<'a> {
    Disk(&'a Path),
    Memory(&'a MemoryFiles<'a>),
}

impl<'a> Folder<'a> {
    /// The last part of the folder's path, or nothing.
    pub(super) fn name(self) -> String {
        let Self::Disk(folder) = self else { return String::new() };
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// What errors call the file `name`.
    pub(super) fn path(self, name: &str) -> PathBuf {
        match self {
            Self::Disk(folder) => folder.join(name),
            Self::Memory(_) => name.into(),
        }
    }

    /// The bytes of a file of at most [`MAX_FILE_BYTES`].
    pub(super) fn read(self, name: &str) -> Result<Cow<'a, [u8]>, ImportError> {
        match self {
            Self::Disk(folder) => Ok(read_file(&folder.join(name))?.into()),
            Self::Memory(files) => match files.get(name) {
                Some(bytes) => Ok((*bytes).into()),
                None => {
                    Err(ImportError::Io { file: name.into(), source: ErrorKind::NotFound.into() })
                }
            },
        }
    }

    /// The same, or `None` if there is no such file.
    pub(super) fn read_if_there(self, name: &str) -> Result<Option<Cow<'a, [u8]>>, ImportError> {
        match self.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ImportError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The bytes of a file of at most [`MAX_FILE_BYTES`].
///
/// # Errors
///
/// An [`ImportError`] that names the file: it can't be read, or it is larger.
pub fn read_file(file: &Path) -> Result<Vec<u8>, ImportError> {
    read_file_within(file, MAX_FILE_BYTES)
}

/// The bytes of a file of at most `max` bytes.
///
/// # Errors
///
/// As [`read_file`].
pub fn read_file_within(file: &Path, max: u64) -> Result<Vec<u8>, ImportError> {
    let io = |source| ImportError::Io { file: file.to_owned(), source };
    let handle = File::open(file).map_err(io)?;
    let too_large = |bytes| ImportError::TooLarge { file: file.to_owned(), bytes, max };
    let size = handle.metadata().map_err(io)?.len();
    if size > max {
        return Err(too_large(size));
    }
    // The size may be unknown (a pipe) or change, so that the bound is on what is read, too.
    let bytes = read_within(handle, size, max).map_err(io)?;
    match bytes.len() as u64 {
        read if read > max => Err(too_large(read)),
        _ => Ok(bytes),
    }
}

/// At most `max` bytes of `input`, or one more if there are more; `size` of them are expected.
///
/// # Errors
///
/// What reading returns, and [`ErrorKind::OutOfMemory`].
pub fn read_within(input: impl Read, size: u64, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(size.min(max)).unwrap_or(0))?;
    input.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A JSON document and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    file: &'a Path,
    /// Path of the document within the file, such as `result.`.
    prefix: &'static str,
    json: &'a [u8],
}

/// The answer of a JSON-RPC server, as far as it matters.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Document<'a> {
    /// The document `json`, which lies in the file below `prefix`, such as `alloc.`.
    #[cfg(feature = "t8n")]
    pub(crate) fn within(file: &'a Path, prefix: &'static str, json: &'a [u8]) -> Self {
        Self { file, prefix, json }
    }

    /// The document in `json`, which may be wrapped as the answer of a JSON-RPC server.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] if the server's answer is an error.
    pub fn open(file: &'a Path, json: &'a [u8]) -> Result<Self, ImportError> {
        let bare = Self::bare(file, json);
        // A file that isn't even an object is for the real parser to complain about.
        let Ok(envelope) = serde_json::from_slice::<Envelope<'a>>(json) else {
            return Ok(bare);
        };
        match (envelope.result, envelope.error) {
            (Some(result), _) => {
                Ok(Self { file, prefix: "result.", json: result.get().as_bytes() })
            }
            (None, Some(error)) => {
                Err(bare.wrong("error", format!("the server answered {}", error.get())))
            }
            (None, None) if envelope.jsonrpc.is_some() => {
                Err(bare.wrong("result", "the server's answer is null"))
            }
            (None, None) => Ok(bare),
        }
    }

    /// The document in `json` as it is.
    pub fn bare(file: &'a Path, json: &'a [u8]) -> Self {
        Self { file, prefix: "", json }
    }

    /// The first byte that is not white space.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        self.json.iter().copied().find(|byte| !byte.is_ascii_whitespace())
    }

    /// What errors call the document.
    #[cfg(feature = "t8n")]
    pub(crate) fn name(&self) -> String {
        format!("{}: {}", self.file.display(), self.prefix.trim_end_matches('.'))
    }

    /// Parses the document.
    ///
    /// # Errors
    ///
    /// An [`ImportError`] that names the file, the field, and the line.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ImportError> {
        self.parse_borrowed()
    }

    /// Parses the document into something that borrows from it.
    pub(crate) fn parse_borrowed<T: Deserialize<'a>>(&self) -> Result<T, ImportError> {
        // Tracking the path costs time, so that only a document with an error pays for it.
        if let Ok(value) = serde_json::from_slice(self.json) {
            return Ok(value);
        }
        let mut deserializer = serde_json::Deserializer::from_slice(self.json);
        let parsed = serde_path_to_error::deserialize(&mut deserializer);
        let error = match parsed {
            Err(error) => (error.path().to_string(), error.inner().to_string()),
            Ok(value) => match deserializer.end() {
                Ok(()) => return Ok(value),
                Err(error) => (".".to_owned(), error.to_string()),
            },
        };
        Err(ImportError::Json {
            file: self.file.to_owned(),
            field: format!("{}{}", self.prefix, error.0),
            message: error.1,
        })
    }

    /// An error about the field at the path `field`.
    pub fn wrong(&self, field: &str, message: impl Into<String>) -> ImportError {
        ImportError::Field {
            file: self.file.to_owned(),
            field: format!("{}{field}", self.prefix),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let bytes = read_file_within(&file, 1 << 20).expect("this crate has a manifest");
        let size = bytes.len() as u64;
        assert!(read_file_within(&file, size).is_ok());
        let error = read_file_within(&file, size - 1).expect_err("too large").to_string();
        let expected = format!("{size} bytes are more than the {} that", size - 1);
        assert!(error.contains(&expected), "{error}");
    }

    #[test]
    fn an_answer_of_a_server_is_unwrapped_and_its_error_reported() {
        let file = Path::new("block.json");
        let json = br#"{"jsonrpc":"2.0","id":1,"result":[1,"x"]}"#;
        let document = Document::open(file, json).expect("an answer");
        let error = document.parse::<Vec<u8>>().expect_err("x is no number");
        assert!(error.to_string().starts_with("block.json: result.[1]: "));
        let json = br#"{"id":1,"error":{"code":-32000}}"#;
        let error = Document::open(file, json).expect_err("an error").to_string();
        assert_eq!(error, "block.json: error: the server answered {\"code\":-32000}");
    }
}

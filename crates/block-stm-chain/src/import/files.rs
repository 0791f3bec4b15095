//! Reading files with bounds, and JSON with errors that name the field.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::ImportError;

/// The largest file that is imported, in bytes: 1 GiB.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// The path that stands for standard input.
const STDIN: &str = "-";

/// What a file begins with that is compressed with gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

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
            Self::Disk(folder) => match read_file(&folder.join(name)) {
                Err(ImportError::Io { file, source }) if source.kind() == ErrorKind::NotFound => {
                    let compressed = read_file(&folder.join(format!("{name}.gz")));
                    compressed.map(Cow::Owned).map_err(|error| match error {
                        ImportError::Io { source: other, .. }
                            if other.kind() == ErrorKind::NotFound =>
                        {
                            ImportError::Io { file, source }
                        }
                        other => other,
                    })
                }
                read => read.map(Cow::Owned),
            },
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

/// The bytes of a file of at most [`MAX_FILE_BYTES`]; `-` is standard input.
///
/// A file that is compressed with gzip, whatever its name, is taken for its content, to which the
/// bound applies as well.
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
    let too_large = |bytes| ImportError::TooLarge { file: file.to_owned(), bytes, max };
    let bytes = if file == Path::new(STDIN) {
        read_within(std::io::stdin().lock(), 0, max).map_err(io)?
    } else {
        let handle = File::open(file).map_err(io)?;
        let size = handle.metadata().map_err(io)?.len();
        if size > max {
            return Err(too_large(size));
        }
        // The size may be unknown (a pipe) or change, so that the bound is on what is read, too.
        read_within(handle, size, max).map_err(io)?
    };
    let bytes = match bytes.starts_with(&GZIP) && bytes.len() as u64 <= max {
        true => read_within(MultiGzDecoder::new(bytes.as_slice()), 0, max).map_err(io)?,
        false => bytes,
    };
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
            field: self.place(&error.0),
            // Where the parser knows no place, it says this.
            message: error.1.trim_end_matches(" at line 1 column 0").to_owned(),
        })
    }

    /// An error about the field at the path `field`.
    pub fn wrong(&self, field: &str, message: impl Into<String>) -> ImportError {
        ImportError::Field {
            file: self.file.to_owned(),
            field: self.place(field),
            message: message.into(),
        }
    }

    /// The path of the field at `field` of the document, within the file.
    fn place(&self, field: &str) -> String {
        match (self.prefix, field) {
            ("", field) => field.to_owned(),
            (prefix, ".") => prefix.trim_end_matches('.').to_owned(),
            (prefix, field) => format!("{prefix}{field}"),
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
    fn compressed_files_are_read_within_the_same_bound() -> std::io::Result<()> {
        use std::io::Write;
        let folder = std::env::temp_dir().join(format!("block-stm-gz-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&[b'x'; 10_000])?;
        let compressed = encoder.finish()?;
        std::fs::write(folder.join("block.json.gz"), &compressed)?;
        std::fs::write(folder.join("cut.json"), &compressed[..compressed.len() / 2])?;
        let disk = Folder::Disk(&folder);
        assert_eq!(disk.read("block.json").map(|bytes| bytes.len()).ok(), Some(10_000));
        let bomb = read_file_within(&folder.join("block.json.gz"), 9_999).expect_err("too large");
        assert!(bomb.to_string().contains("more than the 9999"), "{bomb}");
        assert!(read_file(&folder.join("cut.json")).is_err(), "the end is missing");
        let missing = disk.read("prestate.json").expect_err("it is not there").to_string();
        assert!(missing.contains("prestate.json:"), "{missing}");
        std::fs::remove_dir_all(&folder)
    }

    #[test]
    fn a_wrong_answer_is_called_by_its_place() {
        let file = Path::new("block.json");
        let json = br#"{"jsonrpc":"2.0","id":1,"result":7}"#;
        let document = Document::open(file, json).expect("an answer");
        let error = document.parse::<Vec<u8>>().expect_err("a number is no list").to_string();
        assert!(error.starts_with("block.json: result: "), "{error}");
        assert_eq!(document.wrong("x", "bad").to_string(), "block.json: result.x: bad");
        assert_eq!(document.wrong(".", "bad").to_string(), "block.json: result: bad");
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

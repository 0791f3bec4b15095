//! Questions in and answers out: parameters one by one, and JSON of a bounded size.

use std::io::{self, Write};

use jsonrpsee::types::params::ParamsSequence;
use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::fault::Fault;

/// An answer as JSON.
pub(crate) type Answer = Box<RawValue>;

/// The parameters of a request, one after another.
pub(crate) struct Args<'a>(pub(crate) ParamsSequence<'a>);

impl Args<'_> {
    /// The next one, which must be there.
    pub(crate) fn next<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Fault> {
        let given = self.optional(name)?;
        given.ok_or_else(|| Fault::Params(format!("the parameter {name} is missing")))
    }

    /// The next one, which may be `null` or missing.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let wrong = |reason: &str| Fault::Params(format!("the parameter {name}: {reason}"));
        let given = self.0.optional_next::<T>();
        given.map_err(|error| wrong(error.data().map_or(error.message(), RawValue::get)))
    }

    /// No more may follow.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.0.next::<IgnoredAny>() {
            Ok(_) => Err(Fault::Params("there are too many parameters".to_owned())),
            Err(_) => Ok(()),
        }
    }
}

/// Bytes up to a limit.
pub(crate) struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Bounded {
    pub(crate) fn new(most: u32) -> Self {
        Self { bytes: Vec::new(), most: most as usize }
    }

    /// The error that there are more.
    pub(crate) fn too_large(most: u32) -> Fault {
        Fault::Limit(format!("the answer has more than {most} bytes"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written, which is JSON.
    pub(crate) fn into_answer(self) -> Answer {
        let text = String::from_utf8(self.bytes).expect("JSON is text");
        RawValue::from_string(text).expect("it is JSON")
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `value` as an answer of `most` bytes at most.
pub(crate) fn answer(value: &impl Serialize, most: u32) -> Result<Answer, Fault> {
    let mut out = Bounded::new(most);
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => Ok(out.into_answer()),
        Err(_) => Err(Bounded::too_large(most)),
    }
}

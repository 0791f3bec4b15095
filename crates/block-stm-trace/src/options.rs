//! A tracer's options from JSON. What is not known, or can't be honoured, is refused by name.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Why there is no such tracer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TracerError {
    /// No tracer has this name. Tracers in JavaScript are not supported.
    #[error("unknown tracer {name:?}; known are {}", crate::Tracer::NAMES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The options are none, or can't be honoured.
    #[error("options of {tracer}: {message}")]
    Options {
        /// Whose options.
        tracer: &'static str,
        /// What is wrong with them.
        message: String,
    },
}

/// The options `json` of the tracer `tracer`, which has those that are `known`.
pub(crate) fn parse<T: DeserializeOwned + Default>(
    tracer: &'static str,
    json: Option<&str>,
    known: &[&str],
) -> Result<T, TracerError> {
    let wrong = |message: String| TracerError::Options { tracer, message };
    let Some(json) = json else { return Ok(T::default()) };
    let given: Option<Map<String, Value>> =
        serde_json::from_str(json).map_err(|error| wrong(not_json(&error)))?;
    let Some(given) = given else { return Ok(T::default()) };
    if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(wrong(format!("unknown option {unknown:?}; known are {known}")));
    }
    // Once more from the text, which knows of an option that is given twice.
    serde_json::from_str(json).map_err(|error| wrong(error.to_string()))
}

fn not_json(error: &serde_json::Error) -> String {
    format!("not a JSON object: {error}")
}

/// The options of a tracer that has none.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NoOptions {}

//! The way in for fuzz targets of private parts; there is none in a normal build (cargo-fuzz sets
//! `fuzzing`).

/// Holds the multi-version memory against a model of it.
///
/// # Panics
/// If they do not agree.
pub fn version_chain(bytes: &[u8]) {
    crate::proofs::maps::agree(bytes);
}

//! Where the data of real chains is.

use std::{io::Write, path::PathBuf};

/// The folder `name` of the fixtures, or `None`, with a note, where they are not unpacked.
///
/// # Panics
///
/// If `BLOCK_STM_REQUIRE_FIXTURES` is 1 and the folder is missing.
pub(crate) fn folder(test: &str, name: &str) -> Option<PathBuf> {
    let required = std::env::var_os("BLOCK_STM_REQUIRE_FIXTURES").is_some_and(|value| value == "1");
    let Some(root) = std::env::var_os("BLOCK_STM_FIXTURES") else {
        assert!(!required, "{test} requires BLOCK_STM_FIXTURES");
        // Shown also where the test passes, as what `println!` prints is not.
        let _ = writeln!(std::io::stderr(), "skipped: {test} needs BLOCK_STM_FIXTURES");
        return None;
    };
    let folder = PathBuf::from(root).join(name);
    assert!(folder.is_dir(), "{test}: {} is no folder of fixtures", folder.display());
    Some(folder)
}

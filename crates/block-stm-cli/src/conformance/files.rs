//! Which files of tests lie at the paths.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{error::CliError, files::Files};

/// Files as they are given, and all `.json` files in folders, by path; `all` learns of them.
///
/// Links in folders are not followed, so that a folder that links to itself ends.
pub(super) fn find(paths: &[PathBuf], all: &mut Files) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|source| failed(path, source))?;
        if !metadata.is_dir() {
            all.reads(path);
            files.push(path.clone());
            continue;
        }
        all.searches(path);
        let mut found = Vec::new();
        search(path, &mut found)?;
        if found.is_empty() {
            return Err(CliError::NoTests { path: path.clone() });
        }
        found.sort_unstable();
        files.append(&mut found);
    }
    Ok(files)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|source| failed(&folder, source))? {
            let entry = entry.map_err(|source| failed(&folder, source))?;
            let kind = entry.file_type().map_err(|source| failed(&folder, source))?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                found.push(path);
            }
        }
    }
    Ok(())
}

fn failed(path: &Path, source: std::io::Error) -> CliError {
    CliError::Path { path: path.to_owned(), source }
}

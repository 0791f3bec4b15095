//! Which blocks and chains lie at a path.

use std::{
    fs,
    path::{Path, PathBuf},
};

use block_stm_chain::import::{BLOCK_FILES, CHAIN_FILES};

use crate::{error::CliError, files::Files};

/// Something to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A folder with one block.
    Block(PathBuf),
    /// A folder with a chain.
    Chain(PathBuf),
}

/// What lies at the paths; all files of it are inputs.
pub(crate) fn sources(paths: &[PathBuf], files: &mut Files) -> Result<Vec<Source>, CliError> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(sources_at(path)?);
    }
    for source in &all {
        let (folder, names) = match source {
            Source::Block(folder) => (folder, BLOCK_FILES.as_slice()),
            Source::Chain(folder) => (folder, CHAIN_FILES.as_slice()),
        };
        for name in names {
            files.reads(&folder.join(name));
            files.reads(&folder.join(format!("{name}.gz")));
        }
    }
    Ok(all)
}

/// What lies at `path`: itself, or else the folders in it, by number where they have one.
///
/// A folder that has one of a block's two files counts as a block, so that the missing one is
/// reported.
fn sources_at(path: &Path) -> Result<Vec<Source>, CliError> {
    let failed = |source| CliError::Path { path: path.to_owned(), source };
    if path.is_file() {
        return Err(CliError::NotAFolder { path: path.to_owned() });
    }
    let entries = fs::read_dir(path).map_err(failed)?;
    if let Some(source) = source(path) {
        return Ok(vec![source]);
    }
    let mut folders = Vec::new();
    for entry in entries {
        folders.push(entry.map_err(failed)?.path());
    }
    folders.sort_by_cached_key(|folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name.parse::<u64>().unwrap_or(u64::MAX), name)
    });
    let sources: Vec<_> = folders.iter().filter_map(|folder| source(folder)).collect();
    if sources.is_empty() {
        return Err(CliError::NoBlock { path: path.to_owned() });
    }
    Ok(sources)
}

fn source(folder: &Path) -> Option<Source> {
    let has = |name: &str| folder.join(name).exists() || folder.join(format!("{name}.gz")).exists();
    if has("chain.rlp") && !has("block.json") {
        return Some(Source::Chain(folder.to_owned()));
    }
    (has("block.json") || has("prestate.json")).then(|| Source::Block(folder.to_owned()))
}

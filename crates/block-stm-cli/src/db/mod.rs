//! `block-stm db`: stores of chains.

mod check;
mod compact;
mod export;
mod stats;

use std::path::Path;

use block_stm_store::{Options, Store, StoreError, disk::Folder};

use crate::{
    args::{DbArgs, DbCommand},
    error::CliError,
    exit::Exit,
    files::Files,
};

/// Checks, describes, compacts or exports a store.
///
/// # Errors
///
/// A store that can't be opened, results that can't be written.
pub(crate) fn db(args: &DbArgs) -> Result<Exit, CliError> {
    match &args.command {
        DbCommand::Check(args) => check::check(args),
        DbCommand::Stats(args) => stats::stats(args),
        DbCommand::Compact(args) => compact::compact(args),
        DbCommand::Export(args) => export::export(args),
    }
}

/// The store in a folder.
fn open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(Folder::new(folder), Options::default())
}

/// The files of a command on the store in a folder: none of the store is an output.
fn files(store: &Path) -> Files {
    let mut files = Files::new();
    // A folder that is not there is told when it is opened.
    for entry in std::fs::read_dir(store).into_iter().flatten().flatten() {
        files.reads(&entry.path());
    }
    files
}

/// The bytes of all files of a store.
fn bytes(store: &Path) -> Result<u64, CliError> {
    let sum = || {
        let sizes = std::fs::read_dir(store)?.map(|entry| Ok(entry?.metadata()?.len()));
        sizes.sum::<std::io::Result<u64>>()
    };
    sum().map_err(|source| CliError::Path { path: store.to_owned(), source })
}

//! What the documents say of the sources, and what the sources must not do. The tests read the
//! workspace's files.
//!
//! They are here because the command line depends on everything else, and has the binary whose
//! commands the documents show.

mod commands;
mod documents;
mod layers;
mod layout;
mod lists;
mod markdown;
mod packages;
mod rules;
mod tables;
mod tree;

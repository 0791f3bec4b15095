//! What the documents say of the sources, and what the sources must not do: read off the workspace's files.
//!
//! It is here because the command line depends on everything else, and has the binary whose commands the documents show.

mod commands;
mod documents;
mod lists;
mod rules;
mod tree;

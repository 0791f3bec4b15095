//! The seam: what a host implements and calls.

pub(crate) mod execute;
pub(crate) mod host;
pub(crate) mod view;
pub(crate) mod vm;

//! The judge: what makes a transaction final.

pub(crate) mod judge;
pub(crate) mod ledger;
pub(crate) mod watch;

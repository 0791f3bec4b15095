//! The judge: what makes a transaction final.

pub(crate) mod alone;
pub(crate) mod commit;
pub(crate) mod ledger;
pub(crate) mod step;
pub(crate) mod watch;

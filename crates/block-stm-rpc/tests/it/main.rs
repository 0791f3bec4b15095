//! A real server over real stores, asked over HTTP.

mod calls;
mod fixtures;
mod limits;
mod load;
mod proofs;
mod same;
mod served;
mod truth;

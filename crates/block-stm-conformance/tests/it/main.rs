//! Integration tests of the runners: what is right passes, and whatever is made wrong is noticed.

mod block_test;
mod sample;
mod state_test;

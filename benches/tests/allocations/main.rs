//! How much blocks allocate: never more than now, and nothing that grows from block to block.
//!
//! Counts do not depend on the machine, so they are guarded where times can't be: a test of its own
//! counts each allocation of the process. The numbers that it prints are what [`budgets`] are set
//! by:
//!
//! ```sh
//! cargo test -p block-stm-benches --test allocations
//! ```

mod budgets;
mod counter;
mod growth;
mod peaks;
mod subject;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::counter::Counter;

#[global_allocator]
static ALLOCATOR: Counter = Counter;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // On the main thread, one after another: whatever else runs is counted, too.
    arguments.test_threads = Some(1);
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = vec![
        trial("counter::counts", counter::counts),
        trial("budgets::are_kept", budgets::are_kept),
        trial("budgets::are_not_kept_by_one_more", budgets::are_not_kept_by_one_more),
        trial("growth::there_is_none", growth::there_is_none),
        trial("growth::is_seen", growth::is_seen),
        trial("peaks::are_bounded", peaks::are_bounded),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

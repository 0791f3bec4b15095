//! User code that waits, panics and lies, on real threads. `BLOCK_STM_CHAOS` makes it last so many
//! seconds.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use block_stm::{Config, Engine};
use block_stm_testkit::Arm;
use block_stm_testkit::chaos::storm;
use block_stm_testkit::sim::{Circumstances, Random, Simulator};
use block_stm_testkit::watchdog::{PATIENCE, within};
use block_stm_testkit::wild::execute_wild;

use crate::support::{engine, timely};

fn seconds() -> Duration {
    let seconds = std::env::var("BLOCK_STM_CHAOS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(4))
}

#[test]
fn user_code_may_wait_and_panic_wherever_it_runs() {
    let end = Instant::now() + seconds();
    let first = std::process::id().into();
    let mut storms = 0;
    for seed in first.. {
        if Instant::now() > end {
            break;
        }
        // One at a time, so that a hang names its seed.
        match within(PATIENCE, move || storm(seed)) {
            Ok(Ok(())) => storms += 1,
            Ok(Err(what)) => panic!("{what}"),
            Err(hang) => panic!("storm {seed}: {hang}"),
        }
    }
    println!("{storms} storms, from seed {first}");
}

#[test]
fn hosts_that_keep_no_contract_come_to_an_end() {
    timely(|| {
        let borrowed = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        let borrowed = Arc::new(borrowed.expect("threads can be started"));
        let borrowing = Config::default().pool(borrowed).threads(NonZeroUsize::new(3).expect("3"));
        let tight = Arm::of(3, Some(2)).engine().expect("threads can be started");
        let exact = Arm::of(2, None).exact().engine().expect("threads can be started");
        let engines =
            [engine(2), engine(5), tight, exact, Engine::new(borrowing).expect("nothing to start")];
        for round in 0..60 {
            let txns = round * 3;
            let _ = execute_wild(None, txns);
            for engine in &engines {
                if let Ok(executions) = execute_wild(Some(engine), txns) {
                    // 16 ahead of its turn, and one as the head.
                    assert!(executions <= 17 * txns as u64, "{executions} for {txns} txns");
                }
            }
        }
    });
}

#[test]
fn hosts_that_keep_no_contract_come_to_an_end_under_any_schedule() {
    for seed in 0..400 {
        let engine = Arm::of(2 + seed as usize % 3, [None, Some(3)][seed as usize % 2]).engine();
        let engine = engine.expect("threads can be started");
        let run = Simulator::default().run(
            Box::new(Random::new(seed, 0.6)),
            Circumstances::default(),
            || drop(execute_wild(Some(&engine), 12)),
        );
        run.result.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped}"));
    }
}

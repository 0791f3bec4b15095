//! How a block meets its schedules.

use std::num::NonZeroUsize;
use std::sync::Arc;

use block_stm::{Config, Engine};
use block_stm_testkit::compare::{keeps_protocol, same};
use block_stm_testkit::language::{LanguageBlock, LanguageVm, RuledSink};
use block_stm_testkit::record::{record_parallel, record_sequential};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{FailurePersistence, Runner};

/// How many schedules a test tries, times what the environment asks for.
pub(crate) fn times(smoke: usize) -> usize {
    let factor = std::env::var("BLOCK_STM_SCHEDULES").ok();
    smoke * factor.map_or(1, |factor| factor.parse().expect("BLOCK_STM_SCHEDULES is a number"))
}

/// An engine whose workers are shuttle's threads.
pub(crate) fn engine(threads: usize) -> Engine {
    let threads = NonZeroUsize::new(threads).expect("some threads");
    Engine::new(Config::default().threads(threads).inline_below(0)).expect("threads start")
}

/// Runs `test` under the schedules of `scheduler`.
pub(crate) fn under(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 18;
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::Print;
    Runner::new(scheduler, config).run(test);
}

/// Runs `test`, given an engine, under random schedules and PCT's, with two to four workers.
pub(crate) fn schedules(smoke: usize, test: impl Fn(&Arc<Engine>) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for threads in [2, 3, 4] {
        let engine = Arc::new(engine(threads));
        let run = || {
            let (engine, test) = (Arc::clone(&engine), Arc::clone(&test));
            move || test(&engine)
        };
        under(RandomScheduler::new_from_seed(threads as u64, times(smoke)), run());
        under(PctScheduler::new_from_seed(threads as u64, 3, times(smoke)), run());
    }
}

/// Runs `test` with two workers under the first schedules of an exhaustive search.
pub(crate) fn first_schedules(smoke: usize, test: impl Fn(&Arc<Engine>) + Send + Sync + 'static) {
    let engine = Arc::new(engine(2));
    under(DfsScheduler::new(Some(times(smoke)), false), move || test(&engine));
}

/// Executes `block` with `engine` and compares with the oracle.
pub(crate) fn compare(block: &LanguageBlock, engine: &Engine) {
    let stage = block.stage();
    let sink = || RuledSink::new(block.rules.clone(), None);
    let expected = record_sequential(&stage.block(), sink());
    let found = record_parallel(engine, &stage.block(), sink());
    same(&expected, &found).unwrap_or_else(|difference| panic!("{difference}\n{block}"));
    keeps_protocol::<LanguageVm>(&found.events)
        .unwrap_or_else(|breach| panic!("{breach}\n{block}"));
}

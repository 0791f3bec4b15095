//! One block, sequential against parallel: times, counters, and whether all executions agree.
//!
//! The sequential side is the plain revm loop over `CacheDB`, what one has without this engine: it
//! keeps receipts, and leaves the state in its cache. The parallel side does more: state changes in
//! canonical form come out of it, too. What both must agree with is a third execution, which is
//! sequential, returns everything, and is not timed. Comparing and freeing results is not timed
//! either.
//!
//! The sides take turns, so that a machine that slows down slows both. The first turn of each is
//! not timed: it fills caches, and loads what a process loads once, such as the trusted set-up for
//! blobs.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use block_stm::{Engine, Stats};
use block_stm_evm::{
    Block, BlockResult, ExecutionError, InvalidTxn, ParallelOptions, PreState, Receipt, StateRef,
    access_list::{AccessListError, execute_sequential_with_list, execute_with_access_list},
    alloy_eip7928::BlockAccessList,
    baseline::execute_plain,
    execute_parallel, execute_sequential,
};

use crate::{
    args::CommonArgs,
    bounds::{Bounder, Bounds},
    difference::{Difference, first_difference},
    interrupt,
    latency::SlowState,
    list_times::{ListSamples, ListTimes},
    medians::{lower_median, median_time},
};

/// What measuring one block came to.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The median time of the sequential side.
    pub(crate) sequential: Duration,
    /// The median time of the parallel side.
    pub(crate) parallel: Duration,
    /// All times of both sides, turn by turn.
    pub(crate) samples: Samples,
    /// The median times of building and using the block's access list, where that was asked for.
    pub(crate) lists: Option<ListTimes>,
    /// The median number of executions on the parallel side.
    pub(crate) executions: u64,
    /// The median number of aborts on the parallel side.
    pub(crate) aborts: u64,
    /// The first sequential result, or why there is none although the parallel side has one or
    /// fails otherwise.
    pub(crate) reference: Result<BlockResult, Failure>,
    /// The block's access list, if it was built.
    pub(crate) list: Option<BlockAccessList>,
    /// The first execution that did not give what the first sequential one gave.
    pub(crate) difference: Option<Difference>,
}

/// The times of both sides, turn by turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) sequential: Vec<Duration>,
    pub(crate) parallel: Vec<Duration>,
}

/// What becomes of a block's access list (EIP-7928).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// There is none.
    Unbuilt,
    /// It is built, for the header to be checked.
    Built,
    /// It is built, and what building it and executing the block with it takes is measured.
    Timed,
}

/// Why an execution has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Where reading the state fails, the sides may name different transactions.
    in_state: bool,
    message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E> From<AccessListError<E>> for Failure
where
    AccessListError<E>: std::fmt::Display,
{
    fn from(error: AccessListError<E>) -> Self {
        let in_state = matches!(error, AccessListError::Execution(ExecutionError::Database { .. }));
        Self { in_state, message: error.to_string() }
    }
}

impl<E> From<ExecutionError<E>> for Failure
where
    ExecutionError<E>: std::fmt::Display,
{
    fn from(error: ExecutionError<E>) -> Self {
        let in_state = matches!(error, ExecutionError::Database { .. });
        Self { in_state, message: error.to_string() }
    }
}

/// Measures `block` as the options say: on a state that takes its time, and with bounds if there is
/// a bounder.
///
/// # Errors
///
/// As [`measure`].
pub(crate) fn measure_as_asked(
    args: &CommonArgs,
    engine: &Engine,
    bounder: Option<&Bounder>,
    block: &Block,
    state: &PreState,
    lists: Lists,
) -> Result<(Measured, Option<Bounds>), String> {
    let latency = args.read_latency.0;
    if latency.is_zero() {
        return measure_with_bounds(engine, bounder, block, state, args.repeat, lists);
    }
    let state = SlowState::new(state, latency);
    measure_with_bounds(engine, bounder, block, &state, args.repeat, lists)
}

/// A block whose executions do not agree has no bounds.
fn measure_with_bounds<DB: StateRef + Sync>(
    engine: &Engine,
    bounder: Option<&Bounder>,
    block: &Block,
    state: &DB,
    repeat: usize,
    lists: Lists,
) -> Result<(Measured, Option<Bounds>), String> {
    let measured = measure(engine, block, state, repeat, lists)?;
    let bounder = bounder.filter(|_| measured.difference.is_none());
    let bounds = bounder.map(|bounder| bounder.bounds(block, state)).transpose()?;
    Ok((measured, bounds))
}

/// Measures `block` on the state `state`, `repeat` times on each side.
///
/// # Errors
///
/// The block can't be executed; both sides agree about that. The message says why.
pub(crate) fn measure<DB>(
    engine: &Engine,
    block: &Block,
    state: &DB,
    repeat: usize,
    lists: Lists,
) -> Result<Measured, String>
where
    DB: StateRef + Sync,
{
    let mut reference = match lists {
        Lists::Unbuilt => execute_sequential(block, state, InvalidTxn::Reject),
        Lists::Built | Lists::Timed => {
            execute_sequential_with_list(block, state, InvalidTxn::Reject)
        }
    };
    // No other execution returns it.
    let list = reference.as_mut().ok().and_then(|result| result.access_list.take());
    let timed = list.as_ref().filter(|_| lists == Lists::Timed);
    let mut judge = Judge::new(reference.map_err(Failure::from));
    judge.look_at_receipts("the sequential warm-up", &plain(block, state).1);
    let warm_up = parallel(engine, block, state);
    if let (Err(failure), Err(other)) = (&judge.reference, &warm_up.result)
        && (failure == other || failure.in_state && other.in_state)
    {
        return Err(failure.message.clone());
    }
    judge.look("the parallel warm-up", &warm_up.result);
    if let Some(list) = timed {
        judge.look("the warm-up with the list", &with_list(engine, block, state, list).1);
    }
    let mut samples = Samples::default();
    let mut list_samples = ListSamples::default();
    let mut counters = (Vec::with_capacity(repeat), Vec::with_capacity(repeat));
    for turn in 1..=repeat {
        // One turn is enough to say something.
        if turn > 1 && interrupt::came() {
            break;
        }
        let (time, receipts) = plain(block, state);
        samples.sequential.push(time);
        judge.look_at_receipts(&format!("sequential execution {turn}"), &receipts);
        let run = parallel(engine, block, state);
        samples.parallel.push(run.time);
        counters.0.push(run.stats.executions);
        counters.1.push(run.stats.aborts.total());
        judge.look(&format!("parallel execution {turn}"), &run.result);
        if let Some(list) = timed {
            let (time, result) = with_list(engine, block, state, list);
            list_samples.used.push(time);
            judge.look(&format!("execution {turn} with the list"), &result);
            let (time, result) = listing_in_order(block, state);
            list_samples.built_in_order.push(time);
            judge.look_at_list(&format!("building the list in order, turn {turn}"), list, result);
            let (time, result) = listing(engine, block, state);
            list_samples.built.push(time);
            judge.look_at_list(&format!("building the list, turn {turn}"), list, result);
        }
    }
    Ok(Measured {
        lists: timed.map(|_| list_samples.medians()),
        sequential: median_time(&samples.sequential),
        parallel: median_time(&samples.parallel),
        samples,
        executions: lower_median(&counters.0),
        aborts: lower_median(&counters.1),
        reference: judge.reference,
        list,
        difference: judge.difference,
    })
}

/// One parallel execution.
pub(crate) struct Run {
    pub(crate) time: Duration,
    pub(crate) result: Result<BlockResult, Failure>,
    pub(crate) stats: Stats,
}

/// One execution by the plain loop.
pub(crate) fn plain<DB: StateRef>(
    block: &Block,
    state: &DB,
) -> (Duration, Result<Vec<Receipt>, Failure>) {
    let start = Instant::now();
    let result = black_box(execute_plain(black_box(block), state, InvalidTxn::Reject));
    let time = start.elapsed();
    (time, result.map_err(Failure::from))
}

/// One execution by the engine.
pub(crate) fn parallel<DB: StateRef + Sync>(engine: &Engine, block: &Block, state: &DB) -> Run {
    let options = ParallelOptions::default();
    let start = Instant::now();
    let executed = black_box(execute_parallel(engine, black_box(block), state, &options));
    let time = start.elapsed();
    match executed {
        Ok(executed) => Run { time, result: Ok(executed.result), stats: executed.stats },
        Err(error) => Run { time, result: Err(error.into()), stats: Stats::default() },
    }
}

/// One execution with the block's access list.
fn with_list<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    state: &DB,
    list: &BlockAccessList,
) -> (Duration, Result<BlockResult, Failure>) {
    let start = Instant::now();
    let result = black_box(execute_with_access_list(engine, black_box(block), state, list));
    let time = start.elapsed();
    (time, result.map_err(Failure::from))
}

/// One sequential execution that builds the block's access list.
fn listing_in_order<DB: StateRef>(
    block: &Block,
    state: &DB,
) -> (Duration, Result<BlockResult, Failure>) {
    let start = Instant::now();
    let executed = execute_sequential_with_list(black_box(block), state, InvalidTxn::Reject);
    let result = black_box(executed);
    let time = start.elapsed();
    (time, result.map_err(Failure::from))
}

/// One parallel execution that builds the block's access list.
fn listing<DB: StateRef + Sync>(
    engine: &Engine,
    block: &Block,
    state: &DB,
) -> (Duration, Result<BlockResult, Failure>) {
    let options = ParallelOptions::default().access_list();
    let start = Instant::now();
    let executed = black_box(execute_parallel(engine, black_box(block), state, &options));
    let time = start.elapsed();
    (time, executed.map(|executed| executed.result).map_err(Failure::from))
}

/// Compares every execution with the first one, and remembers the first difference.
pub(crate) struct Judge {
    reference: Result<BlockResult, Failure>,
    digest: Option<[u8; 32]>,
    difference: Option<Difference>,
}

impl Judge {
    /// Takes `reference` for what all executions must come to.
    pub(crate) fn new(reference: Result<BlockResult, Failure>) -> Self {
        let digest = reference.as_ref().ok().map(|result| result.state.digest());
        Self { reference, digest, difference: None }
    }

    /// Looks at the result of the execution that is called `name`.
    pub(crate) fn look(&mut self, name: &str, result: &Result<BlockResult, Failure>) {
        if self.difference.is_none() {
            self.difference = self.compare(result).map(|difference| Difference {
                place: format!("{name}: {}", difference.place),
                ..difference
            });
        }
    }

    /// Looks at the receipts of the execution that is called `name`.
    pub(crate) fn look_at_receipts(
        &mut self,
        name: &str,
        receipts: &Result<Vec<Receipt>, Failure>,
    ) {
        let same = match (&self.reference, receipts) {
            (Ok(expected), Ok(found)) => expected.receipts == *found,
            (Err(expected), Err(found)) => expected == found,
            _ => false,
        };
        if !same && self.difference.is_none() {
            let count = |receipts: &Result<usize, &Failure>| match receipts {
                Ok(receipts) => format!("{receipts} receipts"),
                Err(failure) => failure.message.clone(),
            };
            let expected = self.reference.as_ref().map(|result| result.receipts.len());
            let found = receipts.as_ref().map(Vec::len);
            let place = format!("{name}: receipts");
            self.difference = Some(Difference::new(place, count(&expected), count(&found)));
        }
    }

    /// Looks at the result of the execution that is called `name`, and at the list that it built.
    fn look_at_list(
        &mut self,
        name: &str,
        expected: &BlockAccessList,
        mut result: Result<BlockResult, Failure>,
    ) {
        let found = result.as_mut().ok().and_then(|result| result.access_list.take());
        self.look(name, &result);
        if self.difference.is_none() && found.as_ref() != Some(expected) {
            let count = |list: Option<&BlockAccessList>| match list {
                Some(list) => format!("a list of {} accounts", list.len()),
                None => "no list".to_owned(),
            };
            let place = format!("{name}: access list");
            let (expected, found) = (count(Some(expected)), count(found.as_ref()));
            self.difference = Some(Difference::new(place, expected, found));
        }
    }

    /// The first difference since this was asked last.
    pub(crate) fn take_difference(&mut self) -> Option<Difference> {
        self.difference.take()
    }

    fn compare(&self, result: &Result<BlockResult, Failure>) -> Option<Difference> {
        match (&self.reference, result) {
            (Ok(expected), Ok(found)) => first_difference(expected, found).or_else(|| {
                let (expected, found) = (self.digest?, found.state.digest());
                let hex = block_stm_evm::revm::primitives::hex::encode::<[u8; 32]>;
                (expected != found)
                    .then(|| Difference::new("state digest", hex(expected), hex(found)))
            }),
            (Err(expected), Err(found)) if expected == found => None,
            (expected, found) => {
                Some(Difference::new("outcome of the block", in_words(expected), in_words(found)))
            }
        }
    }
}

fn in_words(result: &Result<BlockResult, Failure>) -> String {
    match result {
        Ok(_) => "a valid block".to_owned(),
        Err(failure) => failure.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use block_stm_evm::{
        AccountChange, PreState,
        revm::{
            context::BlockEnv,
            primitives::{Address, U256, hardfork::SpecId},
            state::AccountInfo,
        },
    };

    use super::*;

    fn result() -> BlockResult {
        let block = Block::new(SpecId::SHANGHAI, BlockEnv::default(), Vec::new());
        execute_sequential(&block, &PreState::new(), InvalidTxn::Reject).expect("an empty block")
    }

    #[test]
    fn the_judge_remembers_the_first_difference() {
        let mut judge = Judge::new(Ok(result()));
        judge.look("run 1", &Ok(result()));
        assert_eq!(judge.difference, None);
        let mut wrong = result();
        let info = AccountInfo::from_balance(U256::ONE);
        wrong.state = [AccountChange::new(Address::ZERO, Some(info))].into_iter().collect();
        judge.look("run 2", &Ok(wrong));
        let failure = Failure { in_state: false, message: "broken".to_owned() };
        judge.look("run 3", &Err(failure));
        let difference = judge.difference.expect("run 2 is wrong");
        assert_eq!(difference.place, "run 2: number of changed accounts");
    }

    #[test]
    fn an_execution_that_fails_differs_from_one_that_does_not() {
        let failure = Failure { in_state: false, message: "broken".to_owned() };
        let mut judge = Judge::new(Ok(result()));
        judge.look("run 1", &Err(failure.clone()));
        let difference = judge.difference.expect("it failed");
        assert_eq!(
            (difference.expected.as_str(), difference.found.as_str()),
            ("a valid block", "broken")
        );
        let mut judge = Judge::new(Err(failure));
        judge.look("run 1", &Ok(result()));
        assert!(judge.difference.is_some());
    }
}

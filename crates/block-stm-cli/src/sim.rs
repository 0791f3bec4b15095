//! `block-stm sim`: looks for a schedule under which parallel execution is not sequential
//! execution.

use std::{
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use block_stm::Stats;
use block_stm_testkit::sim::{Explorer, Finding, Passed, SEEDS_PER_BLOCK, is_running};
use serde::Serialize;

use crate::{
    args::SimArgs,
    error::CliError,
    exit::Exit,
    files::{Files, JsonOutput, rendered},
    interrupt, output, progress,
    units::{count, grouped},
};

/// Explores seeds until one shows a difference, or there are no more.
///
/// # Errors
///
/// Results that can't be written.
pub(crate) fn sim(args: &SimArgs) -> Result<Exit, CliError> {
    let json = JsonOutput::open(&args.json, &mut Files::new())?;
    let _patience = interrupt::Patience::new();
    let summary = explore(args, || {
        let mut explorer = Explorer::default();
        move |seed| explorer.check(seed)
    });
    if !json.replaces_text() {
        output::print(summary.text().as_bytes())?;
    }
    json.write(|| rendered(&summary.json()))?;
    Ok(summary.exit())
}

/// What a seed came to.
type Verdict = Result<Passed, Box<Finding>>;

/// What the threads share.
struct Search {
    next: AtomicU64,
    end: u64,
    deadline: Option<Instant>,
    summary: Mutex<Summary>,
}

/// What was explored.
#[derive(Debug, Default)]
struct Summary {
    first: u64,
    seeds: u64,
    steps: u64,
    failed: u64,
    cut: u64,
    stats: Stats,
    elapsed: Duration,
    finding: Option<Box<Finding>>,
}

/// Explores with what `explorer` makes, once for each thread.
fn explore<E: FnMut(u64) -> Verdict>(args: &SimArgs, explorer: impl Fn() -> E + Sync) -> Summary {
    report_panics_as_findings();
    let start = Instant::now();
    let deadline = args.minutes.map(|minutes| start + Duration::from_secs(60 * minutes));
    let end = if deadline.is_some() { u64::MAX } else { args.seed + args.seeds };
    let summary = Mutex::new(Summary { first: args.seed, ..Summary::default() });
    let search = Search { next: AtomicU64::new(args.seed), end, deadline, summary };
    let length = deadline.map_or(args.seeds, |deadline| (deadline - start).as_secs());
    let bar = progress::bar(usize::try_from(length).unwrap_or(usize::MAX));
    let advance = |search: &Search| match deadline {
        Some(_) => bar.set_position(start.elapsed().as_secs()),
        None => bar.set_position(search.summary().seeds),
    };
    thread::scope(|scope| {
        for _ in 0..args.jobs.get() {
            scope.spawn(|| search.work(explorer(), advance));
        }
    });
    bar.finish_and_clear();
    let summary = search.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    Summary { elapsed: start.elapsed(), ..summary }
}

/// A broken invariant is a finding, and told as one. Panics outside of simulations are told as
/// ever.
fn report_panics_as_findings() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_running() {
            hook(info);
        }
    }));
}

impl Search {
    /// Takes seeds, those of a block at a time, as long as there are any.
    fn work(&self, mut check: impl FnMut(u64) -> Verdict, advance: impl Fn(&Self)) {
        while let Some(seeds) = self.take().filter(|_| !interrupt::came()) {
            let mut passed = Vec::new();
            let mut finding = None;
            for seed in seeds {
                match check(seed) {
                    Ok(one) => passed.push(one),
                    Err(found) => {
                        finding = Some(found);
                        break;
                    }
                }
            }
            self.summary().add(&passed, finding);
            advance(self);
        }
    }

    fn take(&self) -> Option<std::ops::Range<u64>> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || self.summary().finding.is_some() {
            return None;
        }
        let after = |first: u64| (first / SEEDS_PER_BLOCK + 1).saturating_mul(SEEDS_PER_BLOCK);
        // ORDERING: Relaxed: nothing but the number is shared.
        let first = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |first| {
            (first < self.end).then(|| after(first).min(self.end))
        });
        first.ok().map(|first| first..after(first).min(self.end))
    }

    fn summary(&self) -> std::sync::MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Summary {
    fn add(&mut self, passed: &[Passed], finding: Option<Box<Finding>>) {
        for one in passed {
            self.steps += one.steps;
            self.failed += u64::from(one.failed);
            self.cut += u64::from(one.cut);
            if let Some(stats) = one.stats {
                self.stats += stats;
            }
        }
        self.seeds += passed.len() as u64 + u64::from(finding.is_some());
        // Several threads may find something; the lowest seed is the same on every run.
        let lower = |found: &Finding, old: &Option<Box<Finding>>| {
            old.as_ref().is_none_or(|old| found.seed < old.seed)
        };
        if let Some(found) = finding.filter(|found| lower(found, &self.finding)) {
            self.finding = Some(found);
        }
    }

    fn exit(&self) -> Exit {
        if self.finding.is_some() { Exit::CheckFailed } else { Exit::Success }
    }

    fn text(&self) -> String {
        let verdict = match &self.finding {
            None => format!(
                "{} from seed {}: no difference",
                count(self.seeds as usize, "execution"),
                self.first
            ),
            Some(finding) => finding.to_string(),
        };
        let aborts = self.stats.aborts;
        let lines = [
            ("steps of workers", self.steps),
            ("txns committed", self.stats.committed),
            ("executions of txns", self.stats.executions),
            ("met an estimate", aborts.estimate),
            ("found stale early", aborts.early_validation),
            ("found stale at commit", aborts.commit_validation),
            ("took a falsehood for granted", aborts.assumption),
            ("failed ahead of their turn", aborts.failure),
            ("refused or never judged", aborts.refused),
            ("blocks that ended with an error", self.failed),
            ("blocks that were cut", self.cut),
        ];
        let mut text = format!("{verdict}\n\n");
        for (what, number) in lines {
            text.push_str(&format!("  {what:32}{:>16}\n", grouped(number)));
        }
        let seconds = self.elapsed.as_secs_f64();
        let speed = self.seeds as f64 / seconds.max(1e-9);
        text.push_str(&format!("  {:32}{seconds:>16.1} s, {speed:.0} a second\n", "time"));
        text
    }

    fn json(&self) -> Json<'_> {
        Json {
            first_seed: self.first,
            seeds: self.seeds,
            steps: self.steps,
            committed: self.stats.committed,
            executions: self.stats.executions,
            aborts: self.stats.aborts.total(),
            failed: self.failed,
            cut: self.cut,
            seconds: self.elapsed.as_secs_f64(),
            finding: self.finding.as_deref().map(|finding| FindingJson {
                seed: finding.seed,
                what: &finding.what,
                setup: finding.setup.to_string(),
                block: finding.block.to_string(),
                steps: finding
                    .log
                    .iter()
                    .map(|(worker, step)| format!("{worker} {step}"))
                    .collect(),
                choices: &finding.choices,
                command: format!("block-stm sim --seed {} --seeds 1", finding.seed),
            }),
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    first_seed: u64,
    seeds: u64,
    steps: u64,
    committed: u64,
    executions: u64,
    aborts: u64,
    failed: u64,
    cut: u64,
    seconds: f64,
    finding: Option<FindingJson<'a>>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    seed: u64,
    what: &'a str,
    setup: String,
    block: String,
    steps: Vec<String>,
    choices: &'a [usize],
    command: String,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use block_stm_testkit::{language::LanguageBlock, sim::Setup};

    use super::*;
    use crate::args::JsonArgs;

    fn args(jobs: usize) -> SimArgs {
        let jobs = NonZeroUsize::new(jobs).expect("not zero");
        SimArgs { seed: 10, seeds: 2_000, minutes: None, jobs, json: JsonArgs::default() }
    }

    /// An engine that is wrong for every seed from 777 on that ends with 7.
    fn broken(seed: u64) -> Verdict {
        if seed < 777 || seed % 10 != 7 {
            return Ok(Passed { steps: 1, ..Passed::default() });
        }
        Err(Box::new(Finding {
            seed,
            what: "a penny is missing".to_owned(),
            setup: Setup::draw(seed, 3),
            block: LanguageBlock::default(),
            log: Vec::new(),
            choices: vec![1, 0],
        }))
    }

    #[test]
    fn a_finding_is_told_with_the_command_that_repeats_it() {
        let summary = explore(&args(1), || broken);
        assert_eq!(summary.exit(), Exit::CheckFailed);
        assert_eq!((summary.seeds, summary.steps), (777 - 10 + 1, 777 - 10));
        let (text, json) = (summary.text(), summary.json());
        for part in ["seed 777: a penny is missing", "block-stm sim --seed 777 --seeds 1"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let finding = json.finding.expect("it was found");
        assert_eq!(finding.command, "block-stm sim --seed 777 --seeds 1");
        assert_eq!((finding.seed, finding.choices), (777, [1, 0].as_slice()));
    }

    #[test]
    fn every_seed_is_explored_once_by_any_number_of_threads() {
        let seen = Mutex::new(Vec::new());
        let summary = explore(&args(4), || {
            |seed| {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                Ok(Passed::default())
            }
        });
        let mut seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        seen.sort_unstable();
        assert!(seen.into_iter().eq(10..2_010));
        assert_eq!((summary.exit(), summary.seeds), (Exit::Success, 2_000));
    }
}

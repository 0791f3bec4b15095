//! Interleavings as stories: each script says which worker acts until when, and shows every step
//! that this leads to.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p block-stm-testkit --test it scripts` writes down what
//! happens now. Read the difference before you believe it.
//!
//! | command | meaning |
//! |---|---|
//! | `state 5 0 3` | what the slots hold before the block |
//! | `unreadable 2` | the storage fails at these slots |
//! | `txn "read 0; write 1 acc+1"` | the next transaction |
//! | `hint 0 1` | a hint says that the next transaction will write these slots |
//! | `workers 3` | how many there are; worker 0 is the caller |
//! | `max-txns 2` | the block is cut after so many |
//! | `act 1 until="publishes txn 1"` | worker 1 acts until it is about to do this |
//! | `act 1 steps=3` | worker 1 does so many steps |
//! | `finish` | all workers act in turn to the end; then the result |
//!
//! Looking around, spinning and sleeping is not shown.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;

use block_stm::Stats;
use block_stm::conductor::Step;
use block_stm_testkit::check::Trial;
use block_stm_testkit::compare::same;
use block_stm_testkit::language::{
    At, Expr, Guess, LanguageBlock, LanguageHints, LanguageVm, Op, Test,
};
use block_stm_testkit::record::{Ending, Event, Record, record_parallel, record_sequential};
use block_stm_testkit::sim::{
    Circumstances, Moment, RoundRobin, Schedule, Setup, Simulator, WorkerId,
};
use goldenscript::{Argument, Command, Context};

#[test]
fn every_script_happens_as_it_is_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(&folder).expect("there are scripts");
    let mut scripts: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    scripts.sort();
    assert!(scripts.len() > 8, "{scripts:?}");
    for script in scripts {
        println!("{}", script.display());
        goldenscript::run(&mut Director::default(), &script).expect("the script runs");
    }
}

/// A worker that acts for a while.
#[derive(Clone, Debug)]
struct Act {
    worker: WorkerId,
    until: Until,
}

#[derive(Clone, Debug)]
enum Until {
    AboutTo(String),
    Steps(usize),
}

/// The number of steps that were done when the last act was over, and what went wrong.
type Over = (usize, Option<String>);

/// Follows acts, then lets all workers act in turn.
#[derive(Debug)]
struct Script {
    acts: VecDeque<Act>,
    over: Rc<RefCell<Option<Over>>>,
    after: RoundRobin,
}

impl Schedule for Script {
    fn choose(&mut self, moment: &Moment<'_>) -> WorkerId {
        loop {
            let Some(act) = self.acts.front_mut() else {
                self.over.borrow_mut().get_or_insert((moment.done, None));
                return self.after.choose(moment);
            };
            let about_to = moment.about_to(act.worker).map(|step: Step| step.to_string());
            let reached = match &mut act.until {
                Until::AboutTo(step) => about_to.as_ref() == Some(step),
                Until::Steps(0) => true,
                Until::Steps(_) => false,
            };
            if reached {
                self.acts.pop_front();
            } else if moment.candidates.contains(&act.worker) {
                if let Until::Steps(steps) = &mut act.until {
                    *steps -= 1;
                }
                return act.worker;
            } else {
                let error = format!("worker {} cannot act, it sleeps or is not there", act.worker);
                self.acts.clear();
                self.over.borrow_mut().get_or_insert((moment.done, Some(error)));
            }
        }
    }

    fn is_strict(&self) -> bool {
        true
    }
}

/// Runs a script's block again from the beginning for each act: it is the same each time.
#[derive(Default)]
struct Director {
    block: LanguageBlock,
    programs: Vec<Vec<Op>>,
    hints: Vec<Vec<u16>>,
    workers: usize,
    acts: Vec<Act>,
    /// The steps that were shown.
    shown: usize,
}

impl goldenscript::Runner for Director {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut words = Vec::new();
        let mut until = None;
        for argument in &command.args {
            match argument {
                Argument::Positional(word) => words.push(word.as_str()),
                Argument::KeyValue(key, step) if key == "until" => {
                    until = Some(Until::AboutTo(step.clone()));
                }
                Argument::KeyValue(key, steps) if key == "steps" => {
                    until = Some(Until::Steps(steps.parse()?));
                }
                other => return Err(format!("there is no argument {other}").into()),
            }
        }
        let numbers =
            || words.iter().map(|word| word.parse::<u16>()).collect::<Result<Vec<_>, _>>();
        match command.name.as_str() {
            "state" => self.block.state = numbers()?.into_iter().map(|n| n as u8).collect(),
            "unreadable" => self.block.unreadable = BTreeSet::from_iter(numbers()?),
            "hint" => {
                self.hints.resize(self.programs.len() + 1, Vec::new());
                self.hints[self.programs.len()] = numbers()?;
            }
            "txn" => self.programs.push(parse(words.first().ok_or("a txn has a program")?)?),
            "workers" => self.workers = usize::from(numbers()?[0]),
            "max-txns" => self.block.max_txns = Some(usize::from(numbers()?[0])),
            "act" => {
                let worker = usize::from(numbers()?[0]);
                let until = until.ok_or("an act has an end: until or steps")?;
                self.acts.push(Act { worker, until });
                return self.play(false);
            }
            "finish" => return self.play(true),
            other => return Err(format!("there is no command {other}").into()),
        }
        Ok(String::new())
    }
}

impl Director {
    /// Executes the block with all acts so far, and tells what is new.
    fn play(&mut self, finish: bool) -> Result<String, Box<dyn Error>> {
        let mut block = LanguageBlock::new(self.programs.clone());
        block.hints = (!self.hints.is_empty()).then(|| LanguageHints(self.hints.clone()));
        let block =
            LanguageBlock { programs: block.programs, hints: block.hints, ..self.block.clone() }
                .skip_invalid();
        let stage = block.stage();
        let setup = Setup::calm(self.workers);
        let over = Rc::new(RefCell::new(None));
        let script = Script {
            acts: self.acts.clone().into(),
            over: Rc::clone(&over),
            after: RoundRobin::new(1),
        };
        let circumstances = Circumstances { log: true, ..Circumstances::default() };
        let engine = setup.engine();
        let run = Simulator::default().run(Box::new(script), circumstances, || {
            record_parallel(&engine, &stage.block(), stage.sink(None))
        });
        let found = run.result.map_err(|stopped| stopped.to_string())?;
        let (done, error) = over.take().unwrap_or((run.log.len(), None));
        if let Some(error) = error {
            return Err(error.into());
        }
        let until = if finish { run.log.len() } else { done };
        let steps = run.log[self.shown.min(until)..until].iter();
        let steps = steps.filter(|(_, step)| !is_idle(*step));
        let mut text: String = steps.map(|(worker, step)| format!("{worker} {step}\n")).collect();
        self.shown = until;
        if finish {
            let expected = record_sequential(&stage.block(), stage.sink(None));
            same(&expected, &found).map_err(|difference| difference.to_string())?;
            text.push_str(&outcome(&found));
        }
        Ok(text)
    }
}

/// Steps of workers without work, which are left out.
fn is_idle(step: Step) -> bool {
    matches!(step, Step::Turn | Step::Claim | Step::Spin | Step::Park | Step::Wake | Step::Hire)
}

/// What came of it: each transaction, the final state, what it cost.
fn outcome(record: &Record<LanguageVm>) -> String {
    let mut lines = Vec::new();
    for event in &record.events {
        if let Event::Commit { txn, outcome, writes, .. } = event {
            lines.push(format!("txn {txn}: {outcome:?}, wrote {writes:?}"));
        }
    }
    match &record.ending {
        Ending::Finished { cut, state, .. } => {
            lines.push(format!("cut: {cut:?}, final state: {state:?}"));
        }
        other => lines.push(format!("{other:?}")),
    }
    if let Some(Stats { executions, head_executions, aborts, .. }) = record.stats {
        let causes = [
            ("met an estimate", aborts.estimate),
            ("found stale early", aborts.early_validation),
            ("found stale by the judge", aborts.commit_validation),
            ("took a falsehood for granted", aborts.assumption),
            ("failed ahead of their turn", aborts.failure),
            ("refused or never judged", aborts.refused),
        ];
        let aborted = causes.iter().filter(|(_, count)| *count > 0);
        let aborted: String = aborted.map(|(why, count)| format!(", {count} {why}")).collect();
        lines.push(format!("{executions} executions, {head_executions} as the head{aborted}"));
    }
    lines.join("\n")
}

fn parse(text: &str) -> Result<Vec<Op>, Box<dyn Error>> {
    text.split(';').map(|op| parse_op(&op.split_whitespace().collect::<Vec<_>>())).collect()
}

fn parse_op(words: &[&str]) -> Result<Op, Box<dyn Error>> {
    Ok(match words {
        ["read", at] => Op::Read(parse_at(at)?),
        ["write", at, value] => Op::Write(parse_at(at)?, parse_expr(value)?),
        ["gain", at, value] => Op::Gain(parse_at(at)?, parse_expr(value)?),
        ["lose", at, value] => Op::Lose(parse_at(at)?, parse_expr(value)?),
        ["assume", at, test] => Op::Assume(parse_at(at)?, parse_test(test)?),
        ["check", at, test] => Op::Check(parse_at(at)?, parse_test(test)?),
        ["glimpse", at, "forgotten"] => Op::Glimpse(parse_at(at)?, Guess::Forgotten),
        ["glimpse", at, "checked"] => Op::Glimpse(parse_at(at)?, Guess::Checked),
        ["glimpse", at, "assumed"] => Op::Glimpse(parse_at(at)?, Guess::Assumed),
        ["scan", from, to] => Op::Scan(parse_at(from)?, parse_at(to)?, 0),
        ["scan", from, to, most] => Op::Scan(parse_at(from)?, parse_at(to)?, most.parse()?),
        ["set", value] => Op::Set(parse_expr(value)?),
        ["skip", ops, "unless", test] => Op::SkipUnless(Expr::Acc, parse_test(test)?, ops.parse()?),
        ["panic"] => Op::Panic,
        ["invalid"] => Op::Invalid,
        _ => return Err(format!("there is no operation {words:?}").into()),
    })
}

/// `3` is slot 3, `acc+3` the accumulator's number of slots behind it.
fn parse_at(word: &str) -> Result<At, Box<dyn Error>> {
    Ok(match word.strip_prefix("acc+") {
        Some(slot) => At::Beyond(slot.parse()?),
        None => At::Slot(word.parse()?),
    })
}

fn parse_expr(word: &str) -> Result<Expr, Box<dyn Error>> {
    Ok(match word.strip_prefix("acc+") {
        Some(plus) => Expr::Plus(plus.parse()?),
        None if word == "acc" => Expr::Acc,
        None if word == "flag" => Expr::Flag,
        None => Expr::Const(word.parse()?),
    })
}

/// `>=3`, `<=3`, `=3`.
fn parse_test(word: &str) -> Result<Test<Expr>, Box<dyn Error>> {
    for (sign, test) in
        [(">=", Test::AtLeast as fn(Expr) -> _), ("<=", Test::AtMost), ("=", Test::Is)]
    {
        if let Some(value) = word.strip_prefix(sign) {
            return Ok(test(parse_expr(value)?));
        }
    }
    Err(format!("{word} is no test").into())
}

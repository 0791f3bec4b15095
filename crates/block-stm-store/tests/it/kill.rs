//! A process that writes blocks and tells which are durable, killed at random moments.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use block_stm_store::{Keep, Store, disk::Folder};

use crate::{
    TestResult,
    script::options,
    world::{Draws, World},
};

/// The folder of the process that is to be killed.
const FOLDER: &str = "BLOCK_STM_STORE_CHILD";
/// How often it is killed; 20 times if nothing is said.
const KILLS: &str = "BLOCK_STM_STORE_KILLS";
/// Before what it tells.
const REPORT: &str = "durable ";

/// What the process does: it goes on where the store is, and tells each block that is durable.
///
/// Without a folder, in the test run itself, there is nothing to write.
#[test]
fn child() -> TestResult {
    let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
    let mut world = World::new(13);
    let store = Store::open_or_create(Folder::create(folder)?, world.genesis(), options())?;
    let head = store.head().0;
    while world.head().0 < head {
        world.grow();
    }
    let mut out = std::io::stdout().lock();
    let mut draws = Draws::new(head);
    loop {
        for _ in 0..1 + draws.below(4) {
            store.append(world.grow())?;
        }
        let durable = store.sync()?;
        writeln!(out, "\n{REPORT}{durable}")?;
        out.flush()?;
        if draws.below(16) == 0 {
            store.prune(Keep { changes: 20, ..Keep::default() })?;
        }
    }
}

#[test]
fn what_a_killed_process_reported_is_there() -> TestResult {
    let kills = std::env::var(KILLS).map_or(Ok(20), |kills| kills.parse::<u64>())?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    let mut world = World::new(13);
    let mut draws = Draws::new(kills);
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["kill::child", "--exact", "--nocapture"])
            .env(FOLDER, &path)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or("it has an output")?);
        let (sender, told) = mpsc::channel();
        let reader = thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            let told = lines.filter_map(|line| line.strip_prefix(REPORT)?.parse::<u64>().ok());
            // The receiver is there until this thread has ended.
            told.for_each(|number| sender.send(number).expect("the test waits"));
        });
        // Every other one writes something first, however busy the machine is.
        let first = if kill % 2 == 1 { told.recv()? } else { 0 };
        thread::sleep(Duration::from_millis(draws.below(100)));
        child.kill()?;
        child.wait()?;
        reader.join().map_err(|_| "the reader panicked")?;
        let reported = told.try_iter().fold(first, u64::max);
        let genesis = world.genesis();
        let store = match Store::open(Folder::new(&path), options()) {
            Err(error) if reported == 0 => {
                // Killed while it was made: that can be done again.
                assert!(!error.is_damage(), "{error}");
                Store::open_or_create(Folder::create(&path)?, genesis, options())?
            }
            store => store?,
        };
        let (head, _) = store.head();
        assert!(head >= reported, "kill {kill}: block {reported} was reported, {head} is there");
        while world.head().0 < head {
            world.grow();
        }
        let snapshot = store.snapshot()?;
        assert_eq!(snapshot.hash(), world.blocks[head as usize].hash);
        world.assert_state(&snapshot)?;
        if kill % 8 == 7 {
            world.assert_shown(&snapshot)?;
            drop(snapshot);
            store.check()?;
        }
    }
    let head = world.head().0;
    assert!(head >= kills / 2, "only {head} blocks were written");
    Ok(())
}

//! Valid blocks of official tests, each from its witness alone.

use std::{
    error::Error,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use block_stm::{Config, Engine};
use block_stm_conformance::{Verdict, Watch, block_test::BlockTestFile};

/// Every so many of the files is run, unless `BLOCK_STM_OFFICIAL_STEP` says it.
const STEP: usize = 20;

fn json_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            json_files(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn valid_blocks_of_official_tests_hold_with_their_witness_alone() -> Result<(), Box<dyn Error>> {
    let required = std::env::var_os("BLOCK_STM_REQUIRE_FIXTURES").is_some_and(|value| value == "1");
    let Some(root) = std::env::var_os("BLOCK_STM_FIXTURES") else {
        assert!(!required, "this test requires BLOCK_STM_FIXTURES");
        // Shown also where the test passes, as what `println!` prints is not.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: official tests from witnesses need BLOCK_STM_FIXTURES"
        );
        return Ok(());
    };
    let step = std::env::var("BLOCK_STM_OFFICIAL_STEP").ok().map(|step| step.parse());
    let step: usize = step.transpose()?.unwrap_or(STEP);
    let (root, mut files) = (PathBuf::from(root), Vec::new());
    for folder in ["block-tests", "bal-tests", "live-forks/block-tests"] {
        json_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    let engine = Engine::new(Config::default().threads(4.try_into()?).inline_below(0))?;
    let watch = Watch { stateless: true, ..Watch::default() };
    let (mut passed, mut failed) = (0, Vec::new());
    for file in files.iter().step_by(step) {
        let tests = BlockTestFile::parse(file, &fs::read(file)?)?;
        for report in tests.run_watched(&engine, |_| true, &watch) {
            match report.verdict {
                Verdict::Passed => passed += 1,
                Verdict::Failed(reason) => failed.push(format!("{}: {reason}", report.name)),
                Verdict::Skipped(_) => {}
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), passed + failed.len());
    println!("{passed} tests of {} files", files.len().div_ceil(step));
    assert!(passed > 100, "{passed}");
    Ok(())
}

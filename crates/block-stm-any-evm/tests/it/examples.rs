//! The examples run, and the documentation shows what runs.

use std::{error::Error, fs, path::Path};

use block_stm_testkit::watchdog::{PATIENCE, within};
use proptest::prelude::*;

#[path = "../../examples/impurities.rs"]
mod impurities;
#[path = "../../examples/own_chain/main.rs"]
mod own_chain;
#[path = "../../examples/revm_vm.rs"]
mod revm_vm;

#[test]
fn a_chain_of_ones_own_comes_to_the_same() -> Result<(), Box<dyn Error>> {
    own_chain::main()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_block_of_it_comes_to_the_same(seed in any::<u64>(), length in 1_usize..120) {
        within(PATIENCE, move || {
            let engines = own_chain::engines().expect("threads start");
            own_chain::compare(seed, length, &engines).expect("no difference");
        }).expect("no hang");
    }
}

#[test]
fn revm_by_hand_comes_to_the_same() -> Result<(), Box<dyn Error>> {
    revm_vm::main()
}

#[test]
fn a_pure_vm_passes_and_each_impurity_is_found() -> Result<(), Box<dyn Error>> {
    impurities::main()?;
    for habit in [impurities::Habit::KeepsWhatItRead, impurities::Habit::WritesInMapOrder] {
        // Which worker executes what is chance, so each is given some chances.
        let mut found = (0..40).map(|_| impurities::check_shop(habit, 50_000));
        assert!(found.any(|checked| checked.is_err()), "{habit:?}");
    }
    Ok(())
}

/// The lines without what indents them.
fn unindented(text: &str) -> String {
    text.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

/// The blocks of code under a heading of `docs/embedding.md`, which must be in the example.
fn assert_shown(heading: &str, example: &str, blocks: usize) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = unindented(&fs::read_to_string(root.join("examples").join(example))?);
    let page = fs::read_to_string(root.join("../../docs/embedding.md"))?;
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).ok_or(heading)?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let shown: Vec<_> = section.split("```").skip(1).step_by(2).collect();
    assert_eq!(shown.len(), blocks, "{heading}");
    for block in shown {
        let (_, code) = block.split_once('\n').ok_or("a block has lines")?;
        assert!(example.contains(&unindented(code)), "{heading} shows what does not run: {code}");
    }
    Ok(())
}

#[test]
fn the_documentation_shows_what_runs() -> Result<(), Box<dyn Error>> {
    assert_shown("Your revm chain", "own_chain/main.rs", 1)?;
    assert_shown("revm as your VM through the core", "revm_vm.rs", 2)?;
    assert_shown("Impurities that bite", "impurities.rs", 4)
}

//! The examples run, and the documentation shows what runs.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[path = "../../examples/builder.rs"]
mod builder;
#[path = "../../examples/executor_loop.rs"]
mod executor_loop;
#[path = "../../examples/live_builder/main.rs"]
#[expect(dead_code, reason = "the tests name the sizes themselves")]
mod live_builder;
#[path = "../../examples/node.rs"]
#[expect(dead_code, reason = "the tests name the folder themselves")]
mod node;
#[path = "../../examples/node_redb.rs"]
#[expect(dead_code, reason = "the tests name the folder themselves")]
mod node_redb;

fn devnet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../block-stm-chain/tests/data/devnet")
}

#[test]
fn a_builder_makes_a_block_that_validators_accept() -> Result<(), Box<dyn Error>> {
    builder::main()
}

#[test]
fn a_builder_fills_a_block_from_a_pool_as_a_sequential_one_would() -> Result<(), Box<dyn Error>> {
    live_builder::race(3_000, Duration::from_millis(400))
}

#[test]
fn a_builder_is_content_with_what_there_is_by_its_deadline() -> Result<(), Box<dyn Error>> {
    live_builder::race(20_000, Duration::from_millis(20))
}

#[test]
fn an_executor_in_a_loop_comes_to_the_same() -> Result<(), Box<dyn Error>> {
    executor_loop::main()
}

#[test]
fn a_node_follows_the_devnet() -> Result<(), Box<dyn Error>> {
    node::follow(&devnet())
}

#[test]
fn a_node_on_a_store_follows_the_devnet() -> Result<(), Box<dyn Error>> {
    node_redb::follow_in_a_new_store(&devnet())
}

#[test]
fn what_the_documentation_shows_is_what_runs() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/embedding.md"))?;
    for (name, fence) in [("node.rs", "rust,no_run"), ("live_builder/build.rs", "rust,ignore")] {
        let example = fs::read_to_string(root.join("examples").join(name))?;
        assert!(example.lines().count() <= 60, "in 60 lines: {name}");
        assert!(page.contains(&format!("```{fence}\n{example}```\n")), "docs/embedding.md: {name}");
    }
    Ok(())
}

//! The examples run, and the documentation shows what runs.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

#[path = "../../examples/builder.rs"]
mod builder;
#[path = "../../examples/executor_loop.rs"]
mod executor_loop;
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
fn the_node_of_the_documentation_is_the_one_that_runs() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(root.join("examples/node.rs"))?;
    let page = fs::read_to_string(root.join("../../docs/embedding.md"))?;
    assert!(example.lines().count() <= 60, "in 60 lines");
    assert!(page.contains(&format!("```rust,no_run\n{example}```\n")), "docs/embedding.md");
    Ok(())
}

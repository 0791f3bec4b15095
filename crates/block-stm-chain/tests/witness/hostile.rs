//! Witnesses that were tampered with: one error, and nothing else.

use alloy_primitives::Bytes;
use block_stm_chain::witness::{StatelessError, WitnessFault};

use crate::{
    fixtures,
    scene::{Scene, TestResult, engine, scenes},
};

fn flipped(bytes: &Bytes, place: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1 << (place % 8);
    bytes.into()
}

fn scene(test: &str) -> Result<Option<Scene>, Box<dyn std::error::Error>> {
    let Some(folder) = fixtures::folder(test, "chain") else { return Ok(None) };
    Ok(Some(scenes(&folder, &[45])?.remove(0)))
}

#[test]
fn a_flip_of_any_byte_is_refused() -> TestResult {
    let Some(scene) = scene("a_flip_of_any_byte_is_refused")? else { return Ok(()) };
    let (engine, whole) = (engine(1)?, &scene.made.witness);
    let mut flips = 0;
    for (part, all) in [&whole.state, &whole.codes, &whole.headers].into_iter().enumerate() {
        for (at, bytes) in all.iter().enumerate() {
            for place in 0..bytes.len() {
                let wrong = scene.changed(|witness| {
                    let lists = [&mut witness.state, &mut witness.codes, &mut witness.headers];
                    let [state, codes, headers] = lists;
                    [state, codes, headers][part][at] = flipped(bytes, place);
                });
                scene.check(&wrong, &engine).expect_err("a byte was changed");
                flips += 1;
            }
        }
    }
    assert!(flips > 1_000, "{flips}");
    Ok(())
}

#[test]
fn what_is_not_needed_is_ignored_and_what_is_there_twice_refused() -> TestResult {
    let test = "what_is_not_needed_is_ignored_and_what_is_there_twice_refused";
    let Some(scene) = scene(test)? else { return Ok(()) };
    let engine = engine(2)?;
    // A leaf with the key 0xf and the value 1.
    let leaf = Bytes::from_static(&[0xc2, 0x3f, 0x01]);
    let more = scene.changed(|witness| {
        witness.state.insert(0, leaf.clone());
        witness.codes.push(Bytes::from_static(&[0x00]));
        witness.keys.clear();
    });
    scene.check(&more, &engine)?;
    let twice = scene.changed(|witness| witness.state.push(witness.state[1].clone()));
    let error = scene.check(&twice, &engine).expect_err("a node is there twice").to_string();
    assert!(error.ends_with("is the same as state[1]"), "{error}");
    let twice = scene.changed(|witness| {
        witness.codes = vec![leaf.clone(), leaf.clone()];
    });
    let error = scene.check(&twice, &engine).expect_err("code is there twice").to_string();
    assert!(error.ends_with("codes[1] is the same as codes[0]"), "{error}");
    Ok(())
}

#[test]
fn what_is_no_node_and_what_is_no_ancestor_is_told_with_its_place() -> TestResult {
    let test = "what_is_no_node_and_what_is_no_ancestor_is_told_with_its_place";
    let Some(scene) = scene(test)? else { return Ok(()) };
    let engine = engine(2)?;
    let fault = |change: &dyn Fn(&mut block_stm_chain::witness::Witness)| match scene
        .check(&scene.changed(change), &engine)
    {
        Err(StatelessError::Witness(fault)) => fault,
        other => panic!("{other:?}"),
    };
    let mut nodes = vec![
        vec![],
        vec![0x00],
        vec![0xff; 9],
        vec![0xc0],
        // Bytes follow.
        vec![0xc2, 0x3f, 0x01, 0x00],
        // A key of 66 nibbles.
        [&[0xe4, 0xa2][..], &[0x20; 34], &[0x01]].concat(),
        vec![0x55; 1 << 20],
    ];
    // Lists within lists within lists.
    nodes.push(vec![0xc1; 4_096]);
    for node in nodes {
        let found = fault(&|witness| witness.state.push(node.clone().into()));
        assert!(matches!(found, WitnessFault::Node { .. }), "{found}");
        assert!(found.to_string().len() < 120, "{found}");
    }
    assert_eq!(fault(&|witness| witness.headers.clear()), WitnessFault::NoParent);
    let found = fault(&|witness| witness.headers = vec![Bytes::from_static(&[0xc0])]);
    assert!(matches!(found, WitnessFault::Header { index: 0, .. }), "{found}");
    let found = fault(&|witness| witness.headers.insert(0, witness.headers[0].clone()));
    assert!(matches!(found, WitnessFault::Parent { index: 1, .. }), "{found}");
    let found = fault(&|witness| witness.headers = vec![Bytes::new(); 257]);
    assert_eq!(found, WitnessFault::Headers(257));
    Ok(())
}

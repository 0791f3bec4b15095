//! `block-stm sim`: explores seeds, repeats, and says what it did.

use crate::cli::{Scratch, TestResult, assert_refused, call, json, stdout};

#[test]
fn seeds_are_explored_and_summed_up() -> TestResult {
    let output = call(&["sim", "--seeds", "3000", "--seed", "70"])?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in
        ["3,000 executions from seed 70: no difference", "found stale at commit", "a second"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}

#[test]
fn the_same_seeds_do_the_same() -> TestResult {
    let run = |jobs| -> Result<_, Box<dyn std::error::Error>> {
        let mut found =
            json(&["sim", "--seeds", "1000", "--seed", "33", "--jobs", jobs, "--json"], 0)?;
        assert_eq!(found["finding"], serde_json::Value::Null);
        let fields = found.as_object_mut().ok_or("an object")?;
        assert!(fields.remove("seconds").is_some_and(|seconds| seconds.is_f64()));
        Ok(found)
    };
    let one = run("1")?;
    assert_eq!(one, run("3")?);
    assert_eq!((&one["first_seed"], &one["seeds"]), (&33.into(), &1000.into()));
    assert!(one["executions"].as_u64() > one["committed"].as_u64());
    Ok(())
}

#[test]
fn the_last_seeds_are_seeds() -> TestResult {
    let last = (u64::MAX / 4).to_string();
    let output = json(&["sim", "--seed", &last, "--seeds", "100", "--json"], 0)?;
    assert_eq!(output["seeds"], 100);
    let beyond = u64::MAX.to_string();
    assert_refused(&["sim", "--seed", &beyond], &["--seed", &beyond])?;
    assert_refused(&["sim", "--seeds", &beyond], &["--seeds", &beyond])
}

#[test]
fn bad_usage_is_refused() -> TestResult {
    assert_refused(&["sim", "--seeds", "0"], &["--seeds", "0"])?;
    assert_refused(&["sim", "--seeds", "5", "--minutes", "1"], &["--seeds", "--minutes"])?;
    assert_refused(&["sim", "--minutes", "0"], &["--minutes", "0"])?;
    assert_refused(&["sim", "--seed", "x"], &["--seed", "x"])?;
    let scratch = Scratch::new()?;
    assert_refused(&["sim", "--json-file", &scratch.arg("no/such/file")], &["no/such/file"])
}

//! What is told with `-v`, and what is not without.

use crate::cli::{TestResult, call, command, sample_block, stderr, stdout};

const RUN: [&str; 6] = ["run", "--workload", "transfers", "--txns", "20", "--repeat=1"];

#[test]
fn nothing_is_told_unless_it_is_asked_for() -> TestResult {
    let quiet = stderr(&call(&RUN)?);
    assert!(!quiet.contains("INFO") && !quiet.contains("generated"), "{quiet}");
    for place in [0, RUN.len()] {
        let mut words = RUN.to_vec();
        words.insert(place, "-v");
        let told = call(&words)?;
        assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
        assert!(stderr(&told).contains("INFO transfers is generated"), "{}", stderr(&told));
        assert!(!stdout(&told).contains("INFO"), "results stand alone");
        assert!(!stderr(&told).contains('\x1b'), "there is no terminal");
    }
    Ok(())
}

#[test]
fn imports_are_told() -> TestResult {
    let block = sample_block();
    let output = call(&["replay", &block.to_string_lossy(), "--repeat", "1", "-v"])?;
    let told = stderr(&output);
    for part in ["two-txns is read: 2 txns", "block 17100000 is measured"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    Ok(())
}

#[test]
fn a_variable_has_a_filter() -> TestResult {
    let with = |filter: &str| {
        let output = command(&RUN).env("BLOCK_STM_LOG", filter).output()?;
        Ok::<_, std::io::Error>((output.status.code(), stderr(&output)))
    };
    assert!(with("info")?.1.contains("is generated"));
    assert!(with("off,block_stm::load=info")?.1.contains("is generated"));
    assert!(!with("info,block_stm::load=off")?.1.contains("is generated"));
    let (code, told) = with("block_stm=loud")?;
    assert_eq!(code, Some(2));
    assert!(told.starts_with("error: BLOCK_STM_LOG is no filter"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    Ok(())
}

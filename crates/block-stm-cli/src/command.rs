//! The command that repeats one measurement.

use std::{path::Path, time::Duration};

use crate::{
    args::{CommonArgs, Latency, ReplayArgs, SweepArgs, WorkloadArgs},
    escape::acts,
    load::Load,
};

/// The command line of this process.
pub(crate) fn of_process() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted_word(&word.to_string_lossy()));
    std::iter::once("block-stm".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The word as a shell takes it, where it may be an option.
fn quoted_word(word: &str) -> String {
    match word.starts_with('-') {
        true if word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=.,/:".contains(c)) => {
            word.to_owned()
        }
        _ => quoted(word),
    }
}

/// `block-stm run` for one workload or scenario and one number of threads.
pub(crate) fn run(
    (blocks, args): (&WorkloadArgs, &CommonArgs),
    load: &Load,
    threads: usize,
) -> String {
    format!("block-stm run {}{}", load.options(blocks), common(args, threads))
}

/// `block-stm replay` for one folder and one number of threads.
pub(crate) fn replay(args: &ReplayArgs, folder: &Path, threads: usize) -> String {
    let bal = if args.bal { " --bal" } else { "" };
    let folder = quoted(&folder.to_string_lossy());
    format!("block-stm replay {folder}{bal}{}", common(&args.common, threads))
}

/// `block-stm sweep` for one block and one number of threads.
pub(crate) fn sweep(args: &SweepArgs, (txns, accounts): (usize, usize), threads: usize) -> String {
    let work = args.work.map_or_else(String::new, |work: Latency| format!(" --work {work}"));
    let seed = match (args.seed, &args.scenario) {
        (None, Some(_)) => String::new(),
        (seed, _) => format!(" --seed {}", seed.unwrap_or(0)),
    };
    let what = match &args.scenario {
        Some(file) => scenario(file, args.scenario_root.as_deref()),
        None => format!("--vm {}", args.vm.name()),
    };
    format!(
        "block-stm sweep {what} --blocks {txns} --accounts {accounts} --threads {threads}{seed} \
         --repeat {}{work}",
        args.repeat,
    )
}

/// The options that name a scenario.
pub(crate) fn scenario(file: &Path, root: Option<&Path>) -> String {
    let word = |path: &Path| quoted(&path.to_string_lossy());
    let root = root.map(|root| format!(" --scenario-root {}", word(root)));
    format!("--scenario {}{}", word(file), root.unwrap_or_default())
}

fn common(args: &CommonArgs, threads: usize) -> String {
    let latency = match args.read_latency {
        Latency(Duration::ZERO) => String::new(),
        latency => format!(" --read-latency {latency}"),
    };
    let bounds = if args.bounds { " --bounds" } else { "" };
    format!(" --threads {threads} --repeat {}{latency}{bounds}", args.repeat)
}

/// The word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if word.contains(acts) {
        return format!("$'{}'", word.chars().map(in_ansi_c).collect::<String>());
    }
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.to_owned();
    }
    let dash = if word.starts_with('-') { "./" } else { "" };
    format!("'{dash}{}'", word.replace('\'', r"'\''"))
}

/// The character as bash, zsh and ksh take it between `$'` and `'`.
fn in_ansi_c(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        c if acts(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        let texts = ["blocks/17", "my blocks", "it's", "-x"].map(quoted);
        assert_eq!(texts, ["blocks/17", "'my blocks'", r"'it'\''s'", "'./-x'"]);
        assert_eq!(quoted("it's\x1b[m"), r"$'it\'s\u001b[m'");
    }
}

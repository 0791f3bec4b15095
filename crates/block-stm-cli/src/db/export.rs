//! `block-stm db export`: a state of any size, an account at a time.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
};

use alloy_primitives::{Address, KECCAK256_EMPTY};
use block_stm_store::{Account, Snapshot, StoreError};

use super::{files, open};
use crate::{
    args::{DbExportArgs, StateFormat},
    error::CliError,
    exit::Exit,
    files::{Draft, Target},
    progress,
};

/// Why there is no export.
enum Fault {
    Store(StoreError),
    Code(String),
    Write(io::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes the state after the newest block.
pub(super) fn export(args: &DbExportArgs) -> Result<Exit, CliError> {
    let target = files(&args.store).writes(&args.out)?;
    let store = open(&args.store)?;
    let accounts = store.stats()?.tables.iter().find(|it| it.name == "accounts").map(|it| it.rows);
    let snapshot = store.snapshot()?;
    let accounts = usize::try_from(accounts.unwrap_or_default()).unwrap_or(usize::MAX);
    let write = |out: &mut dyn Write| {
        let mut out = BufWriter::new(out);
        write(&snapshot, args.format, accounts, &mut out)?;
        Ok(out.flush()?)
    };
    let done = match &target {
        Target::Stdout => match write(&mut io::stdout().lock()) {
            // A reader that goes away is no error.
            Err(Fault::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            done => done,
        },
        Target::Stream(path) => {
            let opened = OpenOptions::new().write(true).open(path);
            opened.map_err(Fault::from).and_then(|mut file| write(&mut file))
        }
        Target::File(path) => {
            let whole = || {
                let (mut file, draft): (File, Draft) = Draft::create(path)?;
                write(&mut file)?;
                draft.sync()?;
                Ok(draft.publish()?)
            };
            whole()
        }
    };
    done.map(|()| Exit::Success).map_err(|fault| match fault {
        Fault::Store(error) => error.into(),
        Fault::Code(message) => {
            CliError::Malformed { place: args.store.display().to_string(), message }
        }
        Fault::Write(error) => CliError::not_written(&args.out, error),
    })
}

fn write(
    snapshot: &Snapshot,
    format: StateFormat,
    accounts: usize,
    out: &mut impl Write,
) -> Result<(), Fault> {
    let bar = progress::bar(accounts);
    match format {
        StateFormat::Alloc => out.write_all(b"{")?,
        StateFormat::Lines => {
            let (number, hash) = (snapshot.number(), snapshot.hash());
            writeln!(out, "{{\"number\":\"{number:#x}\",\"hash\":\"{hash}\"}}")?;
        }
    }
    for (index, account) in snapshot.accounts()?.enumerate() {
        let (address, account) = account?;
        match format {
            StateFormat::Alloc => {
                let comma = if index > 0 { "," } else { "" };
                write!(out, "{comma}\n\"{address:#x}\":{{")?;
            }
            StateFormat::Lines => write!(out, "{{\"address\":\"{address:#x}\",")?,
        }
        fields(snapshot, (address, account), out)?;
        out.write_all(if format == StateFormat::Lines { b"}\n" } else { b"}" })?;
        bar.inc(1);
    }
    if format == StateFormat::Alloc {
        out.write_all(b"\n}\n")?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// The fields of an account in JSON, with storage of any size.
fn fields(
    snapshot: &Snapshot,
    (address, account): (Address, Account),
    out: &mut impl Write,
) -> Result<(), Fault> {
    let Account { nonce, balance, code_hash } = account;
    write!(out, "\"nonce\":\"{nonce:#x}\",\"balance\":\"{balance:#x}\"")?;
    if code_hash != KECCAK256_EMPTY {
        let code = snapshot.code(&code_hash)?;
        let code = code.ok_or_else(|| {
            Fault::Code(format!("the code {code_hash} of {address} is missing: see `db check`"))
        })?;
        write!(out, ",\"code\":\"{code}\"")?;
    }
    let mut is_first = true;
    for slot in snapshot.slots(address)? {
        let (slot, value) = slot?;
        out.write_all(if is_first { b",\"storage\":{" } else { b"," })?;
        write!(out, "\"{slot:#066x}\":\"{value:#066x}\"")?;
        is_first = false;
    }
    if !is_first {
        out.write_all(b"}")?;
    }
    Ok(())
}

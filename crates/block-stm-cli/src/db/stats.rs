//! `block-stm db stats`.

use block_stm_store::Stats;
use comfy_table::Cell;
use serde_json::{Value, json};

use super::{bytes, files, open};
use crate::{
    args::DbStatsArgs,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, JsonOutput, rendered},
    output, tables,
    units::{count, grouped, si},
};

/// Says what a store holds.
pub(super) fn stats(args: &DbStatsArgs) -> Result<Exit, CliError> {
    let mut files = files(&args.store);
    let json = JsonOutput::open(&args.json, &mut files)?;
    let csv = CsvOutput::open(&args.csv, &mut files)?;
    let stats = open(&args.store)?.stats()?;
    let bytes = bytes(&args.store)?;
    if !json.replaces_text() {
        output::print_styled(&text(&stats, bytes))?;
    }
    csv.write(|| rows(&stats))?;
    json.write(|| rendered(&whole(&stats, bytes)))?;
    Ok(Exit::Success)
}

fn rows(stats: &Stats) -> Vec<Value> {
    let log = json!({ "name": "log", "rows": stats.log_blocks, "bytes": stats.log_bytes });
    let tables = stats.tables.iter();
    let tables = tables.map(|it| json!({ "name": it.name, "rows": it.rows, "bytes": it.bytes }));
    std::iter::once(log).chain(tables).collect()
}

fn whole(stats: &Stats, bytes: u64) -> Value {
    json!({
        "genesis": stats.genesis.to_string(),
        "number": stats.head.0,
        "hash": stats.head.1.to_string(),
        "flat": stats.flat.number,
        "oldest_rewind": stats.oldest_rewind,
        "log_files": stats.log_files,
        "bytes": bytes,
        "tables": rows(stats),
    })
}

fn text(stats: &Stats, bytes: u64) -> String {
    let mut table = tables::table(&["", "rows", "bytes"], &[0]);
    for row in rows(stats) {
        let number = |name: &str| row[name].as_u64().unwrap_or_default();
        table.add_row([
            Cell::new(row["name"].as_str().unwrap_or_default()),
            Cell::new(grouped(number("rows"))),
            Cell::new(grouped(number("bytes"))),
        ]);
    }
    let (number, hash) = stats.head;
    format!(
        "{}\nHead: block {} {hash}\nGenesis: {}\nThe chain can return to block {}; the log has \
         {}; all files take {}B.\n",
        tables::render(&table),
        grouped(number),
        stats.genesis,
        grouped(stats.oldest_rewind),
        count(stats.log_files, "file"),
        si(bytes as f64),
    )
}

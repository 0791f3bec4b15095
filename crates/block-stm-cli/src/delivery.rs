//! Where reports go: a table on standard output, JSON where it was asked for.

use crate::{
    args::CommonArgs,
    error::CliError,
    exit::Exit,
    files::{CsvOutput, Files, JsonOutput, SvgOutput},
    output,
    report::{Report, json, plot, table},
};

/// Takes reports as they come in, and writes them.
#[derive(Debug)]
pub(crate) struct Delivery {
    json: JsonOutput,
    csv: CsvOutput,
    svg: SvgOutput,
    reports: Vec<Report>,
}

impl Delivery {
    /// Makes sure that there is a way to write, before anything is measured.
    ///
    /// # Errors
    ///
    /// A file can't be written.
    pub(crate) fn open(args: &CommonArgs, files: &mut Files) -> Result<Self, CliError> {
        let json = JsonOutput::open(&args.json, files)?;
        let csv = CsvOutput::open(&args.csv, files)?;
        let svg = SvgOutput::open(&args.svg, files)?;
        Ok(Self { json, csv, svg, reports: Vec::new() })
    }

    /// Shows a report: the table, unless JSON has standard output for itself, then what failed.
    pub(crate) fn show(&mut self, report: Report) -> Result<(), CliError> {
        if !self.json.replaces_text() && !report.rows.is_empty() {
            let gap = if self.reports.is_empty() { "" } else { "\n" };
            output::print_styled(&format!("{gap}{}", table::render(&report)))?;
        }
        output::print_to_stderr(&table::failures(&report));
        for error in &report.errors {
            output::error(error);
        }
        self.reports.push(report);
        Ok(())
    }

    /// Writes the JSON, and says how the command ended. A report without a row has nothing to
    /// write.
    pub(crate) fn finish(self) -> Result<Exit, CliError> {
        let is_empty = self.reports.iter().all(|report| report.rows.is_empty());
        if !is_empty {
            self.csv.write(|| json::rows(&self.reports))?;
            self.svg.write(|| plot::of(&self.reports))?;
            self.json.write(|| json::render(&self.reports))?;
        }
        Ok(if !self.reports.iter().all(Report::ok) {
            Exit::CheckFailed
        } else if self.reports.iter().any(|report| !report.errors.is_empty()) {
            Exit::BadInput
        } else {
            Exit::Success
        })
    }
}

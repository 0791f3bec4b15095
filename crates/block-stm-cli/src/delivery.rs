//! Where reports go: a table on standard output, JSON where it was asked for.

use crate::{
    args::CommonArgs,
    error::CliError,
    exit::Exit,
    output,
    report::{Report, json, table},
    target::Target,
};

/// Takes reports as they come in, and writes them.
#[derive(Debug)]
pub(crate) struct Delivery {
    json: Option<Target>,
    reports: Vec<Report>,
}

impl Delivery {
    /// Makes sure that there is a way to write, before anything is measured.
    ///
    /// # Errors
    ///
    /// The JSON file can't be written.
    pub(crate) fn open(args: &CommonArgs) -> Result<Self, CliError> {
        let json = args.json.as_deref().map(Target::open).transpose()?;
        Ok(Self { json, reports: Vec::new() })
    }

    /// Shows a report: the table, unless JSON has standard output for itself, then what failed.
    pub(crate) fn show(&mut self, report: Report) -> Result<(), CliError> {
        let has_stdout = !matches!(self.json, Some(Target::Stdout));
        if has_stdout && !report.rows.is_empty() {
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

    /// Writes the JSON, and says how the command ended. A report without a row has nothing to write.
    pub(crate) fn finish(self) -> Result<Exit, CliError> {
        let is_empty = self.reports.iter().all(|report| report.rows.is_empty());
        if let Some(target) = self.json.filter(|_| !is_empty) {
            target.write(&json::render(&self.reports))?;
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

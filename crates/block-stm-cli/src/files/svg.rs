//! Plots as SVG.

use super::{Files, Target, deliver};
use crate::{
    args::SvgArgs,
    error::CliError,
    plot::{self, Plot},
};

/// Where a plot goes as SVG; nowhere if that is not wanted.
#[derive(Debug)]
pub(crate) struct SvgOutput(Option<Target>);

impl SvgOutput {
    /// The output that `args` name, once it is sure that it can be written.
    ///
    /// # Errors
    ///
    /// It can't, or it is standard output, which has the text.
    pub(crate) fn open(args: &SvgArgs, files: &mut Files) -> Result<Self, CliError> {
        let target = args.svg.as_deref().map(|path| files.writes(path)).transpose()?;
        match target {
            Some(Target::Stdout) => Err(CliError::Usage("--svg needs a file: `-` has the text")),
            target => Ok(Self(target)),
        }
    }

    /// Draws what `plot` makes, if it is wanted.
    ///
    /// # Errors
    ///
    /// The output can't be written.
    pub(crate) fn write(&self, plot: impl FnOnce() -> Plot) -> Result<(), CliError> {
        let Some(target) = &self.0 else { return Ok(()) };
        deliver([(target, plot::svg(&plot()).into_bytes())])
    }
}

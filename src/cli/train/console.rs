//! What `train` prints.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};

use anyhow::Result;

use crate::cli::terminal::Unprinted;

/// Prints lines for people, unless `--quiet` is given. A full disk or a reader that has closed the
/// pipe does not stop the training.
pub struct Console {
    pub quiet: bool,
    /// Why a line could not be written.
    failure: RefCell<Option<io::Error>>,
}

impl Console {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, failure: RefCell::default() }
    }

    pub fn line(&self, line: fmt::Arguments) {
        if !self.quiet {
            self.always(line);
        }
    }

    /// Prints a line that `--quiet` does not silence.
    pub fn always(&self, line: fmt::Arguments) {
        if let Err(error) = writeln!(io::stdout(), "{line}") {
            self.failure.replace(Some(error));
        }
    }

    /// Checks, at the end, that all lines were written.
    ///
    /// # Errors
    /// If not, unless the reader has closed the pipe.
    pub fn check(self) -> Result<()> {
        match self.failure.into_inner() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Unprinted(error).into())
            }
            _ => Ok(()),
        }
    }
}

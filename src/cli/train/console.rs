//! What `train` prints.

use std::fmt;
use std::io::{self, Write};

/// Prints lines for people, unless `--quiet` is given. A reader that has closed the pipe does not
/// stop the training.
pub struct Console {
    pub quiet: bool,
}

impl Console {
    pub fn line(&self, line: fmt::Arguments) {
        if !self.quiet {
            let _ = writeln!(io::stdout(), "{line}");
        }
    }
}

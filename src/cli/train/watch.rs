//! How the epochs are watched: line after line under a bar, or on the dashboard.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use kindling::head::{EpochMetrics, FitError, Fitted, Next, Progress};

use super::Speaker;
use crate::cli::terminal::{step_bar, warn};

/// What the user watches.
#[derive(Clone, Copy)]
pub enum Watch {
    /// A line an epoch, and a bar while one runs.
    Lines,
    /// Burn's dashboard, and the lines after it.
    #[cfg(feature = "tui")]
    Dashboard,
}

/// What the training tells how it goes.
type Observer<'a> = &'a mut dyn FnMut(Progress) -> Next;

impl Watch {
    /// What was asked for. A dashboard needs a terminal: its keys are read from stdin.
    ///
    /// # Errors
    /// Where this build has no dashboard.
    pub fn asked(tui: bool) -> Result<Self> {
        if !tui {
            return Ok(Self::Lines);
        }
        if !cfg!(feature = "tui") {
            bail!("this build has no dashboard: build with `--features tui`, or leave --tui out");
        }
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            warn("--tui needs a terminal, so the epochs are printed line by line");
            return Ok(Self::Lines);
        }
        #[cfg(feature = "tui")]
        return Ok(Self::Dashboard);
        #[cfg(not(feature = "tui"))]
        Ok(Self::Lines)
    }

    /// Runs `fit` and shows how it goes.
    ///
    /// # Errors
    /// Those of `fit`, and where the user killed the training.
    pub fn training(
        self,
        say: &Speaker,
        epochs: usize,
        fit: impl FnOnce(Observer) -> Result<Fitted, FitError>,
    ) -> Result<Fitted> {
        match self {
            Self::Lines => Ok(under_a_bar(say, epochs, fit)?),
            #[cfg(feature = "tui")]
            Self::Dashboard => super::dashboard::watched(say, epochs, fit),
        }
    }
}

/// The bar stands below the lines while an epoch runs, and is gone when training ends.
fn under_a_bar(
    say: &Speaker,
    epochs: usize,
    fit: impl FnOnce(Observer) -> Result<Fitted, FitError>,
) -> Result<Fitted, FitError> {
    let bar = step_bar(say.quiet);
    let fitted = fit(&mut |progress| {
        match progress {
            Progress::Step { epoch, done, of } => {
                if done == 1 {
                    bar.set_length((of * epochs) as u64);
                    bar.set_message(format!("epoch {epoch:3}"));
                }
                bar.set_position(((epoch - 1) * of + done) as u64);
            }
            // Taken off before the line and put back after it.
            Progress::Epoch(metrics) => bar.suspend(|| say.epoch(metrics)),
        }
        Next::GoOn
    });
    bar.finish_and_clear();
    fitted
}

impl Speaker {
    /// An epoch on one line.
    pub fn epoch(&self, metrics: &EpochMetrics) {
        self.line(format_args!("{}", EpochLine(metrics)));
    }
}

struct EpochLine<'a>(&'a EpochMetrics);

impl fmt::Display for EpochLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EpochMetrics { epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds } =
            self.0;
        write!(
            formatter,
            "epoch {epoch:3}  train loss {train_loss:.4} accuracy {train_accuracy:.4}  \
             val loss {val_loss:.4} accuracy {val_accuracy:.4}  {seconds:.2} s"
        )
    }
}

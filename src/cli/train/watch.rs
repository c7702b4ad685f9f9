//! Displays of the training progress: lines with a progress bar, or the dashboard.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use kindling::head::{EpochMetrics, FitError, Fitted, Next, Progress};

use super::console::Console;
use crate::cli::terminal::{step_bar, warn};

/// How the training progress is displayed.
#[derive(Clone, Copy)]
pub enum Watch {
    /// One line per epoch, and a progress bar.
    Lines,
    /// Burn's dashboard, and then the lines.
    #[cfg(feature = "tui")]
    Dashboard,
}

/// The callback that receives the training progress.
type Observer<'a> = &'a mut dyn FnMut(Progress) -> Next;

impl Watch {
    /// The display that `--tui` selects. Without a terminal it is `Lines`: the dashboard reads keys
    /// from stdin and draws on stdout.
    ///
    /// # Errors
    /// If `tui` is set and this build has no dashboard.
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

    /// Runs `fit` for `epochs` epochs on `photos` photos, and shows its progress.
    ///
    /// # Errors
    /// Those of `fit`, and an error if the user killed the training.
    #[cfg_attr(
        not(feature = "tui"),
        expect(unused_variables, reason = "only the dashboard counts photos")
    )]
    pub fn training(
        self,
        console: &Console,
        epochs: usize,
        photos: usize,
        fit: impl FnOnce(Observer) -> Result<Fitted, FitError>,
    ) -> Result<Fitted> {
        match self {
            Self::Lines => Ok(under_a_bar(console, epochs, fit)?),
            #[cfg(feature = "tui")]
            Self::Dashboard => super::dashboard::watched(console, epochs, photos, fit),
        }
    }
}

/// Runs `fit` with a progress bar below the epoch lines, and removes the bar at the end.
fn under_a_bar(
    console: &Console,
    epochs: usize,
    fit: impl FnOnce(Observer) -> Result<Fitted, FitError>,
) -> Result<Fitted, FitError> {
    let bar = step_bar(console.quiet);
    let fitted = fit(&mut |progress| {
        match progress {
            Progress::Step { epoch, done, of } => {
                if done == 1 {
                    bar.set_length((of * epochs) as u64);
                    bar.set_message(format!("epoch {epoch:3}"));
                }
                bar.set_position(((epoch - 1) * of + done) as u64);
            }
            // Hide the bar while the line is printed.
            Progress::Epoch(metrics) => bar.suspend(|| console.epoch(metrics)),
        }
        Next::GoOn
    });
    bar.finish_and_clear();
    fitted
}

impl Console {
    /// Prints the metrics of an epoch on one line.
    pub fn epoch(&self, metrics: &EpochMetrics) {
        self.line(format_args!("{}", EpochLine(metrics)));
    }
}

struct EpochLine<'a>(&'a EpochMetrics);

impl fmt::Display for EpochLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EpochMetrics {
            epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds, ..
        } = self.0;
        write!(
            formatter,
            "epoch {epoch:3}  train loss {train_loss:.4} accuracy {train_accuracy:.4}  \
             val loss {val_loss:.4} accuracy {val_accuracy:.4}  {seconds:.2} s"
        )
    }
}

//! Reads the epochs and the summary of a run, and writes `metrics.csv`.

use std::io;
use std::path::{Path, PathBuf};

use super::{METRICS_FILE, SUMMARY_FILE, Summary};
use crate::head::EpochMetrics;
use crate::printable::PathText;
use crate::regular_file::{self, MAX_TEXT_BYTES};

/// The epochs and the summary of a run.
#[derive(Clone, Debug)]
pub struct History {
    /// The metrics of every epoch.
    pub epochs: Vec<EpochMetrics>,
    /// The results.
    pub summary: Summary,
}

/// Why the history of a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file of the run cannot be read.
    #[error("`{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// The epochs are not valid CSV.
    #[error("`{}` is not a valid table of epochs", .0.shown())]
    Metrics(PathBuf, #[source] csv::Error),
    /// The epochs are missing, out of order or out of range.
    #[error("`{}` does not hold the epochs of a run: epochs are missing, out of order or out of range", .0.shown())]
    Implausible(PathBuf),
    /// The summary is not valid JSON.
    #[error("`{}` is not a valid run summary", .0.shown())]
    Summary(PathBuf, #[source] serde_json::Error),
}

impl History {
    /// Reads the history of the run in `folder`.
    ///
    /// # Errors
    /// If one of the files is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self, HistoryError> {
        let (metrics, summary) = (folder.join(METRICS_FILE), folder.join(SUMMARY_FILE));
        let read = |file: &Path| {
            regular_file::read(file, MAX_TEXT_BYTES)
                .map_err(|error| HistoryError::Read(file.to_owned(), error))
        };
        let epochs: Vec<EpochMetrics> = csv::Reader::from_reader(read(&metrics)?.as_slice())
            .deserialize()
            .collect::<Result<_, _>>()
            .map_err(|error| HistoryError::Metrics(metrics.clone(), error))?;
        let summary: Summary = serde_json::from_slice(&read(&summary)?)
            .map_err(|error| HistoryError::Summary(summary, error))?;
        // Reject values that training never writes and that no chart axis can show.
        let plausible = |epoch: &EpochMetrics| {
            let losses = [epoch.train_loss, epoch.val_loss];
            let macro_f1 = epoch.val_macro_f1.unwrap_or_default();
            let accuracies = [epoch.train_accuracy, epoch.val_accuracy, macro_f1];
            losses.iter().all(|loss| (0.0..=1e38).contains(loss))
                && accuracies.iter().all(|accuracy| (0.0..=1.0).contains(accuracy))
        };
        let best = summary.best_epoch.epoch;
        let in_order = epochs.iter().zip(1..).all(|(epoch, number)| epoch.epoch == number);
        if !(in_order && epochs.iter().all(plausible) && (1..=epochs.len()).contains(&best)) {
            return Err(HistoryError::Implausible(metrics));
        }
        Ok(Self { epochs, summary })
    }
}

/// The contents of `metrics.csv`: a header and one line per epoch.
pub(super) fn metrics_csv(epochs: &[EpochMetrics]) -> String {
    let mut csv = String::from("epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds");
    let has_macro_f1 = epochs.iter().all(|metrics| metrics.val_macro_f1.is_some());
    csv += if has_macro_f1 { ",val_macro_f1\n" } else { "\n" };
    for metrics in epochs {
        let EpochMetrics {
            epoch,
            train_loss,
            train_accuracy,
            val_loss,
            val_accuracy,
            seconds,
            val_macro_f1,
        } = metrics;
        csv += &format!(
            "{epoch},{train_loss:.6},{train_accuracy:.6},{val_loss:.6},{val_accuracy:.6},{seconds:.3}"
        );
        if has_macro_f1 {
            csv += &format!(",{:.6}", val_macro_f1.unwrap_or_default());
        }
        csv.push('\n');
    }
    csv
}

//! The head, trained on label sets, and its thresholds.

use std::time::Instant;

use anyhow::Result;
use kindling::evaluation::{CalibrationSummary, MultiLabelFigures, choose_thresholds, scaled};
use kindling::head::{self, FitOptions, Monitor, Next};
use kindling::photos::LabelSet;

use crate::cli::interrupt;
use crate::cli::terminal::SEED;
use crate::cli::train::TrainArgs;
use crate::cli::train::console::Console;
use crate::cli::train::extract::Extracted;
use crate::cli::train::fit::{fit_options, head_device};
use crate::cli::train::load::Loaded;
use crate::cli::train::test::TestPhotos;
use crate::cli::train::watch::Watch;

/// A trained head, its thresholds and its scores on the validation photos.
pub struct Fitted {
    /// The head and the metrics of every epoch.
    pub fitted: head::Fitted,
    /// Calibrated logits of the validation photos, `[photos, classes]`.
    pub logits: Vec<f32>,
    pub calibration: CalibrationSummary,
    /// For each class, the probability from which on a photo is said to show it.
    pub thresholds: Vec<f64>,
    pub figures: MultiLabelFigures,
    pub seconds: f64,
}

/// Trains the head, and chooses the thresholds on the validation photos.
pub fn fit(
    args: &TrainArgs,
    loaded: &Loaded,
    extracted: &Extracted<LabelSet>,
    classes: &[String],
    watch: Watch,
    console: &Console,
) -> Result<Fitted> {
    let Extracted { train, val, .. } = extracted;
    // The share of photos with all classes right is coarse.
    let monitor = args.head.asked_monitor().unwrap_or(Monitor::Loss);
    let options = FitOptions { monitor, ..fit_options(args) };
    let device = head_device(loaded);
    let start = Instant::now();
    let fitted = watch.training(console, options.epochs, train.labels.len(), |observe| {
        head::fit(train, val, classes.len(), &options, &device, |progress| {
            let next = observe(progress);
            if interrupt::received() { Next::Abandon } else { next }
        })
    });
    if let Some(interrupted) = interrupt::error(&extracted.extractor) {
        return Err(interrupted);
    }
    let fitted = fitted?;
    let seconds = start.elapsed().as_secs_f64();
    let raw = fitted.head.logits_of(&val.rows, &device)?;
    let calibration =
        CalibrationSummary::fitted_on_label_sets(classes.len(), &raw, &val.labels, SEED);
    let logits = scaled(&raw, calibration.applied_temperature().unwrap_or(1.0));
    let thresholds = choose_thresholds(classes.len(), &logits, &val.labels, SEED);
    let figures = MultiLabelFigures::of(classes, &logits, &val.labels, &thresholds, SEED);
    Ok(Fitted { fitted, logits, calibration, thresholds, figures, seconds })
}

/// The test photos, with the finished model's logits and scores.
pub struct Scored {
    /// Indices into the split's test photos.
    pub photos: Vec<usize>,
    /// Calibrated, `[photos, classes]`.
    pub logits: Vec<f32>,
    pub figures: MultiLabelFigures,
}

impl TestPhotos<LabelSet> {
    /// Scores the finished model on the photos, which chose nothing.
    pub fn scored(self, fitted: &Fitted, loaded: &Loaded, classes: &[String]) -> Result<Scored> {
        let Self { extraction, labels, .. } = self;
        let raw = fitted.fitted.head.logits_of(&extraction.rows, &head_device(loaded))?;
        let logits = scaled(&raw, fitted.calibration.applied_temperature().unwrap_or(1.0));
        let thresholds = &fitted.thresholds;
        let figures = MultiLabelFigures::of(classes, &logits, &labels, thresholds, SEED);
        Ok(Scored { photos: extraction.photos, logits, figures })
    }
}

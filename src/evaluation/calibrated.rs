//! What calibrating a model changed.

use serde::{Deserialize, Serialize};

use super::{Calibration, Prediction, fit_temperature, scaled};

/// The temperature of a model, and its calibration error without and with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationSummary {
    /// The fitted temperature; `None` if no temperature is best, as when every photo is right.
    pub temperature: Option<f64>,
    /// Its 95 % confidence interval, if it was fitted on these photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// Whether the logits are divided by the temperature.
    pub applied: bool,
    /// Expected calibration error of the raw logits.
    pub error_before: f64,
    /// Expected calibration error of the logits as they are used.
    pub error_after: f64,
    /// The error that a perfectly calibrated model would show on as many photos:
    /// [`Calibration::error_of_a_perfect_model`].
    pub error_of_a_perfect_model: f64,
}

impl CalibrationSummary {
    /// Fits the temperature on `logits`, `[labels, classes]`, and applies it if its interval does
    /// not hold 1.
    ///
    /// # Panics
    /// As [`fit_temperature`].
    pub fn fitted(classes: usize, logits: &[f32], labels: &[usize], seed: u64) -> Self {
        let fitted = fit_temperature(classes, logits, labels);
        let needed = fitted.filter(super::Temperature::is_needed).map(|fitted| fitted.value);
        Self {
            temperature: fitted.map(|fitted| fitted.value),
            interval: fitted.map(|fitted| fitted.interval),
            ..Self::measured(classes, logits, labels, needed, seed)
        }
    }

    /// Measures the error of raw `logits` without and with the temperature of an existing model.
    ///
    /// # Panics
    /// As [`fit_temperature`].
    pub fn measured(
        classes: usize,
        logits: &[f32],
        labels: &[usize],
        temperature: Option<f64>,
        seed: u64,
    ) -> Self {
        let predictions =
            |temperature: f64| Prediction::all(classes, &scaled(logits, temperature), labels);
        let error =
            |predictions: &[Prediction]| Calibration::of(predictions, Calibration::BINS).error;
        let after = predictions(temperature.unwrap_or(1.0));
        Self {
            temperature,
            interval: None,
            applied: temperature.is_some(),
            error_before: error(&predictions(1.0)),
            error_after: error(&after),
            error_of_a_perfect_model: Calibration::error_of_a_perfect_model(
                &after,
                Calibration::BINS,
                seed,
            ),
        }
    }

    /// The temperature to divide logits by, if it is applied.
    pub fn applied_temperature(&self) -> Option<f64> {
        self.temperature.filter(|_| self.applied)
    }
}

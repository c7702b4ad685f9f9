//! What the model card says about how far its figures can be trusted.

use std::fmt::Write;

use super::Summary;
use crate::evaluation::CalibrationSummary;

/// Sentences about intervals, calibration and more photos, each on a line of its own. Empty for a
/// summary of an older version.
pub(super) fn sentences(summary: &Summary) -> String {
    // Writing into a String cannot fail.
    let mut text = String::new();
    if let Some(intervals) = &summary.val_intervals {
        let (low, high) = intervals.macro_f1_interval;
        let (least, most) = intervals.balanced_accuracy_interval;
        let _ = writeln!(
            text,
            "95 % intervals of the mean F1 of the classes: {low:.4} to {high:.4}; of their mean recall: \
             {least:.4} to {most:.4}.\n"
        );
    }
    if let Some(calibration) = &summary.calibration {
        let CalibrationSummary { error_before, error_after, error_of_a_perfect_model, .. } =
            calibration;
        let applied = match calibration.applied_temperature() {
            Some(temperature) => format!(
                "the logits are divided by the temperature {temperature:.3}, without which it would \
                 be {error_before:.4}"
            ),
            None => "no temperature is applied".to_owned(),
        };
        let _ = writeln!(
            text,
            "Expected calibration error: {error_after:.4} ({applied}). A perfectly calibrated model \
             would show {error_of_a_perfect_model:.4} on as many photos.\n"
        );
    }
    if let Some(curve) = &summary.learning_curve {
        let _ = writeln!(text, "By the learning curve, {}.\n", curve.sentence());
    }
    text
}

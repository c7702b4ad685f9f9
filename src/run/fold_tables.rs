//! `folds.csv` and `suspects.csv`: what heads predict for photos that they were not trained on.

use std::path::Path;

use super::TABLE_COLUMNS;
use crate::evaluation::Prediction;
use crate::photos::Part;
use crate::printable::{PathText, printable};
use crate::report::Suspect;

/// The out-of-fold predictions as CSV: a row for each photo. `logits` are `[photos, classes]`.
///
/// # Errors
/// Never: memory can always be written.
///
/// # Panics
/// If the lengths do not match.
pub fn folds_table(
    classes: &[String],
    photos: &[(&Path, Part, usize)],
    folds: &[usize],
    logits: &[f32],
) -> Result<Vec<u8>, csv::Error> {
    let labels: Vec<usize> = photos.iter().map(|(_, _, label)| *label).collect();
    let predictions = Prediction::all(classes.len(), logits, &labels);
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = ["fold", "predicted", "probability", "of_label"];
    table.write_record(TABLE_COLUMNS.split(',').chain(columns))?;
    for (((path, part, label), fold), prediction) in photos.iter().zip(folds).zip(predictions) {
        table.write_record([
            path.shown().to_string(),
            part.name().to_owned(),
            printable(&classes[*label]),
            (fold + 1).to_string(),
            printable(&classes[prediction.predicted]),
            prediction.probability.to_string(),
            prediction.of_label.to_string(),
        ])?;
    }
    Ok(table.into_inner().map_err(|error| error.into_error())?)
}

/// The suspected labels as CSV, the most suspicious first.
///
/// # Errors
/// Never: memory can always be written.
pub fn suspects_table(classes: &[String], suspects: &[Suspect]) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = ["suggested", "probability", "of_label", "margin"];
    table.write_record(TABLE_COLUMNS.split(',').chain(columns))?;
    for Suspect { path, part, label, suggested, probability, of_label } in suspects {
        table.write_record([
            path.shown().to_string(),
            part.name().to_owned(),
            printable(&classes[*label]),
            printable(&classes[*suggested]),
            probability.to_string(),
            of_label.to_string(),
            (probability - of_label).to_string(),
        ])?;
    }
    Ok(table.into_inner().map_err(|error| error.into_error())?)
}

//! `predictions.csv` of a model that gives a photo any number of classes.

use std::path::Path;

use super::TABLE_COLUMNS;
use crate::evaluation::{label_sets, sigmoid};
use crate::photos::{LabelSet, Part};
use crate::printable::{PathText, printable};

/// Between the class names of a photo in tables.
const SEPARATOR: char = '|';

/// The class names of a photo as one text, with `|` between them. A `|` or a backslash in a name has
/// a backslash before it.
pub fn joined_labels<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let escape = |name: &str| printable(name).replace('\\', r"\\").replace(SEPARATOR, r"\|");
    names.map(escape).collect::<Vec<_>>().join(&SEPARATOR.to_string())
}

/// A photo with its true classes and its logits, `[classes]`.
#[derive(Clone, Copy, Debug)]
pub struct LabelledLogits<'a> {
    /// Path of the file.
    pub path: &'a Path,
    /// The part of the data set.
    pub part: Part,
    /// The true classes.
    pub labels: &'a LabelSet,
    /// The logits.
    pub logits: &'a [f32],
}

/// The table of the predictions, as CSV: a row for each photo.
///
/// `label` and `predicted` hold class names as [`joined_labels`] writes them. `probability` and
/// `of_label` are the probabilities of exactly these sets, were the classes independent of each
/// other. A column `p(<class>)` for each class follows.
///
/// # Errors
/// Never: memory can always be written.
pub fn multi_label_predictions<'a>(
    classes: &[String],
    thresholds: &[f64],
    photos: impl Iterator<Item = LabelledLogits<'a>>,
) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = TABLE_COLUMNS.split(',').chain(["predicted", "probability", "of_label"]);
    let each = classes.iter().map(|class| format!("p({})", printable(class)));
    table.write_record(columns.map(String::from).chain(each))?;
    let names =
        |labels: &LabelSet| joined_labels(labels.iter().map(|class| classes[*class].as_str()));
    for LabelledLogits { path, part, labels, logits } in photos {
        let predicted = label_sets(logits, thresholds).pop().unwrap_or_default();
        let probabilities: Vec<f64> = logits.iter().map(|logit| sigmoid(*logit)).collect();
        let of_set = |set: &LabelSet| -> f64 {
            let of_class = |(class, p): (usize, &f64)| match set.contains(&class) {
                true => *p,
                false => 1.0 - p,
            };
            probabilities.iter().enumerate().map(of_class).product()
        };
        let row = [
            path.shown().to_string(),
            part.name().to_owned(),
            names(labels),
            names(&predicted),
            of_set(&predicted).to_string(),
            of_set(labels).to_string(),
        ];
        table.write_record(row.into_iter().chain(probabilities.iter().map(f64::to_string)))?;
    }
    Ok(table.into_inner().map_err(|error| error.into_error())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_with_a_separator_stay_whole() {
        assert_eq!(joined_labels(["a|b", "c\\d", "e"].into_iter()), r"a\|b|c\\d|e");
        assert_eq!(joined_labels([].into_iter()), "");
    }

    #[test]
    fn a_row_names_the_classes_and_their_probabilities() {
        let classes = ["cat", "dog", "a,b"].map(String::from);
        let labels = vec![0, 2];
        let photo = LabelledLogits {
            path: Path::new("x.png"),
            part: Part::Val,
            labels: &labels,
            logits: &[0.0, 3f32.ln(), -(3f32.ln())],
        };
        let table =
            multi_label_predictions(&classes, &[0.6, 0.5, 0.2], [photo].into_iter()).unwrap();
        let mut table = csv::Reader::from_reader(table.as_slice());
        let header: Vec<String> = table.headers().unwrap().iter().map(String::from).collect();
        let columns = "path,part,label,predicted,probability,of_label,p(cat),p(dog)";
        assert_eq!(header[..8].join(","), columns);
        assert_eq!(header[8], "p(a,b)");
        let row = table.records().next().unwrap().unwrap();
        assert_eq!([&row[0], &row[1], &row[2], &row[3]], ["x.png", "val", "cat|a,b", "dog|a,b"]);
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        // 0.5 * 0.75 * 0.25 with the cat's absence, and 0.5 * 0.25 * 0.25 with its presence.
        assert!((number(4) - 0.09375).abs() < 1e-7 && (number(5) - 0.03125).abs() < 1e-7);
        assert!((number(6) - 0.5).abs() < 1e-9 && (number(8) - 0.25).abs() < 1e-7);
    }
}

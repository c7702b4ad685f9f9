//! What a file of features holds, before its labels are numbered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;

use super::error::damaged;
use super::{FeatureTable, FeatureTableError, TableRow};
use crate::RowWriter;
use crate::photos::Part;
use crate::printable::PathText;

/// The content of a file. Each list has an entry for each row, if the file has that column.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Features per row.
    pub width: usize,
    pub paths: Option<Vec<String>>,
    pub labels: Option<Vec<Option<String>>>,
    pub parts: Option<Vec<Option<String>>>,
    pub metadata: BTreeMap<String, String>,
}

/// Where the features of a file go.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    rows: &'a mut RowWriter,
    /// Number of features so far.
    count: usize,
    /// The index of the first one that is not finite.
    not_finite: Option<usize>,
}

impl<'a> Sink<'a> {
    pub fn new(rows: &'a mut RowWriter) -> Self {
        Self { rows, count: 0, not_finite: None }
    }

    /// Adds features.
    pub fn add(&mut self, features: &[f32]) -> io::Result<()> {
        if self.not_finite.is_none() {
            let place = features.iter().position(|value| !value.is_finite());
            self.not_finite = place.map(|place| self.count + place);
        }
        self.count += features.len();
        Ok(self.rows.extend(features)?)
    }
}

impl Content {
    /// Reads a table of the photos: the columns `path`, `label` and `part`, those that there are.
    pub fn read_photos(&mut self, file: File) -> io::Result<()> {
        let mut csv = csv::Reader::from_reader(file);
        let wrong = |error: csv::Error| damaged(format!("the .csv file beside it: {error}"));
        let header = csv.headers().map_err(wrong)?.clone();
        let column = |name: &str| header.iter().position(|found| found.trim() == name);
        let (path, label, part) = (column("path"), column("label"), column("part"));
        let (mut paths, mut labels, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for record in csv.records() {
            let record = record.map_err(wrong)?;
            let cell = |column: Option<usize>| column.and_then(|column| record.get(column));
            let filled = |column| cell(column).filter(|text| !text.is_empty()).map(str::to_owned);
            paths.push(cell(path).unwrap_or_default().to_owned());
            labels.push(filled(label));
            parts.push(filled(part));
        }
        self.paths = path.map(|_| paths);
        self.labels = label.map(|_| labels);
        self.parts = part.map(|_| parts);
        Ok(())
    }

    /// The table, without the features, which are in `sink`. Photos without a path are called by
    /// their row in the file `path`.
    ///
    /// # Errors
    /// If the columns do not have the same length, a part is unknown, or a feature is not finite.
    pub fn table(self, path: &Path, sink: &Sink) -> Result<FeatureTable<()>, FeatureTableError> {
        let damaged = |reason: String| FeatureTableError::Damaged(path.to_owned(), reason);
        let Self { width, paths, labels, parts, mut metadata } = self;
        // A shard without photos has a file without rows.
        let count = sink.count / width.max(1);
        let lengths = [
            ("paths", paths.as_ref().map(Vec::len)),
            ("labels", labels.as_ref().map(Vec::len)),
            ("parts", parts.as_ref().map(Vec::len)),
        ];
        for (what, length) in lengths {
            if let Some(length) = length.filter(|length| *length != count) {
                return Err(damaged(format!(
                    "it has {count} rows of features and {length} {what}"
                )));
            }
        }
        let named = |row: usize| match &paths {
            Some(paths) => paths[row].clone(),
            None => path.join(row.to_string()).shown().to_string(),
        };
        if let Some(place) = sink.not_finite {
            return Err(FeatureTableError::NotFinite(path.to_owned(), named(place / width)));
        }
        let is_filled = |text: &String| !text.is_empty();
        let labels: Vec<Option<String>> =
            labels.into_iter().flatten().map(|label| label.filter(is_filled)).collect();
        if let Some(label) = labels.iter().flatten().find(|label| label.contains(['\n', '\r'])) {
            let label = label.lines().next().unwrap_or_default();
            return Err(damaged(format!(
                "the label `{label}...` has a line break; a class name is one line of text"
            )));
        }
        let classes: BTreeSet<&String> = labels.iter().flatten().collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let part = |text: &String| {
            let part = Part::of_text(text).map(Part::name);
            part.ok_or_else(|| damaged(format!("the part `{text}` is not train, val or test")))
        };
        let parts: Vec<Option<String>> =
            parts.into_iter().flatten().map(|part| part.filter(is_filled)).collect();
        let photo = |row: usize| {
            let label = labels.get(row).and_then(Option::as_ref);
            Ok(TableRow {
                path: named(row),
                label: label.and_then(|label| classes.binary_search(label).ok()),
                part: parts.get(row).and_then(Option::as_ref).map(part).transpose()?,
            })
        };
        let photos = (0..count).map(photo).collect::<Result<_, FeatureTableError>>()?;
        let backbone = metadata.remove("backbone").unwrap_or_default();
        Ok(FeatureTable { backbone, width, classes, photos, features: (), metadata })
    }
}

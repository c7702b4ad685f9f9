//! Finds the photos that all runs predicted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::record::ComparedRun;
use super::{ComparisonError, words};
use crate::evaluation::Prediction;
use crate::photos::Part;
use crate::run::PhotoPrediction;

/// The predictions of several runs for the same photos.
pub(super) struct Matched {
    /// Number of classes in `predictions`.
    pub classes: usize,
    /// The predictions of each run, for the same photos in the same order.
    pub predictions: Vec<Vec<Prediction>>,
    /// Number of photos of the part in each run.
    pub photos: Vec<usize>,
    /// Number of photos that the runs label differently.
    pub relabelled: usize,
    /// Number of photos that are known by their file name and label alone.
    pub matched_by_name: usize,
}

/// The photos of a part of a run.
struct Photos<'a> {
    rows: Vec<&'a PhotoPrediction>,
    /// The row of each path.
    by_path: HashMap<PathBuf, usize>,
    /// The row of each file name and label; `None` if several photos have them.
    by_name: HashMap<(&'a str, &'a str), Option<usize>>,
}

impl<'a> Photos<'a> {
    fn of(run: &'a ComparedRun, part: Part) -> Self {
        let rows: Vec<&PhotoPrediction> = run.of_part(part).collect();
        let (mut by_path, mut by_name) = (HashMap::new(), HashMap::new());
        for (index, row) in rows.iter().enumerate() {
            by_path.entry(run.absolute(&row.path)).or_insert(index);
            by_name
                .entry((file_name(&row.path), row.label.as_str()))
                .and_modify(|found| *found = None)
                .or_insert(Some(index));
        }
        Self { rows, by_path, by_name }
    }

    /// The row of the other run's photo, and whether it was found by its name.
    fn find(&self, path: &Path, row: &PhotoPrediction, others: &Self) -> Option<(usize, bool)> {
        if let Some(index) = self.by_path.get(path) {
            return Some((*index, false));
        }
        let name = (file_name(&row.path), row.label.as_str());
        // The name must mean one photo in both runs.
        others.by_name.get(&name).copied().flatten()?;
        Some((self.by_name.get(&name).copied().flatten()?, true))
    }
}

impl Matched {
    /// # Errors
    /// If two runs have no photo in common, or no photo is common to all.
    pub(super) fn of(runs: &[ComparedRun], part: Part) -> Result<Self, ComparisonError> {
        let all: Vec<Photos> = runs.iter().map(|run| Photos::of(run, part)).collect();
        let first = &all[0];
        let mut paths: Vec<(&PathBuf, usize)> =
            first.by_path.iter().map(|(path, index)| (path, *index)).collect();
        paths.sort_by_key(|(_, index)| *index);
        let (mut relabelled, mut matched_by_name) = (0, 0);
        let mut shared: Vec<Vec<&PhotoPrediction>> = Vec::new();
        for (path, index) in paths {
            let row = first.rows[index];
            let found: Option<Vec<(usize, bool)>> =
                all[1..].iter().map(|photos| photos.find(path, row, first)).collect();
            let Some(found) = found else { continue };
            let others =
                found.iter().zip(&all[1..]).map(|((index, _), photos)| photos.rows[*index]);
            let rows: Vec<&PhotoPrediction> = std::iter::once(row).chain(others).collect();
            if rows.iter().any(|other| other.label != row.label) {
                relabelled += 1;
                continue;
            }
            matched_by_name += usize::from(found.iter().any(|(_, by_name)| *by_name));
            shared.push(rows);
        }
        if shared.is_empty() {
            return Err(nothing_shared(runs, &all, part));
        }
        let mut indices = HashMap::new();
        let predictions = (0..runs.len())
            .map(|run| shared.iter().map(|rows| prediction(rows[run], &mut indices)).collect())
            .collect();
        Ok(Self {
            classes: indices.len(),
            predictions,
            photos: all.iter().map(|photos| photos.rows.len()).collect(),
            relabelled,
            matched_by_name,
        })
    }
}

/// A row as a prediction; `indices` gives each class name its index.
fn prediction<'a>(row: &'a PhotoPrediction, indices: &mut HashMap<&'a str, usize>) -> Prediction {
    let mut index = |class: &'a str| {
        let next = indices.len();
        *indices.entry(class).or_insert(next)
    };
    Prediction {
        label: index(&row.label),
        predicted: index(&row.predicted),
        probability: row.probability,
        of_label: row.of_label,
        rank: usize::from(!row.is_right()),
    }
}

/// Names two runs without a common photo; if each pair has some, the first and the last.
fn nothing_shared(runs: &[ComparedRun], all: &[Photos], part: Part) -> ComparisonError {
    let shares = |one: &Photos, other: &Photos| {
        let mut paths = one.by_path.iter();
        paths.any(|(path, index)| other.find(path, one.rows[*index], one).is_some())
    };
    let pairs =
        (0..runs.len()).flat_map(|one| (one + 1..runs.len()).map(move |other| (one, other)));
    let (one, other) = pairs
        .into_iter()
        .find(|(one, other)| !shares(&all[*one], &all[*other]))
        .unwrap_or((0, runs.len() - 1));
    let name = |index: usize| runs[index].name.clone();
    ComparisonError::NothingShared { one: name(one), other: name(other), part: words(part) }
}

/// The last component of a path, whichever separator the system that wrote it has.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

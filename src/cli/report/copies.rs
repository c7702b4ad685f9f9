//! Copies among the photos: evaluated photos that were trained on, and photos in two classes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use kindling::photos::{self, LabelledPhoto, exact_duplicates};
use kindling::printable::PathText;
use kindling::report::{Leaked, ReportPhoto};
use kindling::run::Summary;

use crate::cli::terminal::{counted, text, warn};

/// The evaluated photos that were trained on. A copy of a training photo of another class is in
/// `in_two_classes`, and is left out here: it does not flatter the model.
pub fn leaked(
    trained_on: &[LabelledPhoto],
    evaluated: &[ReportPhoto],
    in_two_classes: &[Vec<LabelledPhoto>],
) -> Leaked {
    let trained: Vec<&Path> = trained_on.iter().map(|photo| photo.path.as_path()).collect();
    let others: Vec<&Path> = evaluated.iter().map(|photo| photo.path).collect();
    let duplicates = exact_duplicates(&trained, &others);
    if duplicates.is_empty() {
        return Leaked::default();
    }
    let training_files: HashSet<PathBuf> = trained.iter().map(|path| same_file(path)).collect();
    let contradictory: HashSet<&Path> =
        in_two_classes.iter().flatten().map(|photo| photo.path.as_path()).collect();
    let mut leaked = Leaked::default();
    for (other, photo) in duplicates {
        let path = others[other];
        if training_files.contains(&same_file(path)) {
            leaked.training_photos += 1;
        } else if !contradictory.contains(path) {
            leaked.copies.push((path.to_owned(), trained[photo].to_owned()));
        }
    }
    leaked
}

/// The same with the photos that were nearly the same on both sides of the split, unless they were
/// put together. Byte-for-byte copies are known already.
pub fn with_near_duplicates(leaked: Leaked, summary: &Summary) -> Leaked {
    let found = summary.near_duplicates.as_ref().filter(|found| !found.together);
    let copies: HashSet<String> = leaked.copies.iter().map(|(copy, _)| text(copy)).collect();
    let near = found.map_or(&[][..], |found| &found.examples).iter();
    Leaked { near: near.filter(|(photo, ..)| !copies.contains(photo)).cloned().collect(), ..leaked }
}

/// Whether all of the evaluated photos are among `others`.
pub fn are_among(evaluated: &[ReportPhoto], others: &[LabelledPhoto]) -> bool {
    let others: HashSet<PathBuf> = others.iter().map(|photo| same_file(&photo.path)).collect();
    !others.is_empty() && evaluated.iter().all(|photo| others.contains(&same_file(photo.path)))
}

/// The photos, trained on or evaluated, that are in more than one class. A file that is in both
/// parts is one photo.
pub fn in_two_classes(
    trained_on: &[LabelledPhoto],
    evaluated: &[ReportPhoto],
) -> Vec<Vec<LabelledPhoto>> {
    let evaluated: Vec<LabelledPhoto> = evaluated
        .iter()
        .map(|photo| LabelledPhoto { path: photo.path.to_owned(), label: photo.label, group: None })
        .collect();
    let all: Vec<&LabelledPhoto> = evaluated.iter().chain(trained_on).collect();
    let groups = photos::in_two_classes(&all);
    let distinct = |group: Vec<usize>| {
        let mut seen = HashSet::new();
        let photos = group.into_iter().map(|index| all[index]);
        photos.filter(|photo| seen.insert(same_file(&photo.path))).cloned().collect()
    };
    groups.into_iter().map(distinct).collect()
}

/// A path that is the same for all names of a file, but for hard links.
fn same_file(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Warns of evaluated photos that were trained on. `which` is the adjective for the evaluated
/// photos, such as "validation".
pub fn warn_leaked(leaked: &Leaked, which: &str, evaluated: usize) {
    let Leaked { training_photos, copies, near: _ } = leaked;
    if *training_photos > 0 {
        warn(&format!(
            "the model was trained on {training_photos} of the {evaluated} {which} photos, so the \
             scores flatter it"
        ));
    }
    if let Some((evaluated, trained)) = copies.first() {
        let (are, they) = match copies.len() {
            1 => ("photo is a byte-for-byte copy of a training photo", "it inflates"),
            _ => ("photos are byte-for-byte copies of training photos", "they inflate"),
        };
        warn(&format!(
            "{} {which} {are}, so {they} the scores: `{}` equals `{}`{}",
            copies.len(),
            evaluated.shown(),
            trained.shown(),
            if copies.len() > 1 { ", ... (the report lists them)" } else { "" },
        ));
    }
}

/// Warns of photos in more than one class.
pub fn warn_in_two_classes(groups: &[Vec<LabelledPhoto>], classes: &[String]) {
    let Some([one, other, ..]) = groups.first().map(Vec::as_slice) else { return };
    let are = if groups.len() == 1 { "is" } else { "are" };
    warn(&format!(
        "{} {are} in more than one class: `{}` ({}) equals `{}` ({}){}",
        counted(groups.len(), "photo"),
        one.path.shown(),
        classes[one.label],
        other.path.shown(),
        classes[other.label],
        if groups.len() > 1 { ", ... (the report lists them)" } else { "" },
    ));
}

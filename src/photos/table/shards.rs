//! Shards as a table: a row for each photo in an archive.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::Path;

use super::{Table, TableError, TableOptions, TableRow};
use crate::photos::folder_error::MAX_CLASSES;
use crate::photos::part_name::role;
use crate::photos::photo_folder::quoted;
use crate::photos::shards::{path_in, remember};
use crate::photos::{FolderError, Part, PassedOver, Shard, ShardError, ShardPhoto, shard_paths};
use crate::printable::PathText;

/// Lists the photos of the archives that `pattern` names. The part of a photo is the one in the
/// name of its archive or of its folder (`train-000.tar`, `train/000.tar`), if each of them has one
/// and some are to train on.
///
/// # Errors
/// If an archive cannot be read, is damaged or cut off, or no photo has a label and labels are
/// needed.
pub(super) fn read(pattern: &Path, options: &TableOptions) -> Result<Table, FolderError> {
    let mut shards = Vec::new();
    for path in shard_paths(&[pattern.to_owned()])? {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
            let reason = "has photos in its rows, which are read in order only: run `kindling \
                          embed` on it, and `kindling train --features` on its output";
            return Err(ShardError::NotRead(path, reason.into()).into());
        }
        let shard = Shard::read(&path)?;
        remember(&shard);
        shards.push(shard);
    }
    let photos = || shards.iter().flat_map(|shard| shard.photos.iter().map(move |it| (shard, it)));
    let classes: BTreeSet<&String> = photos().filter_map(|(_, it)| it.label.as_ref()).collect();
    let classes: Vec<String> = classes.into_iter().cloned().collect();
    if photos().next().is_none() {
        return Err(FolderError::NoPhotosInShards(pattern.to_owned()));
    }
    if classes.is_empty() && !options.without_labels {
        return Err(FolderError::ShardsWithoutLabels(pattern.to_owned()));
    }
    if classes.len() > MAX_CLASSES {
        let (column, examples) = ("label".into(), quoted(&classes));
        let error = TableError::TooManyClasses { column, classes: classes.len(), examples };
        return Err(error.of(pattern.to_owned()));
    }
    if classes.iter().any(|class| class.contains(['\n', '\r'])) {
        let error = TableError::ClassName { place: format!("`{}`", pattern.shown()) };
        return Err(error.of(pattern.to_owned()));
    }
    let mut table = Table { path: pattern.to_owned(), ..Table::default() };
    let parts: Vec<Option<Part>> = shards.iter().map(part).collect();
    let all_have_one = parts.iter().all(Option::is_some);
    let is_any = |wanted: Part| parts.contains(&Some(wanted));
    if !all_have_one && is_any(Part::Train) && (is_any(Part::Val) || is_any(Part::Test)) {
        table.warnings.push(
            "the names of some archives tell the part of a split and others do not, so none counts: \
             name all of them, such as train-000.tar and val-000.tar"
                .into(),
        );
    }
    let counts = all_have_one && is_any(Part::Train);
    let part = |number: usize| parts[number].filter(|_| counts);
    let mut seen = HashSet::new();
    for (number, shard) in shards.iter().enumerate() {
        for photo in &shard.photos {
            let path = path_in(&shard.path, photo);
            let class = |label: &String| classes.binary_search(label).ok();
            let labels: Vec<usize> = photo.label.as_ref().and_then(class).into_iter().collect();
            if let Some(reason) = unused(photo, options, seen.insert(path.clone())) {
                table.passed_over.push(PassedOver { path, reason: reason.into() });
                continue;
            }
            let line = table.rows.len() as u64 + 1;
            table.rows.push(TableRow { path, labels, part: part(number), group: None, line });
        }
    }
    table.classes = if options.without_labels && table.rows.iter().any(|it| it.labels.is_empty()) {
        table.rows.iter_mut().for_each(|row| row.labels.clear());
        Vec::new()
    } else {
        classes
    };
    let count = shards.len();
    table.columns = format!("{count} shard{}", if count == 1 { "" } else { "s" });
    match table.rows.is_empty() {
        true => Err(FolderError::NoPhotosInShards(pattern.to_owned())),
        false => Ok(table),
    }
}

/// Why a photo is not used.
fn unused(photo: &ShardPhoto, options: &TableOptions, is_first: bool) -> Option<&'static str> {
    match photo.label {
        _ if !is_first => Some("is in the archive twice; the first one counts"),
        None if !options.without_labels => Some("has no label"),
        _ => None,
    }
}

/// The part in the name of an archive, or else of its folder: `train` in `birds-train-000.tar`.
fn part(shard: &Shard) -> Option<Part> {
    let of_name = |name: &OsStr| role(&name.to_string_lossy()).map(|(role, _)| role);
    let of_folder = || of_name(shard.path.parent()?.file_name()?);
    Part::of_role(of_name(shard.path.file_stem()?).or_else(of_folder)?)
}

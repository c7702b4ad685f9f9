//! Photos that are nearly the same on both sides of the split: reported, or put together.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Result, bail};
use kindling::FeatureRows;
use kindling::features::{
    Extraction, MIN_FEATURES, NEAR_DUPLICATE, NearDuplicate as Pair, near_duplicates,
};
use kindling::photos::{Label, LabelledPhoto, Part, Split, exact_duplicates, joined_groups};
use kindling::printable::PathText;
use kindling::run::NearDuplicates;

use super::TrainArgs;
use super::args::SplitDuplicates;
use super::console::Console;
use super::extract::{Extracted, examples};
use super::photos::{Photos, say, split_options};
use super::test::TestPhotos;
use super::views::further_views;
use crate::cli::terminal::{counted, text, warn};

/// Longest path in a warning, in characters.
const LONGEST_PATH: usize = 60;
/// Number of pairs that the run records.
const RECORDED: usize = 20;

/// Photos with their features, ready for the training.
pub struct Prepared<'a, L = usize> {
    pub photos: Photos<L>,
    pub extracted: Extracted<'a, L>,
    pub test: Option<TestPhotos<L>>,
}

/// Finds photos that are nearly the same in different parts. With `--split-duplicates together`
/// they are put on one side; otherwise there is a warning. Returns `None` for what was found if the
/// network has too few features.
pub fn look_for<'a, L: Label>(
    args: &TrainArgs,
    prepared: Prepared<'a, L>,
    console: &Console,
) -> Result<(Prepared<'a, L>, Option<NearDuplicates>)> {
    let is_asked = args.split.split_duplicates == SplitDuplicates::Together;
    // With `--split-duplicates together`, they are in memory.
    if prepared.extracted.extraction.rows.in_memory().is_none() {
        console.line(format_args!(
            "memory    the features are in a temporary file, so photos that are nearly the same are \
             not looked for"
        ));
        return Ok((prepared, None));
    }
    match prepared.extracted.train.width {
        MIN_FEATURES.. => {}
        width if is_asked => bail!(
            "--split-duplicates together needs a network with {MIN_FEATURES} features or more, and \
             this one has {width}"
        ),
        _ => return Ok((prepared, None)),
    }
    let pairs = pairs(&prepared);
    let mut found = across(&prepared.photos, &pairs);
    if !is_asked {
        warn_of(&prepared.photos, &found);
        return Ok((prepared, Some(found)));
    }
    found.together = true;
    match pairs.is_empty() {
        true => Ok((prepared, Some(found))),
        false => Ok((together(args, prepared, &pairs, console)?, Some(found))),
    }
}

/// Pairs of photos that are nearly the same: indices into all photos of the split, in its order.
fn pairs<L: Label>(prepared: &Prepared<L>) -> Vec<Pair> {
    let Prepared { photos, extracted, test } = prepared;
    let width = extracted.train.width;
    let first_test = photos.split.train.len() + photos.split.val.len();
    let Extraction { photos, rows, .. } = &extracted.extraction;
    let mut indices = photos.clone();
    let mut rows = Cow::Borrowed(rows.values());
    if let Some(Extraction { photos, rows: found, .. }) = test.as_ref().map(|it| &it.extraction)
        && let Some(found) = found.in_memory()
    {
        indices.extend(photos.iter().map(|photo| photo + first_test));
        rows.to_mut().extend(found);
    }
    let mut pairs = near_duplicates(&rows, width, NEAR_DUPLICATE);
    for pair in &mut pairs {
        (pair.first, pair.second) = (indices[pair.first], indices[pair.second]);
    }
    pairs
}

/// The pairs in different parts.
fn across<L: Label>(photos: &Photos<L>, pairs: &[Pair]) -> NearDuplicates {
    let all: Vec<(Part, &LabelledPhoto<L>)> = photos.split.photos().collect();
    let mut across: Vec<&Pair> =
        pairs.iter().filter(|pair| all[pair.first].0 != all[pair.second].0).collect();
    // The photos come in the order of the parts, so the second is the later part's.
    let of_part = |part| -> BTreeSet<usize> {
        across.iter().map(|pair| pair.second).filter(|photo| all[*photo].0 == part).collect()
    };
    let (val_photos, test_photos) = (of_part(Part::Val).len(), of_part(Part::Test).len());
    across.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
    let example = |pair: &&Pair| {
        let path = |photo: usize| text(&all[photo].1.path);
        (path(pair.second), path(pair.first), pair.similarity)
    };
    let examples = across.iter().take(RECORDED).map(example).collect();
    NearDuplicates { threshold: NEAR_DUPLICATE, val_photos, test_photos, together: false, examples }
}

/// Warns of pairs in different parts. Validation photos that are byte-for-byte copies, of which the
/// report warns, are left out.
fn warn_of<L: Label>(photos: &Photos<L>, found: &NearDuplicates) {
    let is_copy = |one: &str, other: &str| {
        photos.split.val.iter().any(|photo| text(&photo.path) == one)
            && !exact_duplicates(&[Path::new(one)], &[Path::new(other)]).is_empty()
    };
    let Some((photo, like, similarity)) =
        found.examples.iter().find(|(one, other, _)| !is_copy(one, other))
    else {
        return;
    };
    let parts = [("validation", found.val_photos), ("test", found.test_photos)];
    let counts: Vec<String> = parts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(part, count)| counted(count, &format!("{part} photo")))
        .collect();
    let several = found.val_photos + found.test_photos > 1;
    let cut = |path: &str| {
        let below = Path::new(path).strip_prefix(common_folder(photos)).unwrap_or(path.as_ref());
        let text = below.shown().to_string();
        // The end tells more than the beginning.
        match text.chars().count().checked_sub(LONGEST_PATH) {
            None | Some(0) => text,
            Some(more) => format!("...{}", text.chars().skip(more).collect::<String>()),
        }
    };
    warn(&format!(
        "{} nearly the same as photos of an earlier part, which flatters the scores: `{}` and `{}` \
         ({similarity:.2}){}; --split-duplicates together keeps them on one side",
        match several {
            true => format!("{} are", counts.join(" and ")),
            false => format!("{} is", counts.join(" and ")),
        },
        cut(photo),
        cut(like),
        if several { ", ..." } else { "" },
    ));
}

/// The folder that all photos are in.
fn common_folder<L: Label>(photos: &Photos<L>) -> &Path {
    let mut paths = photos.split.photos().map(|(_, photo)| photo.path.as_path());
    let first = paths.next().and_then(Path::parent).unwrap_or(Path::new(""));
    paths.fold(first, |common, path| {
        common.ancestors().find(|folder| path.starts_with(folder)).unwrap_or(Path::new(""))
    })
}

/// Divides the photos again, with those that are nearly the same as groups.
fn together<'a, L: Label>(
    args: &TrainArgs,
    prepared: Prepared<'a, L>,
    pairs: &[Pair],
    console: &Console,
) -> Result<Prepared<'a, L>> {
    let Prepared { photos, extracted, test } = prepared;
    let all: Vec<&LabelledPhoto<L>> = photos.split.photos().map(|(_, photo)| photo).collect();
    let groups: Vec<Option<usize>> = all.iter().map(|photo| photo.group).collect();
    let pairs: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.first, pair.second)).collect();
    let groups = joined_groups(&groups, &pairs);
    let group_of: HashMap<&Path, usize> = all
        .iter()
        .zip(&groups)
        .filter_map(|(photo, group)| Some((photo.path.as_path(), (*group)?)))
        .collect();
    let in_pairs: BTreeSet<usize> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
    let (data_set, moved) = photos.data_set.clone().with_groups(&group_of);
    let split = data_set.clone().split(&split_options(args))?;
    if split.val.is_empty() {
        bail!(
            "every validation photo is nearly the same as a training photo, so none is left: give \
             other validation photos, or data without a validation part"
        );
    }
    let moved = match moved {
        0 => String::new(),
        count => format!(", {} moved to an earlier part", counted(count, "photo")),
    };
    console.line(format_args!(
        "together  {} nearly the same as others{moved}",
        match in_pairs.len() {
            1 => "1 photo is".into(),
            count => format!("{count} photos are"),
        }
    ));
    let (extracted, test) = reordered(args, &photos, &split, extracted, test)?;
    let photos = Photos { data_set, split, is_derivable: false };
    say(&photos.split, console);
    Ok(Prepared { photos, extracted, test })
}

/// The features in the order of another split of the same photos.
fn reordered<'a, L: Label>(
    args: &TrainArgs,
    before: &Photos<L>,
    split: &Split<L>,
    extracted: Extracted<'a, L>,
    test: Option<TestPhotos<L>>,
) -> Result<(Extracted<'a, L>, Option<TestPhotos<L>>)> {
    let old: Vec<&Path> = before.split.photos().map(|(_, photo)| photo.path.as_path()).collect();
    let first_test = before.split.train.len() + before.split.val.len();
    let width = extracted.train.width;
    let skipped = test.as_ref().map_or(0, TestPhotos::skipped);
    let mut all = extracted.extraction;
    let mut rows = std::mem::take(&mut all.rows).into_vec()?;
    if let Some(test) = test {
        let Extraction { photos, rows: found, sizes, warnings, failed, .. } = test.extraction;
        all.photos.extend(photos.into_iter().map(|photo| photo + first_test));
        rows.extend(found.into_vec()?);
        all.sizes.extend(sizes);
        all.warnings.extend(warnings.into_iter().map(|(photo, it)| (photo + first_test, it)));
        all.failed.extend(failed.into_iter().map(|(photo, it)| (photo + first_test, it)));
    }
    let place: HashMap<&Path, usize> =
        all.photos.iter().zip(0..).map(|(photo, place)| (old[*photo], place)).collect();
    let select = |photos: &mut dyn Iterator<Item = &LabelledPhoto<L>>| {
        let mut part: Extraction = Extraction::default();
        for (index, photo) in photos.enumerate() {
            let Some(place) = place.get(photo.path.as_path()) else { continue };
            part.photos.push(index);
            part.rows.extend_from_slice(&rows[place * width..][..width]);
            part.sizes.extend(all.sizes.get(*place));
        }
        Extraction::<FeatureRows>::from(part)
    };
    let mut extraction = select(&mut split.train.iter().chain(&split.val));
    let (train, views) = (&split.train, args.preprocessing.views());
    let decoded = |photos: &[usize], count: usize| -> Vec<usize> {
        photos.iter().copied().filter(|photo| *photo < count).collect()
    };
    let trained_on = decoded(&all.photos, before.split.train.len());
    let trained_on: Vec<&Path> = trained_on.into_iter().map(|photo| old[photo]).collect();
    let now = decoded(&extraction.photos, train.len());
    let now: Vec<&Path> = now.into_iter().map(|photo| train[photo].path.as_path()).collect();
    extraction.further_views =
        further_views(&extracted.extractor, (&all, &trained_on), &now, views)?;
    let test = match split.test.is_empty() {
        true => None,
        false => Some(TestPhotos::new(select(&mut split.test.iter()), &split.test, skipped)),
    };
    let photos: Vec<&LabelledPhoto<L>> = split.train.iter().chain(&split.val).collect();
    let (train, val) = examples(&extraction, &photos, split.train.len(), views, width);
    Ok((Extracted { train, val, extraction, ..extracted }, test))
}

//! The training and validation photos of a run, to look for wrong labels.

use std::path::Path;

use anyhow::Result;
use kindling::features::Extractor;
use kindling::head::Examples;
use kindling::photos::{LabelledPhoto, Part, Split};
use kindling::report::Suspect;
use kindling::run::Model;

use crate::cli::evaluated::Evaluated;
use crate::cli::extraction::extract;
use crate::cli::suspects::{Pool, is_quick};

/// The suspects among the photos of the run `model`, as `train` finds them. `evaluated` are the
/// validation photos of `split`; the features of the training photos come from the cache, if they
/// are there. `None` if that takes long.
pub fn suspects_of_run<'a>(
    model: &Model,
    split: &'a Split,
    evaluated: &'a Evaluated,
    extractor: &Extractor,
    quiet: bool,
) -> Result<Option<Vec<Suspect<'a>>>> {
    let (classes, width) = (model.classes.len(), model.head.features());
    if !is_quick(split.train.len() + evaluated.labels.len(), width, classes) {
        return Ok(None);
    }
    let paths: Vec<&Path> = split.train.iter().map(|photo| photo.path.as_path()).collect();
    let (extraction, _) = extract(&paths, &[], extractor, "training", quiet)?;
    let train = extraction.photos.iter().map(|index| (&split.train[*index], Part::Train));
    let val = evaluated.labelled().map(|photo| (photo, Part::Val));
    let photos: Vec<(&LabelledPhoto, Part)> = train.chain(val).collect();
    let pool = Pool {
        groups: photos.iter().map(|(photo, _)| photo.group).collect(),
        photos: photos
            .iter()
            .map(|(photo, part)| (photo.path.as_path(), *part, photo.label))
            .collect(),
        examples: Examples {
            width,
            rows: [extraction.rows.as_slice(), evaluated.rows()].concat().into(),
            labels: photos.iter().map(|(photo, _)| photo.label).collect(),
        },
    };
    let options = model.config.as_ref().map(|config| &config.options);
    let seed = options.and_then(|options| options.get("seed")?.as_integer()).unwrap_or_default();
    Ok(pool.suspects(classes, seed.unsigned_abs(), false, extractor.device()))
}

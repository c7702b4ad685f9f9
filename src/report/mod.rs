//! A model's report: one page that holds everything, to open from the disk and to print.
//!
//! [`Content`] is what there is to tell; [`Report::draw`] makes the page of it. The page has no script at
//! all and loads nothing: its style is in it and its pictures are `data:` addresses, and its
//! Content-Security-Policy allows nothing else, so that no file name and no class name can do anything
//! but be read. Text goes through maud, which escapes it.
//!
//! Whatever the number of photos and classes, the page stays bounded: `gallery` photos of each sort and
//! class, and 10 MB of
//! thumbnails.

mod activation_map;
mod charts;
mod confusion;
mod data;
mod gallery;
mod page;
mod pictures;

use std::path::{Path, PathBuf};

use crate::evaluation::{
    Calibration, Prediction, Roc, Scores, suspected_label_errors, top_k_accuracy,
};
use crate::features::Extractor;
use crate::head::{EpochMetrics, Head};
use crate::output::has_mark;
pub use activation_map::{ActivationMap, MapRequest, activation_maps};
use gallery::Galleries;
use pictures::Thumbnails;

/// Photos of each sort in each class, where nothing else is said.
pub const DEFAULT_GALLERY: usize = 12;
/// Bins of the reliability diagram: 15, as Guo et al. have.
const CALIBRATION_BINS: usize = 15;

/// A photo that was evaluated.
#[derive(Clone, Copy, Debug)]
pub struct ReportPhoto<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Index of its true class.
    pub label: usize,
    /// Width and height in its file, upright, in pixels.
    pub size: (u32, u32),
}

/// What there is to tell.
pub struct Content<'a> {
    /// What the model is called.
    pub name: &'a str,
    /// Class names, in the order of the logits.
    pub classes: &'a [String],
    /// The epochs, and the number of the one that was kept; nothing where the model was not trained here.
    pub epochs: Option<(&'a [EpochMetrics], usize)>,
    /// Which photos these are, as the end of a sentence: `the validation photos of /photos`.
    pub source: String,
    /// The photos that were evaluated: at least one.
    pub photos: &'a [ReportPhoto<'a>],
    /// Their logits, `[photos, classes]`.
    pub logits: &'a [f32],
    /// Photos that were trained on, of each class, where that is known.
    pub trained_on: Option<Vec<usize>>,
    /// Files that were left out, with why.
    pub skipped: &'a [(String, String)],
    /// Evaluated photos whose very content was trained on, each with the photo that it is a copy of; or
    /// why that is not known.
    pub leaked: Result<Vec<(PathBuf, PathBuf)>, String>,
    /// How the model and this page were made: names and values.
    pub making: Vec<(&'static str, String)>,
    /// Photos of each sort that are shown, in each class.
    pub gallery: usize,
}

/// A report, drawn.
pub struct Report {
    /// The page.
    pub html: String,
    /// The curves of the epochs as an SVG drawing, where there are epochs.
    pub curves: Option<String>,
    /// What could not be shown, as a sentence, where the device failed at it.
    pub problem: Option<String>,
}

/// What the page tells, worked out from its content.
struct Findings<'a> {
    content: &'a Content<'a>,
    predictions: Vec<Prediction>,
    scores: Scores,
    calibration: Calibration,
    /// Of the second class, where there are two and photos of both.
    roc: Option<Roc>,
    /// For more than five classes.
    top5: Option<f64>,
    galleries: Galleries,
    /// Indices of photos, most suspicious first.
    suspected: Vec<usize>,
}

impl Report {
    /// Whether the file is a report, or curves, that was drawn here: what is not is not ours to replace.
    pub fn is_one(file: &Path) -> bool {
        has_mark(file, MARK)
    }

    /// Draws the report of a model whose backbone is `extractor`'s and whose head is `head`.
    ///
    /// # Panics
    /// Where the lengths in `content` do not agree, or it has no photos.
    pub fn draw(content: &Content, extractor: &Extractor, head: &Head) -> Self {
        let findings = Findings::of(content);
        let looked_at = findings.galleries.wrong_to_explain();
        let maps = activation_maps(extractor, head, &findings.map_requests(&looked_at));
        let (maps, problem) = match maps {
            Ok(maps) => (maps, None),
            Err(error) => (Vec::new(), Some(format!("there are no activation maps: {error}"))),
        };
        // Each map lies over the photo once more.
        let wanted: Vec<usize> = looked_at
            .iter()
            .flat_map(|photo| [*photo, *photo])
            .chain(findings.shown_suspects().iter().copied())
            .chain(findings.galleries.photos())
            .collect();
        let path = |photo: usize| content.photos[photo].path.to_owned();
        let thumbnails = Thumbnails::of(&wanted, path, &extractor.recipe());
        let curves = content.epochs.map(|(epochs, best)| charts::curves(epochs, best));
        let explained: Vec<_> = looked_at.into_iter().zip(maps).collect();
        let html = page::html(
            &findings,
            &page::Drawings {
                curves: curves.as_deref(),
                thumbnails: &thumbnails,
                explained: &explained,
                problem: problem.as_deref(),
                recipe: &extractor.recipe(),
            },
        );
        Self { html, curves, problem }
    }
}

/// What the head of each page and drawing of ours has.
const MARK: &str = "kindling report";

/// Suspected label errors that have a picture; all of them are listed by name, to this number.
const SUSPECTS_SHOWN: usize = 24;
const SUSPECTS_LISTED: usize = 1000;

impl<'a> Findings<'a> {
    fn of(content: &'a Content<'a>) -> Self {
        let classes = content.classes.len();
        let labels: Vec<usize> = content.photos.iter().map(|photo| photo.label).collect();
        let predictions = Prediction::all(classes, content.logits, &labels);
        let roc = (classes == 2).then(|| {
            // Monotonic in the probability of the second class, and never rounded to 0 or 1.
            let scores: Vec<f64> =
                content.logits.chunks(2).map(|row| f64::from(row[1]) - f64::from(row[0])).collect();
            Roc::of(&scores, &labels.iter().map(|label| *label == 1).collect::<Vec<_>>())
        });
        Self {
            content,
            scores: Scores::of(classes, content.logits, &labels),
            calibration: Calibration::of(&predictions, CALIBRATION_BINS),
            roc: roc.flatten(),
            top5: (classes > 5).then(|| top_k_accuracy(&predictions, 5)),
            galleries: Galleries::of(&predictions, classes, content.gallery),
            suspected: suspected_label_errors(classes, &predictions),
            predictions,
        }
    }

    fn map_requests(&self, photos: &[usize]) -> Vec<MapRequest<'a>> {
        photos
            .iter()
            .map(|photo| {
                let Prediction { predicted, label, .. } = self.predictions[*photo];
                let path = self.content.photos[*photo].path;
                MapRequest { photo: path, classes: vec![predicted, label] }
            })
            .collect()
    }

    fn shown_suspects(&self) -> &[usize] {
        &self.suspected[..self.suspected.len().min(SUSPECTS_SHOWN)]
    }

    fn class(&self, index: usize) -> &str {
        &self.content.classes[index]
    }
}

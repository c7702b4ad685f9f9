//! The report about a model: a single, self-contained HTML page.
//!
//! [`Content`] holds the data and [`Report::draw`] renders the page. The page has no scripts and
//! loads nothing: the style sheet is inline, the pictures are `data:` URLs, and its
//! Content-Security-Policy forbids everything else, so that a file or class name can never run
//! code. maud escapes all text.
//!
//! The size of the page is bounded for any number of photos and classes: each class shows at most
//! `gallery` photos in each group, and thumbnails take at most 10 MiB.

mod activation_map;
mod cards;
mod charts;
mod confusion;
mod data;
mod explanations;
mod gallery;
mod learning_curve;
mod multi_label;
mod page;
mod pictures;
mod strangers;
mod suspects;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::evaluation::{
    Calibration, CalibrationSummary, Prediction, Roc, ScoreIntervals, Scores, scaled,
    suspected_label_errors, top_k_accuracy,
};
use crate::features::Extractor;
use crate::head::{EpochMetrics, Head, LearningCurve, Monitor};
use crate::output::has_mark;
use crate::photos::LabelledPhoto;
pub use activation_map::{ActivationMap, MapRequest, activation_maps};
use gallery::{Galleries, Place};
pub use multi_label::MultiLabelContent;
use pictures::Thumbnails;
pub use suspects::Suspect;

/// Default number of photos shown in each group of each class.
pub const DEFAULT_GALLERY: usize = 12;
/// Number of classes from which the top-5 accuracy is shown: of six classes, five are nearly all.
const TOP_5_CLASSES: usize = 10;
/// Seed of the bootstrap intervals, so that the page is the same each time.
const SEED: u64 = 0;

/// An evaluated photo.
#[derive(Clone, Copy, Debug)]
pub struct ReportPhoto<'a, L = usize> {
    /// Path of the file.
    pub path: &'a Path,
    /// Index of its true class, or those of its true classes.
    pub label: L,
    /// Width and height of the upright photo, in pixels, before preprocessing.
    pub size: (u32, u32),
}

/// The data of a report.
pub struct Content<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Class names, in the order of the logits.
    pub classes: &'a [String],
    /// The epochs and the number of the one that was kept, if the model comes from a run.
    pub epochs: Option<(&'a [EpochMetrics], usize)>,
    /// The score that chose the epoch.
    pub monitor: Monitor,
    /// Which photos were evaluated, as part of a sentence: `6 validation photos in /photos`.
    pub source: String,
    /// The evaluated photos: at least one.
    pub photos: &'a [ReportPhoto<'a>],
    /// Their raw logits, `[photos, classes]`.
    pub logits: &'a [f32],
    /// The temperature by which the logits are divided before the softmax, if it is not 1.
    pub temperature: Option<f64>,
    /// How the temperature was fitted, if these are the photos that it was fitted on.
    pub calibration: Option<&'a CalibrationSummary>,
    /// How the accuracy on the run's validation photos grows with the number of training photos.
    pub learning_curve: Option<&'a LearningCurve>,
    /// Whether the epoch that was kept is the one that is best on these photos.
    pub chose_the_epoch: bool,
    /// How far the photos are from those trained on, if the model knows these.
    pub strangers: Option<Strangers<'a>>,
    /// Number of training photos of each class, if known.
    pub trained_on: Option<Vec<usize>>,
    /// Skipped files, each with the reason.
    pub skipped: &'a [(String, String)],
    /// Evaluated photos that were trained on, or the reason why this could not be checked.
    pub leaked: Result<Leaked, String>,
    /// Groups of byte-for-byte equal photos of different classes.
    pub in_two_classes: Vec<Vec<LabelledPhoto>>,
    /// Photos of the run whose label may be wrong, if out-of-fold predictions are known: the most
    /// suspicious first. Otherwise the evaluated photos are looked at.
    pub suspects: Option<&'a [Suspect<'a>]>,
    /// How the model was trained and evaluated, as names and values.
    pub making: Vec<(&'static str, String)>,
    /// Number of photos to show in each group of each class.
    pub gallery: usize,
}

/// How far the evaluated photos are from those trained on: see [`neighbours`](crate::neighbours).
#[derive(Clone, Copy, Debug)]
pub struct Strangers<'a> {
    /// The score of each photo.
    pub scores: &'a [f64],
    /// The score above which a photo is a stranger.
    pub threshold: f64,
}

/// Evaluated photos that the model was trained on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leaked {
    /// The number of evaluated photos that are training photos themselves, not copies.
    pub training_photos: usize,
    /// Other evaluated photos that are byte-for-byte copies of training photos of the same class,
    /// each with the training photo.
    pub copies: Vec<(PathBuf, PathBuf)>,
    /// Validation and test photos of the run that are nearly the same as photos of an earlier part:
    /// the photo, the other one and their similarity.
    pub near: Vec<(String, String, f32)>,
}

impl Leaked {
    /// Whether no evaluated photo is a training photo or a copy of one.
    pub fn is_empty(&self) -> bool {
        self.training_photos == 0 && self.copies.is_empty()
    }
}

/// A rendered report.
pub struct Report {
    /// The HTML page.
    pub html: String,
    /// Loss and accuracy of each epoch as an SVG drawing, if there are epochs.
    pub curves: Option<String>,
    /// What the page lacks because the device failed, as a sentence.
    pub problem: Option<String>,
}

/// The content with everything that is computed from it.
struct Findings<'a> {
    content: &'a Content<'a>,
    predictions: Vec<Prediction>,
    scores: Scores,
    intervals: ScoreIntervals,
    calibration: Calibration,
    /// The calibration error without and with the temperature.
    calibration_errors: CalibrationSummary,
    /// ROC curve of the second class, if there are two classes with photos of both, and the 95 %
    /// interval of its area.
    roc: Option<(Roc, (f64, f64))>,
    /// Top-5 accuracy, if there are at least [`TOP_5_CLASSES`] classes.
    top5: Option<f64>,
    galleries: Galleries,
    /// Where the page shows each photo.
    places: HashMap<usize, Place>,
    /// Suspected label errors as photo indices, most suspicious first.
    suspected: Vec<usize>,
    /// The photos that are farthest from those trained on, farthest first.
    farthest: Vec<usize>,
}

impl Report {
    /// Whether the file is a report or a curves drawing written by Kindling, which may be replaced.
    pub fn is_one(file: &Path) -> bool {
        has_mark(file, MARK)
    }

    /// Renders the report of the model that consists of the extractor's backbone and `head`.
    ///
    /// # Panics
    /// If the lengths in `content` do not agree, or if it has no photos.
    pub fn draw(content: &Content, extractor: &Extractor, head: &Head) -> Self {
        let findings = Findings::of(content);
        let explained_photos = findings.galleries.wrong_to_explain();
        let maps = activation_maps(extractor, head, &findings.map_requests(&explained_photos));
        let (maps, problem) = match maps {
            Ok(maps) => (maps, None),
            Err(error) => (
                vec![Vec::new(); explained_photos.len()],
                Some(format!("there are no activation maps: {error}")),
            ),
        };
        // Suspects of the whole run have numbers after the evaluated photos.
        let suspects = content.suspects.unwrap_or_default();
        let evaluated = content.photos.len();
        let of_run = evaluated..evaluated + suspects.len().min(SUSPECTS_SHOWN);
        // Each explained photo is shown twice, under the maps of the predicted and the true class;
        // every other photo once.
        let mut seen = HashSet::new();
        let others = findings.shown_suspects().iter().chain(&findings.farthest).copied();
        let others = others.chain(findings.galleries.photos());
        let others = others.filter(|photo| findings.places[photo] != Place::Explained);
        let wanted: Vec<usize> = explained_photos
            .iter()
            .flat_map(|photo| [*photo, *photo])
            .chain(of_run)
            .chain(others.filter(|photo| seen.insert(*photo)))
            .collect();
        let path = |photo: usize| match photo.checked_sub(evaluated) {
            Some(suspect) => suspects[suspect].path.to_owned(),
            None => content.photos[photo].path.to_owned(),
        };
        let thumbnails = Thumbnails::of(&wanted, path, &extractor.preprocessing());
        let curves =
            content.epochs.map(|(epochs, best)| charts::curves(epochs, best, charts::CAPTIONS));
        let panels =
            content.epochs.map(|(epochs, best)| charts::panels(epochs, best, charts::CAPTIONS));
        let explained: Vec<_> = explained_photos.into_iter().zip(maps).collect();
        let html = page::html(
            &findings,
            &page::Drawings {
                curves: panels.as_ref().map(<[String; 2]>::as_slice),
                thumbnails: &thumbnails,
                explained: &explained,
                problem: problem.as_deref(),
                preprocessing: &extractor.preprocessing(),
            },
        );
        Self { html, curves, problem }
    }
}

/// Marks each page and drawing as written by Kindling.
const MARK: &str = "kindling report";

/// Maximum number of suspected label errors shown with a picture.
const SUSPECTS_SHOWN: usize = 24;
/// Maximum number of photos shown that are far from those trained on.
const FARTHEST_SHOWN: usize = 24;
/// Maximum number of suspected label errors listed by file name.
const SUSPECTS_LISTED: usize = 1000;

impl<'a> Findings<'a> {
    fn of(content: &'a Content<'a>) -> Self {
        let classes = content.classes.len();
        let labels: Vec<usize> = content.photos.iter().map(|photo| photo.label).collect();
        let logits = scaled(content.logits, content.temperature.unwrap_or(1.0));
        let predictions = Prediction::all(classes, &logits, &labels);
        let roc = (classes == 2).then(|| {
            // The difference of the logits increases with the probability of the second class and,
            // unlike the probability, never rounds to 0 or 1.
            let scores: Vec<f64> =
                logits.chunks(2).map(|row| f64::from(row[1]) - f64::from(row[0])).collect();
            let is_positive: Vec<bool> = labels.iter().map(|label| *label == 1).collect();
            let roc = Roc::of(&scores, &is_positive)?;
            Some((roc, Roc::auc_interval(&scores, &is_positive, SEED)))
        });
        let galleries = Galleries::of(&predictions, classes, content.gallery);
        let suspected = match content.suspects {
            Some(_) => Vec::new(),
            None => suspected_label_errors(classes, &predictions),
        };
        let farthest = content.strangers.map_or(Vec::new(), |strangers| {
            strangers.farthest(content.gallery.min(FARTHEST_SHOWN))
        });
        Self {
            content,
            scores: Scores::of(classes, &logits, &labels),
            intervals: ScoreIntervals::of(classes, &predictions, SEED),
            calibration: Calibration::of(&predictions, Calibration::BINS),
            calibration_errors: CalibrationSummary::measured(
                classes,
                content.logits,
                &labels,
                content.temperature,
                SEED,
            ),
            roc: roc.flatten(),
            top5: (classes >= TOP_5_CLASSES).then(|| top_k_accuracy(&predictions, 5)),
            places: galleries.places(shown_suspects(&suspected), &farthest),
            galleries,
            suspected,
            farthest,
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
        shown_suspects(&self.suspected)
    }

    /// The score of a photo that the page shows as far from those trained on, or that is above the
    /// threshold, and whether it is.
    fn stranger(&self, photo: usize) -> Option<(f64, bool)> {
        let Strangers { scores, threshold } = self.content.strangers?;
        let (score, is_unknown) = (scores[photo], scores[photo] > threshold);
        (is_unknown || self.farthest.contains(&photo)).then_some((score, is_unknown))
    }

    fn class(&self, index: usize) -> &str {
        &self.content.classes[index]
    }
}

/// The suspected label errors that are shown with a picture.
fn shown_suspects(suspected: &[usize]) -> &[usize] {
    &suspected[..suspected.len().min(SUSPECTS_SHOWN)]
}

//! The report about a model that gives a photo any number of classes.
//!
//! Each class has its own precision, recall and confusion, and its own gallery of the photos in
//! which it was missed or wrongly given. As in the other report, each class shows at most `gallery`
//! photos in each group, and thumbnails take at most 10 MiB.

mod cards;
mod classes;
mod galleries;
mod page;
mod precision_recall;
mod strangers;

use std::path::PathBuf;

use super::charts::{self, Captions};
use super::pictures::Thumbnails;
use super::{Leaked, MapRequest, Report, ReportPhoto, Strangers, activation_maps};
use crate::evaluation::{
    Calibration, CalibrationSummary, MultiLabelIntervals, MultiLabelScores, label_calibration,
    label_sets, sigmoid,
};
use crate::features::Extractor;
use crate::head::{EpochMetrics, Head};
use crate::photos::{LabelSet, LabelledPhoto};
use galleries::{Galleries, Shown};

/// What the figures of an epoch are called.
const CAPTIONS: Captions = ["Loss (binary cross-entropy)", "Exact match at 0.5"];

/// The data of a report on photos that show any number of classes.
pub struct MultiLabelContent<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Class names, in the order of the logits.
    pub classes: &'a [String],
    /// For each class, the probability from which on a photo is said to show it.
    pub thresholds: &'a [f64],
    /// The epochs and the number of the one that was kept, if the model comes from a run.
    pub epochs: Option<(&'a [EpochMetrics], usize)>,
    /// Which photos were evaluated, as part of a sentence: `6 validation photos in /photos`.
    pub source: String,
    /// Whether the thresholds were chosen on these photos.
    pub chose_thresholds: bool,
    /// The evaluated photos: at least one.
    pub photos: &'a [ReportPhoto<'a, LabelSet>],
    /// Their calibrated logits, `[photos, classes]`.
    pub logits: &'a [f32],
    /// The calibration error of the probabilities, without and with the temperature.
    pub calibration: &'a CalibrationSummary,
    /// How far the photos are from those trained on, if the model knows these.
    pub strangers: Option<Strangers<'a>>,
    /// Number of training photos that show each class, if known.
    pub trained_on: Option<Vec<usize>>,
    /// Skipped files, each with the reason.
    pub skipped: &'a [(String, String)],
    /// Evaluated photos that were trained on, or the reason why this could not be checked.
    pub leaked: Result<Leaked, String>,
    /// Groups of byte-for-byte equal photos with different labels: indices into `label_texts`.
    pub contradictions: Vec<Vec<LabelledPhoto>>,
    /// Label sets in words, which the contradictions refer to.
    pub label_texts: Vec<String>,
    /// How the model was trained and evaluated, as names and values.
    pub making: Vec<(&'static str, String)>,
    /// Number of photos to show in each group of each class.
    pub gallery: usize,
}

/// The content with everything that is computed from it.
struct Findings<'a> {
    content: &'a MultiLabelContent<'a>,
    scores: MultiLabelScores,
    intervals: MultiLabelIntervals,
    calibration: Calibration,
    /// The predicted classes of each photo.
    predicted: Vec<LabelSet>,
    galleries: Galleries,
}

impl Report {
    /// Renders the report of the model that consists of the extractor's backbone and `head`, which
    /// gives a photo any number of classes.
    ///
    /// # Panics
    /// If the lengths in `content` do not agree, or if it has no photos.
    pub fn draw_multi_label(
        content: &MultiLabelContent,
        extractor: &Extractor,
        head: &Head,
    ) -> Self {
        let findings = Findings::of(content);
        let explained: Vec<Shown> = findings.galleries.explained().collect();
        let requests: Vec<MapRequest> = explained
            .iter()
            .map(|shown| MapRequest {
                photo: content.photos[shown.photo].path,
                classes: vec![shown.class],
            })
            .collect();
        let (maps, problem) = match activation_maps(extractor, head, &requests) {
            Ok(maps) => (maps, None),
            Err(error) => (Vec::new(), Some(format!("there are no activation maps: {error}"))),
        };
        let maps = explained.into_iter().zip(maps).collect();
        let wanted: Vec<usize> = findings.galleries.photos().collect();
        let path = |photo: usize| -> PathBuf { content.photos[photo].path.to_owned() };
        let thumbnails = Thumbnails::of(&wanted, path, &extractor.preprocessing());
        let curves = content.epochs.map(|(epochs, best)| charts::curves(epochs, best, CAPTIONS));
        let panels = content.epochs.map(|(epochs, best)| charts::panels(epochs, best, CAPTIONS));
        let drawings = page::Drawings {
            curves: panels.as_ref().map(<[String; 2]>::as_slice),
            thumbnails: &thumbnails,
            maps: &maps,
            problem: problem.as_deref(),
            preprocessing: &extractor.preprocessing(),
        };
        Self { html: page::html(&findings, &drawings), curves, problem }
    }
}

impl<'a> Findings<'a> {
    fn of(content: &'a MultiLabelContent<'a>) -> Self {
        let MultiLabelContent { classes, thresholds, logits, .. } = content;
        let labels: Vec<&LabelSet> = content.photos.iter().map(|photo| &photo.label).collect();
        let predicted = label_sets(logits, thresholds);
        Self {
            content,
            scores: MultiLabelScores::of(classes, logits, &labels, thresholds),
            intervals: MultiLabelIntervals::of(logits, &labels, thresholds, 0),
            calibration: label_calibration(classes.len(), logits, &labels, Calibration::BINS),
            galleries: Galleries::of(content, &predicted),
            predicted,
        }
    }

    fn probability(&self, photo: usize, class: usize) -> f64 {
        sigmoid(self.content.logits[photo * self.content.classes.len() + class])
    }

    fn class(&self, index: usize) -> &str {
        &self.content.classes[index]
    }
}

//! The section of photos whose label may be wrong.

use std::path::Path;

use maud::{Markup, html};

use super::cards::cards;
use super::gallery::{Place, percent};
use super::page::Drawings;
use super::pictures::{SIDE, Thumbnails, absolute, file_url, path_text};
use super::{Findings, SUSPECTS_LISTED, SUSPECTS_SHOWN};
use crate::evaluation::{Prediction, suspected_label_errors};
use crate::photos::Part;

/// A photo whose label may be wrong, by the prediction of a head that was not trained on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect<'a> {
    /// Path of the file.
    pub path: &'a Path,
    /// The part of the data set that the photo is in.
    pub part: Part,
    /// Index of the class that it is labelled as.
    pub label: usize,
    /// Index of the class that was predicted.
    pub suggested: usize,
    /// Probability of the suggested class.
    pub probability: f64,
    /// Probability of the label.
    pub of_label: f64,
}

impl<'a> Suspect<'a> {
    /// The suspects among photos with their out-of-fold `logits`, `[photos, classes]`, the most
    /// suspicious first: see [`suspected_label_errors`].
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn all(classes: usize, logits: &[f32], photos: &[(&'a Path, Part, usize)]) -> Vec<Self> {
        let labels: Vec<usize> = photos.iter().map(|(_, _, label)| *label).collect();
        let predictions = Prediction::all(classes, logits, &labels);
        let suspects = suspected_label_errors(classes, &predictions);
        let suspect = |index: usize| {
            let Prediction { label, predicted, probability, of_label, .. } = predictions[index];
            let (path, part, _) = photos[index];
            Self { path, part, label, suggested: predicted, probability, of_label }
        };
        suspects.into_iter().map(suspect).collect()
    }
}

/// The section: over all photos of the run if that is known, otherwise over the evaluated ones.
pub fn section(findings: &Findings, drawings: &Drawings) -> Markup {
    html! {
        section #label-errors {
            h2 { "Suspected label errors" }
            @match findings.content.suspects {
                Some(suspects) => { (of_all_photos(findings, drawings.thumbnails, suspects)) }
                None => { (of_evaluated_photos(findings, drawings)) }
            }
        }
    }
}

fn of_all_photos(findings: &Findings, thumbnails: &Thumbnails, suspects: &[Suspect]) -> Markup {
    let paths: Vec<&Path> = suspects.iter().map(|suspect| suspect.path).collect();
    html! {
        @if suspects.is_empty() {
            p {
                "No training or validation photo was confidently predicted as a different class by heads that were not "
                "trained on it."
            }
        } @else {
            p .note {
                "Suspected photos: " (suspects.len()) ", among the training and the validation photos. Each was predicted as a "
                "different class than its folder's by a head that was not trained on it, with at least the average confidence of "
                "the photos in that class. It may be in the wrong folder, or just hard to classify. The most suspicious photos "
                "come first."
            }
            div .cards {
                @for (index, suspect) in suspects.iter().take(SUSPECTS_SHOWN).enumerate() {
                    (suspect_card(findings, thumbnails, index, suspect))
                }
            }
            (list(&paths))
        }
    }
}

fn suspect_card(
    findings: &Findings,
    thumbnails: &Thumbnails,
    index: usize,
    suspect: &Suspect,
) -> Markup {
    let path = absolute(suspect.path);
    let (full_path, url) = (path_text(&path), file_url(&path));
    let name = path_text(Path::new(path.file_name().unwrap_or_default()));
    let label = findings.class(suspect.label);
    html! {
        figure .card .wrong data-suspect=(full_path) {
            a href=(url) title=(full_path) {
                span .picture {
                    @if let Some(thumbnail) = thumbnails.get(findings.content.photos.len() + index) {
                        img src=(thumbnail) width=(SIDE) height=(SIDE) decoding="async"
                            alt={ "a photo labelled as " (label) };
                    } @else {
                        span .no-picture { "no picture" }
                    }
                }
            }
            figcaption {
                span .verdict { bdi { (findings.class(suspect.suggested)) } "?" }
                " " span .probability { (percent(suspect.probability)) }
                span .truth { "labelled as " bdi { (label) } ", " (suspect.part.name()) }
                a .file href=(url) title=(full_path) { bdi { (name) } }
            }
        }
    }
}

fn of_evaluated_photos(findings: &Findings, drawings: &Drawings) -> Markup {
    let suspected = &findings.suspected;
    let path = |photo: &usize| findings.content.photos[*photo].path;
    let paths: Vec<&Path> = suspected.iter().map(path).collect();
    html! {
        @if suspected.is_empty() {
            p { "No photo was confidently predicted as a different class." }
        } @else {
            p .note {
                "Suspected photos: " (suspected.len()) ". Each was predicted as a different class than its folder's, with at least the "
                "average confidence of the photos in that class. It may be in the wrong folder, or just hard to classify. "
                "The most suspicious photos come first."
            }
            (cards(findings, drawings.thumbnails, findings.shown_suspects(), Place::Suspects))
            (list(&paths))
        }
    }
}

/// The paths to copy.
fn list(paths: &[&Path]) -> Markup {
    let listed = &paths[..paths.len().min(SUSPECTS_LISTED)];
    html! {
        details {
            summary { "List of files to copy (one click selects all)" }
            pre #suspects { @for path in listed { (path_text(&absolute(path))) "\n" } }
            @if listed.len() < paths.len() {
                p .note { "Only the first " (listed.len()) " of " (paths.len()) " are listed." }
            }
        }
    }
}

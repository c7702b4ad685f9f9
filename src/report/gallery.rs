//! Selects the photos shown on the page, and lays out the galleries of the classes.

use std::collections::HashMap;

use maud::{Markup, html};

use super::Findings;
use super::cards::cards;
use super::pictures::Thumbnails;
use crate::evaluation::Prediction;
use crate::photos::{Fit, Preprocessing};

/// Maximum number of cards in the class galleries: with many classes, each class shows fewer.
const MAX_CARDS: usize = 3000;
/// Maximum number of wrong photos with activation maps.
const MAX_EXPLAINED: usize = 100;
/// Up to this number of classes, every class gallery starts expanded.
const MAX_EXPANDED_CLASSES: usize = 3;
/// Up to this number of classes, the list of the class galleries is not folded.
const MAX_LISTED_CLASSES: usize = 30;

/// The part of the page that shows a photo: the first one that lists it. The others refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The wrong photos of all classes, with activation maps.
    Explained,
    /// The wrong photos in the gallery of a class.
    Wrong,
    /// The least confident photos in the gallery of a class.
    Uncertain,
    /// The most confident photos in the gallery of a class.
    Right,
    /// The suspected label errors.
    Suspects,
    /// The photos that are farthest from those trained on.
    Strangers,
}

/// The photos shown on the page.
pub struct Galleries {
    /// One gallery per class.
    classes: Vec<ClassGallery>,
    /// All wrong predictions, most confident first.
    all_wrong: Vec<usize>,
    /// Maximum number of photos in each group of a class.
    pub each: usize,
}

/// The photos shown for one class, as photo indices.
struct ClassGallery {
    /// Correct predictions, most confident first.
    right: Vec<usize>,
    /// Wrong predictions, most confident first.
    wrong: Vec<usize>,
    /// Correct and wrong predictions, least confident first.
    uncertain: Vec<usize>,
    /// Number of photos of the class.
    photos: usize,
    /// Number of correct predictions.
    right_count: usize,
}

impl Galleries {
    pub fn of(predictions: &[Prediction], classes: usize, requested: usize) -> Self {
        let mut by_class = vec![Vec::new(); classes];
        // Most confident first. The sort is stable, so the page is the same each time.
        let mut order: Vec<usize> = (0..predictions.len()).collect();
        order.sort_by(|one, other| {
            predictions[*other].probability.total_cmp(&predictions[*one].probability)
        });
        for photo in &order {
            by_class[predictions[*photo].label].push(*photo);
        }
        let non_empty = by_class.iter().filter(|photos| !photos.is_empty()).count();
        let each = requested.min((MAX_CARDS / (3 * non_empty.max(1))).max(1));
        let first = |photos: &mut dyn Iterator<Item = &usize>| photos.take(each).copied().collect();
        let is_right = |photo: &&usize| predictions[**photo].is_right();
        let classes: Vec<ClassGallery> = by_class
            .iter()
            .map(|photos| ClassGallery {
                right: first(&mut photos.iter().filter(is_right)),
                wrong: first(&mut photos.iter().filter(|photo| !is_right(photo))),
                uncertain: first(&mut photos.iter().rev()),
                photos: photos.len(),
                right_count: photos.iter().filter(is_right).count(),
            })
            .collect();
        let all_wrong: Vec<usize> =
            order.into_iter().filter(|photo| !predictions[*photo].is_right()).collect();
        Self { classes, all_wrong, each }
    }

    /// The wrong photos whose activation maps are shown, most confident first.
    pub fn wrong_to_explain(&self) -> Vec<usize> {
        let limit = self.classes.len().saturating_mul(self.each).min(MAX_EXPLAINED);
        self.all_wrong.iter().take(limit).copied().collect()
    }

    /// Number of wrong predictions.
    pub fn wrong_count(&self) -> usize {
        self.all_wrong.len()
    }

    /// The place of every photo that the page shows, in the order of `photos`.
    pub fn places(&self, suspects: &[usize], farthest: &[usize]) -> HashMap<usize, Place> {
        let mut places = HashMap::new();
        let mut add = |photos: &[usize], place| {
            for photo in photos {
                places.entry(*photo).or_insert(place);
            }
        };
        add(&self.wrong_to_explain(), Place::Explained);
        for class in &self.classes {
            for (_, place, photos) in class.groups() {
                add(photos, place);
            }
        }
        add(suspects, Place::Suspects);
        add(farthest, Place::Strangers);
        places
    }

    /// Every photo of the class galleries, most informative first.
    pub fn photos(&self) -> impl Iterator<Item = usize> {
        let of_each_class = |of: fn(&ClassGallery) -> &Vec<usize>| self.classes.iter().flat_map(of);
        of_each_class(|class| &class.wrong)
            .chain(of_each_class(|class| &class.uncertain))
            .chain(of_each_class(|class| &class.right))
            .copied()
    }
}

impl ClassGallery {
    /// The groups of photos, with their titles.
    fn groups(&self) -> [(&'static str, Place, &[usize]); 3] {
        [
            ("Most confident wrong predictions", Place::Wrong, &self.wrong),
            ("Least confident predictions", Place::Uncertain, &self.uncertain),
            ("Most confident correct predictions", Place::Right, &self.right),
        ]
    }
}

/// The galleries of all classes.
pub fn section(
    findings: &Findings,
    thumbnails: &Thumbnails,
    preprocessing: &Preprocessing,
) -> Markup {
    let galleries = &findings.galleries;
    if findings.content.gallery == 0 {
        return html! {};
    }
    let classes = html! {
        @for (index, class) in galleries.classes.iter().enumerate() {
            @if class.photos > 0 { (class_gallery(findings, thumbnails, index, class)) }
        }
    };
    html! {
        section #galleries {
            h2 { "Photos" }
            p .note {
                @if galleries.wrong_count() == 0 { (about_pictures(preprocessing)) }
                @if galleries.each < findings.content.gallery {
                    " To limit the size of this page, each class shows at most " (galleries.each) " photos per group."
                }
                @if thumbnails.is_full {
                    " Some photos have no picture, to limit the size of this page."
                }
            }
            @if galleries.classes.len() <= MAX_LISTED_CLASSES { (classes) } @else {
                details { summary { "Photos of each class" } (classes) }
            }
        }
    }
}

/// How to read the cards.
pub fn about_pictures(preprocessing: &Preprocessing) -> String {
    let crop = preprocessing.crop;
    let seen = match preprocessing.fit {
        Fit::Crop => format!("the photo's centre, {crop} × {crop} pixels"),
        Fit::Pad => format!("the whole photo on a background, {crop} × {crop} pixels"),
        Fit::Stretch => format!("the whole photo, stretched to {crop} × {crop} pixels"),
    };
    format!(
        "Each picture shows what the network sees: {seen}. Click it to open the photo. The caption gives the predicted class with its probability and, if \
         the prediction is wrong, the true class."
    )
}

fn class_gallery(
    findings: &Findings,
    thumbnails: &Thumbnails,
    index: usize,
    class: &ClassGallery,
) -> Markup {
    let is_open = findings.galleries.classes.len() <= MAX_EXPANDED_CLASSES;
    html! {
        details .class-gallery open[is_open] {
            summary {
                strong { bdi { (findings.class(index)) } }
                " " (class.right_count) " of " (class.photos) " correct"
            }
            @for (title, place, photos) in class.groups() {
                div .gallery data-sort=(format!("{place:?}").to_lowercase()) {
                    h4 { (title) }
                    @if photos.is_empty() {
                        @match place {
                            Place::Right => { p .note { "No correct predictions." } }
                            _ => { p .note { "No wrong predictions." } }
                        }
                    } @else { (cards(findings, thumbnails, photos, place)) }
                }
            }
        }
    }
}

/// Formats a share as `97.5 %`, with more decimal places if it would otherwise round up to 100 %.
pub fn percent(share: f64) -> String {
    let places = match 1.0 - share {
        rest if rest == 0.0 || rest >= 0.0005 => 1,
        rest if rest >= 0.00005 => 2,
        rest if rest >= 0.000005 => 3,
        _ => return "> 99.999 %".into(),
    };
    format!("{:.places$} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(count: usize, classes: usize) -> Vec<Prediction> {
        (0..count)
            .map(|index| {
                let label = index % classes;
                let predicted = if index % 3 == 0 { (label + 1) % classes } else { label };
                let probability = 0.5 + (index * 7919 % count) as f64 / (2 * count) as f64;
                let rank = usize::from(label != predicted);
                Prediction { label, predicted, probability, of_label: 0.1, rank }
            })
            .collect()
    }

    #[test]
    fn galleries_show_the_extremes_of_each_class() {
        let predictions = predictions(300, 2);
        let galleries = Galleries::of(&predictions, 2, 5);
        for (label, class) in galleries.classes.iter().enumerate() {
            let of_class = |right: bool| {
                let mut probabilities: Vec<f64> = predictions
                    .iter()
                    .filter(|one| one.label == label && one.is_right() == right)
                    .map(|one| one.probability)
                    .collect();
                probabilities.sort_by(|one, other| other.total_cmp(one));
                probabilities.truncate(5);
                probabilities
            };
            let shown = |photos: &[usize]| {
                photos.iter().map(|photo| predictions[*photo].probability).collect::<Vec<_>>()
            };
            assert_eq!(shown(&class.right), of_class(true));
            assert_eq!(shown(&class.wrong), of_class(false));
            let least = shown(&class.uncertain);
            assert!(least.windows(2).all(|pair| pair[0] <= pair[1]) && least.len() == 5);
        }
        assert_eq!(galleries.wrong_count(), 100);
    }

    #[test]
    fn the_number_of_cards_is_bounded_whatever_the_number_of_classes() {
        for classes in [2, 30, 1000] {
            let galleries = Galleries::of(&predictions(10_000, classes), classes, 50);
            assert!(galleries.photos().count() <= MAX_CARDS, "{classes}");
            assert!(galleries.wrong_to_explain().len() <= MAX_EXPLAINED);
        }
    }

    #[test]
    fn a_probability_below_one_is_never_told_as_certain() {
        for (share, text) in [
            (0.5, "50.0 %"),
            (0.9754, "97.5 %"),
            (0.99949, "99.9 %"),
            (0.99996, "99.996 %"),
            (0.99999999, "> 99.999 %"),
            (1.0, "100.0 %"),
            (0.0, "0.0 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }
}

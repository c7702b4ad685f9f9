//! Selects the photos in which a class was missed or wrongly given, and lays them out.

use maud::{Markup, html};

use super::cards::card;
use super::page::Drawings;
use super::{Findings, MultiLabelContent};
use crate::evaluation::sigmoid;
use crate::photos::LabelSet;

/// Maximum number of cards: with many classes, each class shows fewer.
const MAX_CARDS: usize = 3000;
/// Maximum number of cards with activation maps.
const MAX_EXPLAINED: usize = 100;
/// Up to this number of classes, every gallery starts expanded.
const MAX_EXPANDED_CLASSES: usize = 6;

/// A photo in the gallery of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shown {
    pub photo: usize,
    pub class: usize,
}

/// The photos shown on the page.
pub struct Galleries {
    classes: Vec<ClassGallery>,
    /// Maximum number of photos in each group of a class.
    pub each: usize,
}

/// The photos shown for one class, as photo indices.
struct ClassGallery {
    /// Shows the class and was not said to, the least probable first.
    missed: Vec<usize>,
    missed_count: usize,
    /// Was said to show the class and does not, the most probable first.
    wrongly_given: Vec<usize>,
    wrongly_given_count: usize,
    /// Rightly said to show the class, the most probable first.
    found: Vec<usize>,
    found_count: usize,
}

impl Galleries {
    pub fn of(content: &MultiLabelContent, predicted: &[LabelSet]) -> Self {
        let classes = content.classes.len();
        let each = content.gallery.min((MAX_CARDS / (3 * classes.max(1))).max(1));
        let first = |photos: &[usize]| photos.iter().take(each).copied().collect();
        let gallery = |class: usize| {
            let (mut missed, mut wrongly_given, mut found) = (Vec::new(), Vec::new(), Vec::new());
            for (photo, (known, predicted)) in content.photos.iter().zip(predicted).enumerate() {
                match (known.label.contains(&class), predicted.contains(&class)) {
                    (true, true) => found.push(photo),
                    (true, false) => missed.push(photo),
                    (false, true) => wrongly_given.push(photo),
                    (false, false) => {}
                }
            }
            let probability = |photo: &usize| sigmoid(content.logits[photo * classes + class]);
            // The sorts are stable, so the page is the same each time.
            missed.sort_by(|one, other| probability(one).total_cmp(&probability(other)));
            for photos in [&mut wrongly_given, &mut found] {
                photos.sort_by(|one, other| probability(other).total_cmp(&probability(one)));
            }
            ClassGallery {
                missed: first(&missed),
                missed_count: missed.len(),
                wrongly_given: first(&wrongly_given),
                wrongly_given_count: wrongly_given.len(),
                found: first(&found),
                found_count: found.len(),
            }
        };
        Self { classes: (0..classes).map(gallery).collect(), each }
    }

    /// The cards with activation maps: the worst mistakes of every class in turn.
    pub fn explained(&self) -> impl Iterator<Item = Shown> {
        let wrong = |class: &ClassGallery, rank: usize| {
            [class.missed.get(rank), class.wrongly_given.get(rank)].map(|photo| photo.copied())
        };
        (0..self.each)
            .flat_map(move |rank| {
                let each = self.classes.iter().enumerate();
                each.flat_map(move |(class, gallery)| {
                    wrong(gallery, rank)
                        .into_iter()
                        .flatten()
                        .map(move |photo| Shown { photo, class })
                })
            })
            .take(MAX_EXPLAINED)
    }

    /// The photo of every card, the most informative first.
    pub fn photos(&self) -> impl Iterator<Item = usize> {
        let wrong =
            self.classes.iter().flat_map(|class| class.missed.iter().chain(&class.wrongly_given));
        wrong.chain(self.classes.iter().flat_map(|class| &class.found)).copied()
    }
}

/// The galleries of all classes.
pub fn section(findings: &Findings, drawings: &Drawings) -> Markup {
    let (galleries, content) = (&findings.galleries, findings.content);
    if content.gallery == 0 {
        return html! {};
    }
    html! {
        section #galleries {
            h2 { "Missed and wrongly given" }
            @if let Some(problem) = drawings.problem {
                p .warning { "This section is incomplete: " (problem) "." }
            }
            p .note {
                "Each picture shows what the network sees. Click it to open the photo. A class with ✓ was rightly found; with ✗, it was given although the photo is not labelled with it, or it was missed."
                @if galleries.each < content.gallery {
                    " To limit the size of this page, each class shows at most " (galleries.each) " photos per group."
                }
                @if drawings.thumbnails.is_full {
                    " Some photos have no picture, to limit the size of this page."
                }
            }
            p .note {
                "A photo with a wrongly given class of high probability may lack a label; a missed class of low probability may be a wrong label."
            }
            @if !drawings.maps.is_empty() {
                p .note {
                    "The worst mistakes of each class have the evidence for that class drawn over them (a class activation map, whose mean plus the head's bias is the logit)."
                }
                // Without a script: the style sheet hides the maps that follow a checked box.
                input #hide-maps type="checkbox";
                label for="hide-maps" { "Show the photos without maps" }
                p .scale { "little evidence " span .colours {} " much evidence" }
            }
            @for (class, gallery) in galleries.classes.iter().enumerate() {
                @if gallery.missed_count + gallery.wrongly_given_count + gallery.found_count > 0 {
                    (class_gallery(findings, drawings, class, gallery))
                }
            }
        }
    }
}

fn class_gallery(
    findings: &Findings,
    drawings: &Drawings,
    class: usize,
    gallery: &ClassGallery,
) -> Markup {
    let ClassGallery { missed_count, wrongly_given_count, found_count, .. } = gallery;
    let groups = [
        ("Missed: labelled, not found", "missed", &gallery.missed),
        ("Wrongly given: found, not labelled", "wrongly-given", &gallery.wrongly_given),
        ("Rightly found", "found", &gallery.found),
    ];
    html! {
        details .class-gallery open[findings.galleries.classes.len() <= MAX_EXPANDED_CLASSES] {
            summary {
                strong { bdi { (findings.class(class)) } }
                " " (missed_count) " missed, " (wrongly_given_count) " wrongly given, " (found_count) " found"
            }
            @for (title, sort, photos) in groups {
                @if !photos.is_empty() {
                    div .gallery data-sort=(sort) {
                        h4 { (title) }
                        div .cards {
                            @for photo in photos { (card(findings, drawings, Shown { photo: *photo, class })) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{CalibrationSummary, label_sets};
    use crate::report::ReportPhoto;

    /// The galleries of photos of which every third answer is wrong.
    fn galleries(photos: usize, classes: usize, each: usize) -> (Galleries, Vec<f32>) {
        let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        let known: Vec<ReportPhoto<LabelSet>> = (0..photos)
            .map(|photo| ReportPhoto {
                path: "x.png".as_ref(),
                label: (0..classes).filter(|class| (photo + class) % 2 == 0).collect(),
                size: (1, 1),
            })
            .collect();
        let logits: Vec<f32> = (0..photos * classes)
            .map(|at| {
                let is_shown = (at / classes + at % classes).is_multiple_of(2);
                let sign = if is_shown != at.is_multiple_of(3) { 1.0 } else { -1.0 };
                sign * (0.1 + (at * 7919 % 1000) as f32 / 250.0)
            })
            .collect();
        let thresholds = vec![0.5; classes];
        let content = MultiLabelContent {
            name: "many",
            classes: &names,
            thresholds: &thresholds,
            epochs: None,
            source: String::new(),
            chose_thresholds: false,
            photos: &known,
            logits: &logits,
            calibration: &CalibrationSummary::measured_on_label_sets::<LabelSet>(
                classes,
                &[],
                &[],
                None,
                0,
            ),
            strangers: None,
            trained_on: None,
            skipped: &[],
            leaked: Ok(Default::default()),
            contradictions: Vec::new(),
            label_texts: Vec::new(),
            making: Vec::new(),
            gallery: each,
        };
        (Galleries::of(&content, &label_sets(&logits, &thresholds)), logits)
    }

    #[test]
    fn the_worst_mistakes_of_a_class_come_first() {
        let (galleries, logits) = galleries(60, 2, 5);
        for (class, gallery) in galleries.classes.iter().enumerate() {
            let logit = |photo: &usize| logits[photo * 2 + class];
            assert_eq!(gallery.missed.len(), 5);
            assert!(gallery.missed.is_sorted_by(|one, other| logit(one) <= logit(other)));
            let given = &gallery.wrongly_given;
            assert!(
                given.is_sorted_by(|one, other| logit(one) >= logit(other)) && given.len() == 5
            );
            assert!(gallery.missed.iter().all(|photo| logit(photo) < 0.0));
            assert!(given.iter().all(|photo| logit(photo) > 0.0));
        }
        let explained: Vec<Shown> = galleries.explained().collect();
        assert_eq!(explained.len(), 20);
        assert_eq!(explained[0], Shown { photo: galleries.classes[0].missed[0], class: 0 });
    }

    #[test]
    fn the_number_of_cards_of_label_sets_is_bounded_whatever_the_number_of_classes() {
        for classes in [2, 30, 1000] {
            let (galleries, _) = galleries(400, classes, 50);
            assert!(galleries.photos().count() <= MAX_CARDS, "{classes}");
            assert!(galleries.explained().count() <= MAX_EXPLAINED);
        }
    }
}

//! The photos that are unlike everything that the model was trained on.

use maud::{Markup, html};

use super::cards::cards;
use super::gallery::Place;
use super::page::Drawings;
use super::{Findings, Strangers};
use crate::neighbours::{NEAREST, REFUSED};

impl Strangers<'_> {
    /// Number of photos above the threshold.
    pub(super) fn unknown(&self) -> usize {
        self.scores.iter().filter(|score| **score > self.threshold).count()
    }

    /// The `count` photos with the highest scores, highest first.
    pub(super) fn farthest(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        order.sort_by(|one, other| self.scores[*other].total_cmp(&self.scores[*one]));
        order.truncate(count);
        order
    }
}

/// How many photos would be refused, and the photos that are farthest from those trained on.
pub fn section(findings: &Findings, drawings: &Drawings) -> Markup {
    let Some(strangers) = &findings.content.strangers else { return html! {} };
    let (photos, unknown) = (strangers.scores.len(), strangers.unknown());
    let share = 100.0 * unknown as f64 / photos.max(1) as f64;
    let wrong = findings.predictions.iter().zip(strangers.scores);
    let wrong = wrong.filter(|(photo, score)| **score > strangers.threshold && !photo.is_right());
    html! {
        section #strangers {
            h2 { "Unlike the training photos" }
            p {
                strong { (unknown) " of " (photos) " photos (" (format!("{share:.1}")) " %)" }
                " are unlike the training photos, " (wrong.count()) " of them predicted wrong: "
                code { "kindling predict --reject" } " calls such photos unknown."
            }
            p .note {
                "A photo's score is its mean cosine distance to the " (NEAREST) " nearest training photos, and the threshold is "
                (format!("{:.4}", strangers.threshold)) ". It was chosen so that about " (100.0 * REFUSED)
                " % of photos like the training photos are above it. A much larger share means that these photos are of another kind."
                @if findings.content.gallery > 0 { " The farthest photos come first." }
            }
            (cards(findings, drawings.thumbnails, &findings.farthest, Place::Strangers))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_photos_come_first() {
        let strangers = Strangers { scores: &[0.25, 0.75, 0.5, 0.5], threshold: 0.5 };
        assert_eq!((strangers.unknown(), strangers.farthest(3)), (1, vec![1, 2, 3]));
        assert_eq!(strangers.farthest(9), [1, 2, 3, 0]);
    }
}

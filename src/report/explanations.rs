//! The wrong predictions of all classes, with class activation maps.

use maud::{Markup, html};

use super::cards::{card, picture};
use super::gallery::about_pictures;
use super::page::Drawings;
use super::pictures::overlays;
use super::{ActivationMap, Findings};

/// Number of photos that are shown at once; the others are folded.
const UNFOLDED: usize = 12;

/// The most confident wrong predictions with their maps, and a switch that hides the maps.
pub fn section(findings: &Findings, drawings: &Drawings) -> Markup {
    if findings.content.gallery == 0 {
        return html! {};
    }
    let explained = drawings.explained;
    let wrong = findings.galleries.wrong_count();
    let has_maps = explained.iter().any(|(_, maps)| !maps.is_empty());
    let cards = |part: &[(usize, Vec<ActivationMap>)]| {
        html! {
            div .cards .pairs[has_maps] {
                @for (photo, maps) in part { (explanation(findings, drawings, *photo, maps)) }
            }
        }
    };
    let (first, others) = explained.split_at(explained.len().min(UNFOLDED));
    html! {
        section #maps {
            h2 { "Wrong predictions, and where the network looked" }
            @if let Some(problem) = drawings.problem {
                p .warning { "This section is incomplete: " (problem) "." }
            }
            @if wrong == 0 {
                p { "Every photo was predicted correctly, so there is nothing to explain." }
            } @else {
                p .note {
                    (about_pictures(drawings.preprocessing))
                    " The most confident predictions come first."
                    @if explained.len() < wrong {
                        " Only " (explained.len()) " of " (wrong) " wrong photos are shown here."
                    }
                }
                @if has_maps {
                    p .note {
                        "Each photo is shown twice, in grey: with the evidence for the predicted class (left) and for the true "
                        "class (right), on the same scale. The mean of a class activation map plus the head's bias is that class's logit."
                    }
                    // Without a script: the style sheet hides the maps that follow a checked box.
                    input #hide-maps type="checkbox";
                    label for="hide-maps" { "Show the photos without maps" }
                    p .scale { "little evidence " span .colours {} " much evidence" }
                }
                (cards(first))
                @if !others.is_empty() {
                    details {
                        summary { (others.len()) " more wrong predictions" }
                        (cards(others))
                    }
                }
            }
        }
    }
}

fn explanation(
    findings: &Findings,
    drawings: &Drawings,
    photo: usize,
    maps: &[ActivationMap],
) -> Markup {
    if maps.is_empty() {
        return card(findings, photo, picture(findings, drawings.thumbnails, photo, None));
    }
    let overlays = overlays(maps);
    let prediction = &findings.predictions[photo];
    let pictures = html! {
        @for (overlay, class) in overlays.iter().zip([prediction.predicted, prediction.label]) {
            span .map {
                (picture(findings, drawings.thumbnails, photo, Some(overlay)))
                span .map-class { "for " bdi { (findings.class(class)) } }
            }
        }
    };
    card(findings, photo, pictures)
}

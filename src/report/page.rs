//! The page: its head, and the sections in their order.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gallery::{self, card, cards, percent, picture};
use super::pictures::{Thumbnails, overlays, shown, whole};
use super::{ActivationMap, Findings, MARK, SUSPECTS_LISTED, charts, confusion, data};
use crate::photos::Recipe;

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded and nothing is run.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What was drawn for the page.
pub struct Drawings<'a> {
    /// The curves of the epochs, SVG.
    pub curves: Option<&'a str>,
    pub thumbnails: &'a Thumbnails,
    /// Wrong photos with their maps: of the predicted class, and of the true one.
    pub explained: &'a [(usize, Vec<ActivationMap>)],
    /// Why there are no maps.
    pub problem: Option<&'a str>,
    /// How photos are made ready for the network.
    pub recipe: &'a Recipe,
}

pub fn html(findings: &Findings, drawings: &Drawings) -> String {
    let content = findings.content;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ (MARK) " " (env!("CARGO_PKG_VERSION")) };
                title { (content.name) " – report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { bdi { (content.name) } }
                    p .note { (content.source) }
                    (figures(findings))
                    nav { @for (id, name) in links(findings, drawings) { a href={ "#" (id) } { (name) } " " } }
                }
                main {
                    @if let Some(curves) = drawings.curves {
                        section #curves {
                            h2 { "Curves" }
                            div .chart .wide { (PreEscaped(curves)) }
                            p .note { "The line marks the epoch that was kept: the best on the validation photos." }
                        }
                    }
                    (confusion::section(findings))
                    (gallery::section(findings, drawings.thumbnails, drawings.recipe))
                    (explanations(findings, drawings))
                    (suspects(findings, drawings))
                    (probabilities(findings))
                    (data::section(findings, drawings.recipe))
                    (data::making(findings))
                }
            }
        }
    }
    .into_string()
}

/// The sections that there are, in the page's order.
fn links(findings: &Findings, drawings: &Drawings) -> Vec<(&'static str, &'static str)> {
    let shows_photos = findings.content.gallery > 0;
    [
        drawings.curves.map(|_| ("curves", "Curves")),
        Some(("classes", "Classes")),
        Some(("confusion", "Confusion")),
        shows_photos.then_some(("galleries", "Photos")),
        shows_photos.then_some(("maps", "Where it looked")),
        Some(("label-errors", "Suspected labels")),
        Some(("calibration", "Probabilities")),
        findings.roc.as_ref().map(|_| ("roc", "ROC")),
        Some(("data", "Data")),
        Some(("making", "How it was made")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The figures that matter, large.
fn figures(findings: &Findings) -> Markup {
    let scores = &findings.scores;
    html! {
        dl #figures {
            (figure("accuracy", &format!("{:.4}", scores.accuracy)))
            @if let Some(top5) = findings.top5 { (figure("top-5 accuracy", &format!("{top5:.4}"))) }
            @if let Some(roc) = &findings.roc { (figure("AUC", &format!("{:.4}", roc.auc))) }
            (figure("loss", &format!("{:.4}", scores.loss)))
            (figure("calibration error", &format!("{:.4}", findings.calibration.error)))
            (figure("photos", &scores.images.to_string()))
            (figure("wrong", &findings.galleries.wrong_count().to_string()))
        }
    }
}

fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd data-figure=(name) { (value) } } }
}

/// Where the network looked in the photos that it got wrong.
fn explanations(findings: &Findings, drawings: &Drawings) -> Markup {
    if findings.content.gallery == 0 {
        return html! {};
    }
    let shown = drawings.explained.iter().filter(|(_, maps)| !maps.is_empty()).count();
    html! {
        section #maps {
            h2 { "Where the network looked" }
            @if let Some(problem) = drawings.problem {
                p .warning { "Here something is missing: " (problem) "." }
            } @else if findings.galleries.wrong_count() == 0 {
                p { "No photo is wrong: there is nothing to explain." }
            } @else {
                p .note {
                    "Each wrong photo twice: red is evidence for the class that was predicted (left) and for the true one "
                    "(right), on one scale. The mean of such a class activation map and the head's bias add up to the class' logit."
                    @if shown < findings.galleries.wrong_count() {
                        " The " (shown) " most confident of " (findings.galleries.wrong_count()) " are shown."
                    }
                }
                div .cards {
                    @for (photo, maps) in drawings.explained {
                        @if !maps.is_empty() { (explanation(findings, drawings, *photo, maps)) }
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

/// Photos that may lie in the wrong folder.
fn suspects(findings: &Findings, drawings: &Drawings) -> Markup {
    let suspected = &findings.suspected;
    let listed = &suspected[..suspected.len().min(SUSPECTS_LISTED)];
    html! {
        section #label-errors {
            h2 { "Suspected label errors" }
            @if suspected.is_empty() {
                p { "None: no photo is predicted as another class than its folder's with the confidence of that class' own photos." }
            } @else {
                p .note {
                    (suspected.len()) " photos are predicted as another class than their folder says, at least as confidently as that "
                    "class' own photos are on average. Each may be a photo in the wrong folder, or one that is hard. "
                    "The most suspicious come first."
                }
                (cards(findings, drawings.thumbnails, findings.shown_suspects()))
                details {
                    summary { "The files as a list, to copy (one click selects all)" }
                    pre #suspects { @for photo in listed { (shown(&whole(findings.content.photos[*photo].path))) "\n" } }
                    @if listed.len() < suspected.len() {
                        p .note { "The first " (listed.len()) " of " (suspected.len()) "." }
                    }
                }
            }
        }
    }
}

/// Whether the probabilities mean what they say, and the trade between errors of two classes.
fn probabilities(findings: &Findings) -> Markup {
    let calibration = &findings.calibration;
    html! {
        div .side-by-side {
            section #calibration {
                h2 { "Do the probabilities hold?" }
                div .chart { (PreEscaped(charts::reliability(calibration))) }
                p .note {
                    "Expected calibration error " strong { (format!("{:.4}", calibration.error)) }
                    ": how far accuracy (bars) and confidence (the diagonal) lie apart on average. "
                    "Bars below the diagonal: too sure of itself; above: too modest. Points: each bin's mean confidence."
                }
                details {
                    summary { "The bins" }
                    table #bins {
                        thead { tr {
                            th scope="col" { "confidence" } th scope="col" { "photos" }
                            th scope="col" { "mean confidence" } th scope="col" { "accuracy" }
                        } }
                        tbody { @for (index, bin) in calibration.bins.iter().enumerate() {
                            @if bin.photos > 0 {
                                tr {
                                    th scope="row" { "to " (percent((index + 1) as f64 / calibration.bins.len() as f64)) }
                                    td { (bin.photos) } td { (format!("{:.4}", bin.confidence)) }
                                    td { (format!("{:.4}", bin.accuracy)) }
                                }
                            }
                        } }
                    }
                }
            }
            @if let Some(roc) = &findings.roc {
                section #roc {
                    h2 { "Receiver operating characteristic" }
                    div .chart { (PreEscaped(charts::roc(roc, findings.class(1)))) }
                    p .note {
                        "Area under the curve " strong { (format!("{:.4}", roc.auc)) }
                        ": how probable it is that of two photos, one of each class, the right one looks more like "
                        bdi { (findings.class(1)) } "."
                    }
                }
            }
        }
    }
}

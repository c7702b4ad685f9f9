//! Lays out the HTML page: the document head and the sections in order.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gallery::{self, percent};
use super::pictures::Thumbnails;
use super::{
    ActivationMap, Findings, MARK, charts, confusion, data, explanations, learning_curve,
    strangers, suspects,
};
use crate::head::Monitor;
use crate::photos::Preprocessing;
use crate::printable::{is_printable, printable};

const STYLE: &str = include_str!("style.css");
/// Content-Security-Policy: the page loads nothing and runs nothing.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Images and settings that the page embeds.
pub struct Drawings<'a> {
    /// Loss and accuracy curves, each as SVG.
    pub curves: Option<&'a [String]>,
    pub thumbnails: &'a Thumbnails,
    /// Misclassified photos, each with its maps for the predicted and the true class.
    pub explained: &'a [(usize, Vec<ActivationMap>)],
    /// Why the maps are missing.
    pub problem: Option<&'a str>,
    /// The preprocessing of the backbone.
    pub preprocessing: &'a Preprocessing,
}

pub fn html(findings: &Findings, drawings: &Drawings) -> String {
    let content = findings.content;
    let header = html! {
        p .note { (content.source) }
        (figures(findings))
        nav { @for (id, name) in links(findings, drawings) { a href={ "#" (id) } { (name) } " " } }
    };
    let main = html! {
        (curves(drawings.curves, kept(content.monitor)))
        @if let Some(curve) = content.learning_curve { (learning_curve::section(curve)) }
        (confusion::section(findings))
        (explanations::section(findings, drawings))
        (gallery::section(findings, drawings.thumbnails, drawings.preprocessing))
        (suspects::section(findings, drawings))
        (strangers::section(findings, drawings))
        (probabilities(findings))
        (data::section(findings, drawings.preprocessing))
        (data::making(&content.making))
    };
    document(content.name, &header, &main)
}

/// How the epoch was chosen.
fn kept(monitor: Monitor) -> &'static str {
    match monitor {
        Monitor::Accuracy => "the one with the best validation accuracy",
        Monitor::MacroF1 => "the one with the best mean F1 of the classes on the validation photos",
        Monitor::Loss => "the one with the lowest validation loss",
    }
}

/// The training curves, if there are any. `kept` says which epoch was kept.
pub fn curves(curves: Option<&[String]>, kept: &str) -> Markup {
    html! {
        @if let Some(curves) = curves {
            section #curves {
                h2 { "Curves" }
                div .side-by-side {
                    @for curve in curves { div .chart { (PreEscaped(curve)) } }
                }
                p .note { "The vertical line marks the epoch that was kept: " (kept) "." }
            }
        }
    }
}

/// The page about the model `name`, as text that holds no control characters.
pub fn document(name: &str, header: &Markup, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ (MARK) " " (env!("CARGO_PKG_VERSION")) };
                title { (name) " – report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { bdi { (name) } }
                    (header)
                }
                main { (main) }
            }
        }
    };
    with_printable_text(page.into_string())
}

/// Escapes what HTML does not allow in text: names of classes and files may hold any character.
fn with_printable_text(page: String) -> String {
    let is_allowed = |character: char| character == '\n' || is_printable(character);
    match page.chars().all(is_allowed) {
        true => page,
        false => page.split('\n').map(printable).collect::<Vec<_>>().join("\n"),
    }
}

/// Anchor and title of each section on the page, in order.
fn links(findings: &Findings, drawings: &Drawings) -> Vec<(&'static str, &'static str)> {
    let shows_photos = findings.content.gallery > 0;
    [
        drawings.curves.map(|_| ("curves", "Curves")),
        findings.content.learning_curve.map(|_| ("learning-curve", "More photos")),
        Some(("classes", "Classes")),
        Some(("confusion", "Confusion")),
        shows_photos.then_some(("maps", "Wrong predictions")),
        shows_photos.then_some(("galleries", "Photos")),
        Some(("label-errors", "Suspected label errors")),
        findings.content.strangers.map(|_| ("strangers", "Unlike the training photos")),
        Some(("calibration", "Calibration")),
        findings.roc.as_ref().map(|_| ("roc", "ROC")),
        Some(("data", "Data")),
        Some(("making", "How it was made")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The headline figures.
fn figures(findings: &Findings) -> Markup {
    let scores = &findings.scores;
    let intervals = &findings.intervals;
    html! {
        dl #figures {
            (figure_within("accuracy", scores.accuracy, intervals.accuracy_interval))
            @if let Some(top5) = findings.top5 { (figure("top-5 accuracy", &format!("{top5:.4}"))) }
            @if let Some((roc, interval)) = &findings.roc { (figure_within("AUC", roc.auc, *interval)) }
            @if scores.is_unbalanced() {
                (figure_within("balanced accuracy", scores.balanced_accuracy, intervals.balanced_accuracy_interval))
                (figure_within("macro F1", scores.macro_f1, intervals.macro_f1_interval))
            }
            (figure_within("loss", scores.loss, intervals.loss_interval))
            (figure("calibration error", &format!("{:.4}", findings.calibration.error)))
            (figure("photos", &scores.images.to_string()))
            (figure("wrong", &findings.galleries.wrong_count().to_string()))
        }
        @if findings.content.chose_the_epoch {
            p #chosen .note {
                "These photos also chose the epoch that was kept, which flatters the figures: by about half a point of "
                "accuracy, where we measured it. A test part, photos that nothing was chosen by, gives a figure without that: "
                code { "kindling train --test DIR" } ", or " code { "--test-split" } "."
            }
        }
    }
}

/// A figure with its 95 % interval.
fn figure_within(name: &str, value: f64, (low, high): (f64, f64)) -> Markup {
    html! {
        div {
            dt { (name) }
            dd data-figure=(name) { (format!("{value:.4}")) }
            dd .interval { "95 %: " (format!("{low:.4} to {high:.4}")) }
        }
    }
}

pub fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd data-figure=(name) { (value) } } }
}

/// The reliability diagram and, for two classes, the ROC curve.
fn probabilities(findings: &Findings) -> Markup {
    let calibration = &findings.calibration;
    html! {
        div .side-by-side {
            section #calibration {
                h2 { "Calibration" }
                div .chart { (PreEscaped(charts::reliability(calibration))) }
                p .note {
                    "Expected calibration error " strong { (format!("{:.4}", calibration.error)) }
                    ": the average gap between the accuracy (bars) and the confidence of the predictions. "
                    "A perfectly calibrated model would show "
                    strong #perfect { (format!("{:.4}", findings.calibration_errors.error_of_a_perfect_model)) }
                    " on so few photos, by chance. " (temperature(findings)) " "
                    "Bars below the diagonal mean that the model is overconfident, bars above it that it is underconfident. "
                    "Dots show the mean confidence of each bin. The number above a bar counts its photos; the fewer, the paler the bar."
                }
                details {
                    summary { "Bins" }
                    table #bins {
                        thead { tr {
                            th scope="col" { "confidence" } th scope="col" { "photos" }
                            th scope="col" { "mean confidence" } th scope="col" { "accuracy" }
                        } }
                        tbody { @for (index, bin) in calibration.bins.iter().enumerate() {
                            @if bin.photos > 0 {
                                tr {
                                    th scope="row" { "up to " (percent((index + 1) as f64 / calibration.bins.len() as f64)) }
                                    td { (bin.photos) } td { (format!("{:.4}", bin.confidence)) }
                                    td { (format!("{:.4}", bin.accuracy)) }
                                }
                            }
                        } }
                    }
                }
            }
            @if let Some((roc, _)) = &findings.roc {
                section #roc {
                    h2 { "Receiver operating characteristic" }
                    div .chart { (PreEscaped(charts::roc(roc, findings.class(1)))) }
                    p .note {
                        "Area under the curve " strong { (format!("{:.4}", roc.auc)) }
                        ": the probability that a photo of " bdi { (findings.class(1)) }
                        " gets a higher score for that class than a photo of the other class."
                    }
                }
            }
        }
    }
}

/// What the temperature is and what it changed.
fn temperature(findings: &Findings) -> Markup {
    let Findings { content, calibration_errors: errors, .. } = findings;
    let fitted = content.calibration;
    let interval = fitted.and_then(|fitted| fitted.interval);
    let within = interval
        .map_or(String::new(), |(low, high)| format!(" (95 % interval {low:.3} to {high:.3})"));
    html! {
        span #temperature {
            @match (content.temperature, fitted.map(|fitted| fitted.temperature)) {
                (Some(temperature), _) => {
                    "The logits are divided by the temperature " (format!("{temperature:.3}")) (within)
                    ", which was fitted on the validation photos; without it the error is "
                    (format!("{:.4}", errors.error_before)) "."
                }
                (None, Some(Some(temperature))) => {
                    "No temperature is applied: the one that fits best is " (format!("{temperature:.3}")) (within)
                    @if interval.is_some_and(|(low, high)| low <= 1.0 && 1.0 <= high) { ", which may as well be 1" }
                    "."
                }
                (None, Some(None)) => {
                    "No temperature is applied: with so few errors, no temperature fits best."
                }
                (None, None) => { "No temperature is applied." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_no_control_characters() {
        let page = "<p>cat\u{1b}[31m</p>\n<p>ä</p>\n".to_owned();
        assert_eq!(with_printable_text(page), "<p>cat\\u{1b}[31m</p>\n<p>ä</p>\n");
    }
}

//! The sections of the page, in order.

use std::collections::HashMap;

use maud::{Markup, PreEscaped, html};

use super::galleries::{self, Shown};
use super::{Findings, classes, strangers};
use crate::photos::Preprocessing;
use crate::report::confusion::MIN_TALL;
use crate::report::page::{curves, document, figure};
use crate::report::pictures::Thumbnails;
use crate::report::{ActivationMap, charts, data};

/// Images and settings that the page embeds.
pub struct Drawings<'a> {
    /// Loss and exact match of each epoch, each as SVG.
    pub curves: Option<&'a [String]>,
    pub thumbnails: &'a Thumbnails,
    /// The activation maps of the worst mistakes.
    pub maps: &'a HashMap<Shown, Vec<ActivationMap>>,
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
        (curves(drawings.curves, "the one with the lowest validation loss, unless --monitor chose otherwise"))
        (classes::section(findings))
        (galleries::section(findings, drawings))
        (calibration(findings))
        (strangers::section(findings))
        (data(findings, drawings.preprocessing))
        (data::making(&content.making))
    };
    document(content.name, &header, &main)
}

/// Anchor and title of each section on the page, in order.
fn links(findings: &Findings, drawings: &Drawings) -> Vec<(&'static str, &'static str)> {
    [
        drawings.curves.map(|_| ("curves", "Curves")),
        Some(("classes", "Classes")),
        (findings.content.gallery > 0).then_some(("galleries", "Missed and wrongly given")),
        Some(("calibration", "Calibration")),
        findings.content.strangers.map(|_| ("strangers", "Unlike the training photos")),
        Some(("data", "Data")),
        Some(("making", "How it was made")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The headline figures, with their 95 % intervals.
fn figures(findings: &Findings) -> Markup {
    let (scores, intervals) = (&findings.scores, &findings.intervals);
    let with_interval = |name: &str, value: f64, (low, high): (f64, f64)| {
        html! {
            div {
                dt { (name) }
                dd data-figure=(name) { (format!("{value:.4}")) }
                dd .interval { "95 %: " (format!("{low:.4} to {high:.4}")) }
            }
        }
    };
    let precision = scores.mean_average_precision.zip(intervals.mean_average_precision_interval);
    html! {
        dl #figures {
            @if let Some((value, interval)) = precision {
                (with_interval("mean average precision", value, interval))
            }
            (with_interval("macro F1", scores.macro_f1, intervals.macro_f1_interval))
            (with_interval("micro F1", scores.micro_f1, intervals.micro_f1_interval))
            (with_interval("exact match", scores.exact_match, intervals.exact_match_interval))
            (figure("Hamming loss", &format!("{:.4}", scores.hamming_loss)))
            (figure("loss", &format!("{:.4}", scores.loss)))
            (figure("calibration error", &format!("{:.4}", findings.calibration.error)))
            (figure("photos", &scores.images.to_string()))
        }
    }
}

fn calibration(findings: &Findings) -> Markup {
    let summary = findings.content.calibration;
    html! {
        section #calibration {
            h2 { "Calibration" }
            div .chart { (PreEscaped(charts::reliability(&findings.calibration))) }
            p .note {
                "Each bar stands for answers of similar probability, one for each photo and class; its height is the share of them "
                "in which the photo shows the class. Calibrated probabilities lie on the diagonal. The expected calibration error, the mean distance, is "
                (format!("{:.4}", findings.calibration.error)) "; a perfectly calibrated model would show "
                (format!("{:.4}", summary.error_of_a_perfect_model)) " on as many photos."
                @if let (true, Some(temperature)) = (summary.applied, summary.temperature) {
                    " The logits are divided by the temperature " (format!("{temperature:.3}"))
                    @if let Some((low, high)) = summary.interval {
                        (format!(" (95 % interval {low:.3} to {high:.3}, fitted on validation photos)"))
                    }
                    "; without it, the error is " (format!("{:.4}", summary.error_before)) "."
                }
            }
        }
    }
}

fn data(findings: &Findings, preprocessing: &Preprocessing) -> Markup {
    let content = findings.content;
    let trained_on = content.trained_on.as_deref();
    let none = content.photos.iter().filter(|photo| photo.label.is_empty()).count();
    let several = content.photos.iter().filter(|photo| photo.label.len() > 1).count();
    html! {
        section #data {
            h2 { "Data" }
            p { "Evaluated on " (content.source) ". " (several) " show several classes, " (none) " show none." }
            div .scroll .tall[content.classes.len() >= MIN_TALL] {
                table #counts {
                    thead { tr {
                        th scope="col" { "class" }
                        @if trained_on.is_some() { th scope="col" { "trained on" } }
                        th scope="col" { "evaluated" }
                    } }
                    tbody {
                        @for (class, one) in findings.scores.per_class.iter().enumerate() {
                            tr {
                                th scope="row" { bdi { (one.class) } }
                                @if let Some(counts) = trained_on { td { (counts[class]) } }
                                td { (one.support) }
                            }
                        }
                    }
                }
            }
            (data::sizes(content.photos.iter().map(|photo| photo.size).collect(), preprocessing))
            (data::in_two_classes(&content.contradictions, &content.label_texts))
            (data::leaked(&content.leaked, content.photos.len()))
            (data::skipped(content.skipped))
        }
    }
}

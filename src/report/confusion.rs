//! Per-class scores and the confusion matrix.

use maud::{Markup, html};

use super::Findings;
use super::gallery::percent;

/// Maximum number of classes for which the full matrix is shown.
const MATRIX_CLASSES: usize = 30;
/// Up to this number of classes, a wide window has room for horizontal headings and for shares.
const MAX_SPACIOUS: usize = 10;
/// Up to this number of classes, a narrow window has room for them too.
const MAX_SMALL: usize = 3;
/// From this number of rows, a table scrolls in a window of its own.
pub const MIN_TALL: usize = 40;
/// A class with fewer photos has scores that say little.
const MIN_SUPPORT: usize = 10;
/// Maximum number of confused pairs listed instead of the matrix.
const MAX_PAIRS: usize = 50;

/// The scores of each class, and the confusion matrix or its most frequent pairs.
pub fn section(findings: &Findings) -> Markup {
    let classes = findings.content.classes;
    let per_class = findings.scores.per_class(classes);
    let score = |value: f64| format!("{value:.4}");
    let scarce = per_class.iter().filter(|one| one.support < MIN_SUPPORT).count();
    // With many classes, list only those that have photos.
    let rows: Vec<_> =
        per_class.iter().filter(|one| one.support > 0 || classes.len() <= 20).collect();
    html! {
        section #classes {
            h2 { "Classes" }
            div .scroll .tall[rows.len() >= MIN_TALL] {
                table #class-scores {
                    thead { tr {
                        th scope="col" { "class" } th scope="col" { "precision" } th scope="col" { "recall" }
                        th scope="col" { "F1" } th scope="col" { "photos" }
                    } }
                    tbody { @for one in rows {
                        tr {
                            th scope="row" { bdi { (one.class) } }
                            @for value in [one.precision, one.recall, one.f1] {
                                td { @if one.support > 0 { (score(value)) } @else { "n/a" } }
                            }
                            td { (one.support) }
                        }
                    } }
                }
            }
            p .note {
                "Precision: of the photos predicted as this class, the share that are. "
                "Recall: of the photos of this class, the share that were predicted as it. F1: the harmonic mean of the two."
            }
            @if scarce > 0 {
                p .warning {
                    "Classes with fewer than " (MIN_SUPPORT) " evaluated photos: " (scarce)
                    ". Their scores say little."
                }
            }
        }
        section #confusion {
            h2 { "Confusion" }
            @if classes.len() <= MATRIX_CLASSES { (matrix(findings)) } @else { (pairs(findings)) }
        }
    }
}

fn matrix(findings: &Findings) -> Markup {
    let (classes, confusion) = (findings.content.classes, &findings.scores.confusion);
    let share = |count: usize, row: &[usize]| match row.iter().sum::<usize>() {
        0 => 0.0,
        whole => count as f64 / whole as f64,
    };
    let (is_small, is_spacious) = (classes.len() <= MAX_SMALL, classes.len() <= MAX_SPACIOUS);
    html! {
        div .scroll {
            table #matrix .several[!is_small && is_spacious] .many[!is_spacious] {
                thead {
                    tr {
                        th scope="col" { "true ↓ predicted →" }
                        @for class in classes { th scope="col" title=(class) { bdi { (class) } } }
                    }
                }
                tbody { @for (label, row) in confusion.iter().enumerate() {
                    tr {
                        th scope="row" title=(classes[label]) { bdi { (classes[label]) } }
                        @for (predicted, count) in row.iter().enumerate() {
                            td .right[label == predicted] .wrong[label != predicted && *count > 0] .none[*count == 0]
                                style={ "--share:" (format!("{:.3}", share(*count, row))) }
                                title={ (count) " of " (row.iter().sum::<usize>()) } {
                                span .count { (count) }
                                @if is_spacious { span .share { (percent(share(*count, row))) } }
                            }
                        }
                    }
                } }
            }
        }
        p .note {
            "Each row is a true class; each column is a predicted class. "
            @if is_spacious { "The shares of a row add up to 100 %." }
            @else { "The colour is the stronger, the larger the share of the row's photos." }
        }
    }
}

fn pairs(findings: &Findings) -> Markup {
    let classes = findings.content.classes;
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (label, row) in findings.scores.confusion.iter().enumerate() {
        let others =
            row.iter().enumerate().filter(|(predicted, count)| *predicted != label && **count > 0);
        pairs.extend(others.map(|(predicted, count)| (*count, label, predicted)));
    }
    // Most frequent first; ties in class order.
    pairs.sort_by_key(|(count, label, predicted)| (std::cmp::Reverse(*count), *label, *predicted));
    html! {
        p .note {
            "A matrix of " (classes.len()) " classes is too large to read. The table lists the most frequently confused of "
            (pairs.len()) " pairs; " code { "kindling evaluate --json" } " prints the whole matrix."
        }
        div .scroll .tall { table #pairs {
            thead { tr { th scope="col" { "true" } th .name scope="col" { "predicted" } th scope="col" { "photos" } } }
            tbody { @for (count, label, predicted) in pairs.iter().take(MAX_PAIRS) {
                tr {
                    th scope="row" { bdi { (classes[*label]) } } td .name { bdi { (classes[*predicted]) } } td { (count) }
                }
            } }
        } }
    }
}

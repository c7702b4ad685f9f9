//! Which classes are taken for which, and how good each one is.

use maud::{Markup, html};

use super::Findings;
use super::gallery::percent;

/// Most classes for which the whole matrix is shown.
const MATRIX_CLASSES: usize = 30;
/// Up to this number their names stand upright over the columns.
const UPRIGHT_CLASSES: usize = 5;
/// Most pairs of classes that are named where it is not.
const PAIRS: usize = 50;

/// The scores of each class, and the confusion of each pair.
pub fn section(findings: &Findings) -> Markup {
    let classes = findings.content.classes;
    let per_class = findings.scores.per_class(classes);
    let score = |value: f64| format!("{value:.4}");
    html! {
        section #classes {
            h2 { "Classes" }
            div .scroll {
                table #class-scores {
                    thead { tr {
                        th scope="col" { "class" } th scope="col" { "precision" } th scope="col" { "recall" }
                        th scope="col" { "F1" } th scope="col" { "photos" }
                    } }
                    // Of a thousand classes those that were met are of interest.
                    tbody { @for one in per_class.iter().filter(|one| one.support > 0 || classes.len() <= 20) {
                        tr {
                            th scope="row" { bdi { (one.class) } }
                            td { (score(one.precision)) } td { (score(one.recall)) } td { (score(one.f1)) }
                            td { (one.support) }
                        }
                    } }
                }
            }
            p .note {
                "Precision: how many of those predicted as the class are of it. Recall: how many of the class were found. "
                "F1 is their harmonic mean."
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
    html! {
        div .scroll {
            table #matrix .many[classes.len() > UPRIGHT_CLASSES] {
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
                                style={ "--share:" (format!("{:.3}", share(*count, row))) } {
                                span .count { (count) } span .share { (percent(share(*count, row))) }
                            }
                        }
                    }
                } }
            }
        }
        p .note { "Rows are the true class and add up to 100 %; columns are the predicted class." }
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
    // The most frequent first, then in the order of the classes.
    pairs.sort_by_key(|(count, label, predicted)| (std::cmp::Reverse(*count), *label, *predicted));
    html! {
        p .note {
            "A matrix of " (classes.len()) " classes is too large to read. The pairs that are confused most, of "
            (pairs.len()) "; " code { "kindling evaluate --json" } " prints the whole matrix."
        }
        table #pairs {
            thead { tr { th scope="col" { "true" } th scope="col" { "predicted" } th scope="col" { "photos" } } }
            tbody { @for (count, label, predicted) in pairs.iter().take(PAIRS) {
                tr {
                    th scope="row" { bdi { (classes[*label]) } } td { bdi { (classes[*predicted]) } } td { (count) }
                }
            } }
        }
    }
}

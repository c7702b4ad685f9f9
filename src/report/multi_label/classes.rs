//! The scores and the confusion of each class, and its precision-recall curve.

use maud::{Markup, PreEscaped, html};

use super::Findings;
use super::precision_recall;
use crate::evaluation::LabelScores;
use crate::report::confusion::MIN_TALL;

/// A class with fewer photos has scores that say little.
const MIN_SUPPORT: usize = 10;
/// Up to this number of classes, the page shows their precision-recall curves.
const MAX_CURVES: usize = 12;

/// The table of the classes.
pub fn section(findings: &Findings) -> Markup {
    let per_class = &findings.scores.per_class;
    let scarce = per_class.iter().filter(|one| one.support < MIN_SUPPORT).count();
    let score = |one: &LabelScores, value: f64| match one.support {
        0 => "n/a".to_owned(),
        _ => format!("{value:.4}"),
    };
    html! {
        section #classes {
            h2 { "Classes" }
            div .scroll .tall[per_class.len() >= MIN_TALL] {
                table #class-scores {
                    thead { tr {
                        th scope="col" { "class" }
                        @for title in [
                            "average precision", "threshold", "precision", "recall", "F1", "photos",
                            "found", "missed", "wrongly given", "rightly not given",
                        ] { th scope="col" { (title) } }
                    } }
                    tbody { @for one in per_class {
                        tr {
                            th scope="row" { bdi { (one.class) } }
                            td { (one.average_precision.map_or("n/a".into(), |value| format!("{value:.4}"))) }
                            td { (format!("{:.2}", one.threshold)) }
                            td { (score(one, one.precision)) }
                            td { (score(one, one.recall)) }
                            td { (score(one, one.f1)) }
                            td { (one.support) }
                            td { (one.confusion[1][1]) }
                            td { (one.confusion[1][0]) }
                            td { (one.confusion[0][1]) }
                            td { (one.confusion[0][0]) }
                        }
                    } }
                }
            }
            p .note {
                "A photo is said to show a class from the class's threshold on. Precision: of the photos that are said to show the class, "
                "the share that do. Recall: of the photos that show it, the share that are said to. F1: the harmonic mean of the two. "
                "Average precision: the area below the precision-recall curve, whatever the threshold. The last four columns are the class's confusion, as numbers of photos."
            }
            @if findings.content.chose_thresholds {
                p .note {
                    "The thresholds were chosen on these photos, for a high F1. So precision, recall and F1 flatter the model a little; the average precision does not depend on them."
                }
            }
            @if scarce > 0 {
                p .warning {
                    "Classes that fewer than " (MIN_SUPPORT) " evaluated photos show: " (scarce)
                    ". Their scores say little."
                }
            }
        }
        @if (1..=MAX_CURVES).contains(&per_class.len()) { (curves(findings)) }
    }
}

fn curves(findings: &Findings) -> Markup {
    let shown: Vec<usize> = (0..findings.content.classes.len())
        .filter(|class| findings.scores.per_class[*class].support > 0)
        .collect();
    html! {
        section #precision-recall {
            h2 { "Precision and recall" }
            div .side-by-side {
                @for class in shown {
                    div .chart { (PreEscaped(precision_recall::chart(findings, class))) }
                }
            }
            p .note { "Each point of a curve is a threshold; the dot is the one that the model uses." }
        }
    }
}

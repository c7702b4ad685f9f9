//! The photos themselves, and how everything came about.

use maud::{Markup, html};

use super::pictures::shown;
use super::{Findings, ReportPhoto};
use crate::photos::Recipe;

/// Most files that are listed by name.
const LISTED: usize = 200;

/// Counts, sizes, files left out, photos that were met before.
pub fn section(findings: &Findings, recipe: &Recipe) -> Markup {
    let content = findings.content;
    let mut evaluated = vec![0_usize; content.classes.len()];
    content.photos.iter().for_each(|photo| evaluated[photo.label] += 1);
    let trained_on = content.trained_on.as_deref();
    let rows: Vec<usize> = (0..content.classes.len())
        .filter(|class| {
            evaluated[*class] > 0 || trained_on.is_some_and(|counts| counts[*class] > 0)
        })
        .collect();
    let is_small = |photo: &&ReportPhoto| photo.size.0.min(photo.size.1) < recipe.resize;
    let small = content.photos.iter().filter(is_small).count();
    html! {
        section #data {
            h2 { "Data" }
            p { "Evaluated: " (content.source) "." }
            div .scroll {
                table #counts {
                    thead { tr {
                        th scope="col" { "class" }
                        @if trained_on.is_some() { th scope="col" { "trained on" } }
                        th scope="col" { "evaluated" }
                    } }
                    tbody {
                        @for class in rows {
                            tr {
                                th scope="row" { bdi { (content.classes[class]) } }
                                @if let Some(counts) = trained_on { td { (counts[class]) } }
                                td { (evaluated[class]) }
                            }
                        }
                        tr .sum {
                            th scope="row" { "all" }
                            @if let Some(counts) = trained_on { td { (counts.iter().sum::<usize>()) } }
                            td { (content.photos.len()) }
                        }
                    }
                }
            }
            (sizes(findings))
            @if small > 0 {
                p .note {
                    (small) " of the photos evaluated have a side of less than " (recipe.resize)
                    " pixels: they were enlarged for the network."
                }
            }
            (leaked(findings))
            (skipped(findings))
        }
    }
}

/// The smallest, the middle and the largest photo, by its pixels.
fn sizes(findings: &Findings) -> Markup {
    let mut sizes: Vec<(u32, u32)> =
        findings.content.photos.iter().map(|photo| photo.size).collect();
    sizes.sort_by_key(|(width, height)| (u64::from(*width) * u64::from(*height), *width));
    html! {
        table #sizes {
            thead { tr { th scope="col" { "size" } th scope="col" { "pixels" } } }
            tbody { @for (name, at) in [("smallest", 0), ("median", sizes.len() / 2), ("largest", sizes.len() - 1)] {
                tr { th scope="row" { (name) } td { (sizes[at].0) " × " (sizes[at].1) } }
            } }
        }
    }
}

fn leaked(findings: &Findings) -> Markup {
    html! {
        h3 #leaked { "Photos that were trained on" }
        @match &findings.content.leaked {
            Err(reason) => { p .warning { "Not looked for: " (reason) "." } }
            Ok(pairs) if pairs.is_empty() => {
                p { "None of the photos evaluated is, byte for byte, one that was trained on." }
            }
            Ok(pairs) => {
                p .warning {
                    (pairs.len()) " of the photos evaluated are, byte for byte, photos that were trained on. "
                    "They flatter the scores: remove them from one side and train again."
                }
                table #duplicates {
                    thead { tr { th scope="col" { "evaluated" } th scope="col" { "trained on" } } }
                    tbody { @for (evaluated, trained) in pairs.iter().take(LISTED) {
                        tr { td .path { bdi { (shown(evaluated)) } } td .path { bdi { (shown(trained)) } } }
                    } }
                }
                (and_more(pairs.len()))
            }
        }
    }
}

fn skipped(findings: &Findings) -> Markup {
    let skipped = findings.content.skipped;
    html! {
        h3 { "Files left out" }
        @if skipped.is_empty() {
            p { "None." }
        } @else {
            table #skipped {
                thead { tr { th scope="col" { "file" } th scope="col" { "why" } } }
                tbody { @for (path, reason) in skipped.iter().take(LISTED) {
                    tr { td .path { bdi { (path) } } td { "it " (reason) } }
                } }
            }
            (and_more(skipped.len()))
        }
    }
}

fn and_more(count: usize) -> Markup {
    html! { @if count > LISTED { p .note { "... and " (count - LISTED) " more." } } }
}

/// How the model and this page were made.
pub fn making(findings: &Findings) -> Markup {
    html! {
        section #making {
            h2 { "How it was made" }
            dl { @for (name, value) in &findings.content.making {
                div { dt { (name) } dd { bdi { (value) } } }
            } }
        }
    }
}

//! Facts about the photos, and how the model and the page were made.

use maud::{Markup, html};

use super::confusion::MIN_TALL;
use super::pictures::path_text;
use super::{Findings, Leaked};
use crate::photos::{Fit, LabelledPhoto, Preprocessing};
use crate::printable::printable;

/// Maximum number of files listed by name.
const MAX_LISTED: usize = 200;

/// Counts, sizes, training photos among the evaluated ones, and skipped files.
pub fn section(findings: &Findings, preprocessing: &Preprocessing) -> Markup {
    let content = findings.content;
    let mut evaluated = vec![0_usize; content.classes.len()];
    content.photos.iter().for_each(|photo| evaluated[photo.label] += 1);
    let trained_on = content.trained_on.as_deref();
    let rows: Vec<usize> = (0..content.classes.len())
        .filter(|class| {
            evaluated[*class] > 0 || trained_on.is_some_and(|counts| counts[*class] > 0)
        })
        .collect();
    let sizes: Vec<(u32, u32)> = content.photos.iter().map(|photo| photo.size).collect();
    html! {
        section #data {
            h2 { "Data" }
            p { "Evaluated on " (content.source) "." }
            div .scroll .tall[rows.len() >= MIN_TALL] {
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
            (self::sizes(sizes, preprocessing))
            (in_two_classes(&content.in_two_classes, content.classes))
            (leaked(&content.leaked, content.photos.len()))
            (skipped(content.skipped))
        }
    }
}

/// Dimensions of the smallest, median and largest photo, ordered by number of pixels, and how many
/// photos were enlarged.
pub fn sizes(mut sizes: Vec<(u32, u32)>, preprocessing: &Preprocessing) -> Markup {
    let is_small = |size: &&(u32, u32)| preprocessing.enlarges(**size);
    let small = sizes.iter().filter(is_small).count();
    sizes.sort_by_key(|(width, height)| (u64::from(*width) * u64::from(*height), *width));
    html! {
        table #sizes {
            thead { tr { th scope="col" { "size" } th scope="col" { "pixels" } } }
            tbody { @for (name, at) in [("smallest", 0), ("median", sizes.len() / 2), ("largest", sizes.len() - 1)] {
                tr { th scope="row" { (name) } td { (sizes[at].0) " × " (sizes[at].1) } }
            } }
        }
        @if small > 0 {
            p .note {
                "Evaluated photos with " (shorter(preprocessing)) " pixels: " (small)
                ". They were enlarged for the network."
            }
        }
    }
}

/// Which photos are enlarged for the network, as part of a sentence.
fn shorter(preprocessing: &Preprocessing) -> String {
    let Preprocessing { resize, .. } = preprocessing;
    match preprocessing.fit {
        Fit::Crop | Fit::Stretch => format!("a side shorter than {resize}"),
        Fit::Pad => format!("both sides shorter than {resize}"),
    }
}

/// Which of the `evaluated` photos were trained on.
pub fn leaked(leaked: &Result<Leaked, String>, evaluated: usize) -> Markup {
    html! {
        h3 #leaked { "Evaluated photos that were also trained on" }
        @match leaked {
            Err(reason) => { p .warning { "Not checked: " (reason) "." } }
            Ok(leaked) => {
                @if leaked.is_empty() {
                    p { "No evaluated photo is a byte-for-byte copy of a training photo." }
                } @else {
                    (trained_on(leaked, evaluated))
                }
                (near(&leaked.near))
            }
        }
    }
}

/// If the evaluated photos are the training photos, one sentence says so. Single copies are listed.
fn trained_on(leaked: &Leaked, evaluated: usize) -> Markup {
    let Leaked { training_photos, copies, near: _ } = leaked;
    let all_are_copies = training_photos + copies.len() == evaluated;
    let known = if all_are_copies { evaluated } else { *training_photos };
    html! {
        @if known > 0 {
            p .warning {
                "The model was trained on " (known) " of these " (evaluated) " photos, so the scores flatter it. "
                "Evaluate it on photos that it has not seen."
            }
        }
        @if !copies.is_empty() && !all_are_copies {
            p .warning {
                "Evaluated photos that are byte-for-byte copies of training photos: " (copies.len())
                ". They make the scores look better than they are. Remove them from one of the two sets and train again."
            }
            table #duplicates .files {
                thead { tr { th scope="col" { "evaluated" } th scope="col" { "trained on" } } }
                tbody { @for (evaluated, trained) in copies.iter().take(MAX_LISTED) {
                    tr { td .path { bdi { (path_text(evaluated)) } } td .path { bdi { (path_text(trained)) } } }
                } }
            }
            (and_more(copies.len()))
        }
    }
}

/// Photos that are nearly the same in different parts of the split.
fn near(near: &[(String, String, f32)]) -> Markup {
    html! {
        @if !near.is_empty() {
            p .warning {
                "Validation or test photos that are nearly the same as photos of an earlier part, by their features. "
                "They make the scores look better than they are. Train with --split-duplicates together to keep them on one side."
            }
            table #near-duplicates .files {
                thead { tr { th scope="col" { "photo" } th scope="col" { "like" } th scope="col" { "similarity" } } }
                tbody { @for (photo, like, similarity) in near.iter().take(MAX_LISTED) {
                    tr {
                        td .path { bdi { (printable(photo)) } }
                        td .path { bdi { (printable(like)) } }
                        td { (format!("{similarity:.2}")) }
                    }
                } }
            }
        }
    }
}

/// Photos whose labels contradict each other.
pub fn in_two_classes(groups: &[Vec<LabelledPhoto>], classes: &[String]) -> Markup {
    html! {
        h3 #contradictions { "The same photo in two classes" }
        @if groups.is_empty() {
            p { "No two files of different classes are byte-for-byte copies of each other." }
        } @else {
            p .warning {
                "Photos that are in more than one class folder: " (groups.len())
                ". At most one of the classes is right. Delete the other copies and train again."
            }
            table #two-classes .files {
                thead { tr { th scope="col" { "file" } th scope="col" { "class" } } }
                @for group in groups.iter().take(MAX_LISTED) {
                    tbody { @for photo in group.iter().take(MAX_LISTED) {
                        tr {
                            td .path { bdi { (path_text(&photo.path)) } }
                            td .path { bdi { (classes[photo.label]) } }
                        }
                    } }
                }
            }
            (and_more(groups.len()))
        }
    }
}

pub fn skipped(skipped: &[(String, String)]) -> Markup {
    html! {
        h3 { "Skipped files" }
        @if skipped.is_empty() {
            p { "No files were skipped." }
        } @else {
            table #skipped .files {
                thead { tr { th scope="col" { "file" } th scope="col" { "reason" } } }
                tbody { @for (path, reason) in skipped.iter().take(MAX_LISTED) {
                    tr { td .path { bdi { (path) } } td { "it " (reason) } }
                } }
            }
            (and_more(skipped.len()))
        }
    }
}

fn and_more(count: usize) -> Markup {
    html! { @if count > MAX_LISTED { p .note { "... and " (count - MAX_LISTED) " more." } } }
}

/// How the model was trained and evaluated.
pub fn making(rows: &[(&str, String)]) -> Markup {
    html! {
        section #making {
            h2 { "How it was made" }
            dl { @for (name, value) in rows {
                div { dt { (name) } dd { bdi { (value) } } }
            } }
        }
    }
}

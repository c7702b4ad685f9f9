//! The photos that are unlike everything that the model was trained on.

use maud::{Markup, html};

use super::Findings;
use crate::neighbours::{NEAREST, REFUSED};
use crate::report::pictures::{file_url, path_text};

/// Number of photos that are listed.
const LISTED: usize = 12;

/// How many photos would be refused, and a list of those that are farthest from those trained on.
pub fn section(findings: &Findings) -> Markup {
    let content = findings.content;
    let Some(strangers) = &content.strangers else { return html! {} };
    let (photos, unknown) = (strangers.scores.len(), strangers.unknown());
    let share = 100.0 * unknown as f64 / photos.max(1) as f64;
    html! {
        section #strangers {
            h2 { "Unlike the training photos" }
            p {
                strong { (unknown) " of " (photos) " photos (" (format!("{share:.1}")) " %)" }
                " are unlike the training photos: " code { "kindling predict --reject" } " calls such photos unknown."
            }
            p .note {
                "A photo's score is its mean cosine distance to the " (NEAREST) " nearest training photos, and the threshold is "
                (format!("{:.4}", strangers.threshold)) ". It was chosen so that about " (100.0 * REFUSED)
                " % of photos like the training photos are above it. The farthest photos come first."
            }
            table #farthest .files {
                thead { tr { th scope="col" { "file" } th scope="col" { "score" } } }
                tbody { @for photo in strangers.farthest(LISTED) {
                    tr {
                        td .path { a href=(file_url(content.photos[photo].path)) {
                            bdi { (path_text(content.photos[photo].path)) }
                        } }
                        td { (format!("{:.4}", strangers.scores[photo])) }
                    }
                } }
            }
        }
    }
}

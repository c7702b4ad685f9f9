//! Cards: a photo's thumbnail with its prediction. Each photo has one card on the page.

use std::path::Path;

use maud::{Markup, html};

use super::Findings;
use super::gallery::{Place, percent};
use super::pictures::{SIDE, Thumbnails, absolute, file_url, path_text};

/// The cards of the photos whose place this is, and links to the cards of the others.
pub fn cards(
    findings: &Findings,
    thumbnails: &Thumbnails,
    photos: &[usize],
    place: Place,
) -> Markup {
    let (here, elsewhere): (Vec<usize>, Vec<usize>) =
        photos.iter().partition(|photo| findings.places.get(*photo) == Some(&place));
    html! {
        @if !here.is_empty() {
            div .cards {
                @for photo in &here {
                    (card(findings, *photo, picture(findings, thumbnails, *photo, None)))
                }
            }
        }
        @if !elsewhere.is_empty() {
            p .elsewhere {
                "Shown above: "
                @for (index, photo) in elsewhere.iter().enumerate() {
                    @if index > 0 { ", " }
                    a href={ "#" (card_id(*photo)) } { bdi { (folder_and_name(findings, *photo)) } }
                }
            }
        }
    }
}

/// The `id` of a photo's card.
fn card_id(photo: usize) -> String {
    format!("photo-{photo}")
}

fn file_name(path: &Path) -> &Path {
    Path::new(path.file_name().unwrap_or_default())
}

/// The file's name below its folder's: many data sets have the same file names in each class.
fn folder_and_name(findings: &Findings, photo: usize) -> String {
    let path = absolute(findings.content.photos[photo].path);
    let folder = path.parent().map(file_name).unwrap_or(Path::new(""));
    path_text(&folder.join(file_name(&path)))
}

/// A picture with the prediction as its caption.
pub fn card(findings: &Findings, photo: usize, picture: Markup) -> Markup {
    let prediction = &findings.predictions[photo];
    let path = absolute(findings.content.photos[photo].path);
    let name = path_text(file_name(&path));
    let (full_path, url) = (path_text(&path), file_url(&path));
    html! {
        figure .card #(card_id(photo)) .wrong[!prediction.is_right()] data-path=(full_path)
            data-label=(prediction.label) data-predicted=(prediction.predicted)
            data-probability=(prediction.probability) {
            a href=(url) title=(full_path) { (picture) }
            figcaption {
                @if prediction.is_right() {
                    span .verdict { "✓ " bdi { (findings.class(prediction.label)) } }
                } @else {
                    span .verdict { "✗ " bdi { (findings.class(prediction.predicted)) } }
                }
                " " span .probability { (percent(prediction.probability)) }
                @if !prediction.is_right() {
                    span .truth { "true class: " bdi { (findings.class(prediction.label)) } }
                }
                @if let Some((score, is_unknown)) = findings.stranger(photo) {
                    span .stranger data-stranger-score=(score) {
                        @if is_unknown { "unlike the training photos: " } @else { "stranger score " }
                        (format!("{score:.3}"))
                    }
                }
                a .file href=(url) title=(full_path) { bdi { (name) } }
            }
        }
    }
}

/// The photo's thumbnail, with an optional overlay.
pub fn picture(
    findings: &Findings,
    thumbnails: &Thumbnails,
    photo: usize,
    overlay: Option<&str>,
) -> Markup {
    let prediction = &findings.predictions[photo];
    html! {
        span .picture {
            @if let Some(thumbnail) = thumbnails.get(photo) {
                img src=(thumbnail) width=(SIDE) height=(SIDE) decoding="async"
                    alt={ "a photo of " (findings.class(prediction.label)) };
                @if let Some(overlay) = overlay {
                    img .overlay src=(overlay) width=(SIDE) height=(SIDE) alt="";
                }
            } @else {
                span .no-picture { "no picture" }
            }
        }
    }
}

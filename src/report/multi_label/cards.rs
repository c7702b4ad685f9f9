//! Cards: a photo's thumbnail with its labels and its predicted classes.

use std::path::Path;

use maud::{Markup, html};

use super::Findings;
use super::galleries::Shown;
use super::page::Drawings;
use crate::report::gallery::percent;
use crate::report::pictures::{SIDE, absolute, file_url, overlays, path_text};

/// A photo in the gallery of a class: the class's own probability, then the other classes that the
/// photo is labelled with or said to show.
pub fn card(findings: &Findings, drawings: &Drawings, shown: Shown) -> Markup {
    let Shown { photo, class } = shown;
    let known = &findings.content.photos[photo];
    let predicted = &findings.predicted[photo];
    let path = absolute(known.path);
    let name = path_text(Path::new(path.file_name().unwrap_or_default()));
    let (full_path, url) = (path_text(&path), file_url(&path));
    let others = (0..findings.content.classes.len()).filter(|other| {
        *other != class && (known.label.contains(other) || predicted.contains(other))
    });
    let is_right = |class: &usize| known.label.contains(class) && predicted.contains(class);
    let overlay = drawings.maps.get(&shown).map(|maps| overlays(maps));
    let overlay = overlay.as_ref().and_then(|overlays| overlays.first());
    html! {
        figure .card #{ "photo-" (photo) "-" (class) } .wrong[!is_right(&class)] data-path=(full_path)
            data-class=(class) data-probability=(findings.probability(photo, class)) {
            a href=(url) title=(full_path) {
                span .map[overlay.is_some()] { span .picture {
                    @if let Some(thumbnail) = drawings.thumbnails.get(photo) {
                        img src=(thumbnail) width=(SIDE) height=(SIDE) decoding="async"
                            alt={ "a photo in the gallery of " (findings.class(class)) };
                        @if let Some(overlay) = overlay {
                            img .overlay src=(overlay) width=(SIDE) height=(SIDE) alt="";
                        }
                    } @else {
                        span .no-picture { "no picture" }
                    }
                } }
            }
            figcaption {
                span .verdict { (line(findings, photo, class)) }
                @for other in others { span .truth { (line(findings, photo, other)) } }
                a .file href=(url) title=(full_path) { bdi { (name) } }
            }
        }
    }
}

/// `✓ cat 98.1 %`, `✗ cat 71.0 %, not labelled`, `✗ cat 3.0 %, missed`.
fn line(findings: &Findings, photo: usize, class: usize) -> Markup {
    let is_labelled = findings.content.photos[photo].label.contains(&class);
    let is_found = findings.predicted[photo].contains(&class);
    html! {
        @if is_labelled && is_found { "✓ " } @else { "✗ " }
        bdi { (findings.class(class)) } " "
        span .probability { (percent(findings.probability(photo, class))) }
        @if !is_labelled { ", not labelled" }
        @if !is_found { ", missed" }
    }
}

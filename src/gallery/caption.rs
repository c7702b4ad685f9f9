//! Draws captions: a bar at the bottom of a photo with its class and probability.
//!
//! The text is white on translucent black, so its contrast is at least 7:1 on any photo (see
//! [`BAR_OPACITY`]). The bar is rendered from an SVG, which can hold any text once it is escaped,
//! and blended over the photo's last rows. Only the bar is rendered, never the whole photo.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use image::RgbImage;
use maud::html;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, FaceInfo, ID, Source, Stretch, Style, Weight};
use resvg::usvg::{FallbackSelectionFn, FontResolver, Options, Tree};

/// The bundled font, which is always available.
const FAMILY: &str = "DejaVu Sans";
/// Opacity of the bar. Over white it gives a grey of 0.35 with a luminance of 0.10, whose WCAG
/// contrast with white is (1 + 0.05) / (0.10 + 0.05) = 7.
const BAR_OPACITY: f32 = 0.65;
/// Font size relative to the square root of the photo's area.
const FONT_SIZE: f32 = 0.05;
/// The smallest readable font size, in pixels. Small photos use it, and text is shortened rather
/// than shrunk below it.
const READABLE_SIZE: f32 = 11.0;
/// Maximum font size relative to the photo's height.
const MAX_FONT_SIZE: f32 = 0.3;
/// Text that is too long is shrunk to this share of its size before it is shortened.
const MIN_SHRINK: f32 = 0.6;
/// Minimum width of a shortened class name, relative to the font size: about three letters, or one
/// letter and an ellipsis.
const MIN_LABEL_WIDTH: f32 = 2.0;
/// Height of a bar with one line, relative to the font size.
const BAR_HEIGHT: f32 = 1.7;
/// Distance between two baselines, relative to the font size.
const LEADING: f32 = 1.25;
/// Maximum height of a bar with two lines, relative to the photo's height.
const MAX_TWO_LINE_HEIGHT: f32 = 0.5;
/// Space at both ends of the bar and between class and probability, relative to the font size.
const SPACE: f32 = 0.5;
/// Characters of a class name beyond this number are ignored.
const MAX_CHARACTERS: usize = 300;
/// Font size at which text widths are measured.
const MEASURING_SIZE: f32 = 100.0;

/// Draws captions on photos. Fonts are loaded once, and system fonts only when a text needs them.
pub struct Captions {
    options: Options<'static>,
}

/// The text of a caption and its layout.
struct Text {
    label: String,
    percent: String,
    /// Font size in pixels.
    size: f32,
    /// Width of the label in pixels.
    label_width: f32,
    /// Whether the probability is below the class instead of beside it.
    stacked: bool,
}

impl Default for Captions {
    fn default() -> Self {
        Self::new()
    }
}

impl Captions {
    /// Loads the bundled font. System fonts supply the characters it lacks.
    pub fn new() -> Self {
        let mut fonts = Database::new();
        fonts.load_font_source(Source::Binary(Arc::new(dejavu::sans::regular())));
        let fonts = Arc::new(fonts);
        Self {
            options: Options {
                font_family: FAMILY.to_owned(),
                font_resolver: FontResolver {
                    select_font: FontResolver::default_font_selector(),
                    select_fallback: system_fallback(fonts.clone()),
                },
                fontdb: fonts,
                ..Options::default()
            },
        }
    }

    /// Returns `Some`, because this build has the cargo feature `captions`.
    pub fn if_compiled_in() -> Option<Self> {
        Some(Self::new())
    }

    /// Draws the class and its probability (0 to 1), if there is one, at the bottom of the photo.
    ///
    /// If they do not fit side by side, the text is shrunk, then set in two lines if the photo is
    /// tall enough, and finally the class is shortened with an ellipsis. The probability is never
    /// shortened.
    pub fn draw(&self, photo: &mut RgbImage, class: &str, probability: Option<f64>) {
        let (width, height) = photo.dimensions();
        if width == 0 || height == 0 {
            return;
        }
        let Text { label, percent, size, label_width, stacked } =
            self.text(class, probability, width as f32, height as f32);
        let lines = if stacked { BAR_HEIGHT + LEADING } else { BAR_HEIGHT };
        let bar = ((lines * size).ceil() as u32).clamp(1, height);
        let left = SPACE * size;
        // Capitals are 0.73 times the font size high. This baseline centres them in a one-line bar.
        let first = (BAR_HEIGHT + 0.73) / 2.0 * size;
        let (right, second) = match stacked {
            true => (left, first + LEADING * size),
            false => (left + label_width + SPACE * size, first),
        };
        let text = html! {
            rect width=(width) height=(bar) fill="#000000" fill-opacity=(BAR_OPACITY) {}
            g font-family=(FAMILY) font-size=(size) fill="#ffffff" xml:space="preserve" {
                text x=(left) y=(first) { (label) }
                text x=(right) y=(second) { (percent) }
            }
        };
        let drawn = self.tree(width, bar, &text);
        let mut pixels = Pixmap::new(width, bar).expect("the bar is at most as large as the photo");
        resvg::render(&drawn, Transform::identity(), &mut pixels.as_mut());
        let rows = photo.rows_mut().skip((height - bar) as usize).flatten();
        for (pixel, over) in rows.zip(pixels.pixels()) {
            // Alpha blending with premultiplied colours.
            let through = 255 - u32::from(over.alpha());
            let drawn = [over.red(), over.green(), over.blue()];
            for (value, drawn) in pixel.0.iter_mut().zip(drawn) {
                let under = (u32::from(*value) * through + 127) / 255;
                *value = (u32::from(drawn) + under).min(255) as u8;
            }
        }
    }

    /// Lays out the text for a photo of `width` by `height` pixels.
    fn text(&self, class: &str, probability: Option<f64>, width: f32, height: f32) -> Text {
        let label: String = class.chars().take(MAX_CHARACTERS).map(printable).collect();
        let percent = probability.map_or(String::new(), |share| format!("{:.1} %", share * 100.0));
        let percent_width = if percent.is_empty() { 0.0 } else { self.width(&percent) };
        let wanted =
            (FONT_SIZE * (width * height).sqrt()).max(READABLE_SIZE).min(MAX_FONT_SIZE * height);
        // At least the readable size, unless the photo is so small that `wanted` is below it.
        let smallest = (MIN_SHRINK * wanted).max(READABLE_SIZE).min(wanted);
        let largest_of_two = MAX_TWO_LINE_HEIGHT * height / (BAR_HEIGHT + LEADING);
        // Width of the whole caption, including padding, relative to the font size.
        let total_width = |label_width: f32, stacked| match stacked {
            true => label_width.max(percent_width) + 2.0 * SPACE,
            false => label_width + percent_width + 3.0 * SPACE,
        };

        let label_width = self.width(&label);
        for (stacked, largest) in [(false, wanted), (true, wanted.min(largest_of_two))] {
            let size = largest.min(width / total_width(label_width, stacked));
            if size >= smallest {
                return Text { label, percent, size, label_width: label_width * size, stacked };
            }
        }
        let stacked = largest_of_two >= smallest;
        let (used, min_room) = if stacked {
            (2.0 * SPACE, percent_width)
        } else {
            (total_width(0.0, false), MIN_LABEL_WIDTH)
        };
        let room = (width / smallest - used).max(min_room);
        let (label, label_width) = match label_width <= room {
            true => (label, label_width),
            false => self.shortened(&label, room),
        };
        // If even that does not fit, shrink the whole text.
        let size = smallest.min(width / total_width(label_width, stacked));
        Text { label, percent, size, label_width: label_width * size, stacked }
    }

    /// The longest prefix of `label` that, with an ellipsis, is at most `room` wide, and its width.
    /// Both widths are relative to the font size.
    fn shortened(&self, label: &str, room: f32) -> (String, f32) {
        let ends: Vec<usize> =
            label.char_indices().map(|(at, _)| at).chain([label.len()]).collect();
        let shortened = |characters: usize| {
            let prefix = label[..ends[characters]].trim_end();
            // The right-to-left mark keeps the ellipsis at the end of right-to-left text.
            let mark = if prefix.ends_with(is_right_to_left) { "\u{200f}" } else { "" };
            let text = format!("{prefix}…{mark}");
            let width = self.width(&text);
            (text, width)
        };
        let (mut fits, mut too_long) = (0, ends.len() - 1);
        while too_long - fits > 1 {
            let middle = (fits + too_long) / 2;
            if shortened(middle).1 <= room { fits = middle } else { too_long = middle }
        }
        shortened(fits)
    }

    /// Width of the text relative to the font size.
    fn width(&self, text: &str) -> f32 {
        let text = html! {
            text font-family=(FAMILY) font-size=(MEASURING_SIZE) xml:space="preserve" { (text) }
        };
        let width = self.tree(1, 1, &text).root().bounding_box().width() / MEASURING_SIZE;
        if width.is_finite() { width } else { 0.0 }
    }

    fn tree(&self, width: u32, height: u32, content: &maud::Markup) -> Tree {
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) { (content) }
        };
        Tree::from_str(&svg.0, &self.options).expect("escaped text is well-formed XML")
    }
}

/// Replaces the characters that XML cannot represent: control characters, U+FFFE and U+FFFF.
fn printable(character: char) -> char {
    match character {
        '\t' | '\n' | '\r' => ' ',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        character if character.is_control() => '\u{fffd}',
        character => character,
    }
}

/// Whether the character belongs to a right-to-left script, such as Hebrew or Arabic.
fn is_right_to_left(character: char) -> bool {
    matches!(
        character,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

/// Finds a system font for a character that the bundled font lacks. The system fonts are loaded
/// when the first such character occurs.
fn system_fallback(bundled: Arc<Database>) -> FallbackSelectionFn<'static> {
    let all: OnceLock<Arc<Database>> = OnceLock::new();
    let known: Mutex<HashMap<char, Option<ID>>> = Mutex::new(HashMap::new());
    let search = FontResolver::default_fallback_selector();
    Box::new(move |character, used, fonts| {
        // The bundled fonts keep their identifiers; the system fonts are appended.
        *fonts = all.get_or_init(|| Arc::new(with_system_fonts(&bundled))).clone();
        let [_] = used else { return search(character, used, fonts) };
        let mut known = known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *known.entry(character).or_insert_with(|| search(character, used, fonts))
    })
}

/// Appends the system fonts, regular faces first, because the search takes the first font that has
/// the character.
fn with_system_fonts(bundled: &Database) -> Database {
    let mut system = Database::new();
    system.load_system_fonts();
    let mut faces: Vec<FaceInfo> = system
        .faces()
        // The LastResort font of macOS draws every character as a box.
        .filter(|face| !face.families.iter().any(|(family, _)| family.contains("LastResort")))
        .cloned()
        .collect();
    faces.sort_by_key(|face| {
        (
            face.style != Style::Normal,
            face.stretch != Stretch::Normal,
            face.weight.0.abs_diff(Weight::NORMAL.0),
            face.monospaced,
        )
    });
    let mut all = bundled.clone();
    for face in faces {
        all.push_face_info(face);
    }
    all
}

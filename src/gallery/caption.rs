//! A photo's class and its probability, written on a bar at the photo's foot.
//!
//! White on translucent black: at least 7:1 in contrast whatever the photo (see [`BAR_OPACITY`]), and no
//! colour that anyone could mistake. The bar is set as an SVG, which takes any text once it is escaped,
//! and laid over the photo's last rows; no more than those is ever drawn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use image::RgbImage;
use maud::html;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, FaceInfo, ID, Source, Stretch, Style, Weight};
use resvg::usvg::{FallbackSelectionFn, FontResolver, Options, Tree};

/// The font that is always there; the program brings it along.
const FAMILY: &str = "DejaVu Sans";
/// Of the bar. Over white it leaves a grey of 0.35, luminance 0.10, and WCAG's contrast to white is
/// (1 + 0.05) / (0.10 + 0.05) = 7.
const BAR_OPACITY: f32 = 0.65;
/// Font size, of the square root of the photo's area.
const SIZE: f32 = 0.05;
/// Font size in pixels that can just be read. Small photos get it, and no text is shrunk below it
/// while it can be shortened instead.
const READABLE: f32 = 11.0;
/// Font size, at most, of the photo's height.
const TALLEST: f32 = 0.3;
/// How far a text that is too long is shrunk before it is shortened.
const SHRINK: f32 = 0.6;
/// What a class that is cut off keeps at least, in units of the font size: some three letters, as wide
/// as a letter and an ellipsis.
const FEW_LETTERS: f32 = 2.0;
/// Height of a bar with one line, of the font size.
const BAR: f32 = 1.7;
/// From one line to the next, of the font size.
const LEADING: f32 = 1.25;
/// How much of a photo's height a bar with two lines may take.
const TWO_LINES: f32 = 0.5;
/// Space at both ends of the bar, and between class and probability, of the font size.
const SPACE: f32 = 0.5;
/// Most characters of a class that are looked at.
const LONGEST: usize = 300;
/// Font size that widths are measured at.
const MEASURED: f32 = 100.0;

/// Sets text on photos. Fonts are loaded once; the system's only when a text needs them.
pub struct Captions {
    options: Options<'static>,
}

/// What is written, and how large.
struct Text {
    label: String,
    percent: String,
    /// Font size, pixels.
    size: f32,
    /// Pixels.
    label_width: f32,
    /// The probability stands below the class, not behind it.
    stacked: bool,
}

impl Default for Captions {
    fn default() -> Self {
        Self::new()
    }
}

impl Captions {
    /// With the font that the program brings along, and the system's for what that lacks.
    pub fn new() -> Self {
        let mut fonts = Database::new();
        fonts.load_font_source(Source::Binary(Arc::new(dejavu::sans::regular())));
        let fonts = Arc::new(fonts);
        Self {
            options: Options {
                font_family: FAMILY.to_owned(),
                font_resolver: FontResolver {
                    select_font: FontResolver::default_font_selector(),
                    select_fallback: from_the_system(fonts.clone()),
                },
                fontdb: fonts,
                ..Options::default()
            },
        }
    }

    /// Captions, in a build that has them.
    pub fn if_compiled_in() -> Option<Self> {
        Some(Self::new())
    }

    /// Draws the class and its probability (0 to 1) on the photo's foot. What does not fit beside each
    /// other is set smaller, then in two lines where the photo is high enough; then the class is cut
    /// off with an ellipsis. The probability is always whole.
    pub fn draw(&self, photo: &mut RgbImage, class: &str, probability: f64) {
        let (width, height) = photo.dimensions();
        if width == 0 || height == 0 {
            return;
        }
        let Text { label, percent, size, label_width, stacked } =
            self.text(class, probability, width as f32, height as f32);
        let lines = if stacked { BAR + LEADING } else { BAR };
        let bar = ((lines * size).ceil() as u32).clamp(1, height);
        let left = SPACE * size;
        // Capitals are 0.73 of the size high: they stand in the middle of a line's bar.
        let first = (BAR + 0.73) / 2.0 * size;
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
        let mut pixels = Pixmap::new(width, bar).expect("a part of a photo is no larger than it");
        resvg::render(&drawn, Transform::identity(), &mut pixels.as_mut());
        let rows = photo.rows_mut().skip((height - bar) as usize).flatten();
        for (pixel, over) in rows.zip(pixels.pixels()) {
            // Premultiplied: what is drawn, and of the photo what shows through.
            let through = 255 - u32::from(over.alpha());
            let drawn = [over.red(), over.green(), over.blue()];
            for (value, drawn) in pixel.0.iter_mut().zip(drawn) {
                let under = (u32::from(*value) * through + 127) / 255;
                *value = (u32::from(drawn) + under).min(255) as u8;
            }
        }
    }

    /// The text as it fits a photo of `width` by `height` pixels.
    fn text(&self, class: &str, probability: f64, width: f32, height: f32) -> Text {
        let label: String = class.chars().take(LONGEST).map(printable).collect();
        let percent = format!("{:.1} %", probability * 100.0);
        let percent_width = self.width(&percent);
        let wanted = (SIZE * (width * height).sqrt()).max(READABLE).min(TALLEST * height);
        // Not below what can be read, unless the photo itself asks for less.
        let smallest = (SHRINK * wanted).max(READABLE).min(wanted);
        let largest_of_two = TWO_LINES * height / (BAR + LEADING);
        // With the space around, in units of the font size.
        let whole = |label_width: f32, stacked| match stacked {
            true => label_width.max(percent_width) + 2.0 * SPACE,
            false => label_width + percent_width + 3.0 * SPACE,
        };

        let label_width = self.width(&label);
        for (stacked, largest) in [(false, wanted), (true, wanted.min(largest_of_two))] {
            let size = largest.min(width / whole(label_width, stacked));
            if size >= smallest {
                return Text { label, percent, size, label_width: label_width * size, stacked };
            }
        }
        let stacked = largest_of_two >= smallest;
        let (taken, least) =
            if stacked { (2.0 * SPACE, percent_width) } else { (whole(0.0, false), FEW_LETTERS) };
        let room = (width / smallest - taken).max(least);
        let (label, label_width) = match label_width <= room {
            true => (label, label_width),
            false => self.shortened(&label, room),
        };
        // Where not even that fits, all of it is set smaller.
        let size = smallest.min(width / whole(label_width, stacked));
        Text { label, percent, size, label_width: label_width * size, stacked }
    }

    /// The longest beginning of `label` that is at most `room` wide with an ellipsis, and its width;
    /// both in units of the font size.
    fn shortened(&self, label: &str, room: f32) -> (String, f32) {
        let ends: Vec<usize> =
            label.char_indices().map(|(at, _)| at).chain([label.len()]).collect();
        let beginning = |characters: usize| {
            let beginning = label[..ends[characters]].trim_end();
            // Keeps the ellipsis at the end of a text that runs from right to left.
            let mark = if beginning.ends_with(runs_leftwards) { "\u{200f}" } else { "" };
            let text = format!("{beginning}…{mark}");
            let width = self.width(&text);
            (text, width)
        };
        let (mut fits, mut too_long) = (0, ends.len() - 1);
        while too_long - fits > 1 {
            let middle = (fits + too_long) / 2;
            if beginning(middle).1 <= room { fits = middle } else { too_long = middle }
        }
        beginning(fits)
    }

    /// How wide the text is, in units of the font size.
    fn width(&self, text: &str) -> f32 {
        let text = html! {
            text font-family=(FAMILY) font-size=(MEASURED) xml:space="preserve" { (text) }
        };
        let width = self.tree(1, 1, &text).root().bounding_box().width() / MEASURED;
        if width.is_finite() { width } else { 0.0 }
    }

    fn tree(&self, width: u32, height: u32, content: &maud::Markup) -> Tree {
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) { (content) }
        };
        Tree::from_str(&svg.0, &self.options).expect("escaped text is well-formed XML")
    }
}

/// XML has no way to write control characters, and no two others.
fn printable(character: char) -> char {
    match character {
        '\t' | '\n' | '\r' => ' ',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        character if character.is_control() => '\u{fffd}',
        character => character,
    }
}

/// Hebrew, Arabic and the other scripts that run from right to left.
fn runs_leftwards(character: char) -> bool {
    matches!(
        character,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

/// Finds a font for a character that the fonts in use lack, among the system's, which are loaded
/// when the first such character comes.
fn from_the_system(own: Arc<Database>) -> FallbackSelectionFn<'static> {
    let all: OnceLock<Arc<Database>> = OnceLock::new();
    let known: Mutex<HashMap<char, Option<ID>>> = Mutex::new(HashMap::new());
    let search = FontResolver::default_fallback_selector();
    Box::new(move |character, used, fonts| {
        // The same fonts under the same identifiers, and the system's.
        *fonts = all.get_or_init(|| Arc::new(with_the_systems(&own))).clone();
        let [_] = used else { return search(character, used, fonts) };
        let mut known = known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *known.entry(character).or_insert_with(|| search(character, used, fonts))
    })
}

/// The search takes the first font that has the character, so plain faces come first.
fn with_the_systems(own: &Database) -> Database {
    let mut system = Database::new();
    system.load_system_fonts();
    let mut faces: Vec<FaceInfo> = system
        .faces()
        // macOS's last resort has every character, as a box.
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
    let mut all = own.clone();
    for face in faces {
        all.push_face_info(face);
    }
    all
}

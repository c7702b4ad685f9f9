//! Views of a photo: the square that a network sees, corners of the photo, and their mirror images.

use std::fmt;

/// A view of a photo: which part of it is cut out, and whether the part is mirrored.
///
/// The first view, [`PLAIN`](Self::PLAIN), is the one that validation and predictions use. The next
/// are chosen so that any number of them from the start is a good choice:
///
/// | view | |
/// | --- | --- |
/// | 1 | plain: the centre, or the whole photo |
/// | 2 | its mirror image |
/// | 3 to 6 | the corners: top left, top right, bottom left, bottom right |
/// | 7 to 10 | their mirror images |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub(super) part: Part,
    pub(super) is_mirrored: bool,
}

/// The part of a photo that a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Plain,
    Corner { is_right: bool, is_bottom: bool },
}

impl View {
    /// The view that predictions use.
    pub const PLAIN: Self = Self { part: Part::Plain, is_mirrored: false };

    /// All views, in order.
    pub const ALL: [Self; 10] = [
        Self::PLAIN,
        Self::PLAIN.mirrored(),
        Self::corner(false, false),
        Self::corner(true, false),
        Self::corner(false, true),
        Self::corner(true, true),
        Self::corner(false, false).mirrored(),
        Self::corner(true, false).mirrored(),
        Self::corner(false, true).mirrored(),
        Self::corner(true, true).mirrored(),
    ];

    /// The first `count` views; all of them if `count` is larger.
    pub fn first(count: usize) -> &'static [Self] {
        &Self::ALL[..count.min(Self::ALL.len())]
    }

    const fn corner(is_right: bool, is_bottom: bool) -> Self {
        Self { part: Part::Corner { is_right, is_bottom }, is_mirrored: false }
    }

    pub(super) const fn mirrored(self) -> Self {
        Self { is_mirrored: !self.is_mirrored, ..self }
    }
}

impl fmt::Display for View {
    /// Such as `plain`, `top left` or `bottom right, mirrored`: part of the feature cache's key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.part {
            Part::Plain => "plain",
            Part::Corner { is_right: false, is_bottom: false } => "top left",
            Part::Corner { is_right: true, is_bottom: false } => "top right",
            Part::Corner { is_right: false, is_bottom: true } => "bottom left",
            Part::Corner { is_right: true, is_bottom: true } => "bottom right",
        })?;
        if self.is_mirrored { formatter.write_str(", mirrored") } else { Ok(()) }
    }
}

/// Mirrors rows of `side` RGB pixels, left to right.
pub(super) fn mirror(pixels: &[u8], side: usize) -> Vec<u8> {
    let mut mirrored = Vec::with_capacity(pixels.len());
    for row in pixels.chunks(3 * side) {
        mirrored.extend(row.chunks(3).rev().flatten());
    }
    mirrored
}

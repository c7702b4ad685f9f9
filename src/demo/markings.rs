//! Fur markings: stripes, patches, spots, and which parts are light or dark.

use rand::RngExt;
use tiny_skia::Path;

use super::canvas::Canvas;
use super::colour::{Colour, pick};
use super::shape::{Point, blob, ellipse, polygon};

/// The pattern of a coat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// One colour all over.
    Plain,
    /// Stripes: a tabby cat or a brindle dog.
    Stripes,
    /// A few big patches, one of them around an eye.
    Patches,
    /// Many small spots.
    Spots,
    /// White muzzle, chest and paws.
    Bib,
    /// Dark mask, ears and paws.
    Points,
}

/// The markings, each repeated in proportion to its frequency.
const MARKINGS: [Marking; 9] = [
    Marking::Plain,
    Marking::Stripes,
    Marking::Stripes,
    Marking::Patches,
    Marking::Patches,
    Marking::Spots,
    Marking::Bib,
    Marking::Bib,
    Marking::Points,
];

impl Marking {
    /// A random marking.
    pub fn random(random: &mut impl RngExt) -> Self {
        pick(&MARKINGS, random)
    }

    /// Draws the markings of a face centred at the origin, with a radius of about 1.
    pub fn on_face(
        self,
        canvas: &mut Canvas,
        mark: Colour,
        light: Colour,
        random: &mut impl RngExt,
    ) {
        match self {
            Self::Plain => {}
            Self::Stripes => {
                for (x, depth) in [(-0.3, -0.42), (0.0, -0.32), (0.3, -0.42)] {
                    let stripe = [(x * 1.3 - 0.09, -1.1), (x * 1.3 + 0.09, -1.1), (x, depth)];
                    canvas.fill(&polygon(&stripe), mark);
                }
                for side in [-1.0, 1.0] {
                    for y in [0.12, 0.38] {
                        let stripe = [
                            (side * 1.2, y - 0.08),
                            (side * 1.2, y + 0.1),
                            (side * 0.72, y + 0.05),
                        ];
                        canvas.fill(&polygon(&stripe), mark);
                    }
                }
            }
            Self::Patches => {
                let side = pick(&[-1.0, 1.0], random);
                let patch = around((side * 0.5, -0.25), 0.52, 0.5, random);
                canvas.fill(&patch, mark);
            }
            Self::Spots => {
                for _ in 0..5 {
                    let at = (random.random_range(-0.9..0.9), random.random_range(-0.9..-0.3));
                    let radius = random.random_range(0.06..0.14);
                    canvas.fill(&ellipse(at, radius, radius), mark);
                }
            }
            Self::Bib => {
                let top = random.random_range(0.08..0.2);
                let blaze = [
                    (-top, -1.2),
                    (top, -1.2),
                    (0.16, -0.2),
                    (0.5, 0.3),
                    (0.6, 1.2),
                    (-0.6, 1.2),
                    (-0.5, 0.3),
                    (-0.16, -0.2),
                ];
                canvas.fill(&blob(&blaze), light);
            }
            Self::Points => {
                canvas.fill(&ellipse((0.0, 0.25), 0.72, 0.6), mark.glaze(0.55));
            }
        }
    }

    /// Draws the markings of a torso or tail with the outline `path`.
    pub fn on_body(self, canvas: &mut Canvas, path: &Path, mark: Colour, random: &mut impl RngExt) {
        let bounds = path.bounds();
        let (left, top) = (bounds.left(), bounds.top());
        let (width, height) = (bounds.width(), bounds.height());
        match self {
            Self::Plain | Self::Bib | Self::Points => {}
            Self::Stripes if height > 1.4 * width => {
                // An upright body has rings, drawn from both sides.
                let count = (height / 0.32) as usize;
                for index in 0..count {
                    let y = top + height * (index as f32 + 0.6) / count as f32;
                    for (x, inward) in [(left, 0.34 * width), (left + width, -0.34 * width)] {
                        let stripe = [(x, y - 0.1), (x, y + 0.08), (x + inward, y + 0.12)];
                        canvas.fill(&polygon(&stripe), mark);
                    }
                }
            }
            Self::Stripes => {
                let count = (width / 0.38).max(2.0) as usize;
                for index in 0..count {
                    let x = left + width * (index as f32 + 0.5) / count as f32;
                    let depth = top + height * random.random_range(0.45..0.7);
                    let lean = random.random_range(-0.12..0.12);
                    let stripe = [(x - 0.11, top - 0.1), (x + 0.11, top - 0.1), (x + lean, depth)];
                    canvas.fill(&polygon(&stripe), mark);
                }
            }
            Self::Patches => {
                for _ in 0..3 {
                    let at = (
                        left + width * random.random_range(0.0..1.0),
                        top + height * random.random_range(0.0..0.9),
                    );
                    let radius = random.random_range(0.3..0.65);
                    canvas.fill(&around(at, radius * 1.2, radius, random), mark);
                }
            }
            Self::Spots => {
                for _ in 0..(4.0 * width * height).clamp(4.0, 24.0) as usize {
                    let at = (
                        left + width * random.random_range(0.0..1.0),
                        top + height * random.random_range(0.0..1.0),
                    );
                    let radius = random.random_range(0.08..0.18);
                    canvas.fill(&ellipse(at, radius, radius * 0.85), mark);
                }
            }
        }
    }
}

/// An irregular patch around a point.
fn around(at: Point, radius_x: f32, radius_y: f32, random: &mut impl RngExt) -> Path {
    let corners = [(0.0, -1.0), (0.85, -0.5), (0.9, 0.5), (0.1, 1.0), (-0.8, 0.6), (-0.9, -0.5)];
    blob(&corners.map(|(x, y)| {
        let reach = random.random_range(0.75..1.15);
        (at.0 + x * radius_x * reach, at.1 + y * radius_y * reach)
    }))
}

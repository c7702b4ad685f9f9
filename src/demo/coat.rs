//! Fur: its colours and its markings, which cats and dogs share.

use rand::Rng;
use tiny_skia::Path;

use super::canvas::Canvas;
use super::colour::{Colour, pick};
use super::shape::{Point, blob, curve, ellipse, polygon};

/// Coats that both animals wear: fur, its light parts (muzzle, chest), its dark markings.
const FURS: [[u32; 3]; 10] = [
    [0xe8_92_3c, 0xfb_e3_c0, 0xb5_60_1d],
    [0x36_33_3c, 0x77_72_7c, 0x17_15_1c],
    [0x8e_94_9e, 0xd8_dc_e2, 0x59_60_6b],
    [0xf3_f0_ea, 0xff_ff_ff, 0xa8_9c_90],
    [0x8a_5a_3b, 0xd9_b4_8f, 0x52_32_1e],
    [0xeb_d3_a8, 0xff_f3_dd, 0xbb_8a_4f],
    [0x5f_3e_2e, 0xa6_7c_5b, 0x33_20_1a],
    [0x6e_7f_92, 0xb8_c6_d2, 0x46_52_5f],
    [0xc9_9b_6b, 0xf1_dc_c0, 0x7a_52_30],
    [0xb8_b0_a4, 0xf0_ea_df, 0x6b_60_56],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marking {
    Plain,
    Stripes,
    Patches,
    Spots,
    /// White muzzle, chest and paws.
    Bib,
    /// Dark mask, ears, tail and paws.
    Points,
}

/// One animal's fur.
pub struct Coat {
    pub fur: Colour,
    /// Of muzzle and chest.
    pub light: Colour,
    pub mark: Colour,
    /// Inside the ears.
    pub skin: Colour,
    /// Of contours, mouth and whisker roots.
    pub line: Colour,
    /// Width of the contours in head radii; 0 for none.
    pub contour: f32,
    /// Where the shade lies: opposite the light.
    pub shade: Point,
    marking: Marking,
}

impl Coat {
    pub fn random(random: &mut impl Rng) -> Self {
        let [fur, light, mark] = pick(&FURS, random).map(Colour::hex);
        let fur = fur.varied(0.05, random);
        let marking = pick(
            &[
                Marking::Plain,
                Marking::Stripes,
                Marking::Stripes,
                Marking::Patches,
                Marking::Patches,
                Marking::Spots,
                Marking::Bib,
                Marking::Bib,
                Marking::Points,
            ],
            random,
        );
        // Patches may be of any other coat's colour; stripes and points are of the coat's own.
        let mark = match marking {
            Marking::Patches | Marking::Spots if random.random_bool(0.6) => {
                let other = pick(&FURS, random).map(Colour::hex)[0];
                let apart = (other.brightness() - fur.brightness()).abs() > 0.15;
                if apart { other } else { mark }
            }
            _ => mark,
        };
        let light = match marking {
            Marking::Bib => Colour::WHITE,
            _ => light.mix(fur, random.random_range(0.0..0.4)),
        };
        let contour = if random.random_bool(0.4) { random.random_range(0.03..0.07) } else { 0.0 };
        let side = random.random_range(-0.16..0.16);
        Self {
            fur,
            light,
            mark,
            skin: Colour::hex(0xe8_9b_98).mix(fur, random.random_range(0.1..0.5)),
            line: fur.darker(0.75),
            contour,
            shade: (side, -random.random_range(0.08..0.2)),
            marking,
        }
    }

    /// Of paws.
    pub fn paw(&self) -> Colour {
        match self.marking {
            Marking::Bib => self.light,
            Marking::Points => self.mark,
            _ => self.fur,
        }
    }

    /// Of ears.
    pub fn ear(&self) -> Colour {
        match self.marking {
            Marking::Points => self.mark,
            _ => self.fur.darker(0.08),
        }
    }

    /// Of the muzzle.
    pub fn muzzle(&self) -> Colour {
        match self.marking {
            Marking::Points => self.mark.mix(self.fur, 0.25),
            _ => self.light,
        }
    }

    /// Fills one shape of one colour, with its contour.
    pub fn plain_part(&self, canvas: &mut Canvas, path: &Path, ink: Colour) {
        if self.contour > 0.0 {
            canvas.stroke(path, self.line, 2.0 * self.contour);
        }
        canvas.fill(path, ink);
    }

    /// Fills torso or tail with its markings and its shade.
    pub fn body_part(&self, canvas: &mut Canvas, path: &Path, random: &mut impl Rng) {
        self.plain_part(canvas, path, self.fur);
        canvas.clipped(path, |canvas| self.mark_body(canvas, path, random));
        canvas.fill_crescent(path, self.shade, self.line.glaze(0.2));
    }

    /// A leg: a line with round ends from hip to paw. One on the far side lies in shade.
    pub fn leg(&self, canvas: &mut Canvas, line: &[Point], width: f32, far: bool) {
        let leg = curve(line);
        let shade = |ink: Colour| if far { ink.darker(0.22) } else { ink };
        if self.contour > 0.0 {
            canvas.stroke(&leg, self.line, width + 2.0 * self.contour);
        }
        canvas.stroke(&leg, shade(self.fur), width);
        if self.paw() != self.fur {
            let (end, start) = (line[line.len() - 1], line[line.len() - 2]);
            let sock = curve(&[super::shape::between(end, start, 0.35), end]);
            canvas.stroke(&sock, shade(self.paw()), width);
        }
    }

    /// A paw seen from the front, with its toes.
    pub fn paw_front(&self, canvas: &mut Canvas, at: Point, radius: f32) {
        self.plain_part(canvas, &ellipse(at, radius, radius * 0.68), self.paw());
        for x in [-0.33, 0.33] {
            let x = at.0 + x * radius;
            let toe = curve(&[(x, at.1 + 0.1 * radius), (x, at.1 + 0.55 * radius)]);
            canvas.stroke(&toe, self.line.glaze(0.55), 0.05);
        }
    }

    /// The markings of a face about one unit in radius around the origin.
    pub fn face(&self, canvas: &mut Canvas, face: &Path, random: &mut impl Rng) {
        self.plain_part(canvas, face, self.fur);
        canvas.clipped(face, |canvas| match self.marking {
            Marking::Plain => {}
            Marking::Stripes => {
                for (x, depth) in [(-0.3, -0.42), (0.0, -0.32), (0.3, -0.42)] {
                    let stripe = [(x * 1.3 - 0.09, -1.1), (x * 1.3 + 0.09, -1.1), (x, depth)];
                    canvas.fill(&polygon(&stripe), self.mark);
                }
                for side in [-1.0, 1.0] {
                    for y in [0.12, 0.38] {
                        let stripe = [
                            (side * 1.2, y - 0.08),
                            (side * 1.2, y + 0.1),
                            (side * 0.72, y + 0.05),
                        ];
                        canvas.fill(&polygon(&stripe), self.mark);
                    }
                }
            }
            Marking::Patches => {
                let side = pick(&[-1.0, 1.0], random);
                let patch = around((side * 0.5, -0.25), 0.52, 0.5, random);
                canvas.fill(&patch, self.mark);
            }
            Marking::Spots => {
                for _ in 0..5 {
                    let at = (random.random_range(-0.9..0.9), random.random_range(-0.9..-0.3));
                    let radius = random.random_range(0.06..0.14);
                    canvas.fill(&ellipse(at, radius, radius), self.mark);
                }
            }
            Marking::Bib => {
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
                canvas.fill(&blob(&blaze), self.light);
            }
            Marking::Points => {
                canvas.fill(&ellipse((0.0, 0.25), 0.72, 0.6), self.mark.glaze(0.55));
            }
        });
        canvas.fill_crescent(face, (self.shade.0 * 0.7, self.shade.1 * 0.7), self.line.glaze(0.2));
    }

    /// The light chest that most coats have, on a body that is drawn already.
    pub fn chest(&self, canvas: &mut Canvas, at: Point, radius_x: f32, radius_y: f32) {
        if !matches!(self.marking, Marking::Plain | Marking::Points) {
            canvas.fill(&ellipse(at, radius_x, radius_y), self.light);
        }
    }

    fn mark_body(&self, canvas: &mut Canvas, path: &Path, random: &mut impl Rng) {
        let bounds = path.bounds();
        let (left, top) = (bounds.left(), bounds.top());
        let (width, height) = (bounds.width(), bounds.height());
        match self.marking {
            Marking::Plain | Marking::Bib | Marking::Points => {}
            Marking::Stripes if height > 1.4 * width => {
                // Upright: rings from both sides.
                let count = (height / 0.32) as usize;
                for index in 0..count {
                    let y = top + height * (index as f32 + 0.6) / count as f32;
                    for (x, inward) in [(left, 0.34 * width), (left + width, -0.34 * width)] {
                        let stripe = [(x, y - 0.1), (x, y + 0.08), (x + inward, y + 0.12)];
                        canvas.fill(&polygon(&stripe), self.mark);
                    }
                }
            }
            Marking::Stripes => {
                let count = (width / 0.38).max(2.0) as usize;
                for index in 0..count {
                    let x = left + width * (index as f32 + 0.5) / count as f32;
                    let depth = top + height * random.random_range(0.45..0.7);
                    let lean = random.random_range(-0.12..0.12);
                    let stripe = [(x - 0.11, top - 0.1), (x + 0.11, top - 0.1), (x + lean, depth)];
                    canvas.fill(&polygon(&stripe), self.mark);
                }
            }
            Marking::Patches => {
                for _ in 0..3 {
                    let at = (
                        left + width * random.random_range(0.0..1.0),
                        top + height * random.random_range(0.0..0.9),
                    );
                    let radius = random.random_range(0.3..0.65);
                    canvas.fill(&around(at, radius * 1.2, radius, random), self.mark);
                }
            }
            Marking::Spots => {
                for _ in 0..(4.0 * width * height).clamp(4.0, 24.0) as usize {
                    let at = (
                        left + width * random.random_range(0.0..1.0),
                        top + height * random.random_range(0.0..1.0),
                    );
                    let radius = random.random_range(0.08..0.18);
                    canvas.fill(&ellipse(at, radius, radius * 0.85), self.mark);
                }
            }
        }
    }
}

/// An uneven patch around a point.
fn around(at: Point, radius_x: f32, radius_y: f32, random: &mut impl Rng) -> Path {
    let corners = [(0.0, -1.0), (0.85, -0.5), (0.9, 0.5), (0.1, 1.0), (-0.8, 0.6), (-0.9, -0.5)];
    blob(&corners.map(|(x, y)| {
        let reach = random.random_range(0.75..1.15);
        (at.0 + x * radius_x * reach, at.1 + y * radius_y * reach)
    }))
}

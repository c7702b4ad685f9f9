//! Fur, which cats and dogs share: its colours, and how each part of the body is drawn with it.

use rand::RngExt;
use tiny_skia::Path;

use super::canvas::Canvas;
use super::colour::{Colour, pick};
use super::markings::Marking;
use super::shape::{Point, curve, curve_end, ellipse, rounded};

/// Fur colours for both animals: fur, light parts (muzzle, chest) and dark markings.
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

/// One animal's fur.
pub struct Coat {
    /// Main colour.
    pub fur: Colour,
    /// Colour of muzzle and chest.
    pub light: Colour,
    /// Colour of stripes, patches and spots.
    pub mark: Colour,
    /// Colour of the inside of the ears.
    pub skin: Colour,
    /// Colour of mouth, eyelids and toes.
    pub line: Colour,
    /// Colour of the outline around every part, and its width in head radii.
    contour: Option<(Colour, f32)>,
    /// Offset of the light on each part, in head radii. The crescent it leaves uncovered is shaded.
    pub shade: Point,
    marking: Marking,
}

impl Coat {
    /// A random coat. It gets a visible contour if it has little contrast with `background`.
    pub fn random(background: Colour, random: &mut impl RngExt) -> Self {
        let [fur, light, mark] = pick(&FURS, random).map(Colour::hex);
        let fur = fur.varied(0.05, random);
        let marking = Marking::random(random);
        // Patches and spots may take another coat's colour; stripes and points keep this one's.
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
        let line = fur.darker(0.75);
        let low_contrast = fur.distance(background) < 0.2;
        let contour = (random.random_bool(0.4) || low_contrast).then(|| {
            let pale = low_contrast && fur.brightness() < 0.35;
            (if pale { light.mix(fur, 0.3) } else { line }, random.random_range(0.03..0.07))
        });
        let side = random.random_range(-0.16..0.16);
        Self {
            fur,
            light,
            mark,
            skin: Colour::hex(0xe8_9b_98).mix(fur, random.random_range(0.1..0.5)),
            line,
            contour,
            shade: (side, -random.random_range(0.08..0.2)),
            marking,
        }
    }

    /// Colour of the paws.
    pub fn paw(&self) -> Colour {
        match self.marking {
            Marking::Bib => self.light,
            Marking::Points => self.mark,
            _ => self.fur,
        }
    }

    /// Colour of the ears.
    pub fn ear(&self) -> Colour {
        match self.marking {
            Marking::Points => self.mark,
            _ => self.fur.darker(0.08),
        }
    }

    /// Colour of the muzzle.
    pub fn muzzle(&self) -> Colour {
        match self.marking {
            Marking::Points => self.mark.mix(self.fur, 0.25),
            _ => self.light,
        }
    }

    /// Draws a shape in one colour, with the coat's contour.
    pub fn plain_part(&self, canvas: &mut Canvas, path: &Path, ink: Colour) {
        if let Some((line, width)) = self.contour {
            canvas.stroke(path, line, 2.0 * width);
        }
        canvas.fill(path, ink);
    }

    /// Draws a torso or tail, with markings and shade.
    pub fn body_part(&self, canvas: &mut Canvas, path: &Path, random: &mut impl RngExt) {
        self.plain_part(canvas, path, self.fur);
        canvas.clipped(path, |canvas| self.marking.on_body(canvas, path, self.mark, random));
        canvas.fill_crescent(path, self.shade, self.line.glaze(0.2));
    }

    /// Draws a leg: a line with round ends from hip to paw. Legs on the `far` side are darker.
    pub fn leg(&self, canvas: &mut Canvas, line: &[Point], width: f32, far: bool) {
        let leg = curve(line);
        let shade = |ink: Colour| if far { ink.darker(0.22) } else { ink };
        if let Some((line, contour)) = self.contour {
            canvas.stroke(&leg, line, width + 2.0 * contour);
        }
        canvas.stroke(&leg, shade(self.fur), width);
        if self.paw() != self.fur {
            let sock = curve_end(line, 0.48);
            canvas.stroke(&sock, shade(self.paw()), width);
        }
    }

    /// Draws a paw seen from the front, with its toes.
    pub fn paw_front(&self, canvas: &mut Canvas, at: Point, radius: f32) {
        self.plain_part(canvas, &ellipse(at, radius, radius * 0.68), self.paw());
        for x in [-0.33, 0.33] {
            let x = at.0 + x * radius;
            let toe = curve(&[(x, at.1 + 0.1 * radius), (x, at.1 + 0.55 * radius)]);
            canvas.stroke(&toe, self.line.glaze(0.55), 0.05);
        }
    }

    /// Draws a face, centred at the origin and about 1 in radius, with markings and shade.
    pub fn face(&self, canvas: &mut Canvas, face: &Path, random: &mut impl RngExt) {
        self.plain_part(canvas, face, self.fur);
        canvas.clipped(face, |canvas| {
            self.marking.on_face(canvas, self.mark, self.light, random);
        });
        canvas.fill_crescent(face, (self.shade.0 * 0.7, self.shade.1 * 0.7), self.line.glaze(0.2));
    }

    /// Draws the light chest that most coats have. The body must be drawn first.
    pub fn chest(&self, canvas: &mut Canvas, at: Point, radius_x: f32, radius_y: f32) {
        if !matches!(self.marking, Marking::Plain | Marking::Points) {
            // The lower edge is tufted.
            let right = [(0.85, -0.9), (1.0, -0.05), (0.72, 0.5), (0.45, 0.45), (0.25, 0.85)];
            let tufts = right.iter().copied().chain([(0.0, 0.68)]);
            let left = right.iter().rev().map(|(x, y)| (-x, *y));
            let corners: Vec<Point> = tufts
                .chain(left)
                .map(|(x, y)| (at.0 + x * radius_x, at.1 + y * radius_y))
                .collect();
            canvas.fill(&rounded(&corners, 0.22), self.light);
        }
    }
}

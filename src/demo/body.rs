//! Poses: the positions of head, torso, legs and tail. The unit is the head's radius, and the head
//! is at the origin.

use rand::RngExt;
use tiny_skia::Path;

use super::canvas::{Canvas, placement};
use super::coat::Coat;
use super::colour::{Colour, pick};
use super::shape::{Point, blob, curve, ellipse, mirrored_blob};
use super::{Animal, cat, dog};

/// The pose of an animal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pose {
    /// Head and shoulders.
    Portrait,
    /// Sitting, seen from the front.
    Sitting,
    /// Standing, seen from the side, facing right.
    Standing,
    /// Lying on its belly, seen from the side, facing right.
    Lying,
}

impl Pose {
    /// A random pose. Portraits are twice as likely as each of the others.
    pub fn random(random: &mut impl RngExt) -> Self {
        pick(&[Self::Portrait, Self::Portrait, Self::Sitting, Self::Standing, Self::Lying], random)
    }

    /// The pose's bounding box: left, top, right and bottom.
    pub fn extent(self) -> [f32; 4] {
        match self {
            Self::Portrait => [-1.5, -1.5, 1.5, 2.0],
            Self::Sitting => [-1.5, -1.5, 2.1, 3.5],
            Self::Standing => [-4.3, -1.5, 1.3, 3.4],
            Self::Lying => [-4.2, -1.5, 1.4, 2.2],
        }
    }
}

/// The proportions of one animal, its collar and its tail.
struct Build {
    /// Leg width.
    leg: f32,
    /// Torso width relative to that of an average animal.
    girth: f32,
    /// Slope (tangent of the angle) by which the head is tilted.
    tilt: f32,
    collar: Option<Colour>,
    tail: Path,
}

/// Draws an animal in a pose.
pub fn draw(
    canvas: &mut Canvas,
    animal: Animal,
    pose: Pose,
    coat: &Coat,
    random: &mut impl RngExt,
) {
    let (root, side, low) = match pose {
        Pose::Portrait => ((1.0, 3.0), 1.0, true),
        Pose::Sitting => ((0.85, 2.95), 1.0, true),
        Pose::Standing => ((-3.05, 1.15), -1.0, false),
        Pose::Lying => ((-3.0, 1.7), -1.0, true),
    };
    let stout = random.random_range(0.0..0.2);
    let (leg, girth, tail) = match animal {
        Animal::Cat => (0.42, 0.9 + stout, cat::tail(root, side, low, random)),
        Animal::Dog => (0.48, 0.98 + stout, dog::tail(root, side, low, random)),
    };
    let collars = [0xc8_3e_3e, 0x2f_6d_a8, 0x3c_8d_5a, 0xe0_a8_2e, 0x7d_4f_96].map(Colour::hex);
    let build = Build {
        leg: leg + 0.2 * stout,
        girth,
        tilt: random.random_range(-0.2..0.2),
        collar: random.random_bool(0.35).then(|| pick(&collars, random)),
        tail,
    };
    match pose {
        Pose::Portrait => portrait(canvas, coat, &build, random),
        Pose::Sitting => sitting(canvas, coat, &build, random),
        Pose::Standing => standing(canvas, coat, &build, random),
        Pose::Lying => lying(canvas, coat, &build, random),
    }
    let turned = placement((0.0, 0.0), (1.0, 1.0), build.tilt);
    canvas.placed(turned, |canvas| match animal {
        Animal::Cat => cat::head(canvas, coat, random),
        Animal::Dog => dog::head(canvas, coat, random),
    });
}

fn portrait(canvas: &mut Canvas, coat: &Coat, build: &Build, random: &mut impl RngExt) {
    let breadth = build.girth * random.random_range(0.95..1.15);
    let torso = mirrored_blob(&[
        (0.0, 0.3),
        (0.55, 0.6),
        (0.95 * breadth, 1.3),
        (1.3 * breadth, 2.4),
        (1.35 * breadth, 5.0),
        (0.0, 5.2),
    ]);
    coat.body_part(canvas, &torso, random);
    coat.chest(canvas, (0.0, 1.55), 0.5 * breadth, 0.95);
    collar(canvas, coat, build, &torso, [(-0.72, 0.75), (0.0, 1.14), (0.72, 0.75)]);
}

fn sitting(canvas: &mut Canvas, coat: &Coat, build: &Build, random: &mut impl RngExt) {
    let girth = build.girth;
    shadow(canvas, (0.15, 3.3), 1.7 * girth);
    coat.body_part(canvas, &build.tail, random);
    for side in [-1.0, 1.0] {
        coat.plain_part(
            canvas,
            &ellipse((side * 0.92 * girth, 2.72), 0.5, 0.58),
            coat.fur.darker(0.1),
        );
        coat.paw_front(canvas, (side * 1.0 * girth, 3.2), 0.36);
    }
    let torso = mirrored_blob(&[
        (0.0, 0.2),
        (0.55 * girth, 0.6),
        (0.78 * girth, 1.4),
        (0.98 * girth, 2.4),
        (0.8 * girth, 3.05),
        (0.0, 3.15),
    ]);
    coat.body_part(canvas, &torso, random);
    for side in [-1.0, 1.0] {
        let x = side * 0.36 * girth;
        coat.leg(canvas, &[(x, 1.9), (x, 3.1)], build.leg, false);
        coat.paw_front(canvas, (x + side * 0.03, 3.2), 0.31);
    }
    // Drawn after the legs, because the fur hangs over them.
    coat.chest(canvas, (0.0, 1.4), 0.44 * girth, 0.8);
    collar(canvas, coat, build, &torso, [(-0.6, 0.76), (0.0, 1.1), (0.6, 0.76)]);
}

fn standing(canvas: &mut Canvas, coat: &Coat, build: &Build, random: &mut impl RngExt) {
    let girth = build.girth;
    shadow(canvas, (-1.5, 3.3), 2.2);
    let step = random.random_range(-0.3..0.3);
    let legs = |canvas: &mut Canvas, shift: f32, far: bool| {
        for (hip, knee) in [(-0.45, 0.0), (-2.7, -0.18)] {
            let hip = hip + if far { 0.3 } else { 0.0 };
            let foot = hip + shift;
            coat.leg(
                canvas,
                &[(hip, 1.7), (hip + knee + shift * 0.4, 2.5), (foot, 3.15), (foot + 0.14, 3.17)],
                build.leg,
                far,
            );
        }
    };
    legs(canvas, -step, true);
    coat.body_part(canvas, &build.tail, random);
    legs(canvas, step, false);
    let back = 1.5 - 0.68 * girth;
    let torso = blob(&[
        (0.35, 0.2),
        (-0.6, 0.4),
        (-1.1, back + 0.08),
        (-2.3, back),
        (-3.05, back + 0.2),
        (-3.25, 1.4),
        (-2.95, 2.1),
        (-2.2, 1.5 + 0.5 * girth),
        (-1.1, 1.5 + 0.72 * girth),
        (-0.2, 2.1),
        (0.3, 1.4),
    ]);
    coat.body_part(canvas, &torso, random);
    coat.chest(canvas, (0.1, 1.35), 0.26, 0.5);
    collar(canvas, coat, build, &torso, [(-0.85, 0.62), (-0.2, 1.12), (0.55, 0.85)]);
}

fn lying(canvas: &mut Canvas, coat: &Coat, build: &Build, random: &mut impl RngExt) {
    let girth = build.girth;
    shadow(canvas, (-1.3, 2.02), 2.8);
    coat.body_part(canvas, &build.tail, random);
    coat.leg(canvas, &[(0.0, 1.72), (1.05, 1.74)], build.leg, true);
    let back = 1.2 - 0.62 * girth;
    let torso = blob(&[
        (0.3, 0.1),
        (-0.7, 0.35),
        (-1.5, back + 0.12),
        (-2.6, back + 0.1),
        (-3.25, 1.1),
        (-3.2, 1.8),
        (-2.4, 2.0),
        (-0.4, 2.0),
        (0.35, 1.75),
        (0.5, 1.0),
    ]);
    coat.body_part(canvas, &torso, random);
    coat.chest(canvas, (0.22, 1.25), 0.26, 0.45);
    coat.plain_part(canvas, &ellipse((-2.5, 1.4), 0.72, 0.6), coat.fur.darker(0.1));
    coat.leg(canvas, &[(-2.6, 1.85), (-1.75, 1.85)], build.leg * 0.85, false);
    coat.leg(canvas, &[(-0.3, 1.8), (0.85, 1.82)], build.leg, false);
    collar(canvas, coat, build, &torso, [(-0.8, 0.62), (-0.1, 1.12), (0.6, 0.8)]);
}

/// Draws the collar and its tag, if the animal wears one.
fn collar(canvas: &mut Canvas, coat: &Coat, build: &Build, torso: &Path, line: [Point; 3]) {
    let Some(colour) = build.collar else { return };
    canvas.clipped(torso, |canvas| {
        canvas.stroke(&curve(&line), coat.line.glaze(0.35), 0.3);
        canvas.stroke(&curve(&line), colour, 0.22);
    });
    let tag = ellipse((line[1].0, line[1].1 + 0.16), 0.13, 0.13);
    canvas.fill(&tag, Colour::hex(0xf0_c8_4a));
    canvas.stroke(&tag, coat.line.glaze(0.5), 0.03);
}

/// Draws the shadow on the ground.
fn shadow(canvas: &mut Canvas, at: Point, reach: f32) {
    canvas.fill(&ellipse(at, reach, 0.2), Colour::BLACK.glaze(0.2));
}

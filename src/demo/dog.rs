//! A dog's own features: floppy ears, a muzzle with a big nose, a tongue and a short tail.

use rand::RngExt;
use tiny_skia::Path;

use super::canvas::Canvas;
use super::coat::Coat;
use super::colour::{Colour, pick};
use super::shape::{Point, blob, curve, ellipse, mirrored_blob, rounded, tapered};

/// Draws a dog's head from the front, centred at the origin, with a radius of about 1.
pub fn head(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let half_floppy = random.random_bool(0.25);
    let jowl = random.random_range(0.62..0.82);
    let face = mirrored_blob(&[
        (0.0, -0.92),
        (0.5, -0.84),
        (0.86, -0.4),
        (0.84, 0.1),
        (jowl, 0.6),
        (0.42, 0.96),
        (0.0, 1.04),
    ]);
    if random.random_bool(0.3) {
        for (x, height) in [(-0.2, 1.12), (0.2, 1.1), (0.0, 1.24)] {
            let lock = [(x * 0.4 - 0.16, -0.7), (x * 1.4, -height), (x * 0.4 + 0.16, -0.7)];
            coat.plain_part(canvas, &rounded(&lock, 0.15), coat.fur.darker(0.06));
        }
    }
    if half_floppy {
        pricked_ears(canvas, coat, random);
        coat.face(canvas, &face, random);
    } else {
        coat.face(canvas, &face, random);
        hanging_ears(canvas, coat, random);
    }
    eyes(canvas, coat, random);
    muzzle(canvas, coat, random);
}

fn hanging_ears(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let length = random.random_range(0.15..0.85);
    let breadth = random.random_range(1.1..1.35);
    let dark = random.random_range(0.1..0.35);
    let lift = random.random_range(-0.08..0.08);
    for side in [-1.0, 1.0] {
        let ear = blob(&[
            (side * 0.4, -0.86 + lift * 0.5),
            (side * 0.85, -0.86 + lift),
            (side * breadth, -0.25),
            (side * (breadth + 0.02), length * 0.8),
            (side * (breadth - 0.24), length),
            (side * 0.82, length * 0.45),
            (side * 0.7, -0.3),
        ]);
        coat.plain_part(canvas, &ear, coat.ear().darker(dark));
        canvas.fill_crescent(&ear, (side * 0.05, -0.1), coat.line.glaze(0.18));
    }
}

/// Draws ears that stand up and fold over halfway.
fn pricked_ears(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let height = random.random_range(1.1..1.25);
    for side in [-1.0, 1.0] {
        let upright = [
            (side * 0.95, -0.15),
            (side * 1.0, -height),
            (side * 0.5, -height),
            (side * 0.2, -0.7),
        ];
        coat.plain_part(canvas, &rounded(&upright, 0.2), coat.ear());
        let fold = [
            (side * 0.42, -height - 0.02),
            (side * 1.06, -height - 0.02),
            (side * 1.22, -height * 0.42),
        ];
        coat.plain_part(canvas, &rounded(&fold, 0.2), coat.ear().darker(0.25));
    }
}

fn eyes(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let (x, y) = (random.random_range(0.34..0.42), random.random_range(-0.28..-0.16));
    let radius = random.random_range(0.13..0.18);
    let bright = coat.fur.brightness() > 0.35;
    if random.random_bool(0.15) {
        let lid = if bright { coat.line } else { coat.light };
        for side in [-1.0, 1.0] {
            let arc = [
                (side * (x - 0.16), y + 0.06),
                (side * x, y - 0.08),
                (side * (x + 0.16), y + 0.06),
            ];
            canvas.stroke(&curve(&arc), lid, 0.08);
        }
        return;
    }
    let iris = Colour::hex(pick(&[0x5a_36_20, 0x3c_26_1b, 0x8a_5a_2b, 0x6a_8f_ad], random));
    let white = !bright || random.random_bool(0.4);
    let gaze = random.random_range(-0.03..0.03);
    for side in [-1.0, 1.0] {
        let at = (side * x, y);
        if white {
            canvas.fill(&ellipse(at, radius + 0.07, radius + 0.08), Colour::WHITE);
        }
        let at = (at.0 + gaze, y);
        canvas.fill(&ellipse(at, radius, radius * 1.05), iris);
        canvas.fill(&ellipse(at, radius * 0.68, radius * 0.7), Colour::BLACK);
        let gleam = (at.0 - radius * 0.35, y - radius * 0.4);
        canvas.fill(&ellipse(gleam, radius * 0.3, radius * 0.3), Colour::WHITE);
    }
    if random.random_bool(0.5) {
        let brow = if bright { coat.fur.darker(0.35) } else { coat.light };
        for side in [-1.0, 1.0] {
            let arc = [
                (side * (x - 0.12), y - 0.36),
                (side * (x + 0.02), y - 0.4),
                (side * (x + 0.15), y - 0.33),
            ];
            canvas.stroke(&curve(&arc), brow, 0.08);
        }
    }
}

/// Draws muzzle, nose, mouth and, with probability 0.6, the tongue.
fn muzzle(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let (breadth, length) = (random.random_range(0.48..0.62), random.random_range(0.4..0.48));
    let snout = blob(&[
        (0.0, 0.02),
        (breadth * 0.6, 0.12),
        (breadth, 0.5),
        (breadth * 0.7, 0.5 + length * 0.85),
        (0.0, 0.5 + length),
        (-breadth * 0.7, 0.5 + length * 0.85),
        (-breadth, 0.5),
        (-breadth * 0.6, 0.12),
    ]);
    let ink = if coat.muzzle().brightness() > 0.3 { coat.line } else { coat.light.lighter(0.3) };
    let mouth = random.random_range(0.58..0.68);
    if random.random_bool(0.6) {
        let (width, end) = (random.random_range(0.15..0.2), random.random_range(1.0..1.28));
        let tongue =
            mirrored_blob(&[(0.0, mouth), (width, mouth + 0.1), (width, end - 0.12), (0.0, end)]);
        canvas.fill(&snout, coat.muzzle());
        canvas.stroke(&tongue, coat.line, 0.04);
        canvas.fill(&tongue, Colour::hex(0xe8_7d_86));
        canvas.stroke(
            &curve(&[(0.0, mouth + 0.1), (0.0, end - 0.15)]),
            Colour::hex(0xb8_50_60),
            0.04,
        );
    } else {
        canvas.fill(&snout, coat.muzzle());
    }
    canvas.stroke(&curve(&[(0.0, 0.35), (0.0, mouth)]), ink, 0.055);
    for side in [-1.0, 1.0] {
        let lip =
            [(0.0, mouth), (side * 0.17, mouth + 0.08), (side * breadth * 0.72, mouth - 0.06)];
        canvas.stroke(&curve(&lip), ink, 0.055);
        for (x, y) in [(0.24, 0.48), (0.32, 0.57)] {
            canvas.fill(&ellipse((side * x, y), 0.022, 0.022), ink.glaze(0.6));
        }
    }
    let size = random.random_range(0.22..0.3);
    let nose = Colour::BLACK.mix(Colour::hex(0x5b_37_30), random.random_range(0.0..0.7));
    let shape = mirrored_blob(&[
        (0.0, 0.3 - size * 0.66),
        (size * 0.8, 0.3 - size * 0.58),
        (size, 0.3),
        (size * 0.45, 0.3 + size * 0.55),
        (0.0, 0.3 + size * 0.7),
    ]);
    canvas.fill(&shape, nose);
    canvas.fill(
        &ellipse((-size * 0.25, 0.3 - size * 0.3), size * 0.3, size * 0.14),
        Colour::WHITE.glaze(0.6),
    );
}

/// A dog's tail, which grows from `root` to the right if `side` is 1 and to the left if it is -1.
/// If `low`, the root is near the ground and the tail does not hang down.
pub fn tail(root: Point, side: f32, low: bool, random: &mut impl RngExt) -> Path {
    let line: &[Point] = match (low, random.random_range(0..3)) {
        (true, 0) => &[(0.0, 0.0), (0.5, -0.05), (0.95, -0.35)],
        (true, _) => &[(0.0, 0.0), (0.45, -0.25), (0.7, -0.75)],
        (false, 0) => &[(0.0, 0.0), (0.45, -0.35), (0.7, -1.0)],
        (false, 1) => &[(0.0, 0.0), (0.45, -0.4), (0.3, -0.95), (-0.15, -0.9)],
        (false, _) => &[(0.0, 0.0), (0.55, -0.05), (1.0, -0.4)],
    };
    let length = random.random_range(0.8..1.25);
    let line: Vec<Point> =
        line.iter().map(|(x, y)| (root.0 + side * x * length, root.1 + y * length)).collect();
    tapered(&line, random.random_range(0.38..0.5), random.random_range(0.12..0.26))
}

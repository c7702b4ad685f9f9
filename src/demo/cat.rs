//! A cat's own features: pointed ears, slit eyes, whiskers and a long, slender tail.

use rand::RngExt;
use tiny_skia::Path;

use super::canvas::Canvas;
use super::coat::Coat;
use super::colour::{Colour, pick};
use super::shape::{
    Point, between, blob, curve, ellipse, mirrored_blob, polygon, rounded, tapered,
};

const EYES: [u32; 5] = [0x8c_b8_4a, 0xe3_b5_3a, 0x5f_a9_c9, 0xc9_8a_2e, 0x63_a0_6d];

/// Draws a cat's head from the front, centred at the origin, with a radius of about 1.
pub fn head(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let reach = random.random_range(1.3..1.6);
    let spread = random.random_range(0.72..0.92);
    for side in [-1.0, 1.0] {
        // Each ear may point slightly inwards or outwards.
        let turn = random.random_range(-0.06..0.08);
        let tip = (side * (spread + turn), -reach);
        let (outer, inner) = ((side * 0.99, -0.1), (side * 0.16, -0.72));
        let ear = rounded(&[outer, tip, inner], 0.1);
        coat.plain_part(canvas, &ear, coat.ear());
        let middle = ((outer.0 + tip.0 + inner.0) / 3.0, (outer.1 + tip.1 + inner.1) / 3.0 + 0.06);
        let lining = [outer, tip, inner].map(|corner| between(middle, corner, 0.6));
        canvas.fill(&rounded(&lining, 0.12), coat.skin);
    }
    let cheek = random.random_range(0.96..1.1);
    let face = mirrored_blob(&[
        (0.0, -0.84),
        (0.52, -0.76),
        (0.9, -0.3),
        (cheek, 0.2),
        (0.74, 0.62),
        (0.0, 0.84),
    ]);
    if random.random_bool(0.35) {
        for side in [-1.0, 1.0] {
            let tuft = [
                (side * 0.9, 0.0),
                (side * 1.32, 0.4),
                (side * 1.02, 0.45),
                (side * 1.1, 0.72),
                (side * 0.5, 0.7),
            ];
            coat.plain_part(canvas, &rounded(&tuft, 0.12), coat.fur.darker(0.06));
        }
    }
    coat.face(canvas, &face, random);
    for side in [-1.0, 1.0] {
        canvas.fill(&ellipse((side * 0.17, 0.47), 0.25, 0.19), coat.muzzle());
    }
    eyes(canvas, coat, random);
    snout(canvas, coat, random);
}

fn eyes(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let (x, y) = (random.random_range(0.39..0.46), random.random_range(-0.1..0.0));
    let ink = Colour::BLACK.mix(coat.line, 0.3);
    let bright = coat.fur.brightness() > 0.3;
    if random.random_bool(0.15) {
        let lid = if bright { ink } else { coat.light };
        for side in [-1.0, 1.0] {
            let lid_line = [
                (side * (x - 0.19), y + 0.02),
                (side * x, y + 0.13),
                (side * (x + 0.21), y - 0.04),
            ];
            canvas.stroke(&curve(&lid_line), lid, 0.07);
        }
        return;
    }
    let iris = Colour::hex(pick(&EYES, random)).varied(0.04, random);
    let open = random.random_range(0.15..0.24);
    let slit = random.random_range(0.045..0.1);
    let gaze = random.random_range(-0.05..0.05);
    for side in [-1.0, 1.0] {
        // An almond shape whose outer corner is higher than the inner one.
        let (inner, outer) = ((side * (x - 0.23), y + 0.07), (side * (x + 0.25), y - 0.08));
        let almond = blob(&[
            inner,
            (side * (x - 0.06), y - open * 0.85),
            (side * (x + 0.13), y - open),
            outer,
            (side * (x + 0.08), y + open * 0.85),
            (side * (x - 0.1), y + open * 0.9),
        ]);
        canvas.stroke(&almond, ink, 0.07);
        canvas.fill(&almond, iris);
        canvas.clipped(&almond, |canvas| {
            canvas.fill(&ellipse((side * x + gaze, y), slit, 0.24), Colour::BLACK);
        });
        canvas
            .fill(&ellipse((side * x + gaze - 0.07, y - open * 0.4), 0.045, 0.045), Colour::WHITE);
    }
}

/// Draws nose, mouth and whiskers.
fn snout(canvas: &mut Canvas, coat: &Coat, random: &mut impl RngExt) {
    let muzzle = coat.muzzle();
    let ink = if muzzle.brightness() > 0.3 { coat.line } else { coat.light.lighter(0.3) };
    let pink = Colour::hex(pick(&[0xe7_8f_8f, 0xd8_7a_80, 0x6b_45_48, 0xc9_6f_66], random));
    canvas.stroke(&curve(&[(0.0, 0.36), (0.0, 0.47)]), ink, 0.045);
    let smile = random.random_range(0.5..0.6);
    for side in [-1.0, 1.0] {
        let lip = [(0.0, 0.47), (side * 0.1, smile), (side * 0.25, smile - 0.05)];
        canvas.stroke(&curve(&lip), ink, 0.045);
    }
    canvas.fill(&rounded(&[(-0.14, 0.24), (0.14, 0.24), (0.0, 0.4)], 0.25), pink);
    let hair = if coat.fur.brightness() > 0.45 { coat.line } else { Colour::WHITE };
    let droop = random.random_range(-0.1..0.12);
    for side in [-1.0, 1.0] {
        for (start, end) in [(0.38, 0.2), (0.45, 0.44), (0.52, 0.68)] {
            let whisker = [
                (side * 0.42, start),
                (side * 0.9, (start + end) / 2.0 - 0.03),
                (side * 1.42, end + droop),
            ];
            canvas.fill(&bristle(whisker), hair.glaze(0.85));
        }
    }
}

/// A whisker, which tapers to a point.
fn bristle([root, bend, end]: [Point; 3]) -> Path {
    polygon(&[
        (root.0, root.1 - 0.022),
        (bend.0, bend.1 - 0.017),
        end,
        (bend.0, bend.1 + 0.017),
        (root.0, root.1 + 0.022),
    ])
}

/// A cat's tail, which grows from `root` to the right if `side` is 1 and to the left if it is -1.
/// If `low`, the root is near the ground and the tail does not hang down.
pub fn tail(root: Point, side: f32, low: bool, random: &mut impl RngExt) -> Path {
    let line: &[Point] = match (low, random.random_range(0..3)) {
        (true, 0) => &[(0.0, 0.0), (0.7, 0.12), (1.3, 0.05), (1.6, -0.4), (1.3, -0.75)],
        (true, 1) => &[(0.0, 0.0), (0.6, -0.2), (1.0, -0.8), (0.8, -1.5), (1.1, -2.0)],
        (true, _) => &[(0.0, 0.0), (0.8, 0.15), (1.5, -0.05), (1.9, -0.5)],
        (false, 0) => &[(0.0, 0.0), (0.8, -0.1), (1.1, -0.9), (0.9, -1.7), (1.3, -2.3)],
        (false, 1) => &[(0.0, 0.0), (0.7, 0.1), (1.3, -0.3), (1.4, -1.1), (1.0, -1.5), (0.7, -1.2)],
        (false, _) => &[(0.0, 0.0), (0.6, 0.25), (1.1, 0.7), (1.6, 0.75), (1.9, 0.3)],
    };
    let sway = random.random_range(0.85..1.15);
    let line: Vec<Point> =
        line.iter().map(|(x, y)| (root.0 + side * x * sway, root.1 + y / sway)).collect();
    tapered(&line, 0.38, random.random_range(0.2..0.3))
}

//! Objects in the scene, which do not depend on the animal.

use rand::RngExt;

use super::canvas::{Canvas, placement};
use super::colour::{Colour, pick};
use super::shape::{Point, blob, curve, ellipse, mirrored_blob, polygon, rounded};

const PAINTS: [u32; 8] = [
    0xd9_4f_46, 0x3f_7c_b5, 0xf0_b8_3c, 0x58_9c_6a, 0x8a_5f_a6, 0xe9_88_5a, 0xf2_ee_e4, 0x4a_50_5c,
];

/// Draws up to two objects behind the animal.
pub fn behind(canvas: &mut Canvas, random: &mut impl RngExt) {
    for _ in 0..random.random_range(0..3) {
        let at = (random.random_range(0.08..0.92), random.random_range(0.08..0.35));
        let ground = (at.0, random.random_range(0.7..0.92));
        let size = random.random_range(0.1..0.17);
        match random.random_range(0..6) {
            0 => thing(canvas, at, size, |canvas| sun(canvas, random)),
            1 | 2 => thing(canvas, at, size, |canvas| cloud(canvas, random)),
            3 => thing(canvas, ground, size * 1.6, |canvas| plant(canvas, random)),
            4 => thing(canvas, ground, size * 1.5, |canvas| cushion(canvas, random)),
            _ => thing(canvas, ground, size * 0.8, |canvas| ball(canvas, random)),
        }
    }
}

/// With probability 0.35, draws an object in a lower corner, which may hide part of the animal.
pub fn in_front(canvas: &mut Canvas, random: &mut impl RngExt) {
    if random.random_bool(0.35) {
        let x = random.random_range(0.05..0.2);
        let x = if random.random_bool(0.5) { x } else { 1.0 - x };
        let (at, size) = ((x, random.random_range(0.84..0.96)), random.random_range(0.08..0.14));
        match random.random_range(0..5) {
            0 | 1 => thing(canvas, at, size, |canvas| ball(canvas, random)),
            2 => thing(canvas, at, size, |canvas| bowl(canvas, random)),
            3 => thing(canvas, at, size, |canvas| wool(canvas, random)),
            _ => thing(canvas, at, size, |canvas| grass(canvas, random)),
        }
    }
}

/// Places an object, which `draw` draws with a radius of 1. `at` is relative to the canvas's width
/// and height, `size` to its shorter side.
fn thing(canvas: &mut Canvas, at: Point, size: f32, draw: impl FnOnce(&mut Canvas)) {
    let (width, height) = (canvas.width(), canvas.height());
    let size = size * width.min(height);
    canvas.placed(placement((at.0 * width, at.1 * height), (size, size), 0.0), draw);
}

fn colour(random: &mut impl RngExt) -> Colour {
    Colour::hex(pick(&PAINTS, random)).varied(0.05, random)
}

fn sun(canvas: &mut Canvas, random: &mut impl RngExt) {
    let ink = Colour::hex(pick(&[0xf8_d3_5a, 0xf5_a9_4c, 0xf6_f0_da], random));
    canvas.fill(&ellipse((0.0, 0.0), 1.25, 1.25), ink.glaze(0.35));
    canvas.fill(&ellipse((0.0, 0.0), 0.95, 0.95), ink);
}

fn cloud(canvas: &mut Canvas, random: &mut impl RngExt) {
    let ink = Colour::WHITE.darker(random.random_range(0.0..0.15)).glaze(0.92);
    let rim = [
        (-1.6, 0.4),
        (-1.3, -0.1),
        (-0.7, -0.15),
        (-0.2, -0.65),
        (0.5, -0.5),
        (0.8, -0.1),
        (1.4, 0.0),
        (1.6, 0.4),
        (0.0, 0.5),
    ];
    canvas.fill(&blob(&rim), ink);
}

fn plant(canvas: &mut Canvas, random: &mut impl RngExt) {
    let leaf =
        Colour::hex(pick(&[0x4f_8a_5b, 0x6f_a8_58, 0x3d_6b_58], random)).varied(0.05, random);
    for (x, y) in [(-0.8, -0.7), (0.8, -0.8), (-0.4, -1.2), (0.35, -1.3), (0.0, -0.9)] {
        let end: Point = (x * random.random_range(0.8..1.2), y);
        let (dx, dy) = (end.1 * 0.18, -end.0 * 0.18);
        let rim = [
            (0.0, 0.1),
            (end.0 * 0.5 + dx, end.1 * 0.5 + dy),
            end,
            (end.0 * 0.5 - dx, end.1 * 0.5 - dy),
        ];
        canvas.fill(&blob(&rim), leaf.lighter(random.random_range(0.0..0.25)));
    }
    let pot = colour(random);
    canvas.fill(&rounded(&[(-0.55, 0.0), (0.55, 0.0), (0.4, 0.95), (-0.4, 0.95)], 0.08), pot);
    canvas.fill(
        &rounded(&[(-0.62, -0.08), (0.62, -0.08), (0.62, 0.16), (-0.62, 0.16)], 0.1),
        pot.darker(0.15),
    );
}

fn cushion(canvas: &mut Canvas, random: &mut impl RngExt) {
    let ink = colour(random);
    let rim = mirrored_blob(&[
        (0.0, -0.5),
        (0.8, -0.62),
        (1.1, -0.55),
        (1.02, 0.0),
        (1.1, 0.6),
        (0.8, 0.62),
        (0.0, 0.55),
    ]);
    canvas.fill(&ellipse((0.0, 0.6), 1.1, 0.14), Colour::BLACK.glaze(0.2));
    canvas.fill(&rim, ink);
    canvas.fill_crescent(&rim, (-0.08, -0.14), Colour::BLACK.glaze(0.15));
    canvas.fill(&ellipse((0.0, 0.0), 0.09, 0.09), ink.darker(0.4));
}

fn ball(canvas: &mut Canvas, random: &mut impl RngExt) {
    let (ink, band) = (colour(random), colour(random));
    let rim = ellipse((0.0, 0.0), 1.0, 1.0);
    canvas.fill(&ellipse((0.0, 0.98), 0.9, 0.14), Colour::BLACK.glaze(0.2));
    canvas.fill(&rim, ink);
    canvas.clipped(&rim, |canvas| {
        canvas.stroke(&curve(&[(-1.1, 0.3), (0.0, -0.15), (1.1, 0.2)]), band, 0.35);
    });
    canvas.fill_crescent(&rim, (-0.18, -0.2), Colour::BLACK.glaze(0.18));
    canvas.fill(&ellipse((-0.35, -0.5), 0.2, 0.13), Colour::WHITE.glaze(0.6));
}

fn bowl(canvas: &mut Canvas, random: &mut impl RngExt) {
    let ink = colour(random);
    canvas.fill(&polygon(&[(-0.9, -0.3), (0.9, -0.3), (1.2, 0.6), (-1.2, 0.6)]), ink);
    canvas.fill(&ellipse((0.0, -0.3), 0.9, 0.22), ink.darker(0.3));
    let food = Colour::hex(pick(&[0x8a_5a_3b, 0x9c_cf_e6, 0xc9_8f_5a], random));
    canvas.fill(&ellipse((0.0, -0.27), 0.72, 0.15), food);
}

fn wool(canvas: &mut Canvas, random: &mut impl RngExt) {
    let ink = colour(random);
    canvas.stroke(
        &curve(&[(0.6, 0.8), (1.3, 0.95), (1.8, 0.7), (2.3, 0.95)]),
        ink.darker(0.1),
        0.12,
    );
    let rim = ellipse((0.0, 0.0), 1.0, 1.0);
    canvas.fill(&rim, ink);
    canvas.clipped(&rim, |canvas| {
        for shift in [-0.5, -0.1, 0.3, 0.7] {
            canvas.stroke(
                &curve(&[(-1.0, shift - 0.4), (0.0, shift), (1.0, shift - 0.5)]),
                ink.darker(0.22),
                0.09,
            );
            canvas.stroke(
                &curve(&[(shift - 0.4, -1.0), (shift, 0.1), (shift - 0.3, 1.0)]),
                ink.lighter(0.25),
                0.07,
            );
        }
    });
}

fn grass(canvas: &mut Canvas, random: &mut impl RngExt) {
    let ink = Colour::hex(pick(&[0x5f_9c_54, 0x8f_a8_48, 0x3f_7a_58], random));
    for blade in -4_i8..=4 {
        let x = f32::from(blade) * 0.3;
        let tip = (x + random.random_range(-0.5..0.5), random.random_range(-1.4..-0.5));
        canvas.fill(
            &polygon(&[(x - 0.16, 1.2), tip, (x + 0.16, 1.2)]),
            ink.lighter(random.random_range(0.0..0.3)),
        );
    }
}

//! Backgrounds, which do not depend on the animal.

use rand::RngExt;

use super::canvas::{Canvas, placement};
use super::colour::{Colour, pick};
use super::shape::{blob, curve, ellipse, polygon};

const GROUNDS: [u32; 18] = [
    0xf4_ec_dc, 0xdf_ea_e2, 0xf2_c9_b0, 0xa9_cf_d8, 0xf5_d9_86, 0xc9_b8_dd, 0x7d_a8_7b, 0x3f_6f_7c,
    0xd9_6c_5b, 0x44_4d_6e, 0x96_70_58, 0xcb_d6_8f, 0x6f_8f_c2, 0x8c_8f_93, 0xe2_8f_a2, 0x2c_3a_35,
    0xb8_bf_c8, 0xd8_a4_58,
];

/// Creates a canvas with a random background.
pub fn draw(width: u32, height: u32, random: &mut impl RngExt) -> Canvas {
    let [ground, accent] =
        [(); 2].map(|()| Colour::hex(pick(&GROUNDS, random)).varied(0.06, random));
    let mut canvas = Canvas::new(width, height, ground);
    match random.random_range(0..9) {
        0 => {}
        1 => gradient(&mut canvas, ground, accent),
        2 => hills(&mut canvas, random),
        3 => room(&mut canvas, ground, accent, random),
        4 => stripes(&mut canvas, ground.mix(accent, 0.5), random),
        5 => dots(&mut canvas, ground.mix(accent, 0.6), random),
        6 => foliage(&mut canvas, ground, accent, random),
        7 => halo(&mut canvas, ground, accent, random),
        _ => tiles(&mut canvas, ground.mix(accent, 0.4), random),
    }
    canvas
}

/// Draws a vertical gradient in flat bands, too many to be seen individually.
fn gradient(canvas: &mut Canvas, top: Colour, bottom: Colour) {
    const BANDS: usize = 64;
    let (width, height) = (canvas.width(), canvas.height());
    // Bands end on whole pixels; otherwise the ground would show through the edge between two.
    let edge = |band: usize| (height * band as f32 / BANDS as f32).round();
    for band in 0..BANDS {
        let (from, to) = (edge(band), edge(band + 1));
        let strip = polygon(&[(0.0, from), (width, from), (width, to), (0.0, to)]);
        canvas.fill(&strip, top.mix(bottom, band as f32 / (BANDS - 1) as f32));
    }
}

fn hills(canvas: &mut Canvas, random: &mut impl RngExt) {
    let (width, height) = (canvas.width(), canvas.height());
    let skies = [0xa9_d8_ec, 0xf6_cf_a6, 0x6a_7f_b5, 0xcf_e3_e8, 0xf3_b4_a8];
    let sky = Colour::hex(pick(&skies, random)).varied(0.05, random);
    gradient(canvas, sky, sky.lighter(0.5));
    let greens = [0x7f_b0_69, 0x4f_8a_5b, 0xb9_c2_62, 0xd9_b9_6e, 0x8f_9f_a8, 0xee_f2_f5];
    let green = Colour::hex(pick(&greens, random)).varied(0.05, random);
    for layer in 0..3 {
        let base = height * (0.5 + 0.14 * layer as f32);
        let mut rim: Vec<_> = (-1..=5)
            .map(|step| {
                (width * step as f32 / 4.0, base + height * random.random_range(-0.09..0.09))
            })
            .collect();
        rim.extend([(width * 1.4, height * 1.4), (-width * 0.4, height * 1.4)]);
        canvas.fill(&blob(&rim), green.lighter(0.4 - 0.2 * layer as f32));
    }
}

/// Draws a wall and a floor, in some cases with a window.
fn room(canvas: &mut Canvas, wall: Colour, floor: Colour, random: &mut impl RngExt) {
    let (width, height) = (canvas.width(), canvas.height());
    let edge = height * random.random_range(0.6..0.82);
    let corners = [(0.0, edge), (width, edge), (width, height), (0.0, height)];
    canvas.fill(&polygon(&corners), floor);
    let skirting =
        [(0.0, edge - height * 0.03), (width, edge - height * 0.03), (width, edge), (0.0, edge)];
    canvas.fill(&polygon(&skirting), wall.lighter(0.4));
    if random.random_bool(0.6) {
        let pane = Colour::hex(pick(&[0xbf_e0_ee, 0xf7_e0_a8, 0x39_45_66], random));
        let (x, y) =
            (width * random.random_range(0.1..0.65), height * random.random_range(0.05..0.2));
        let (right, bottom) = (x + width * 0.26, y + height * 0.32);
        let window = polygon(&[(x, y), (right, y), (right, bottom), (x, bottom)]);
        canvas.stroke(&window, wall.darker(0.35), height * 0.03);
        canvas.fill(&window, pane);
        if random.random_bool(0.5) {
            let (x, y) = ((x + right) / 2.0, (y + bottom) / 2.0);
            for bar in
                [[(x, y - height * 0.16), (x, bottom)], [(right - width * 0.26, y), (right, y)]]
            {
                canvas.stroke(&curve(&bar), wall.darker(0.35), height * 0.015);
            }
        }
    }
}

fn stripes(canvas: &mut Canvas, ink: Colour, random: &mut impl RngExt) {
    let (width, height) = (canvas.width(), canvas.height());
    let reach = width.max(height) * 1.5;
    let gap = height * random.random_range(0.1..0.25);
    let turned = placement(
        (width / 2.0, height / 2.0),
        (1.0, 1.0),
        pick(&[0.0, 0.3, 1.0, -1.0, 40.0], random),
    );
    canvas.placed(turned, |canvas| {
        let mut y = -reach;
        while y < reach {
            let stripe = polygon(&[
                (-reach, y),
                (reach, y),
                (reach, y + gap / 2.0),
                (-reach, y + gap / 2.0),
            ]);
            canvas.fill(&stripe, ink);
            y += gap;
        }
    });
}

fn dots(canvas: &mut Canvas, ink: Colour, random: &mut impl RngExt) {
    let gap = canvas.height() * random.random_range(0.12..0.22);
    let radius = gap * random.random_range(0.18..0.32);
    let (columns, rows) =
        ((canvas.width() / gap) as usize + 2, (canvas.height() / gap) as usize + 2);
    for row in 0..rows {
        for column in 0..columns {
            let shift = if row % 2 == 0 { 0.0 } else { 0.5 };
            let at = ((column as f32 - shift) * gap, row as f32 * gap);
            canvas.fill(&ellipse(at, radius, radius), ink);
        }
    }
}

fn tiles(canvas: &mut Canvas, ink: Colour, random: &mut impl RngExt) {
    let side = canvas.height() * random.random_range(0.1..0.2);
    let (columns, rows) =
        ((canvas.width() / side) as usize + 1, (canvas.height() / side) as usize + 1);
    for row in 0..rows {
        for column in (row % 2..columns).step_by(2) {
            let (x, y) = (column as f32 * side, row as f32 * side);
            let tile = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)];
            canvas.fill(&polygon(&tile), ink);
        }
    }
}

/// Draws leaves scattered over the whole canvas.
fn foliage(canvas: &mut Canvas, ground: Colour, accent: Colour, random: &mut impl RngExt) {
    let (width, height) = (canvas.width(), canvas.height());
    let leaf = accent.mix(Colour::hex(0x5f_8f_55), 0.5);
    for _ in 0..34 {
        let at = (width * random.random_range(0.0..1.0), height * random.random_range(0.0..1.0));
        let size = height * random.random_range(0.06..0.14);
        let ink = leaf.mix(ground, random.random_range(0.0..0.6));
        let turned = placement(at, (size, size), random.random_range(-2.5..2.5));
        canvas.placed(turned, |canvas| {
            canvas.fill(
                &blob(&[
                    (-1.0, 0.0),
                    (-0.3, -0.42),
                    (0.4, -0.35),
                    (1.0, 0.0),
                    (0.4, 0.35),
                    (-0.3, 0.42),
                ]),
                ink,
            );
            canvas.stroke(&curve(&[(-0.9, 0.0), (0.7, 0.0)]), ink.darker(0.2), 0.06);
        });
    }
}

/// Draws a large disc behind the animal.
fn halo(canvas: &mut Canvas, ground: Colour, accent: Colour, random: &mut impl RngExt) {
    let (width, height) = (canvas.width(), canvas.height());
    let radius = width.min(height) * random.random_range(0.36..0.48);
    let at = (width * random.random_range(0.42..0.58), height * random.random_range(0.42..0.58));
    canvas.fill(&ellipse(at, radius * 1.15, radius * 1.15), ground.mix(accent, 0.4));
    canvas.fill(&ellipse(at, radius, radius), accent);
}

//! Outlines: builds paths from a few points.

use tiny_skia::{Path, PathBuilder, Rect};

/// A point (x, y); x increases to the right and y downwards.
pub type Point = (f32, f32);

/// Straight segments per span between two points of a curve. With 6, no corners are visible at the
/// sizes drawn here.
const SEGMENTS: usize = 6;

/// The ellipse around `centre`.
///
/// # Panics
/// If a radius is not positive.
pub fn ellipse(centre: Point, radius_x: f32, radius_y: f32) -> Path {
    let bounds =
        Rect::from_xywh(centre.0 - radius_x, centre.1 - radius_y, 2.0 * radius_x, 2.0 * radius_y);
    PathBuilder::from_oval(bounds.expect("the radii are positive")).expect("it has an extent")
}

/// The smooth closed curve through `points`.
pub fn blob(points: &[Point]) -> Path {
    let count = points.len();
    let ring: Vec<Point> = (0..count)
        .flat_map(|index| {
            span(std::array::from_fn(|offset| points[(index + count + offset - 1) % count]))
        })
        .collect();
    polygon(&ring)
}

/// A blob that is symmetric about the y axis. `right` lists its right half, from top to bottom.
pub fn mirrored_blob(right: &[Point]) -> Path {
    let left = right.iter().rev().filter(|point| point.0 > 0.01).map(|(x, y)| (-x, *y));
    blob(&right.iter().copied().chain(left).collect::<Vec<_>>())
}

/// The smooth open curve through `points`, to be stroked.
pub fn curve(points: &[Point]) -> Path {
    open(&sampled(points))
}

/// The last `share` (0 to 1) of [`curve`].
pub fn curve_end(points: &[Point], share: f32) -> Path {
    let line = sampled(points);
    let count = ((line.len() as f32 * share) as usize).max(2);
    open(&line[line.len() - count..])
}

fn open(line: &[Point]) -> Path {
    let mut builder = PathBuilder::new();
    builder.move_to(line[0].0, line[0].1);
    for (x, y) in &line[1..] {
        builder.line_to(*x, *y);
    }
    builder.finish().expect("a line has two points or more")
}

/// A band along the smooth curve through `points`, whose width changes from `width_from` to
/// `width_to`, with a rounded end.
pub fn tapered(points: &[Point], width_from: f32, width_to: f32) -> Path {
    let line = sampled(points);
    let last = line.len() - 1;
    let side = |sign: f32| {
        let line = &line;
        move |index: usize| {
            let (before, after) = (line[index.saturating_sub(1)], line[(index + 1).min(last)]);
            let (dx, dy) = (after.0 - before.0, after.1 - before.1);
            let share = index as f32 / last as f32;
            let half = sign * (width_from + (width_to - width_from) * share) / 2.0;
            let length = (dx * dx + dy * dy).sqrt().max(1e-6);
            (line[index].0 - dy / length * half, line[index].1 + dx / length * half)
        }
    };
    let ring: Vec<Point> =
        (0..=last).map(side(1.0)).chain((0..=last).rev().map(side(-1.0))).collect();
    let mut builder = PathBuilder::new();
    builder.push_path(&polygon(&ring));
    // The cap must have the winding direction of the band; otherwise their overlap would cancel.
    let cap: Vec<Point> = UNIT_OCTAGON
        .iter()
        .map(|(x, y)| (line[last].0 - x * width_to / 2.0, line[last].1 + y * width_to / 2.0))
        .collect();
    builder.push_path(&blob(&cap));
    builder.finish().expect("a band has an extent")
}

/// Sine and cosine of 45 degrees.
const DIAGONAL: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Corners of a regular octagon. A blob through them looks like a circle.
const UNIT_OCTAGON: [Point; 8] = [
    (1.0, 0.0),
    (DIAGONAL, DIAGONAL),
    (0.0, 1.0),
    (-DIAGONAL, DIAGONAL),
    (-1.0, 0.0),
    (-DIAGONAL, -DIAGONAL),
    (0.0, -1.0),
    (DIAGONAL, -DIAGONAL),
];

/// The polygon with these corners.
pub fn polygon(corners: &[Point]) -> Path {
    let mut builder = PathBuilder::new();
    builder.move_to(corners[0].0, corners[0].1);
    for (x, y) in &corners[1..] {
        builder.line_to(*x, *y);
    }
    builder.close();
    builder.finish().expect("a polygon has three corners or more")
}

/// The polygon with these corners, each rounded over a share (0 to 0.5) of its two sides.
pub fn rounded(corners: &[Point], share: f32) -> Path {
    let mut builder = PathBuilder::new();
    let count = corners.len();
    for index in 0..count {
        let corner = corners[index];
        let start = between(corner, corners[(index + count - 1) % count], share);
        let end = between(corner, corners[(index + 1) % count], share);
        match index {
            0 => builder.move_to(start.0, start.1),
            _ => builder.line_to(start.0, start.1),
        }
        builder.quad_to(corner.0, corner.1, end.0, end.1);
    }
    builder.close();
    builder.finish().expect("a polygon has three corners or more")
}

/// The point at `share` (0 to 1) of the way from `from` to `to`.
pub fn between(from: Point, to: Point, share: f32) -> Point {
    (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
}

/// Points along the open curve through `points`, including both ends.
fn sampled(points: &[Point]) -> Vec<Point> {
    let last = points.len() - 1;
    let mut line: Vec<Point> = (0..last)
        .flat_map(|index| {
            span([
                points[index.saturating_sub(1)],
                points[index],
                points[index + 1],
                points[(index + 2).min(last)],
            ])
        })
        .collect();
    line.push(points[last]);
    line
}

/// Points on the span of a Catmull-Rom spline from the second point to the third, excluding the
/// third.
fn span([a, b, c, d]: [Point; 4]) -> [Point; SEGMENTS] {
    std::array::from_fn(|segment| {
        let t = segment as f32 / SEGMENTS as f32;
        let axis = |a: f32, b: f32, c: f32, d: f32| {
            let cubic = 3.0 * (b - c) + d - a;
            let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
            b + 0.5 * t * ((c - a) + t * (square + t * cubic))
        };
        (axis(a.0, b.0, c.0, d.0), axis(a.1, b.1, c.1, d.1))
    })
}

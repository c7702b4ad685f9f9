//! Outlines: from a few points to a path that can be filled.

use tiny_skia::{Path, PathBuilder, Rect};

/// Right and down from the origin.
pub type Point = (f32, f32);

/// Straight pieces for each span between two points of a curve: no corner shows at the sizes that
/// are drawn.
const PIECES: usize = 6;

/// The ellipse around `centre`.
///
/// # Panics
/// Where a radius is not positive, as for every shape of no extent.
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

/// The blob that is its own mirror image: `right` is its right half, from top to bottom.
pub fn mirrored_blob(right: &[Point]) -> Path {
    let left = right.iter().rev().filter(|point| point.0 > 0.01).map(|(x, y)| (-x, *y));
    blob(&right.iter().copied().chain(left).collect::<Vec<_>>())
}

/// The smooth open curve through `points`, for a stroke.
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

/// A band along the smooth curve through `points`, from one width to another, its end rounded.
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
    // The cap must wind as the band does, or the two would cancel where they overlap.
    let cap: Vec<Point> = UNIT_OCTAGON
        .iter()
        .map(|(x, y)| (line[last].0 - x * width_to / 2.0, line[last].1 + y * width_to / 2.0))
        .collect();
    builder.push_path(&blob(&cap));
    builder.finish().expect("a band has an extent")
}

/// Sine, and cosine, of half a right angle.
const DIAGONAL: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Corners of a regular octagon: a blob through them is a circle for the eye.
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

/// The polygon of these corners.
pub fn polygon(corners: &[Point]) -> Path {
    let mut builder = PathBuilder::new();
    builder.move_to(corners[0].0, corners[0].1);
    for (x, y) in &corners[1..] {
        builder.line_to(*x, *y);
    }
    builder.close();
    builder.finish().expect("a polygon has three corners or more")
}

/// The polygon of these corners, each rounded off over `share` (0 to 0.5) of its two sides.
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

/// The point at `share` of the way.
pub fn between(from: Point, to: Point, share: f32) -> Point {
    (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
}

/// Points along the open curve through `points`, both ends included.
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

/// The span of a Catmull-Rom spline from the second point to the third, without its end.
fn span([a, b, c, d]: [Point; 4]) -> [Point; PIECES] {
    std::array::from_fn(|piece| {
        let t = piece as f32 / PIECES as f32;
        let axis = |a: f32, b: f32, c: f32, d: f32| {
            let cubic = 3.0 * (b - c) + d - a;
            let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
            b + 0.5 * t * ((c - a) + t * (square + t * cubic))
        };
        (axis(a.0, b.0, c.0, d.0), axis(a.1, b.1, c.1, d.1))
    })
}

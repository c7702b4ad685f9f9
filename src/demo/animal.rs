//! The two animals, and a whole picture of one.

use image::RgbImage;
use rand::Rng;

use super::body::{self, Pose};
use super::canvas::{Canvas, placement};
use super::coat::Coat;
use super::colour::pick;
use super::{light, scene, things};

/// What a drawing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Animal {
    /// Pointed ears, whiskers, a long tail.
    Cat,
    /// Hanging ears, a big nose, a short tail.
    Dog,
}

impl Animal {
    /// Both, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Cat, Self::Dog];

    /// The class this animal is: "cat" or "dog".
    pub fn name(self) -> &'static str {
        match self {
            Self::Cat => "cat",
            Self::Dog => "dog",
        }
    }
}

/// Width to height.
const ASPECTS: [(u32, u32); 6] = [(1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 10)];

/// One drawing, every choice drawn from `random`. Its short side is 180 to 360 pixels, its long side
/// up to one and a half times as much.
pub fn draw(animal: Animal, random: &mut impl Rng) -> RgbImage {
    let short = random.random_range(180..=360);
    let aspect = pick(&ASPECTS, random);
    let long = short * aspect.0.max(aspect.1) / aspect.0.min(aspect.1);
    let (width, height) = if aspect.0 < aspect.1 { (short, long) } else { (long, short) };

    let mut canvas = scene::draw(width, height, random);
    things::behind(&mut canvas, random);
    let (pose, coat) = (Pose::random(random), Coat::random(random));
    let (at, scale, slope) = place(pose, &canvas, random);
    let facing = if random.random_bool(0.5) { -scale } else { scale };
    canvas.placed(placement(at, (facing, scale), slope), |canvas| {
        body::draw(canvas, animal, pose, &coat, random);
    });
    things::before(&mut canvas, random);
    let mut picture = canvas.into_image();
    light::fall(&mut picture, random);
    picture
}

/// Where the head goes, the length of its radius, and the slope of the whole. A body may be cut off
/// by the edges; the head lies in the square in the middle, where a classifier looks.
fn place(pose: Pose, canvas: &Canvas, random: &mut impl Rng) -> ((f32, f32), f32, f32) {
    let (width, height) = (canvas.width(), canvas.height());
    let [left, top, right, bottom] = pose.extent();
    let room = (width / (right - left)).min(height / (bottom - top));
    let side = width.min(height);
    let scale = (room * random.random_range(0.72..1.12)).min(side / 3.2);
    // The animal may face either way, so its middle is half its reach to one side, on average none.
    let x = width * random.random_range(0.32..0.68);
    let foot = height * random.random_range(0.86..1.06);
    let y = foot - bottom * scale;
    let reach = 1.35 * scale;
    let (middle_x, middle_y) = (width / 2.0, height / 2.0);
    let free = (side / 2.0 - reach).max(0.0);
    let x = x.clamp(middle_x - free, middle_x + free);
    let y = y.clamp(middle_y - free, middle_y + free);
    ((x, y), scale, random.random_range(-0.12..0.12))
}

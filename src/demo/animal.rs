//! The two animals, and how to draw a complete picture of one.

use image::RgbImage;
use rand::RngExt;

use super::body::{self, Pose};
use super::canvas::placement;
use super::coat::Coat;
use super::colour::pick;
use super::{light, scene, things};

/// The animal in a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Animal {
    /// Pointed ears, whiskers, a long tail.
    Cat,
    /// Hanging ears, a big nose, a short tail.
    Dog,
}

impl Animal {
    /// Both animals, in alphabetical order.
    pub const ALL: [Self; 2] = [Self::Cat, Self::Dog];

    /// The class name: "cat" or "dog".
    pub fn name(self) -> &'static str {
        match self {
            Self::Cat => "cat",
            Self::Dog => "dog",
        }
    }
}

/// Aspect ratios, as (width, height).
const ASPECTS: [(u32, u32); 7] = [(1, 1), (5, 4), (4, 5), (4, 3), (3, 4), (3, 2), (2, 3)];

/// Draws one picture, taking every choice from `random`.
///
/// The short side is 180 to 360 pixels; the long side is at most 1.5 times as long.
pub fn draw(animal: Animal, random: &mut impl RngExt) -> RgbImage {
    let short = random.random_range(180..=360);
    let aspect = pick(&ASPECTS, random);
    let long = short * aspect.0.max(aspect.1) / aspect.0.min(aspect.1);
    let (width, height) = if aspect.0 < aspect.1 { (short, long) } else { (long, short) };

    let mut canvas = scene::draw(width, height, random);
    things::behind(&mut canvas, random);
    let pose = Pose::random(random);
    let (at, scale, slope) = place(pose, canvas.width(), canvas.height(), random);
    let coat = Coat::random(canvas.colour_at(at), random);
    let facing = if random.random_bool(0.5) { -scale } else { scale };
    canvas.placed(placement(at, (facing, scale), slope), |canvas| {
        body::draw(canvas, animal, pose, &coat, random);
    });
    things::in_front(&mut canvas, random);
    let mut picture = canvas.into_image();
    light::apply(&mut picture, random);
    picture
}

/// Chooses the position of the head, its radius in pixels, and the slope of the animal. The edges
/// may cut off the body, but the head stays inside the central square, which a classifier crops.
fn place(pose: Pose, width: f32, height: f32, random: &mut impl RngExt) -> ((f32, f32), f32, f32) {
    let [left, top, right, bottom] = pose.extent();
    let room = (width / (right - left)).min(height / (bottom - top));
    let side = width.min(height);
    let scale = (room * random.random_range(0.72..1.12)).min(side / 3.2);
    let x = width * random.random_range(0.32..0.68);
    let foot = height * random.random_range(0.86..1.06);
    let y = foot - bottom * scale;
    let free = side / 2.0 - HEAD_REACH * scale;
    let at = (
        x.clamp(width / 2.0 - free, width / 2.0 + free),
        y.clamp(height / 2.0 - free, height / 2.0 + free),
    );
    (at, scale, random.random_range(-0.12..0.12))
}

/// Distance from the centre of a head to its edge, including most ears, in head radii.
const HEAD_REACH: f32 = 1.35;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn drawings(seed: u64, each: usize) -> Vec<(Animal, RgbImage)> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let animals = Animal::ALL.into_iter().cycle().take(2 * each);
        animals.map(|animal| (animal, draw(animal, &mut random))).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_pixels() {
        assert_eq!(drawings(7, 6), drawings(7, 6));
    }

    #[test]
    fn another_seed_gives_other_pixels() {
        for (one, other) in drawings(7, 6).into_iter().zip(drawings(8, 6)) {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn from_the_same_random_numbers_a_cat_differs_from_a_dog() {
        for seed in 0..6 {
            let [cat, dog] =
                Animal::ALL.map(|animal| draw(animal, &mut ChaCha8Rng::seed_from_u64(seed)));
            assert_ne!(cat, dog);
        }
    }

    #[test]
    fn sides_are_in_range_and_of_every_shape() {
        let drawings = drawings(3, 40);
        for (_, picture) in &drawings {
            let (width, height) = picture.dimensions();
            assert!((180..=360).contains(&width.min(height)), "{width}x{height}");
            assert!(2 * width.max(height) <= 3 * width.min(height), "{width}x{height}");
        }
        let upright = drawings.iter().filter(|(_, picture)| picture.height() > picture.width());
        assert!((8..72).contains(&upright.count()));
    }

    #[test]
    fn the_head_lies_in_the_square_in_the_middle() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..500 {
            for (width, height) in [(180.0, 180.0), (360.0, 270.0), (200.0, 300.0)] {
                let pose = Pose::random(&mut random);
                let ((x, y), scale, _) = place(pose, width, height, &mut random);
                let half = f32::min(width, height) / 2.0 + 0.01;
                for offset in [x - width / 2.0, y - height / 2.0] {
                    assert!(offset.abs() + HEAD_REACH * scale <= half, "{pose:?} {width}x{height}");
                }
            }
        }
    }

    #[test]
    fn mean_colour_does_not_tell_cats_from_dogs() {
        let mean = |picture: &RgbImage| {
            let mut sum = [0.0; 3];
            // Every 7th pixel is enough for a mean, and keeps unoptimised builds fast.
            for pixel in picture.pixels().step_by(7) {
                for (sum, value) in sum.iter_mut().zip(pixel.0) {
                    *sum += f64::from(value);
                }
            }
            sum.map(|sum| sum / f64::from((picture.width() * picture.height()).div_ceil(7)))
        };
        let colours = |seed| -> Vec<(Animal, [f64; 3])> {
            drawings(seed, 100).iter().map(|(animal, picture)| (*animal, mean(picture))).collect()
        };
        let known = colours(1);
        let centroids = Animal::ALL.map(|animal| {
            std::array::from_fn::<f64, 3, _>(|channel| {
                let own = known.iter().filter(|(other, _)| *other == animal);
                own.map(|(_, mean)| mean[channel]).sum::<f64>() / 100.0
            })
        });
        let distance = |mean: &[f64; 3], centroid: &[f64; 3]| {
            mean.iter().zip(centroid).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
        };
        let fresh = colours(2);
        let right = fresh.iter().filter(|(animal, mean)| {
            let cat = distance(mean, &centroids[0]) < distance(mean, &centroids[1]);
            cat == (*animal == Animal::Cat)
        });
        let accuracy = right.count() as f64 / fresh.len() as f64;
        assert!(accuracy < 0.62, "nearest centroid is right {accuracy} of the time");
    }
}

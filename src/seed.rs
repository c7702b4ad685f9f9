//! Random number generation: one seed, and one stream for each purpose.
//!
//! The backends' own generators are not used, because they differ from backend to backend and the
//! same seed must give the same run. ChaCha's output is specified, so it is the same for all
//! versions and machines.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// The purpose of a stream of random numbers. Streams of one seed are independent, so drawing more
/// numbers for one purpose does not change another.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Initial weights of the head.
    Head,
    /// Order of the photos in each epoch.
    Order,
    /// Choice of the validation photos of the class with this index.
    Split(usize),
    /// The demo's drawing with this number.
    Drawing(u32),
    /// Resampling of the photos for confidence intervals.
    Bootstrap,
    /// Whether a perfectly calibrated model would be right about a photo.
    PerfectModel,
    /// Hyperplanes that hash features.
    Hyperplanes,
    /// Folds for cross-validation.
    Folds,
    /// Choice of the validation photos, where groups or label sets are divided.
    Holdout,
    /// Choice of the test photos.
    TestPart,
    /// The draw with this number of training photos for the learning curve.
    Draw(u32),
    /// Which training photos are kept for the score of strangers.
    Neighbours,
}

/// Returns the generator of `seed` for `purpose`.
pub fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(match purpose {
        Purpose::Head => 0,
        Purpose::Order => 1,
        Purpose::Split(class) => 2 + class as u64,
        // Larger than any stream of a class.
        Purpose::Drawing(number) => (1 << 40) + u64::from(number),
        Purpose::Bootstrap => 1 << 41,
        Purpose::PerfectModel => (1 << 41) + 1,
        Purpose::Hyperplanes => (1 << 41) + 5,
        Purpose::Folds => (1 << 41) + 2,
        Purpose::Holdout => (1 << 41) + 3,
        Purpose::TestPart => (1 << 41) + 4,
        Purpose::Draw(number) => (1 << 42) + u64::from(number),
        Purpose::Neighbours => (1 << 41) + 2,
    });
    generator
}

//! Where every random number comes from: one seed, one stream for each purpose.
//!
//! Never the backend's own generator: that differs from backend to backend, and the same seed must
//! give the same run. ChaCha's output is part of its definition, so it does not change between
//! versions or machines either.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// What random numbers are for. Streams of one seed are independent, so drawing more for one
/// purpose changes nothing for another.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The head's first weights.
    Head,
    /// The order of photos in each epoch.
    Order,
    /// Which photos of the class with this index are for validation.
    Split(usize),
    /// The demo's drawing of this number.
    Drawing(u32),
}

/// The generator of `seed` for `purpose`.
pub fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(match purpose {
        Purpose::Head => 0,
        Purpose::Order => 1,
        Purpose::Split(class) => 2 + class as u64,
        // Beyond any number of classes.
        Purpose::Drawing(number) => (1 << 40) + u64::from(number),
    });
    generator
}

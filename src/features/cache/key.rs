//! What features are found by: the photo they are of, and what computed them.

use std::fmt;

use sha2::{Digest, Sha256};

use super::VERSION;
use crate::photos::{Filter, Recipe};

/// The SHA-256 of a photo's file: what is in it, wherever it lies and whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhotoDigest(pub(super) [u8; 32]);

impl PhotoDigest {
    /// The digest of a photo file's content.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for PhotoDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hexadecimal(&self.0))
    }
}

/// Whose features are alike: those of one frozen network after one preprocessing. Which device computed
/// them is no part of it: devices agree to rounding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub(super) digest: [u8; 32],
    pub(super) width: u32,
}

impl Space {
    /// The space of rows of `width` numbers that the backbone with these weights gives for photos made
    /// ready by `recipe`.
    ///
    /// `weights` is the SHA-256 of what the backbone computes with. A file's own digest will do, but
    /// then two files with the same backbone (a published one, and a run's with another head) share
    /// nothing.
    ///
    /// # Panics
    /// Where a row has 2^32 numbers or more.
    pub fn new(weights: &[u8; 32], recipe: &Recipe, width: usize) -> Self {
        let width = u32::try_from(width).expect("no network has 2^32 features");
        // Every field, by name: one that is added must not be forgotten here.
        let Recipe { resize, filter, crop, mean, std } = *recipe;
        let filter = match filter {
            Filter::Bilinear => 0u32,
            Filter::Bicubic => 1,
        };
        let mut hasher = Sha256::new_with_prefix(b"kindling features");
        hasher.update(VERSION.to_le_bytes());
        hasher.update(weights);
        for number in [width, resize, filter, crop] {
            hasher.update(number.to_le_bytes());
        }
        for number in mean.into_iter().chain(std) {
            hasher.update(number.to_le_bytes());
        }
        Self { digest: hasher.finalize().into(), width }
    }

    /// The name of its folder.
    pub(super) fn name(&self) -> String {
        hexadecimal(&self.digest)
    }
}

fn hexadecimal(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_the_numbers_makes_another_space() {
        let recipe = Recipe::IMAGENET;
        let space = Space::new(&[1; 32], &recipe, 512);
        assert_eq!(space, Space::new(&[1; 32], &recipe, 512));
        let mut others = vec![Space::new(&[2; 32], &recipe, 512), Space::new(&[1; 32], &recipe, 8)];
        for other in [
            Recipe { resize: 224, ..recipe },
            Recipe { crop: 192, ..recipe },
            Recipe { filter: Filter::Bicubic, ..recipe },
            Recipe { mean: [0.5; 3], ..recipe },
            Recipe { std: [0.5; 3], ..recipe },
        ] {
            others.push(Space::new(&[1; 32], &other, 512));
        }
        for (index, other) in others.iter().enumerate() {
            assert_ne!(space.name(), other.name());
            assert!(others[..index].iter().all(|before| before.name() != other.name()));
        }
    }
}

//! The key of cached features: the photo, and what computed its features.

use std::fmt;

use super::VERSION;
use crate::photos::{DECODING_VERSION, Filter, Fit, Preprocessing, View};
use crate::printable::hexadecimal;
use crate::sha256::Sha256;

/// SHA-256 of a photo file's content, independent of the file's path and name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhotoDigest(pub(super) [u8; 32]);

impl PhotoDigest {
    /// The digest of a photo file's content.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes))
    }
}

impl fmt::Debug for PhotoDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hexadecimal(&self.0))
    }
}

/// The libraries that decode and resize photos, with their versions: another version may round
/// differently and so change the features.
pub(super) const LIBRARIES: [(&str, &str); 14] = [
    ("image", "0.25.10"),
    ("zune-jpeg", "0.5.15"),
    ("png", "0.18.1"),
    ("image-webp", "0.2.4"),
    ("tiff", "0.11.3"),
    ("flate2", "1.1.11"),
    ("weezl", "0.1.12"),
    ("jxl-oxide", "0.12.6"),
    ("jxl-render", "0.12.4"),
    ("jxl-vardct", "0.11.1"),
    ("jxl-modular", "0.11.3"),
    ("jxl-color", "0.11.0"),
    ("jxl-frame", "0.13.3"),
    ("fast_image_resize", "6.1.0"),
];

/// The part of a key that is common to all photos: the frozen network, the preprocessing, the view
/// and the device. Devices never share cached features: they agree up to rounding only if none is
/// faulty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub(super) digest: [u8; 32],
    pub(super) width: u32,
}

impl Space {
    /// The space of the `width` features per photo that the backbone with these weights computes
    /// of its plain view after `preprocessing`, on the device named `computed_by`.
    ///
    /// `weights` is the SHA-256 of the backbone's weights. The digest of a weights file works too,
    /// but then two files with the same backbone (a published one, and a run's with another head)
    /// share no features.
    ///
    /// # Panics
    /// If `width` is 2^32 or more.
    pub fn new(
        weights: &[u8; 32],
        preprocessing: &Preprocessing,
        width: usize,
        computed_by: &str,
    ) -> Self {
        let width = u32::try_from(width).expect("no network has 2^32 features");
        // Destructured so that a new field cannot be forgotten.
        let Preprocessing { resize, filter, crop, mean, std, fit } = *preprocessing;
        let filter = match filter {
            Filter::Bilinear => 0u32,
            Filter::Bicubic => 1,
        };
        let mut hasher = Sha256::new_with_prefix(b"kindling features");
        hasher.update(VERSION.to_le_bytes());
        hasher.update(DECODING_VERSION.to_le_bytes());
        hasher.update(weights);
        for (library, version) in LIBRARIES {
            hasher.update(format!("{library} {version}\n"));
        }
        hasher.update((computed_by.len() as u64).to_le_bytes());
        hasher.update(computed_by);
        for number in [width, resize, filter, crop] {
            hasher.update(number.to_le_bytes());
        }
        for number in mean.into_iter().chain(std) {
            hasher.update(number.to_le_bytes());
        }
        // Before there were others, every photo was cropped: those features are still found.
        if fit != Fit::Crop {
            hasher.update(fit.name());
        }
        Self { digest: hasher.finalize(), width }
    }

    /// The space of the same features of another view of each photo. The plain view's is this one.
    #[must_use]
    pub fn of_view(&self, view: View) -> Self {
        if view == View::PLAIN {
            return self.clone();
        }
        let mut hasher = Sha256::new_with_prefix(b"kindling view");
        hasher.update(self.digest);
        hasher.update(view.to_string());
        Self { digest: hasher.finalize(), width: self.width }
    }

    /// Name of the space's folder: 64 hexadecimal digits.
    pub(in crate::features) fn name(&self) -> String {
        hexadecimal(&self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_the_numbers_makes_another_space() {
        let preprocessing = Preprocessing::IMAGENET;
        let space = Space::new(&[1; 32], &preprocessing, 512, "cpu");
        assert_eq!(space, Space::new(&[1; 32], &preprocessing, 512, "cpu"));
        let mut others = vec![
            Space::new(&[2; 32], &preprocessing, 512, "cpu"),
            Space::new(&[1; 32], &preprocessing, 8, "cpu"),
        ];
        others.push(Space::new(&[1; 32], &preprocessing, 512, "wgpu"));
        for other in [
            Preprocessing { resize: 224, ..preprocessing },
            Preprocessing { crop: 192, ..preprocessing },
            Preprocessing { filter: Filter::Bicubic, ..preprocessing },
            Preprocessing { mean: [0.5; 3], ..preprocessing },
            Preprocessing { std: [0.5; 3], ..preprocessing },
            Preprocessing { fit: Fit::Pad, ..preprocessing },
            Preprocessing { fit: Fit::Stretch, ..preprocessing },
        ] {
            others.push(Space::new(&[1; 32], &other, 512, "cpu"));
        }
        let padded = others[others.len() - 2].clone();
        for view in &View::ALL[1..] {
            others.extend([space.of_view(*view), padded.of_view(*view)]);
        }
        for (index, other) in others.iter().enumerate() {
            assert_ne!(space.name(), other.name());
            assert!(others[..index].iter().all(|before| before.name() != other.name()));
        }
    }

    /// The key as it was before there were views and ways to fit a photo.
    #[test]
    fn features_that_older_versions_cached_are_still_found() {
        let mut hasher = Sha256::new_with_prefix(b"kindling features");
        hasher.update(VERSION.to_le_bytes());
        hasher.update(DECODING_VERSION.to_le_bytes());
        hasher.update([7; 32]);
        for (library, version) in LIBRARIES {
            hasher.update(format!("{library} {version}\n"));
        }
        hasher.update(3_u64.to_le_bytes());
        hasher.update("cpu");
        for number in [512_u32, 256, 0, 224] {
            hasher.update(number.to_le_bytes());
        }
        for number in [0.485_f32, 0.456, 0.406, 0.229, 0.224, 0.225] {
            hasher.update(number.to_le_bytes());
        }
        let space = Space::new(&[7; 32], &Preprocessing::IMAGENET, 512, "cpu");
        assert_eq!(space, Space { digest: hasher.finalize(), width: 512 });
        assert_eq!(space.of_view(View::PLAIN), space);
    }

    #[test]
    fn features_are_kept_apart_by_the_versions_of_what_decodes_photos() {
        let lock: toml::Table = toml::from_str(include_str!("../../../Cargo.lock")).unwrap();
        for (library, version) in LIBRARIES {
            let built_on = lock["package"].as_array().unwrap().iter().any(|package| {
                package["name"].as_str() == Some(library)
                    && package["version"].as_str() == Some(version)
            });
            assert!(built_on, "{library} is no longer {version}: change it in LIBRARIES");
        }
    }
}

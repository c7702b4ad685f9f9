//! How a photo of any shape becomes the square that a network sees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a photo is fitted into the network's square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The short side is resized and the centre cut out: what is at the ends of the long side is
    /// lost. torchvision's `Resize(resize)` and `CenterCrop(crop)`.
    #[default]
    Crop,
    /// The whole photo is resized until its long side is the square's, and centred on a background
    /// of the mean colour. PIL's `ImageOps.pad(photo, (crop, crop), method, color)`.
    Pad,
    /// The whole photo is resized to the square, whatever its shape. torchvision's
    /// `Resize((crop, crop))`.
    Stretch,
}

/// A word that names no [`Fit`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected crop, pad or stretch")]
pub struct UnknownFit;

impl Fit {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Crop, Self::Pad, Self::Stretch];

    /// Its name, as in files and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crop => "crop",
            Self::Pad => "pad",
            Self::Stretch => "stretch",
        }
    }

    /// Whether it is the usual one, which files do not name.
    pub(super) fn is_crop(&self) -> bool {
        *self == Self::Crop
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Fit {
    type Err = UnknownFit;

    fn from_str(text: &str) -> Result<Self, UnknownFit> {
        Self::ALL.into_iter().find(|fit| fit.name() == text).ok_or(UnknownFit)
    }
}

//! The option of `predict`, `evaluate` and `report` to look at several views of a photo.

use std::fmt;

use clap::Args;
use kindling::features::Extractor;
use kindling::photos::View;

/// How many views of a photo are looked at.
#[derive(Args, Clone, Copy)]
pub struct TtaArg {
    /// Average N views of each photo: itself, its mirror image, its corners, their mirror images
    ///
    /// Test-time augmentation: it takes N times as long, and is a little more accurate, most of all
    /// for models that were trained with --views.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=View::ALL.len() as i64))]
    tta: u32,
}

impl TtaArg {
    /// The extractor with the features of each photo averaged over these views.
    pub fn apply(self, extractor: Extractor<'_>) -> Extractor<'_> {
        extractor.with_averaged_views(self.tta as usize)
    }

    /// The number of views, if there are several.
    pub fn several(self) -> Option<u32> {
        Some(self.tta).filter(|views| *views > 1)
    }
}

impl fmt::Display for TtaArg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tta {
            1 => formatter.write_str("1 view of each photo"),
            views => write!(formatter, "{views} of each photo, averaged"),
        }
    }
}

//! The options of `train` that say what of a photo the network sees.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use kindling::photos::{Fit, Preprocessing, View};
use serde::Serialize;

/// The smallest square: networks halve a photo five times, and nothing would be left of less.
const MIN_SIDE: i64 = 32;
/// The largest square that a model may have.
const MAX_SIDE: i64 = 1024;

/// How photos are prepared for the network.
#[derive(Args, Clone, Copy, Serialize)]
pub struct PreprocessingArgs {
    /// How a photo fills the network's square: crop, pad or stretch
    ///
    /// crop cuts the centre out, as the network was trained. pad shows the whole photo on a
    /// background of the mean colour, stretch the whole photo without its proportions. The model
    /// remembers it.
    #[arg(long, value_name = "HOW", default_value_t = Fit::Crop, value_parser = fits(), hide_possible_values = true, help_heading = "Photos")]
    fit: Fit,

    /// Side of the network's square in pixels [default: the network's own, 224]
    ///
    /// Larger squares show more detail, and take time in proportion to their area. The model
    /// remembers it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(MIN_SIDE..=MAX_SIDE), help_heading = "Photos")]
    image_size: Option<u32>,

    /// Train on N views of each photo: itself, its mirror image, its corners, their mirror images
    ///
    /// Each view goes through the network once, and into the feature cache. Validation photos have
    /// one view. `predict`, `evaluate` and `report` use several with --tta.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=View::ALL.len() as i64), help_heading = "Photos")]
    views: u32,
}

fn fits() -> impl TypedValueParser<Value = Fit> {
    PossibleValuesParser::new(Fit::ALL.map(Fit::name)).try_map(|name| name.parse())
}

impl PreprocessingArgs {
    /// The preprocessing for a network that usually has this one.
    pub fn of(self, usual: Preprocessing) -> Preprocessing {
        usual.fitted(self.fit, self.image_size)
    }

    /// Views of each training photo.
    pub fn views(self) -> usize {
        self.views as usize
    }
}

//! The option of the commands that use a model's calibration.

use clap::Args;
use kindling::run::Model;

/// The option of every command that predicts or exports.
#[derive(Args, Clone, Copy)]
pub struct CalibrationArg {
    /// Use the raw probabilities, without the temperature that was fitted on validation photos
    #[arg(long)]
    no_calibration: bool,
}

impl CalibrationArg {
    /// The model as the option asks for it.
    pub fn of(self, model: Model) -> Model {
        if self.no_calibration { model.without_calibration() } else { model }
    }
}

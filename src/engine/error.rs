//! Why an engine gives no features.

use burn::store::burn_pack;

use crate::plan::Unsupported;
use crate::precision::Precision;

/// Why an engine gives no features.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The device returned an error.
    #[error("the device failed while it computed features: {0}")]
    Device(String),
    /// The weights cannot be read.
    #[error("{0}")]
    Weights(String),
    /// NaN or infinite features.
    #[error("the device computed features that are NaN or infinite")]
    NotFinite,
    /// A photo's features differ from the processor's: see
    /// [`Extractor`](crate::features::Extractor).
    #[error(
        "the device computes wrong numbers: a photo's features differ by {error:.1e} of the largest \
         one from the processor's, and rounding explains at most {bound:.0e}"
    )]
    WrongNumbers {
        /// The difference, as a fraction of the largest feature.
        error: f32,
        /// The largest difference that rounding explains.
        bound: f32,
    },
    /// Not even one photo at a time fits.
    #[error(
        "the device's memory is too small for the network and one photo's activations: end other \
         programs that use it"
    )]
    OutOfMemory,
    /// The driver does not return.
    #[error("the device has not answered for {0} s: its driver may have hung")]
    Hangs(u64),
    /// `KINDLING_GPU_TIMEOUT` is not a number of seconds.
    #[error(
        "KINDLING_GPU_TIMEOUT is `{0}`: give it a number of seconds from 1 on, such as 300, or leave \
         it out"
    )]
    Timeout(String),
    /// The engine cannot run the network.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

impl EngineError {
    /// The error for what a device reported, on one line.
    pub(crate) fn device(error: &impl std::fmt::Debug) -> Self {
        Self::Device(one_line(error))
    }

    /// The error for weights that cannot be read. In a file this is an I/O error with a sentence;
    /// from a device it is another error.
    pub(crate) fn weights(error: &burn_pack::Error) -> Self {
        match error {
            burn_pack::Error::IoError(sentence) => Self::Weights(sentence.clone()),
            error => Self::device(error),
        }
    }
}

/// A precision that a device or an engine does not compute in.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{device} does not compute in {precision}: {reason}; leave --precision out")]
pub struct PrecisionError {
    pub(super) device: String,
    pub(super) precision: Precision,
    pub(super) reason: &'static str,
}

/// The features themselves.
///
/// # Errors
/// If one of them is NaN or infinite.
pub(crate) fn finite(values: Vec<f32>) -> Result<Vec<f32>, EngineError> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(EngineError::NotFinite),
    }
}

/// An error's debug text on one line.
pub(crate) fn one_line(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ")
}

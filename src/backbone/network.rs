//! A network's forward, whole or divided at a stage.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;

use super::architectures::Network;
use crate::plan::StageError;

impl Network {
    /// The names of its stages, in order: the published code's, or the paper's.
    pub fn stages(&self) -> Vec<String> {
        self.as_forward().stages()
    }

    /// Features of a batch of preprocessed photos.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features]`
    ///
    /// # Panics
    /// If the photos do not have three channels, or are on another device.
    pub fn forward(&self, photos: Tensor<4>) -> Tensor<2> {
        pooled(self.feature_map(photos, |_, _| ()))
    }

    /// The last feature map of a batch of preprocessed photos. `observe` gets each stage's name and
    /// output.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features, height / 32, width / 32]`, rounded up
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn feature_map(
        &self,
        photos: Tensor<4>,
        mut observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<4> {
        self.stages().iter().enumerate().fold(photos, |x, (at, name)| {
            let x = self.as_forward().forward_stage(at, x);
            observe(name, &x);
            x
        })
    }

    /// The output of the stage `name` for a batch of preprocessed photos.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, channels, height, width]` of that stage
    ///
    /// # Errors
    /// If there is no such stage.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_until(&self, name: &str, photos: Tensor<4>) -> Result<Tensor<4>, StageError> {
        let end = self.stage(name)?;
        Ok(self.stages_of(0..end + 1, photos))
    }

    /// Features from the output of the stage `name`: the rest of the network.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`, that stage's output
    /// - output: `[batch, features]`
    ///
    /// # Errors
    /// If there is no such stage.
    ///
    /// # Panics
    /// If `x` does not have that stage's channels, or is on another device.
    pub fn forward_from(&self, name: &str, x: Tensor<4>) -> Result<Tensor<2>, StageError> {
        let start = self.stage(name)? + 1;
        Ok(pooled(self.stages_of(start..self.stages().len(), x)))
    }

    fn stages_of(&self, stages: Range<usize>, x: Tensor<4>) -> Tensor<4> {
        stages.fold(x, |x, at| self.as_forward().forward_stage(at, x))
    }

    fn stage(&self, name: &str) -> Result<usize, StageError> {
        let known = self.stages();
        match known.iter().position(|stage| stage == name) {
            Some(at) => Ok(at),
            None => Err(StageError::Unknown { name: name.to_owned(), known }),
        }
    }
}

/// The mean over height and width, which ends every network here: `[batch, features]`.
pub(super) fn pooled(map: Tensor<4>) -> Tensor<2> {
    adaptive_avg_pool2d(map, [1, 1]).flatten(1, 3)
}

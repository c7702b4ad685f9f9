//! What a head learns: one class of each photo, or the set of classes that it shows.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::FitOptions;
use crate::evaluation::Scores;

/// The label of an example: an index into the classes, or several.
pub trait Target: Clone {
    /// The loss function with its options.
    type Criterion;

    /// The loss function for `classes` classes, on a device with autodiff.
    fn criterion(options: &FitOptions, classes: usize, device: &Device) -> Self::Criterion;

    /// The mean loss of a batch, in nats.
    ///
    /// # Shapes
    /// - `logits`: `[batch, classes]`, on an autodiff device
    /// - output: `[1]`
    fn loss(
        criterion: &Self::Criterion,
        logits: Tensor<2>,
        labels: &[&Self],
        device: &Device,
    ) -> Tensor<1>;

    /// Scores the `logits`, `[labels, classes]`.
    fn scores(classes: usize, logits: &[f32], labels: &[Self]) -> EpochScores;
}

/// The scores of a set of examples at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochScores {
    /// Mean loss, in nats.
    pub loss: f64,
    /// Share of examples that are classified correctly, 0 to 1.
    pub accuracy: f64,
}

/// One class of each example: softmax and cross-entropy.
impl Target for usize {
    type Criterion = CrossEntropyLoss;

    fn criterion(_: &FitOptions, _: usize, device: &Device) -> CrossEntropyLoss {
        CrossEntropyLossConfig::new().init(device)
    }

    fn loss(
        criterion: &CrossEntropyLoss,
        logits: Tensor<2>,
        labels: &[&Self],
        device: &Device,
    ) -> Tensor<1> {
        let indices: Vec<i32> = labels.iter().map(|label| **label as i32).collect();
        let count = indices.len();
        let labels: Tensor<1, Int> = Tensor::from_data(TensorData::new(indices, [count]), device);
        criterion.forward(logits, labels.autodiff())
    }

    fn scores(classes: usize, logits: &[f32], labels: &[Self]) -> EpochScores {
        let Scores { loss, accuracy, .. } = Scores::of(classes, logits, labels);
        EpochScores { loss, accuracy }
    }
}

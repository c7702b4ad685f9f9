//! What a head learns: one class of each photo, or the set of classes that it shows.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::class_weights::{LossTargets, counts};
use super::{ClassWeights, FitOptions};
use crate::evaluation::Scores;

/// The label of an example: an index into the classes, or several.
pub trait Target: Clone {
    /// The loss function with its options.
    type Criterion;

    /// The loss function for `classes` classes, on a device with autodiff. `train` are the labels
    /// of the training photos.
    fn criterion(
        options: &FitOptions,
        classes: usize,
        train: &[Self],
        device: &Device,
    ) -> Self::Criterion;

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

    /// What is added to the bias after each epoch, before the head is scored: `[classes]`.
    fn bias_shift(_: &FitOptions, _classes: usize, _train: &[Self]) -> Option<Vec<f64>> {
        None
    }

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
    /// Mean F1 of the classes that have examples.
    pub macro_f1: f64,
}

/// Cross-entropy, as in PyTorch's `CrossEntropyLoss`.
#[derive(Debug)]
pub enum CrossEntropy {
    /// All photos count the same, and nothing is smoothed.
    Plain(Box<CrossEntropyLoss>),
    /// Weighted, smoothed, or both.
    Targets(LossTargets),
}

/// One class of each example: softmax and cross-entropy.
impl Target for usize {
    type Criterion = CrossEntropy;

    fn criterion(
        options: &FitOptions,
        classes: usize,
        train: &[Self],
        device: &Device,
    ) -> CrossEntropy {
        let FitOptions { class_weights, label_smoothing, .. } = options;
        match (class_weights, label_smoothing) {
            (ClassWeights::Loss | ClassWeights::Effective, _) => {}
            (_, smoothing) if *smoothing > 0.0 => {}
            _ => return CrossEntropy::Plain(Box::new(CrossEntropyLossConfig::new().init(device))),
        }
        let weights = class_weights.of_loss(&counts(train, classes));
        CrossEntropy::Targets(LossTargets::of(weights, *label_smoothing))
    }

    fn loss(
        criterion: &CrossEntropy,
        logits: Tensor<2>,
        labels: &[&Self],
        device: &Device,
    ) -> Tensor<1> {
        match criterion {
            CrossEntropy::Plain(criterion) => {
                let indices: Vec<i32> = labels.iter().map(|label| **label as i32).collect();
                let count = indices.len();
                let labels: Tensor<1, Int> =
                    Tensor::from_data(TensorData::new(indices, [count]), device);
                criterion.forward(logits, labels.autodiff())
            }
            CrossEntropy::Targets(targets) => {
                let weight: f64 = labels.iter().map(|label| targets.weights[**label]).sum();
                let rows = labels.iter().flat_map(|label| targets.row(**label));
                // Negative, and divided by the sum of the weights.
                let rows: Vec<f32> = rows.map(|target| (-target / weight) as f32).collect();
                let shape = [labels.len(), targets.weights.len()];
                let rows: Tensor<2> = Tensor::from_data(TensorData::new(rows, shape), device);
                (log_softmax(logits, 1) * rows.autodiff()).sum()
            }
        }
    }

    fn bias_shift(options: &FitOptions, classes: usize, train: &[Self]) -> Option<Vec<f64>> {
        options.class_weights.bias_shift(&counts(train, classes))
    }

    fn scores(classes: usize, logits: &[f32], labels: &[Self]) -> EpochScores {
        let Scores { loss, accuracy, macro_f1, .. } = Scores::of(classes, logits, labels);
        EpochScores { loss, accuracy, macro_f1 }
    }
}

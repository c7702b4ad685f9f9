//! What a head learns: one class of each photo, or the set of classes that it shows.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::class_weights::{LossTargets, counts};
use super::{ClassWeights, FitOptions};
use crate::evaluation::{LabelCounts, Scores};
use crate::photos::LabelSet;

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
    Plain(CrossEntropyLoss),
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
            _ => return CrossEntropy::Plain(CrossEntropyLossConfig::new().init(device)),
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

/// The probability from which on an epoch counts a class as shown. The thresholds of a model are
/// chosen when the head is trained.
const EVEN: f64 = 0.5;

/// Any number of classes of each example: sigmoid and binary cross-entropy. The accuracy is the
/// share of examples whose classes are all right.
impl Target for LabelSet {
    type Criterion = ();

    fn criterion(_: &FitOptions, _: usize, _: &[Self], _: &Device) {}

    fn loss((): &(), logits: Tensor<2>, labels: &[&Self], device: &Device) -> Tensor<1> {
        let [batch, classes] = logits.dims();
        let mut absent = vec![1.0_f32; batch * classes];
        for (row, labels) in absent.chunks_mut(classes).zip(labels) {
            labels.iter().for_each(|class| row[*class] = 0.0);
        }
        let absent: Tensor<2> =
            Tensor::from_data(TensorData::new(absent, [batch, classes]), device);
        // -y ln s(x) - (1 - y) ln s(-x) with ln s(-x) = ln s(x) - x, which never overflows.
        (logits.clone() * absent.autodiff() - log_sigmoid(logits)).mean()
    }

    fn scores(classes: usize, logits: &[f32], labels: &[Self]) -> EpochScores {
        let counts = LabelCounts::of(logits, labels, &vec![EVEN; classes]);
        let accuracy = counts.exact as f64 / labels.len().max(1) as f64;
        EpochScores { loss: counts.loss, accuracy, macro_f1: counts.macro_f1() }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;

    use super::*;
    use crate::device;

    #[test]
    fn the_loss_of_label_sets_and_its_gradient_are_those_of_pytorch() {
        let Some(device) = device::processor() else { return };
        let autodiff = device.clone().autodiff();
        let logits = vec![2.0_f32, -3.0, 0.0, 80.0, -90.0, 0.5];
        let logits: Tensor<2> =
            Tensor::from_data(TensorData::new(logits, [2, 3]), &autodiff).require_grad();
        let labels: [LabelSet; 2] = [vec![0, 2], vec![1]];
        let loss = LabelSet::loss(&(), logits.clone(), &[&labels[0], &labels[1]], &device);
        let gradients = loss.backward();
        let gradient = logits.grad(&gradients).unwrap().into_data().convert_dtype(DType::F64);
        let gradient: Vec<f64> = gradient.iter::<f64>().collect();
        // torch 2: binary_cross_entropy_with_logits(logits, targets, reduction="mean").
        let expected =
            [-0.019867154, 0.007904312, -0.083333333, 0.166666667, -0.166666667, 0.103743222];
        assert!(gradient.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-6));
        let loss = loss.into_data().iter::<f64>().next().unwrap();
        assert!((loss - 28.640456588).abs() < 1e-5, "{loss}");
    }
}

//! What a head learns: one class of each photo, or the set of classes that it shows.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::FitOptions;
use crate::evaluation::{LabelCounts, Scores};
use crate::photos::LabelSet;

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

/// The probability from which on an epoch counts a class as shown. The thresholds of a model are
/// chosen when the head is trained.
const EVEN: f64 = 0.5;

/// Any number of classes of each example: sigmoid and binary cross-entropy. The accuracy is the
/// share of examples whose classes are all right.
impl Target for LabelSet {
    type Criterion = ();

    fn criterion(_: &FitOptions, _: usize, _: &Device) {}

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
        let LabelCounts { loss, exact, .. } = LabelCounts::of(logits, labels, &vec![EVEN; classes]);
        EpochScores { loss, accuracy: exact as f64 / labels.len().max(1) as f64 }
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

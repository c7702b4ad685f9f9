//! Learning the set of classes that each photo shows: sigmoid and binary cross-entropy.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

use super::{EpochScores, FitOptions, Target};
use crate::evaluation::LabelCounts;
use crate::photos::LabelSet;

/// The probability from which on an epoch counts a class as shown. The thresholds of a model are
/// chosen when the head is trained.
const EVEN: f64 = 0.5;

/// Binary cross-entropy, as PyTorch's `BCEWithLogitsLoss(pos_weight=...)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelLoss {
    /// How much more a photo that shows a class counts for it than one that does not, `[classes]`.
    positive_weights: Vec<f64>,
    /// The target of a class that the photo does not show; that of a class that it shows is as far
    /// from 1.
    absent: f64,
}

/// Any number of classes of each example. The accuracy is the share of examples whose classes are
/// all right. A bias is not shifted: the thresholds make up for rare classes.
impl Target for LabelSet {
    type Criterion = LabelLoss;

    fn criterion(options: &FitOptions, classes: usize, train: &[Self], _: &Device) -> LabelLoss {
        let mut shown = vec![0; classes];
        train.iter().flatten().for_each(|class| shown[*class] += 1);
        // The two sides of each class, weighed as two classes are.
        let weight = |shown: &usize| {
            let weights = options.class_weights.of_loss(&[train.len() - shown, *shown]);
            weights[1] / weights[0]
        };
        LabelLoss {
            positive_weights: shown.iter().map(weight).collect(),
            absent: options.label_smoothing / 2.0,
        }
    }

    fn loss(
        criterion: &LabelLoss,
        logits: Tensor<2>,
        labels: &[&Self],
        device: &Device,
    ) -> Tensor<1> {
        let LabelLoss { positive_weights, absent } = criterion;
        let shape = [labels.len(), positive_weights.len()];
        let (mut rises, mut falls) = (Vec::new(), Vec::new());
        for labels in labels {
            for (class, weight) in positive_weights.iter().enumerate() {
                let target = if labels.contains(&class) { 1.0 - absent } else { *absent };
                rises.push((weight * target + 1.0 - target) as f32);
                falls.push((1.0 - target) as f32);
            }
        }
        let on_device = |values: Vec<f32>| -> Tensor<2> {
            let values: Tensor<2> = Tensor::from_data(TensorData::new(values, shape), device);
            values.autodiff()
        };
        // -w t ln s(x) - (1 - t) ln s(-x) with ln s(-x) = ln s(x) - x, which never overflows.
        (logits.clone() * on_device(falls) - log_sigmoid(logits) * on_device(rises)).mean()
    }

    fn scores(classes: usize, logits: &[f32], labels: &[Self]) -> EpochScores {
        let counts = LabelCounts::of(logits, labels, &vec![EVEN; classes]);
        let accuracy = counts.exact as f64 / labels.len().max(1) as f64;
        EpochScores { loss: counts.loss, accuracy, macro_f1: counts.macro_f1() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::head::ClassWeights;

    const LOGITS: [f32; 6] = [2.0, -3.0, 0.0, 80.0, -90.0, 0.5];

    fn loss_and_gradient(criterion: &LabelLoss, labels: [LabelSet; 2]) -> Option<(f64, Vec<f64>)> {
        let device = device::processor()?;
        let data = TensorData::new(LOGITS.to_vec(), [2, 3]);
        let logits: Tensor<2> = Tensor::from_data(data, &device.clone().autodiff());
        let logits = logits.require_grad();
        let loss = LabelSet::loss(criterion, logits.clone(), &[&labels[0], &labels[1]], &device);
        let gradients = loss.backward();
        let gradient = logits.grad(&gradients)?.into_data();
        let gradient = gradient.iter::<f32>().map(f64::from).collect();
        Some((loss.into_data().iter::<f32>().map(f64::from).next()?, gradient))
    }

    fn agrees(found: Option<(f64, Vec<f64>)>, loss: f64, gradient: [f64; 6]) {
        // Without a processor backend there is nothing to train on.
        let Some((found, slopes)) = found else { return };
        assert!((found - loss).abs() < 1e-5, "{found} {loss}");
        let near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-6;
        assert!(slopes.iter().zip(&gradient).all(near), "{slopes:?}");
    }

    #[test]
    fn the_loss_of_label_sets_and_its_gradient_are_those_of_pytorch() {
        let Some(device) = device::processor() else { return };
        // torch 2: BCEWithLogitsLoss()(logits, targets).
        let plain = LabelSet::criterion(&FitOptions::DEFAULT, 3, &[vec![0]], &device);
        let labels = || [vec![0, 2], vec![1]];
        agrees(
            loss_and_gradient(&plain, labels()),
            28.640456588,
            [-0.019867154, 0.007904312, -0.083333333, 0.166666667, -0.166666667, 0.103743222],
        );
        // BCEWithLogitsLoss(pos_weight=[3, 1, 0.5])(logits, 0.8 * targets + 0.1).
        let weighted = LabelLoss { positive_weights: vec![3.0, 1.0, 0.5], absent: 0.1 };
        agrees(
            loss_and_gradient(&weighted, labels()),
            25.864264978,
            [-0.038961364, -0.008762354, -0.029166667, 0.15, -0.15, 0.090222727],
        );
    }

    #[test]
    fn rare_classes_weigh_as_much_as_their_absence() {
        let Some(device) = device::processor() else { return };
        let train: Vec<LabelSet> =
            (0..8).map(|photo| if photo < 2 { vec![0, 1] } else { vec![1] }).collect();
        let options = FitOptions { class_weights: ClassWeights::Loss, ..FitOptions::DEFAULT };
        let loss = LabelSet::criterion(&options, 2, &train, &device);
        assert_eq!(loss.positive_weights[0], 3.0);
        let plain = LabelSet::criterion(&FitOptions::DEFAULT, 2, &train, &device);
        assert_eq!((plain.positive_weights, plain.absent), (vec![1.0; 2], 0.0));
    }
}

//! What counts for how much: classes with few photos, and the share of the loss that is smoothed.

/// How the training makes up for classes with few photos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassWeights {
    /// Each photo counts the same.
    #[default]
    None,
    /// A photo's loss is weighted by `photos / (classes * photos of its class)`, as by
    /// scikit-learn's `class_weight="balanced"`.
    Loss,
    /// A photo's loss is weighted by the inverse of the effective number of photos of its class,
    /// `(1 - B^n) / (1 - B)` with B = 0.999: Cui, Jia, Lin, Song, Belongie: *Class-Balanced Loss
    /// Based on Effective Number of Samples*, 2019, <https://arxiv.org/abs/1901.05555>.
    Effective,
    /// Half the logarithm of each class's share of the photos is subtracted from its bias, once the
    /// head is trained.
    LogitHalf,
    /// The whole logarithm is subtracted: Menon, Jayasumana, Rawat, Jain, Veit, Kumar: *Long-tail
    /// learning via logit adjustment*, 2020, <https://arxiv.org/abs/2007.07314>, section 4.1.
    LogitFull,
}

/// The hyperparameter beta of Cui et al., who try 0.9 to 0.9999. Classes of fewer than some hundred
/// photos, the usual case here, are then weighted almost by the inverse of their number.
const BETA: f64 = 0.999;

impl ClassWeights {
    /// The weight of a photo's loss by its class, of which there are `counts` training photos. The
    /// weights of all classes have the mean 1 over the photos ([`Loss`](Self::Loss)) or the classes
    /// ([`Effective`](Self::Effective)).
    pub fn of_loss(self, counts: &[usize]) -> Vec<f64> {
        let (photos, classes) = (counts.iter().sum::<usize>() as f64, counts.len() as f64);
        // A class without photos has no loss to weigh.
        let at_least_1 = counts.iter().map(|count| (*count).max(1) as f64);
        match self {
            Self::None | Self::LogitHalf | Self::LogitFull => vec![1.0; counts.len()],
            Self::Loss => at_least_1.map(|count| photos / (classes * count)).collect(),
            Self::Effective => {
                let inverse = |count: f64| (1.0 - BETA) / (1.0 - BETA.powf(count));
                let sum: f64 = at_least_1.clone().map(inverse).sum();
                at_least_1.map(|count| classes * inverse(count) / sum).collect()
            }
        }
    }

    /// What is added to the bias of the trained head, `[classes]`: in the model file and in every
    /// score.
    pub fn bias_shift(self, counts: &[usize]) -> Option<Vec<f64>> {
        let part = match self {
            Self::None | Self::Loss | Self::Effective => return None,
            Self::LogitHalf => 0.5,
            Self::LogitFull => 1.0,
        };
        let photos = counts.iter().sum::<usize>().max(1) as f64;
        let share = |count: &usize| (*count).max(1) as f64 / photos;
        Some(counts.iter().map(|count| -part * share(count).ln()).collect())
    }
}

/// What the loss of a photo compares the probabilities with, for each class that it may have:
/// `loss = -sum(target[class][other] * log(probability[other]))`, over all classes.
///
/// With weights `w` and smoothing `s`, `target[class][other]` is `s * w[other] / classes`, and
/// `(1 - s) * w[class]` more where both are the same: PyTorch's
/// `CrossEntropyLoss(weight=w, label_smoothing=s)`, whose mean is over the weights of the photos.
/// Smoothing: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: *Rethinking the Inception Architecture for
/// Computer Vision*, 2015, <https://arxiv.org/abs/1512.00567>, section 7.
#[derive(Clone, Debug, PartialEq)]
pub struct LossTargets {
    /// The targets, `[class, other]`.
    pub targets: Vec<f64>,
    /// The weight of a photo in the mean, by its class.
    pub weights: Vec<f64>,
}

impl LossTargets {
    /// The targets for classes with these weights.
    pub fn of(weights: Vec<f64>, smoothing: f64) -> Self {
        let classes = weights.len();
        let mut targets = Vec::with_capacity(classes * classes);
        for class in 0..classes {
            targets.extend(weights.iter().enumerate().map(|(other, weight)| {
                let own = if other == class { (1.0 - smoothing) * weight } else { 0.0 };
                own + smoothing * weight / classes as f64
            }));
        }
        Self { targets, weights }
    }

    /// The targets of a photo of this class, `[classes]`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn row(&self, class: usize) -> &[f64] {
        let classes = self.weights.len();
        &self.targets[class * classes..][..classes]
    }
}

/// Number of photos of each class.
pub(super) fn counts(labels: &[usize], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|label| counts[*label] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let close = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-9;
        assert!(found.iter().zip(expected).all(close), "{found:?} {expected:?}");
    }

    #[test]
    fn loss_weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", ...) of scikit-learn 1.9.1 for 10, 30 and 60 photos.
        let expected = [3.333_333_333_333, 1.111_111_111_111, 0.555_555_555_556];
        agree(&ClassWeights::Loss.of_loss(&[10, 30, 60]), &expected);
        assert_eq!(ClassWeights::None.of_loss(&[10, 30]), [1.0, 1.0]);
    }

    #[test]
    fn effective_weights_are_those_of_the_paper() {
        // The authors' code, with numpy: effective = 1 - 0.999 ** n; w = 0.001 / effective;
        // w / w.sum() * 3, for n = 10, 300, 3000.
        let n = [10.0, 300.0, 3000.0].map(|n: f64| 0.001 / (1.0 - 0.999f64.powf(n)));
        let sum: f64 = n.iter().sum();
        agree(
            &ClassWeights::Effective.of_loss(&[10, 300, 3000]),
            &n.map(|weight| weight / sum * 3.0),
        );
    }

    #[test]
    fn the_shift_of_the_bias_is_half_or_the_whole_log_prior() {
        let [half, full] = [ClassWeights::LogitHalf, ClassWeights::LogitFull]
            .map(|weights| weights.bias_shift(&[25, 75]).unwrap());
        agree(&full, &[-(0.25f64.ln()), -(0.75f64.ln())]);
        agree(&half, &[-0.5 * 0.25f64.ln(), -0.5 * 0.75f64.ln()]);
        assert_eq!(ClassWeights::Loss.bias_shift(&[25, 75]), None);
    }

    #[test]
    fn smoothing_spreads_a_part_of_the_target_over_all_classes() {
        let targets = LossTargets::of(vec![1.0; 4], 0.2);
        agree(targets.row(1), &[0.05, 0.85, 0.05, 0.05]);
    }
}

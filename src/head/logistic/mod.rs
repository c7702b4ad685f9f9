//! The L2-regularised optimum: multinomial logistic regression, solved by L-BFGS instead of a
//! number of epochs of Adam.

mod lbfgs;
mod objective;
mod standardisation;

use burn::tensor::Device;

pub(super) use self::lbfgs::Limits;
use self::lbfgs::minimise;
use self::objective::Objective;
pub(super) use self::standardisation::Standardisation;
use super::class_weights::{LossTargets, counts};
use super::{ClassWeights, Examples, Head};

/// Options of [`fit_l2`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2Options {
    /// Inverse strength of the penalty, as in scikit-learn: `C * sum(losses) + |weight|^2 / 2` is
    /// minimised, and the bias is not penalised.
    pub c: f64,
    /// How the training makes up for classes with few photos.
    pub class_weights: ClassWeights,
    /// Share of each target that is spread over all classes.
    pub label_smoothing: f64,
}

impl L2Options {
    /// Each photo counts the same, and nothing is smoothed.
    pub const fn of(c: f64) -> Self {
        Self { c, class_weights: ClassWeights::None, label_smoothing: 0.0 }
    }
}

impl Limits {
    /// The solution that a cross-validation needs: 1e-4, scikit-learn's default, changes the
    /// probabilities by less than the choice of the photos does.
    pub const QUICK: Self = Self { gradient: 1e-4, iterations: 200 };
    /// The solution of the finished head. Coefficients then agree with scikit-learn's to 1e-4.
    pub const EXACT: Self = Self { gradient: 1e-7, iterations: 2000 };
}

/// Finds the head that minimises the cross-entropy of `train` with an L2 penalty on the weight of
/// the standardised features.
///
/// `C` is that of scikit-learn's `LogisticRegression` on features minus their mean,
/// divided by one number, the root mean square of all of these.
/// There a head of two classes has one row of weights, and here two, of opposite signs and half the
/// size: the probabilities are the same. Views of a photo share its weight.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use kindling::device;
/// use kindling::evaluation::most_probable;
/// use kindling::head::{Examples, L2Options, fit_l2};
///
/// let rows = vec![-2.0, -1.0, 1.0, 3.0].into();
/// let examples = Examples { width: 1, rows, labels: vec![0, 0, 1, 1] };
/// let device = device::processor().unwrap();
/// let head = fit_l2(&examples, 2, &L2Options::of(1.0), &device);
/// assert_eq!(most_probable(&head.logits(&[2.0], &device)), 1);
/// # }
/// ```
///
/// # Panics
/// If there are no examples, a label is not less than `classes`, `c` is not above 0, or the rows
/// are in a file.
pub fn fit_l2(train: &Examples, classes: usize, options: &L2Options, device: &Device) -> Head {
    let photos: Vec<usize> = (0..train.labels.len()).collect();
    let standardisation = Standardisation::of(train.rows.values(), train.width);
    let problem = Problem::of(train, classes, options, &standardisation, &photos);
    let mut solution = problem.start();
    problem.solve(options.c, Limits::EXACT, &mut solution);
    problem.head(&solution, device)
}

/// A training problem for any `C`.
pub(super) struct Problem<'a> {
    objective: Objective<'a>,
    bias_shift: Option<Vec<f64>>,
}

impl<'a> Problem<'a> {
    /// The training of `photos` among `examples`.
    pub fn of(
        examples: &'a Examples,
        classes: usize,
        options: &L2Options,
        standardisation: &'a Standardisation,
        photos: &'a [usize],
    ) -> Self {
        assert!(!photos.is_empty() && options.c > 0.0, "photos, and a C above 0");
        let labels: Vec<usize> = photos.iter().map(|photo| examples.labels[*photo]).collect();
        let counts = counts(&labels, classes);
        let weights = options.class_weights.of_loss(&counts);
        let objective = Objective {
            width: examples.width,
            rows: examples.rows.values(),
            labels: &examples.labels,
            views: examples.views(),
            photos,
            standardisation,
            targets: LossTargets::of(weights, options.label_smoothing),
        };
        Self { objective, bias_shift: options.class_weights.bias_shift(&counts) }
    }

    /// Where the first search begins: at zero.
    pub fn start(&self) -> Vec<f64> {
        vec![0.0; self.objective.parameters()]
    }

    /// Moves `parameters` to the minimum for this `C`, and returns the number of iterations.
    pub fn solve(&self, c: f64, limits: Limits, parameters: &mut Vec<f64>) -> usize {
        // scikit-learn's single row of weights for two classes is the difference of the two here,
        // so its squared norm is twice the sum of theirs.
        let penalty = if self.objective.classes() == 2 { 2.0 / c } else { 1.0 / c };
        minimise(parameters, limits, |parameters, gradient| {
            self.objective.evaluate(penalty, parameters, gradient)
        })
    }

    /// The head with these parameters, for features that are not standardised.
    pub fn head(&self, parameters: &[f64], device: &Device) -> Head {
        let Objective { width, standardisation, .. } = &self.objective;
        let (classes, stride) = (self.objective.classes(), self.objective.stride());
        let mut weight = Vec::with_capacity(classes * width);
        let mut bias = Vec::with_capacity(classes);
        for class in 0..classes {
            let row = &parameters[class * stride..][..*width];
            let mut constant = parameters[classes * stride + class];
            for (value, shift) in row.iter().zip(&standardisation.shift) {
                let value = value * standardisation.scale;
                constant -= value * shift;
                weight.push(value as f32);
            }
            constant += self.bias_shift.as_ref().map_or(0.0, |shift| shift[class]);
            bias.push(constant as f32);
        }
        Head::of(&weight, &bias, device)
    }
}

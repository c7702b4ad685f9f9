//! Compares the gradient of the head's loss on the adapter with finite differences in f64 and with
//! the processor.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use kindling::head::Head;

use kindling::kernels::reference::{Expected, Reference, U, values};
use shaders_tests::adapter::adapter;
use shaders_tests::table::Table;

/// Step of the central differences. Their truncation error, `step^2 / 6` times a third derivative
/// of at most a tenth, and their rounding error, `2^-53 / step` of the loss, are both below
/// [`DIFFERENCE_ERROR`].
const STEP: f64 = 1e-4;

/// The largest error of the finite differences.
const DIFFERENCE_ERROR: f64 = 1e-9;

/// Seed of the heads' weights.
const SEED: u64 = 1;

const WEIGHT: &str = "d loss / d weight";
const BIAS: &str = "d loss / d bias";

/// A head, and a batch on which its loss is computed.
struct Problem {
    features: usize,
    classes: usize,
    /// `[batch, features]`.
    rows: Vec<f32>,
    labels: Vec<usize>,
    /// `[classes, features]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[test]
fn gradients_of_the_heads_loss_are_finite_differences_of_it() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Gradients of the head's loss");
    for (batch, features, classes) in [(1, 5, 2), (8, 32, 3), (3, 512, 10), (8, 1280, 37)] {
        let problem = Problem::new(batch, features, classes);
        let shape = format!("{batch}x{features} to {classes}");
        let [weight, bias] = problem.expected();
        let [on_adapter, on_processor] = [&device, &Device::flex()].map(|on| problem.gradients(on));
        for (name, gradients) in [("Burn", &on_adapter), ("Burn, flex", &on_processor)] {
            table.row(name, WEIGHT, &shape, weight.worst(&gradients[0]));
            table.row(name, BIAS, &shape, bias.worst(&gradients[1]));
        }
        let against = "Burn against flex";
        table.row(against, WEIGHT, &shape, weight.apart(&on_adapter[0], &on_processor[0]));
        table.row(against, BIAS, &shape, bias.apart(&on_adapter[1], &on_processor[1]));
    }
    table.finish(&[]);
}

/// A visitor that collects the gradients.
struct CollectGradients {
    gradients: Gradients,
    collected: Vec<Vec<f32>>,
}

impl ModuleVisitor for CollectGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(&self.gradients).expect("every parameter has a gradient");
        self.collected.push(gradient.into_data().iter::<f32>().collect());
    }
}

impl Problem {
    fn new(batch: usize, features: usize, classes: usize) -> Self {
        let head = Head::seeded(features, classes, SEED, &Device::flex());
        Self {
            features,
            classes,
            // As after a ReLU and a mean: no value is negative.
            rows: values(batch * features, 21).iter().map(|value| value.abs()).collect(),
            labels: (0..batch).map(|row| row * 7 % classes).collect(),
            weight: head.weight(),
            bias: head.bias(),
        }
    }

    /// The gradients of weight and bias, computed by Burn.
    fn gradients(&self, device: &Device) -> [Vec<f32>; 2] {
        let device = device.clone().autodiff();
        let head = Head::seeded(self.features, self.classes, SEED, &device);
        let rows = TensorData::new(self.rows.clone(), [self.labels.len(), self.features]);
        let labels: Vec<i32> = self.labels.iter().map(|label| *label as i32).collect();
        let labels = TensorData::new(labels, [self.labels.len()]);
        let logits = head.forward(Tensor::from_data(rows, &device));
        let labels = Tensor::<1, Int>::from_data(labels, &device);
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, labels);
        let mut visitor = CollectGradients { gradients: loss.backward(), collected: Vec::new() };
        head.visit(&mut visitor);
        visitor.collected.try_into().expect("a weight and a bias")
    }

    /// Softmax cross-entropy of one row, with `by` added to logit `at`.
    fn loss(logits: &[f64], label: usize, at: usize, by: f64) -> f64 {
        let logit = |class: usize| logits[class] + if class == at { by } else { 0.0 };
        let largest = (0..logits.len()).map(logit).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..logits.len()).map(|class| (logit(class) - largest).exp()).sum();
        largest + sum.ln() - logit(label)
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.features..][..self.features]
    }

    /// A logit, with the magnitude of its terms.
    fn logit(&self, row: usize, class: usize) -> Reference {
        let products = self.row(row).iter().enumerate().map(|(feature, value)| {
            f64::from(*value) * f64::from(self.weight[class * self.features + feature])
        });
        Reference::sum(self.features + 1, products.chain([f64::from(self.bias[class])]))
    }

    /// The gradients of the weight, `[features, classes]`, and of the bias, `[classes]`.
    ///
    /// The gradient is the mean over rows of `x (p - y)`, where `p` is the softmax. The error of
    /// `p` in f32: each logit, and hence the largest one, is off by at most `d`, the bound of its
    /// sum. WGSL guarantees that `exp(t)` is within `3 + 2 |t|` ulp and a logarithm within `2^-21`
    /// or 3 ulp, and an ulp is at most `2u`. So `log p = z - max - log(sum(exp(z - max)))` is off
    /// by `e = 2 d + 2^-21 + u (10 log(classes) + 2 (3 + 2 span) + classes + span + 4)`, where
    /// `span` is the largest difference between two logits, and `p = exp(log p)` has a relative
    /// error of `e + 2 u (3 + 2 |log p|)`. The bound is one and a half times that, to cover terms
    /// of second order.
    fn expected(&self) -> [Expected; 2] {
        let batch = self.labels.len();
        let logits: Vec<Vec<Reference>> = (0..batch)
            .map(|row| (0..self.classes).map(|class| self.logit(row, class)).collect())
            .collect();
        // The error bound of d loss / d logit for a row and a class. Finite differences give its
        // value.
        let off = |row: usize, class: usize| {
            let bound = logits[row].iter().map(|logit| logit.bound()).fold(0.0, f64::max);
            let each = || logits[row].iter().map(|logit| logit.value);
            let largest = each().fold(f64::NEG_INFINITY, f64::max);
            let span = largest - each().fold(f64::INFINITY, f64::min);
            let log_sum = each().map(|logit| (logit - largest).exp()).sum::<f64>().ln();
            let log_p = logits[row][class].value - largest - log_sum;
            let classes = self.classes as f64;
            let off_log = 2.0 * bound
                + 2f64.powi(-21)
                + U * (10.0 * classes.ln() + 2.0 * (3.0 + 2.0 * span) + classes + span + 4.0);
            let p = log_p.exp();
            let y = if self.labels[row] == class { 1.0 } else { 0.0 };
            // The difference `p - y` and the division by the batch size are rounded too.
            1.5 * p * (off_log + 2.0 * U * (3.0 + 2.0 * log_p.abs())) + 8.0 * U * (p - y).abs()
        };
        let reference = |class: usize, value: &dyn Fn(usize) -> f64| {
            let mut difference = 0.0;
            let mut bound = DIFFERENCE_ERROR;
            let mut magnitude = 0.0;
            for (row, logits) in logits.iter().enumerate() {
                let x = value(row);
                let plain: Vec<f64> = logits.iter().map(|logit| logit.value).collect();
                let [up, down] =
                    [STEP, -STEP].map(|step| Self::loss(&plain, self.labels[row], class, step * x));
                difference += (up - down) / (2.0 * STEP);
                bound += x.abs() * off(row, class) / batch as f64;
                magnitude += ((up - down) / (2.0 * STEP)).abs();
            }
            bound += magnitude / batch as f64 * (batch as f64 + 2.0) * U;
            Reference { value: difference / batch as f64, magnitude: bound / U, roundings: 1.0 }
        };
        [
            Expected::of([self.features, self.classes], |[feature, class]| {
                reference(class, &|row| f64::from(self.row(row)[feature]))
            }),
            Expected::of([self.classes], |[class]| reference(class, &|_| 1.0)),
        ]
    }
}

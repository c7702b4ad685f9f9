//! The training loop: Adam and cross-entropy on features that are there already.

use std::time::Instant;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::Head;
use crate::evaluation::Scores;
use crate::seed::{Purpose, generator};

/// Features with labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    /// Values in a row.
    pub width: usize,
    /// The rows one after another, `[examples, width]`.
    pub rows: Vec<f32>,
    /// A class index for each row.
    pub labels: Vec<usize>,
}

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitOptions {
    /// Passes over the training examples, at most.
    pub epochs: usize,
    /// Examples in a step of the optimiser.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// L2 penalty added to the gradient, as in PyTorch's `Adam(weight_decay=...)`.
    pub weight_decay: f64,
    /// Of the head's first weights and of the order of examples.
    pub seed: u64,
    /// Stop after so many epochs without a better one.
    pub patience: Option<usize>,
}

/// What an epoch came to, measured with the weights at its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean cross-entropy over the training examples, in nats.
    pub train_loss: f64,
    /// Share of training examples whose most probable class is the right one.
    pub train_accuracy: f64,
    /// As `train_loss`, over the validation examples.
    pub val_loss: f64,
    /// As `train_accuracy`, over the validation examples.
    pub val_accuracy: f64,
    /// Wall-clock time of the epoch.
    pub seconds: f64,
}

impl EpochMetrics {
    /// Better on photos that were not trained on: more of them right, or as many and a lower loss.
    fn is_better_than(&self, other: &Self) -> bool {
        (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)
    }
}

/// What the observer of [`fit`] is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// The optimiser took a step.
    Step {
        /// The running epoch, counted from 1.
        epoch: usize,
        /// Steps taken in this epoch.
        done: usize,
        /// Steps in an epoch.
        of: usize,
    },
    /// An epoch ended.
    Epoch(&'a EpochMetrics),
}

/// What the observer of [`fit`] answers; `()` is [`Next::GoOn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Train on.
    GoOn,
    /// Let the running epoch be the last. Answered to the end of an epoch: that one.
    Stop,
}

impl From<()> for Next {
    fn from((): ()) -> Self {
        Self::GoOn
    }
}

/// A trained head.
#[derive(Debug)]
pub struct Fitted {
    /// The head of the best epoch, on the plain device.
    pub head: Head,
    /// Every epoch that was run.
    pub epochs: Vec<EpochMetrics>,
    /// The epoch that `head` is from.
    pub best: EpochMetrics,
}

/// Why there is no trained head.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Loss without a number.
    #[error(
        "training diverged in epoch {epoch}: the loss is {loss}; try a lower --lr than \
         {learning_rate:e} or a lower --weight-decay"
    )]
    Diverged {
        /// The epoch.
        epoch: usize,
        /// Its loss.
        loss: f64,
        /// The step size that led there.
        learning_rate: f64,
    },
}

/// Trains a head for `classes` classes on `device` (a plain one; autodiff is switched on here) and
/// keeps the epoch that does best on `val`.
///
/// `observe` sees each step of the optimiser, thousands a second perhaps, and each epoch as it ends.
/// Once it has answered [`Next::Stop`] the running epoch is the last one; the best of those that were
/// run is kept.
///
/// # Errors
/// Where the loss stops being a number.
///
/// # Panics
/// Where there are no examples, no epochs, or the widths differ.
pub fn fit<R: Into<Next>>(
    train: &Examples,
    val: &Examples,
    classes: usize,
    options: &FitOptions,
    device: &Device,
    mut observe: impl FnMut(Progress) -> R,
) -> Result<Fitted, FitError> {
    assert!(!train.labels.is_empty() && !val.labels.is_empty() && options.epochs > 0);
    assert!(train.width == val.width && options.batch_size > 0);
    let autodiff = device.clone().autodiff();
    let mut head = Head::seeded(train.width, classes, options.seed, &autodiff);
    // PyTorch's defaults; Burn's own epsilon is 1e-5.
    let mut adam = AdamConfig::new().with_epsilon(1e-8);
    if options.weight_decay > 0.0 {
        adam = adam.with_weight_decay(Some(WeightDecayConfig::new(options.weight_decay as f32)));
    }
    let mut optimizer = adam.init();
    let cross_entropy = CrossEntropyLossConfig::new().init(&autodiff);
    let mut order: Vec<usize> = (0..train.labels.len()).collect();
    let mut generator = generator(options.seed, Purpose::Order);
    let steps = order.len().div_ceil(options.batch_size);

    let mut epochs: Vec<EpochMetrics> = Vec::new();
    let mut best: Option<(EpochMetrics, Head)> = None;
    for epoch in 1..=options.epochs {
        let start = Instant::now();
        let mut stop = false;
        order.shuffle(&mut generator);
        for (step, batch) in order.chunks(options.batch_size).enumerate() {
            let (features, labels) = train.batch(batch, device);
            let logits = head.forward(features.autodiff());
            let loss = cross_entropy.forward(logits, labels.autodiff());
            let gradients = GradientsParams::from_grads(loss.backward(), &head);
            head = optimizer.step(options.learning_rate, head, gradients);
            let progress = Progress::Step { epoch, done: step + 1, of: steps };
            stop |= observe(progress).into() == Next::Stop;
        }
        let plain = head.valid();
        let (train_scores, val_scores) = (train.scores(&plain, device), val.scores(&plain, device));
        let metrics = EpochMetrics {
            epoch,
            train_loss: train_scores.loss,
            train_accuracy: train_scores.accuracy,
            val_loss: val_scores.loss,
            val_accuracy: val_scores.accuracy,
            seconds: start.elapsed().as_secs_f64(),
        };
        if !(metrics.train_loss.is_finite() && metrics.val_loss.is_finite()) {
            return Err(FitError::Diverged {
                epoch,
                loss: metrics.train_loss,
                learning_rate: options.learning_rate,
            });
        }
        stop |= observe(Progress::Epoch(&metrics)).into() == Next::Stop;
        epochs.push(metrics);
        if best.as_ref().is_none_or(|(best, _)| metrics.is_better_than(best)) {
            best = Some((metrics, plain));
        }
        let since_best = best.as_ref().map_or(0, |(best, _)| epoch - best.epoch);
        if stop || options.patience.is_some_and(|patience| since_best >= patience) {
            break;
        }
    }
    let (best, head) = best.expect("there was an epoch");
    Ok(Fitted { head, epochs, best })
}

impl Examples {
    /// The examples with these indices: `[batch, width]` and `[batch]`.
    fn batch(&self, indices: &[usize], device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
        let mut rows = Vec::with_capacity(indices.len() * self.width);
        let mut labels = Vec::with_capacity(indices.len());
        for index in indices {
            rows.extend_from_slice(&self.rows[index * self.width..][..self.width]);
            labels.push(self.labels[*index] as i32);
        }
        let features = TensorData::new(rows, [indices.len(), self.width]);
        let labels = TensorData::new(labels, [indices.len()]);
        (Tensor::from_data(features, device), Tensor::from_data(labels, device))
    }

    fn scores(&self, head: &Head, device: &Device) -> Scores {
        Scores::of(head.classes(), &head.logits(&self.rows, device), &self.labels)
    }
}

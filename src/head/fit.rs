//! The training loop: Adam and cross-entropy on precomputed features.

use std::io;
use std::time::Instant;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::trainer::Trainer;
use super::{ClassWeights, Examples, Head, Target};

/// Training options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitOptions {
    /// Maximum number of epochs.
    pub epochs: usize,
    /// Examples per step of the optimiser.
    pub batch_size: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// L2 penalty added to the gradient, as in PyTorch's `Adam(weight_decay=...)`.
    pub weight_decay: f64,
    /// Seed of the head's initial weights and of the order of the examples.
    pub seed: u64,
    /// Stop after this number of epochs without improvement.
    pub patience: Option<usize>,
    /// How the training makes up for classes with few photos.
    pub class_weights: ClassWeights,
    /// Share of each target that is spread over all classes, 0 to 1, as in PyTorch's
    /// `CrossEntropyLoss(label_smoothing=...)`.
    pub label_smoothing: f64,
    /// Which validation score decides about the epoch that is kept.
    pub monitor: Monitor,
}

impl FitOptions {
    /// The defaults of `kindling train`.
    pub const DEFAULT: Self = Self {
        epochs: 15,
        batch_size: 4,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        seed: 0,
        patience: None,
        class_weights: ClassWeights::None,
        label_smoothing: 0.0,
        monitor: Monitor::Accuracy,
    };
}

impl Default for FitOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The validation score by which the best epoch is chosen. Of epochs with equal scores, the one
/// with the lower loss is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Monitor {
    /// Share of photos that are classified correctly.
    #[default]
    Accuracy,
    /// Mean F1 of the classes.
    MacroF1,
    /// Mean cross-entropy, without class weights or smoothing.
    Loss,
}

/// Metrics of an epoch, measured with the weights at its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Mean cross-entropy over the training examples, in nats.
    pub train_loss: f64,
    /// Share of training examples that are classified correctly, 0 to 1.
    pub train_accuracy: f64,
    /// Mean cross-entropy over the validation examples, in nats.
    pub val_loss: f64,
    /// Share of validation examples that are classified correctly, 0 to 1.
    pub val_accuracy: f64,
    /// Wall-clock time of the epoch, in seconds.
    pub seconds: f64,
    /// Mean F1 of the classes that have validation photos. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_macro_f1: Option<f64>,
}

impl EpochMetrics {
    /// Whether the score is better than the other's, or equal with a lower validation loss.
    fn is_better_than(&self, other: &Self, monitor: Monitor) -> bool {
        let score = |metrics: &Self| match monitor {
            Monitor::Accuracy => metrics.val_accuracy,
            Monitor::MacroF1 => metrics.val_macro_f1.unwrap_or_default(),
            Monitor::Loss => -metrics.val_loss,
        };
        (score(self), -self.val_loss) > (score(other), -other.val_loss)
    }
}

/// Progress that [`fit`] reports to its observer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// The optimiser took a step.
    Step {
        /// The current epoch, from 1.
        epoch: usize,
        /// Steps done in this epoch.
        done: usize,
        /// Steps per epoch.
        of: usize,
    },
    /// An epoch ended.
    Epoch(&'a EpochMetrics),
}

/// What the observer of [`fit`] returns; `()` means [`Next::GoOn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Continue training.
    GoOn,
    /// Stop at the end of the current epoch, or now if it has just ended.
    Stop,
    /// Stop now, without a result.
    Abandon,
}

impl From<()> for Next {
    fn from((): ()) -> Self {
        Self::GoOn
    }
}

/// A trained head.
#[derive(Debug)]
pub struct Fitted {
    /// The head of the best epoch, on the device without autodiff.
    pub head: Head,
    /// Metrics of all epochs.
    pub epochs: Vec<EpochMetrics>,
    /// Metrics of the best epoch, which `head` is from.
    pub best: EpochMetrics,
}

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The observer returned [`Next::Abandon`].
    #[error("training was abandoned")]
    Abandoned,
    /// The loss is NaN or infinite.
    #[error(
        "training diverged in epoch {epoch}: the loss is {loss}; try a lower --lr than \
         {learning_rate:e} or a lower --weight-decay"
    )]
    Diverged {
        /// The epoch.
        epoch: usize,
        /// Training loss of the epoch.
        loss: f64,
        /// The learning rate.
        learning_rate: f64,
    },
    /// The features are in a file that cannot be read.
    #[error("the features cannot be read from their temporary file")]
    Read(#[from] io::Error),
}

/// Trains a head for `classes` classes on `device` and keeps the weights of the epoch that is best by
/// [`FitOptions::monitor`]. `device` is a device without autodiff; this function enables autodiff.
///
/// `observe` is called after each step of the optimiser, possibly thousands of times a second, and
/// at the end of each epoch. If it returns [`Next::Stop`], training stops at the end of the current
/// epoch, and the best epoch so far is kept.
///
/// The result is the same wherever the rows are. Rows in a file are read in the order of the file
/// for as many steps as 64 MiB hold.
///
/// # Errors
/// If the loss becomes NaN or infinite, `observe` abandons the training, or rows cannot be read.
///
/// # Panics
/// If there are no training or validation examples, `epochs` or `batch_size` is 0, or the widths of
/// `train` and `val` differ.
pub fn fit<L: Target, R: Into<Next>>(
    train: &Examples<L>,
    val: &Examples<L>,
    classes: usize,
    options: &FitOptions,
    device: &Device,
    mut observe: impl FnMut(Progress) -> R,
) -> Result<Fitted, FitError> {
    assert!(!train.labels.is_empty() && !val.labels.is_empty() && options.epochs > 0);
    assert!(train.width == val.width && options.batch_size > 0);
    let mut trainer = Trainer::new(train, classes, options, device);
    let mut epochs: Vec<EpochMetrics> = Vec::new();
    let mut best: Option<(EpochMetrics, Head)> = None;
    for epoch in 1..=options.epochs {
        let start = Instant::now();
        let mut stop = trainer.epoch(epoch, &mut observe)?;
        let plain = trainer.head();
        let (train_scores, val_scores) =
            (train.scores(&plain, device)?, val.scores(&plain, device)?);
        let metrics = EpochMetrics {
            epoch,
            train_loss: train_scores.loss,
            train_accuracy: train_scores.accuracy,
            val_loss: val_scores.loss,
            val_accuracy: val_scores.accuracy,
            seconds: start.elapsed().as_secs_f64(),
            val_macro_f1: Some(val_scores.macro_f1),
        };
        if !(metrics.train_loss.is_finite() && metrics.val_loss.is_finite()) {
            return Err(FitError::Diverged {
                epoch,
                loss: metrics.train_loss,
                learning_rate: options.learning_rate,
            });
        }
        match observe(Progress::Epoch(&metrics)).into() {
            Next::GoOn => {}
            Next::Stop => stop = true,
            Next::Abandon => return Err(FitError::Abandoned),
        }
        epochs.push(metrics);
        if best.as_ref().is_none_or(|(best, _)| metrics.is_better_than(best, options.monitor)) {
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

/// Trains a head as [`fit`] does, without validation examples: for `options.epochs` epochs, all of
/// which are run. `observe` sees the steps alone; [`Next::Stop`] abandons the training too.
///
/// # Errors
/// If a weight becomes NaN or infinite, `observe` abandons the training, or rows cannot be read.
///
/// # Panics
/// If there are no examples, or `epochs` or `batch_size` is 0.
pub fn fit_epochs<L: Target, R: Into<Next>>(
    train: &Examples<L>,
    classes: usize,
    options: &FitOptions,
    device: &Device,
    mut observe: impl FnMut(Progress) -> R,
) -> Result<Head, FitError> {
    assert!(!train.labels.is_empty() && options.epochs > 0 && options.batch_size > 0);
    let mut trainer = Trainer::new(train, classes, options, device);
    for epoch in 1..=options.epochs {
        if trainer.epoch(epoch, &mut observe)? {
            return Err(FitError::Abandoned);
        }
    }
    let head = trainer.head();
    let (epoch, learning_rate) = (options.epochs, options.learning_rate);
    match head.weight().iter().chain(&head.bias()).all(|value| value.is_finite()) {
        true => Ok(head),
        false => Err(FitError::Diverged { epoch, loss: f64::NAN, learning_rate }),
    }
}
